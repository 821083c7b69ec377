//! The token call: the client-credentials grant, form-encoded (vendor's API overviews).

use std::time::Duration;

use reqwest::header::ACCEPT;
use serde_json::value::RawValue;

use super::refusal::{self, Call};
use crate::{
    clock::Clock,
    config::Secret,
    domain::fingerprint,
    fault::Fault,
    http,
    source::{
        bearer::{self, Grant},
        pace::Pace,
        text::{excerpt, member},
    },
};

pub(in crate::source) const NAME: &str = "the token request";

/// A token's life where the answer does not tell it: 43,200 s by the vendor's API overviews. The
/// same service gives an hour to another product, so what it says counts first.
const LIFE: Duration = Duration::from_secs(43_200);

/// A customer's key and where tokens are given for it, to both of SER's APIs.
pub(in crate::source) struct Account<'a> {
    pub(in crate::source) http: &'a http::Client,
    pub(in crate::source) url: &'a str,
    pub(in crate::source) client_id: &'a str,
    pub(in crate::source) client_secret: &'a Secret,
    pub(in crate::source) pace: &'a Pace,
    pub(in crate::source) clock: &'a dyn Clock,
}

impl Account<'_> {
    /// Asks for a token. The secret is read anew each time, so that a rotated one needs no restart.
    pub(in crate::source) async fn token(self) -> Result<Grant, Fault> {
        let secret = bearer::read(self.client_secret, "client_secret")?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id),
            ("client_secret", secret.as_str()),
        ];
        let request = self.http.post(self.url).header(ACCEPT, "application/json").form(&form);
        let sent = bearer::sent(&request);
        self.pace.take().await;
        let answer = bearer::ask(self.http, request, NAME).await?;
        let body = answer.redacted(&[sent.as_str(), secret.as_str()]);
        if answer.status != 200 {
            let retry_after = answer.retry_after(self.clock.now());
            return Err(refusal::classify(Call::Token, answer.status, retry_after, &body));
        }
        let Some((token, life)) = read(&answer.text()) else {
            // Where an answer has a token in a member that is not known, its text is a secret.
            let body =
                if body.starts_with('{') { "(not shown)".to_owned() } else { excerpt(&body) };
            return Err(Fault::transient(format!("{NAME} got 200 without a token: {body}")));
        };
        Ok(Grant { token, api_key: None, life })
    }
}

pub(super) fn read(body: &str) -> Option<(zeroize::Zeroizing<String>, Duration)> {
    let body: &RawValue = serde_json::from_str(body).ok()?;
    let members = fingerprint::object(body)?;
    let token = bearer::first_filled(&members, &["access_token", "accessToken"])?;
    let life = member(&members, "expires_in").and_then(bearer::stated_life).unwrap_or(LIFE);
    Some((token, life))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sample_is_read() {
        let life = |file: &str| {
            let path = format!("tests/fixtures/vendors/ser/{file}.json");
            read(&std::fs::read_to_string(path).unwrap()).unwrap().1.as_secs()
        };
        assert_eq!(life("token"), 43_200);
        assert_eq!(life("token_bare"), 43_200);
        assert_eq!(life("token_one_hour"), 3_600);
        assert_eq!(life("token_string_expiry"), 43_200);
        assert!(read(r#"{"error":"x"}"#).is_none() && read("<html>").is_none());
    }
}
