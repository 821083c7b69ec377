//! Cisco Secure Email Threat Defense: the token and search endpoints.

mod export;
mod options;
mod page;
mod query;
mod report;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    body::{Body, Bytes},
    http::{Response, request::Parts},
};
use jiff::Timestamp;
use serde_json::json;

use self::export::Spoiled;
pub use self::export::{LogExport, LogForm, Spoil, SpoilKind};
pub use self::options::{EtdOptions, LastToken, Quirks, TotalSize, UrlStyle};
use self::page::Pages;
use super::{
    admin,
    desk::{Answer, Desk, Refusal, base64},
    dice::mix,
    faults::FaultKind,
    locked,
    world::World,
};

pub(super) struct Etd {
    pub(super) desk: Desk,
    pub(super) world: Arc<World>,
    options: EtdOptions,
    tokens: Mutex<HashMap<String, Timestamp>>,
    pages: Pages,
    errors: AtomicU64,
    spoiled: Spoiled,
}

impl Etd {
    pub(super) fn new(desk: Desk, world: World, options: EtdOptions) -> Self {
        Self {
            desk,
            world: Arc::new(world),
            options,
            tokens: Mutex::default(),
            pages: Pages::default(),
            errors: AtomicU64::new(0),
            spoiled: Spoiled::default(),
        }
    }

    pub(super) fn handle(&self, parts: &Parts, body: &Bytes) -> Response<Body> {
        let path = parts.uri.path();
        if let Some(response) = admin::etd(self, parts, body) {
            return response;
        }
        let refuse = |refusal| self.refuse(refusal);
        match (parts.method.as_str(), path) {
            ("POST", "/v1/oauth/token") => {
                let applies =
                    |kind| !matches!(kind, FaultKind::TokenExpired | FaultKind::PageTokenExpired);
                self.desk.call("POST /v1/oauth/token", applies, refuse, || self.token(parts))
            }
            ("POST", "/v1/logs/downloadLinks") => {
                let applies = |kind| kind != FaultKind::PageTokenExpired;
                let work = || match self.refused(parts) {
                    Some(answer) => answer,
                    None => self.links(parts, body, self.desk.now()),
                };
                self.desk.call("POST /v1/logs/downloadLinks", applies, refuse, work)
            }
            // Not the API: another host at the vendor, which counts no calls.
            ("GET", path) if path.starts_with("/logs/") => {
                self.desk.send("GET log file", self.file(parts, self.desk.now()))
            }
            ("POST", "/v1/messages/report") => {
                let applies = |kind| kind != FaultKind::PageTokenExpired;
                let work = || match self.refused(parts) {
                    Some(answer) => answer,
                    None => self.report(body, self.desk.now()),
                };
                self.desk.call("POST /v1/messages/report", applies, refuse, work)
            }
            ("POST", "/v1/messages/search") => {
                let paged = query::has_page_token(body);
                let applies = |kind| kind != FaultKind::PageTokenExpired || paged;
                let work = || self.search(parts, body);
                self.desk.call("POST /v1/messages/search", applies, refuse, work)
            }
            _ => {
                let answer = self.error(403, "Missing Authentication Token");
                self.desk.call("other", |_| false, refuse, || answer)
            }
        }
    }

    /// The vendor's errors come as plain text or under one of two names.
    fn error(&self, status: u16, message: &str) -> Answer {
        let number = self.errors.fetch_add(1, Ordering::Relaxed);
        match mix(self.desk.seed ^ 0xE44, number) % 3 {
            0 => Answer::text(status, message),
            1 => Answer::value(status, &json!({ "message": message })),
            _ => Answer::value(status, &json!({ "Message": message })),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        match refusal {
            Refusal::Forbidden => self.error(403, "Forbidden"),
            Refusal::Rate => self.error(429, "Too Many Requests"),
            Refusal::Quota => self.error(429, "Limit exceeded"),
            Refusal::ServerError => self.error(500, "Internal Server Error"),
            Refusal::BadGateway => self.error(502, "Internal server error"),
            Refusal::Unavailable => {
                Answer::html(503, "<html><body><h1>503 Service Unavailable</h1></body></html>")
            }
            Refusal::GatewayTimeout => self.error(504, "Endpoint request timed out"),
            Refusal::TokenExpired => {
                self.error(401, "Token expired, generate new token to proceed")
            }
            Refusal::PageToken => self.error(400, "Invalid page token"),
        }
    }

    fn key_is_wrong(&self, parts: &Parts) -> bool {
        let given = parts.headers.get("x-api-key").and_then(|key| key.to_str().ok());
        self.options.api_key.as_deref().is_some_and(|key| given != Some(key))
    }

    fn token(&self, parts: &Parts) -> Answer {
        if self.key_is_wrong(parts) {
            return self.error(403, "Forbidden");
        }
        let (id, secret) = (&self.options.client_id, &self.options.client_secret);
        let wanted = format!("Basic {}", base64(format!("{id}:{secret}").as_bytes()));
        if header(parts, "authorization") != Some(wanted.as_str()) {
            return Answer::text(400, "Bad Request");
        }
        let expires = self.desk.now().checked_add(self.options.token_life);
        let expires = expires.unwrap_or(Timestamp::MAX);
        let mut tokens = locked(&self.tokens);
        let now = self.desk.now();
        // An expired token must still be known: it is answered differently from a made-up one.
        if tokens.len() > 10_000 {
            tokens.retain(|_, until| *until > now);
        }
        let number = tokens.len() as u64;
        let claims =
            base64(format!("{{\"exp\":{},\"n\":{number}}}", expires.as_second()).as_bytes());
        let claims = claims.trim_end_matches('=').replace('+', "-").replace('/', "_");
        let signature = mix(self.desk.seed ^ 0x51C, number ^ expires.as_second().unsigned_abs());
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.{signature:016x}");
        tokens.insert(token.clone(), expires);
        let life = self.options.token_life.as_secs();
        // Whether the life is told is not known; so it is told every other time.
        Answer::value(
            200,
            &match number % 2 {
                0 => json!({ "accessToken": token }),
                _ => json!({ "accessToken": token, "expiresIn": life, "tokenType": "Bearer" }),
            },
        )
    }

    /// What is wrong with the credentials of a call other than for a token, if anything is.
    fn refused(&self, parts: &Parts) -> Option<Answer> {
        if self.key_is_wrong(parts) {
            return Some(self.error(403, "Forbidden"));
        }
        let bearer = header(parts, "authorization").and_then(|text| text.strip_prefix("Bearer "));
        match bearer.and_then(|token| locked(&self.tokens).get(token).copied()) {
            None => Some(self.error(400, "Bad Request")),
            Some(until) if until <= self.desk.now() => Some(self.refuse(Refusal::TokenExpired)),
            Some(_) => None,
        }
    }

    fn search(&self, parts: &Parts, body: &Bytes) -> Answer {
        if let Some(answer) = self.refused(parts) {
            return answer;
        }
        let now = self.desk.now();
        let is_json = header(parts, "content-type")
            .is_some_and(|kind| kind.split(';').next() == Some("application/json"));
        let Some(query) = query::parse(body).filter(|_| is_json) else {
            return self.error(400, "Unable to deserialize request body");
        };
        if !query.range_is_good(now, &self.options) {
            let number = self.errors.load(Ordering::Relaxed);
            let spelling = ["Invalid date range", "Invalid daterange"];
            return self.error(400, spelling[usize::from(number % 2 == 1)]);
        }
        self.page(&query, now)
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}
