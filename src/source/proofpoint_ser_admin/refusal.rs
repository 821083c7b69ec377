//! What each answer other than 200 means. None is documented; all this is inferred from the vendor's
//! other APIs.

use std::time::Duration;

use crate::{
    fault::{Fault, Kind},
    source::text::{excerpt, is_markup},
};

/// The fault that an answer is; `name` is the request, `body` is without secrets.
pub(super) fn classify(
    name: &str,
    status: u16,
    retry_after: Option<Duration>,
    body: &str,
) -> Fault {
    let transient = Kind::Transient { retry_after };
    let (kind, advice) = match status {
        429 => (Kind::Throttled { retry_after }, ""),
        407 => (Kind::Auth, "the proxy wants credentials: check `proxy`"),
        300..=399 => (transient, "redirects are not followed: check the URLs and the proxy"),
        _ if is_markup(body) => (transient, "a web page in place of JSON: a proxy or a portal?"),
        401 => (Kind::Auth, "refused with a new token too: check the key"),
        403 if name.contains("/v1/failures/") => (
            Kind::Auth,
            "the key has no right to failure reports: give it one, or write failures = false",
        ),
        403 if name.contains("/v1/relay-users") => (
            Kind::Auth,
            "the key has no right to relay users: give it one, or write relay_users = false",
        ),
        403 => (Kind::Auth, "the key has no right to the SER Admin API: make one for it"),
        404 => (Kind::Auth, "wrong address: check reporting_url and relay_config_url"),
        413 => (Kind::TooLarge, ""),
        408 | 425 | 500..=599 => (transient, ""),
        100..=299 => (transient, "not a report"),
        _ => (Kind::Refused, ""),
    };
    let mut what = format!("{name} answered {status}");
    let body = excerpt(body.trim());
    for (open, part, close) in [(": ", body.as_str(), ""), (" (", advice, ")")] {
        if !part.is_empty() {
            what.extend([open, part, close]);
        }
    }
    let fault = Fault::new(kind, what);
    if kind == Kind::Auth { fault.cured_by(advice.to_owned()) } else { fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_meaning() {
        let transient = Kind::Transient { retry_after: None };
        let table = [
            (204, "", transient),
            (302, "", transient),
            (400, "{}", Kind::Refused),
            (401, "{}", Kind::Auth),
            (403, "{}", Kind::Auth),
            (403, "<html>blocked</html>", transient),
            (404, "{}", Kind::Auth),
            (407, "<html>", Kind::Auth),
            (413, "", Kind::TooLarge),
            (429, "", Kind::Throttled { retry_after: None }),
            (500, "", transient),
            (503, "<html>", transient),
        ];
        for (status, body, expected) in table {
            let fault = classify("GET /v1/usage/traffic-summary", status, None, body);
            assert_eq!(fault.kind, expected, "{status} {body}");
        }
        let failures = classify("POST /v1/failures/relay-users", 403, None, "{}");
        assert!(failures.to_string().contains("failures = false"), "{failures}");
    }
}
