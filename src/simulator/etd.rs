//! Cisco Secure Email Threat Defense: the token and search endpoints.

mod page;
mod query;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Response, request::Parts},
};
use jiff::Timestamp;
use serde_json::json;

use self::page::Pages;
use super::{
    admin,
    desk::{Answer, Desk, Refusal, base64},
    dice::mix,
    faults::FaultKind,
    limiter::Limits,
    locked,
    world::World,
};

/// How links are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlStyle {
    Urls,
    Both,
    Metadata,
    /// Each message has one of the three.
    Mixed,
}

/// How the last page says that it is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastToken {
    Empty,
    Null,
    Absent,
    /// One of the three by turns.
    Mixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalSize {
    Exact,
    Zero,
    Wrong,
    Capped,
}

/// What the vendor does that its guide does not say. `…_every: n` means one in n, 0 never.
#[derive(Debug, Clone)]
pub struct Quirks {
    pub newest_first: bool,
    pub last_token: LastToken,
    pub total_size: TotalSize,
    pub urls: UrlStyle,
    /// Lists come in another order at each read.
    pub shuffle: bool,
    /// A page with a token but without messages.
    pub empty_page_every: u32,
    /// A message comes twice on a page, or again on the next.
    pub duplicate_every: u32,
    /// The verdict comes 10 to 120 minutes after delivery, not seconds.
    pub late_verdict_every: u32,
    /// A clean message is convicted 1 to 71 hours after delivery.
    pub retro_every: u32,
    pub unknown_member_every: u32,
    pub unknown_verdict_every: u32,
    /// A subject with half a surrogate pair, which strict parsers refuse.
    pub lone_surrogate_every: u32,
    /// 502 when more than so many messages are asked for.
    pub too_large_above: Option<u32>,
    /// 502 for any page of more than so many messages that holds this one (by index).
    pub fat_message: Option<(u64, u32)>,
}

impl Quirks {
    pub fn plain() -> Self {
        Self {
            newest_first: false,
            last_token: LastToken::Empty,
            total_size: TotalSize::Exact,
            urls: UrlStyle::Urls,
            shuffle: false,
            empty_page_every: 0,
            duplicate_every: 0,
            late_verdict_every: 0,
            retro_every: 0,
            unknown_member_every: 0,
            unknown_verdict_every: 0,
            lone_surrogate_every: 0,
            too_large_above: None,
            fat_message: None,
        }
    }
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            newest_first: true,
            last_token: LastToken::Mixed,
            urls: UrlStyle::Mixed,
            shuffle: true,
            empty_page_every: 20,
            duplicate_every: 200,
            late_verdict_every: 100,
            retro_every: 200,
            unknown_member_every: 100,
            unknown_verdict_every: 500,
            ..Self::plain()
        }
    }
}

#[derive(Debug, Clone)]
pub struct EtdOptions {
    pub messages: u64,
    /// When the messages were delivered; by default the day before the start.
    pub range: Option<[Timestamp; 2]>,
    /// New messages after the range, as the clock goes on.
    pub live_per_second: f64,
    /// How long after its delivery a message can be found.
    pub searchable_after: Duration,
    pub client_id: String,
    pub client_secret: String,
    /// `None`: no `x-api-key` is asked for, as in 2023.
    pub api_key: Option<String>,
    pub token_life: Duration,
    pub page_token_life: Duration,
    /// How near to now a search may end.
    pub now_margin: Duration,
    pub retention: Duration,
    pub longest_span: Duration,
    pub limits: Limits,
    pub quirks: Quirks,
}

impl Default for EtdOptions {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            messages: 1_000,
            range: None,
            live_per_second: 0.0,
            searchable_after: Duration::ZERO,
            client_id: "sim-client".into(),
            client_secret: "sim-secret".into(),
            api_key: Some("sim-api-key".into()),
            token_life: Duration::from_secs(3_600),
            page_token_life: Duration::from_secs(1_800),
            now_margin: Duration::from_secs(300),
            retention: Duration::from_secs(90 * DAY),
            longest_span: Duration::from_secs(32 * DAY),
            limits: Limits::default(),
            quirks: Quirks::default(),
        }
    }
}

pub(super) struct Etd {
    pub(super) desk: Desk,
    pub(super) world: Arc<World>,
    options: EtdOptions,
    tokens: Mutex<HashMap<String, Timestamp>>,
    pages: Pages,
    errors: AtomicU64,
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

    fn search(&self, parts: &Parts, body: &Bytes) -> Answer {
        if self.key_is_wrong(parts) {
            return self.error(403, "Forbidden");
        }
        let now = self.desk.now();
        let bearer = header(parts, "authorization").and_then(|text| text.strip_prefix("Bearer "));
        match bearer.and_then(|token| locked(&self.tokens).get(token).copied()) {
            None => return self.error(400, "Bad Request"),
            Some(until) if until <= now => return self.refuse(Refusal::TokenExpired),
            Some(_) => {}
        }
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
