//! Proofpoint Secure Email Relay: the token and summary endpoints.

mod admin_api;
mod relay_users;
mod rows;
mod shape;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Response, request::Parts},
};
use jiff::{Span, Timestamp};
use serde_json::json;

pub use self::{relay_users::RelayUserChange, rows::RowTruth, shape::Shape};
use self::{relay_users::RelayUsers, rows::Relay};
use super::{
    admin,
    desk::{Answer, Desk, Refusal},
    dice::mix,
    faults::FaultKind,
    limiter::Limits,
    locked,
};

#[derive(Debug, Clone)]
pub struct SerOptions {
    /// How many application users send.
    pub users: u32,
    pub shape: Shape,
    /// The rows come in another order at each read.
    pub shuffle: bool,
    /// Rows go and come back, share their names, lack counters and add up wrongly until their
    /// window is a week old.
    pub odd: bool,
    pub client_id: String,
    pub client_secret: String,
    pub token_life: Duration,
    /// When the licence began; by default 265 days before the start.
    pub license_start: Option<Timestamp>,
    pub annual_throughput: u64,
    pub limits: Limits,
}

impl Default for SerOptions {
    fn default() -> Self {
        Self {
            users: 12,
            shape: Shape::Normal,
            shuffle: true,
            odd: false,
            client_id: "sim-client".into(),
            client_secret: "sim-secret".into(),
            token_life: Duration::from_secs(43_200),
            license_start: None,
            annual_throughput: 536_870_912_000,
            limits: Limits::default(),
        }
    }
}

pub(super) struct Ser {
    pub(super) desk: Desk,
    pub(super) relay: Relay,
    pub(super) relay_users: RelayUsers,
    options: SerOptions,
    license_start: Timestamp,
    tokens: Mutex<HashMap<String, Timestamp>>,
    answers: AtomicU64,
    /// How many more answers for the window that begins then are empty.
    pub(super) empty: Mutex<HashMap<Timestamp, u32>>,
}

impl Ser {
    pub(super) fn new(desk: Desk, options: SerOptions) -> Self {
        let now = desk.now();
        let begun = || now.checked_sub(Span::new().hours(265 * 24)).unwrap_or(now);
        let license_start = options.license_start.unwrap_or_else(begun);
        let relay = Relay::new(desk.seed, options.users, options.odd);
        let (tokens, answers) = (Mutex::default(), AtomicU64::new(0));
        let (empty, relay_users) = (Mutex::default(), RelayUsers::default());
        Self { desk, relay, relay_users, options, license_start, tokens, answers, empty }
    }

    pub(super) fn handle(&self, parts: &Parts, body: &Bytes) -> Response<Body> {
        if let Some(response) = admin::ser(self, parts, body) {
            return response;
        }
        match (parts.method.as_str(), parts.uri.path()) {
            ("POST", "/v1/token") => {
                let applies =
                    |kind| !matches!(kind, FaultKind::TokenExpired | FaultKind::PageTokenExpired);
                self.desk.call("POST /v1/token", applies, refuse, || self.token(parts, body))
            }
            ("GET", "/v1/sercustomer/report/summary") => {
                let applies = |kind| kind != FaultKind::PageTokenExpired;
                let endpoint = "GET /v1/sercustomer/report/summary";
                self.desk.call(endpoint, applies, refuse, || self.summary(parts))
            }
            (method, path) if admin_api::endpoint(method, path).is_some() => {
                let endpoint = admin_api::endpoint(method, path).unwrap_or_default();
                let applies = |kind| kind != FaultKind::PageTokenExpired;
                self.desk.call(&endpoint, applies, refuse, || {
                    if self.knows(parts) {
                        admin_api::answer(self, parts, body)
                    } else {
                        refuse(Refusal::TokenExpired)
                    }
                })
            }
            _ => self.desk.call("other", |_| false, refuse, || Answer::text(404, "Not Found")),
        }
    }

    fn token(&self, parts: &Parts, body: &Bytes) -> Answer {
        let is_form = parts
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        let form = String::from_utf8_lossy(body);
        let value = |name| parameter(&form, name);
        if !is_form || value("grant_type").as_deref() != Some("client_credentials") {
            return Answer::value(400, &json!({ "error": "invalid_request" }));
        }
        if value("client_id").as_deref() != Some(&self.options.client_id)
            || value("client_secret").as_deref() != Some(&self.options.client_secret)
        {
            let why = "bad client credentials";
            let body = json!({ "error": "invalid_client", "error_description": why });
            return Answer::value(401, &body);
        }
        let mut tokens = locked(&self.tokens);
        let now = self.desk.now();
        tokens.retain(|_, until| *until > now);
        let until = now.checked_add(self.options.token_life).unwrap_or(Timestamp::MAX);
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        let token = format!("sim-{:016x}", mix(self.desk.seed ^ 0x70C, number));
        tokens.insert(token.clone(), until);
        let life = self.options.token_life.as_secs();
        let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life });
        Answer::value(200, &body)
    }

    /// Whether a request's token is one that was given and is still good.
    fn knows(&self, parts: &Parts) -> bool {
        let bearer = parts.headers.get("authorization").and_then(|text| text.to_str().ok());
        let known = bearer
            .and_then(|text| text.strip_prefix("Bearer "))
            .and_then(|token| locked(&self.tokens).get(token).copied());
        known.is_some_and(|until| until > self.desk.now())
    }

    fn summary(&self, parts: &Parts) -> Answer {
        let now = self.desk.now();
        if !self.knows(parts) {
            return refuse(Refusal::TokenExpired);
        }
        let query = parts.uri.query().unwrap_or_default();
        // A misspelt parameter is no error: the window silently grows to the whole licence.
        let mut window = [self.license_start, now];
        for (end, name) in window.iter_mut().zip(["startTimeStamp", "endTimeStamp"]) {
            if let Some(text) = parameter(query, name) {
                let Some(time) = time(&text) else {
                    return Answer::value(
                        400,
                        &json!({ "message": format!("{name} is not valid") }),
                    );
                };
                *end = time;
            }
        }
        if window[0] > window[1] {
            let message = "startTimeStamp is after endTimeStamp";
            return Answer::value(400, &json!({ "message": message }));
        }
        let mut rows = self.relay.rows(window, now);
        if let Some(times) = locked(&self.empty).get_mut(&window[0]).filter(|times| **times > 0) {
            *times -= 1;
            rows.clear();
        }
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        if self.options.shuffle && !rows.is_empty() {
            let turn = mix(self.desk.seed, number) % rows.len() as u64;
            rows.rotate_left(usize::try_from(turn).unwrap_or(0));
        }
        let end = self.license_start.checked_add(Span::new().hours(365 * 24));
        let licence = [self.license_start, end.unwrap_or(Timestamp::MAX)];
        let text = self.options.shape.render(&rows, self.options.annual_throughput, licence);
        Answer::json(200, text)
    }
}

fn refuse(refusal: Refusal) -> Answer {
    let (status, message) = match refusal {
        Refusal::Forbidden => (403, "Forbidden"),
        Refusal::Rate => (429, "Too Many Requests"),
        Refusal::Quota => (429, "Limit exceeded"),
        Refusal::ServerError => (500, "Internal Server Error"),
        Refusal::BadGateway => (502, "Bad Gateway"),
        Refusal::Unavailable => return Answer::html(503, "<html>503</html>"),
        Refusal::GatewayTimeout => (504, "Gateway Timeout"),
        Refusal::TokenExpired => (401, "Unauthorized"),
        Refusal::PageToken => (400, "Bad Request"),
    };
    Answer::value(status, &json!({ "message": message }))
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSSZ` and nothing else.
fn time(text: &str) -> Option<Timestamp> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00.000Z";
    let same = text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(given, wanted)| match wanted {
            b'0' => given.is_ascii_digit(),
            _ => given == *wanted,
        });
    same.then(|| text.parse().ok()).flatten()
}

/// The value of a parameter in a query or form, decoded.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key)? == name).then(|| decode(value)).flatten()
    })
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_format_is_a_time() {
        assert!(time("2020-06-01T00:00:00.000Z").is_some());
        for bad in [
            "2020-06-01T00:00:00Z",
            "2020-06-01T00:00:00.000000Z",
            "2020-06-01 00:00:00.000Z",
            "2020-06-01T00:00:00.000+0000",
            "2020-13-01T00:00:00.000Z",
        ] {
            assert!(time(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let query = "startTimeStamp=2020-06-01T00%3A00%3a00.000Z&a=b+c%2B";
        assert_eq!(parameter(query, "startTimeStamp").unwrap(), "2020-06-01T00:00:00.000Z");
        assert_eq!(parameter(query, "a").unwrap(), "b c+");
        assert_eq!(parameter(query, "starttimestamp"), None);
    }
}
