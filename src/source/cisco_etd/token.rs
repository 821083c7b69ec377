//! The token call: HTTP Basic, no body (vendor's guide of May 2023).

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_LENGTH};
use serde_json::value::RawValue;

use super::{
    CiscoEtd,
    call::API_KEY,
    refusal::{self, Call, Refusal},
};
use crate::{
    domain::fingerprint,
    fault::Fault,
    source::{
        bearer::{self, Grant},
        text::{excerpt, member},
    },
};

const PATH: &str = "/v1/oauth/token";
pub(super) const NAME: &str = "POST /v1/oauth/token";

/// A token's life where neither the answer nor the token tells it (vendor's guide of May 2023).
const LIFE: Duration = Duration::from_secs(3_600);

/// What published connectors read, and what they accept from caution, in this order.
const NAMES: [&str; 3] = ["accessToken", "access_token", "token"];

impl CiscoEtd {
    /// Asks for a token. Secrets are read anew each time, so that a rotated one needs no restart.
    pub(super) async fn request_token(&self) -> Result<Grant, Fault> {
        let secret = bearer::read(&self.config.client_secret, "client_secret")?;
        let api_key = match &self.config.api_key {
            Some(key) => Some(bearer::read(key, "api_key")?),
            None => None,
        };
        let mut request = self
            .http
            .post(format!("{}{PATH}", self.config.base_url))
            .basic_auth(&self.config.client_id, Some(secret.as_str()))
            .header(CONTENT_LENGTH, 0)
            .header(ACCEPT, "application/json");
        if let Some(key) = &api_key {
            request = request.header(API_KEY, bearer::sensitive(key, "api_key")?);
        }
        let sent = bearer::sent(&request);
        self.pace.take().await;
        let answer = bearer::ask(&self.http, request, NAME).await?;
        let now = self.clock.now();
        let key = api_key.as_ref().map_or("", |key| key.as_str());
        let secrets = [sent.as_str(), secret.as_str(), key];
        if answer.status != 200 {
            return Err(refusal::classify(&Refusal {
                call: Call::Token,
                status: answer.status,
                retry_after: answer.retry_after(now),
                body: &answer.redacted(&secrets),
                now,
                had_page_token: false,
            }));
        }
        let Some((token, life)) = read(&answer.text(), now) else {
            // Where an answer has a token in a member that is not known, its text is a secret.
            let body = answer.redacted(&secrets);
            let body =
                if body.starts_with('{') { "(not shown)".to_owned() } else { excerpt(&body) };
            return Err(Fault::transient(format!("{NAME} answered 200 without a token: {body}")));
        };
        Ok(Grant { token, api_key, life })
    }
}

/// The token and its life in an answer's text.
pub(super) fn read(body: &str, now: Timestamp) -> Option<(zeroize::Zeroizing<String>, Duration)> {
    let body: &RawValue = serde_json::from_str(body).ok()?;
    let top = fingerprint::object(body)?;
    let data = member(&top, "data").and_then(fingerprint::object);
    let (members, token) = [Some(top), data].into_iter().flatten().find_map(|members| {
        let token = bearer::first_filled(&members, &NAMES)?;
        Some((members, token))
    })?;
    let stated = ["expiresIn", "expires_in"];
    let stated = stated.iter().find_map(|name| bearer::stated_life(member(&members, name)?));
    let life = stated.or_else(|| bearer::life_in_jwt(&token, now)).unwrap_or(LIFE);
    Some((token, life))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_spelling_is_read_in_order() {
        let now = Timestamp::from_second(1_795_255_200 - 60).unwrap();
        let table = [
            (r#"{"token":"c","access_token":"b","accessToken":"a"}"#, Some(("a", 3_600))),
            (r#"{"token":"c","access_token":"b","accessToken":""}"#, Some(("b", 3_600))),
            (r#"{"token":"c","data":{"accessToken":"d"}}"#, Some(("c", 3_600))),
            (r#"{"data":{"access_token":"d","expires_in":"7"}}"#, Some(("d", 7))),
            (r#"{"accessToken":"a","expiresIn":1}"#, Some(("a", 1))),
            (r#"{"accessToken":"a","expiresIn":"1200"}"#, Some(("a", 1_200))),
            (r#"{"accessToken":"a.eyJleHAiOjE3OTUyNTUyMDB9.b"}"#, {
                Some(("a.eyJleHAiOjE3OTUyNTUyMDB9.b", 60))
            }),
            (r#"{"accessToken":7}"#, None),
            (r"{}", None),
            ("<html>", None),
            ("", None),
        ];
        for (body, expected) in table {
            let read = read(body, now);
            let read = read.as_ref().map(|(token, life)| (token.as_str(), life.as_secs()));
            assert_eq!(read, expected, "{body}");
        }
    }
}
