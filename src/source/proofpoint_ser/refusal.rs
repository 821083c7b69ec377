//! What each answer other than a summary means. None is documented; all this is inferred from
//! OAuth and from the vendor's other APIs.

use std::time::Duration;

use super::token;
use crate::{
    fault::{Fault, Kind},
    source::text::{excerpt, is_markup},
};

#[derive(Debug, Clone, Copy)]
pub(in crate::source) enum Call<'a> {
    Token,
    Summary { path: &'a str },
}

/// The two spellings of the path in the vendor's API overviews.
const PATHS: [&str; 2] = ["/v1/sercustomer/report/summary", "/v1/reports/summary"];

/// The fault that an answer is; `body` is without secrets.
pub(in crate::source) fn classify(
    call: Call<'_>,
    status: u16,
    retry_after: Option<Duration>,
    body: &str,
) -> Fault {
    let transient = Kind::Transient { retry_after };
    let (kind, advice) = match (status, call) {
        (429, _) => (Kind::Throttled { retry_after }, String::new()),
        (407, _) => (Kind::Auth, "the proxy wants credentials: check `proxy`".into()),
        (300..=399, _) => {
            (transient, "redirects are not followed: check the URLs and the proxy".into())
        }
        // The vendor's own 404 may be a page too; its path has two spellings.
        (404, Call::Summary { path }) => {
            let other = PATHS.into_iter().find(|other| *other != path).unwrap_or(PATHS[0]);
            (Kind::Auth, format!("wrong path: try summary_path = \"{other}\""))
        }
        (404, Call::Token) => (Kind::Auth, "wrong path: check token_url".into()),
        _ if is_markup(body) => {
            (transient, "a web page in place of JSON: a proxy or a portal?".into())
        }
        (400 | 401 | 403, Call::Token) => (
            Kind::Auth,
            "check client_id and client_secret, which expire one year after activation".into(),
        ),
        (401, _) => (Kind::Auth, "refused with a new token too: check the key".into()),
        (403, _) => {
            (Kind::Auth, "the key has no right to Secure Email Relay: make one for it".into())
        }
        (413, _) => (Kind::TooLarge, String::new()),
        (408 | 425 | 500..=599, _) => (transient, String::new()),
        (100..=299, _) => (transient, "not a summary".into()),
        _ => (Kind::Refused, String::new()),
    };
    let mut what = match call {
        Call::Token => format!("{} answered {status}", token::NAME),
        Call::Summary { path } => format!("GET {path} answered {status}"),
    };
    let body = excerpt(body.trim());
    for (open, part, close) in [(": ", body.as_str(), ""), (" (", advice.as_str(), ")")] {
        if !part.is_empty() {
            what.extend([open, part, close]);
        }
    }
    let fault = Fault::new(kind, what);
    if kind == Kind::Auth { fault.cured_by(advice) } else { fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Sample {
        name: String,
        path: String,
        status: u16,
        body: serde_json::Value,
    }

    fn kind(call: Call<'_>, status: u16, body: &str) -> Kind {
        classify(call, status, None, body).kind
    }

    #[test]
    fn each_sample_has_its_meaning() {
        let samples: Vec<Sample> =
            serde_json::from_str(include_str!("../../../tests/fixtures/vendors/ser/errors.json"))
                .unwrap();
        let read = samples.iter().map(|sample| {
            let call = match sample.path.as_str() {
                "/v1/token" => Call::Token,
                "summary" => Call::Summary { path: PATHS[0] },
                path => Call::Summary { path },
            };
            let body = match &sample.body {
                serde_json::Value::String(text) => text.clone(),
                json => json.to_string(),
            };
            let fault = classify(call, sample.status, Some(Duration::from_secs(7)), &body);
            format!("{}: {:?} {fault}", sample.name, fault.kind)
        });
        insta::assert_snapshot!(read.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn the_rest_has_its_meaning_too() {
        let summary = Call::Summary { path: PATHS[1] };
        let transient = Kind::Transient { retry_after: None };
        let table = [
            (summary, 301, "", transient),
            (summary, 204, "", transient),
            (summary, 403, "<html>blocked</html>", transient),
            (summary, 404, "<html>404</html>", Kind::Auth),
            (Call::Token, 404, "", Kind::Auth),
            (Call::Token, 403, "{}", Kind::Auth),
            (Call::Token, 429, "", Kind::Throttled { retry_after: None }),
            (Call::Token, 500, "", transient),
            (summary, 407, "<html>", Kind::Auth),
            (summary, 413, "", Kind::TooLarge),
            (summary, 418, "", Kind::Refused),
            (summary, 500, "", transient),
            (summary, 408, "", transient),
        ];
        for (call, status, body, expected) in table {
            assert_eq!(kind(call, status, body), expected, "{call:?} {status} {body}");
        }
        assert!(classify(summary, 404, None, "").to_string().contains(PATHS[0]));
    }
}
