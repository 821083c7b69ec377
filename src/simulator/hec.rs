//! Splunk's HTTP event collector, to the letter of what real ones answered.

mod acks;
mod envelope;

use std::{
    io::Read as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Response, request::Parts},
};
use serde::Serialize;
use serde_json::json;

use self::acks::Channels;
use super::{
    admin,
    desk::{Answer, Desk, Refusal},
    faults::FaultKind,
    ledger::{Ledger, ReceivedStats},
    limiter::Limits,
    locked,
};

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is on or off by itself")]
pub struct HecOptions {
    pub token: String,
    /// Whether the token demands indexer acknowledgement.
    pub use_ack: bool,
    /// An id is told `true` at the poll after so many that said `false`.
    pub ack_polls: u32,
    /// One batch in n is answered with an `ackId` and then lost before it was indexed.
    pub lose_batch_every: u64,
    /// One batch in n is indexed, but its acknowledgement never comes.
    pub lose_ack_every: u64,
    /// One event in n, by event id, is never accepted.
    pub poison_every: u32,
    /// A batch with something bad is refused whole, and it is not said what is bad.
    pub unnumbered: bool,
    /// Answers as Splunk Cloud does where that differs from Enterprise.
    pub cloud: bool,
    /// Bytes of a body before compression.
    pub max_content_length: usize,
    pub max_event_size: usize,
    /// Indexes that the token may write to; empty for all.
    pub indexes: Vec<String>,
    /// Whether events are hashed by content, for comparison with the truth; costs time.
    pub content: bool,
    pub limits: Limits,
}

impl Default for HecOptions {
    fn default() -> Self {
        Self {
            token: "11111111-2222-3333-4444-555555555555".into(),
            use_ack: false,
            ack_polls: 0,
            lose_batch_every: 0,
            lose_ack_every: 0,
            poison_every: 0,
            unnumbered: false,
            cloud: false,
            max_content_length: 838_860_800,
            max_event_size: 5_242_880,
            indexes: Vec::new(),
            content: true,
            limits: Limits::default(),
        }
    }
}

/// What the collector counted apart from calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HecStats {
    pub batches: u64,
    /// Objects dropped without a word because of an unknown envelope key.
    pub dropped_silently: u64,
    /// Objects refused, and those behind them in their batch.
    pub refused: u64,
    /// Events answered with 200 and an `ackId`, then lost.
    pub lost: u64,
}

pub(super) struct Hec {
    pub(super) desk: Desk,
    pub(super) ledger: Ledger,
    /// The syslog receiver's, which has no HTTP server to be asked by.
    pub(super) syslog: Arc<Ledger>,
    options: HecOptions,
    channels: Channels,
    counts: Mutex<HecStats>,
    batches: AtomicU64,
}

impl Hec {
    pub(super) fn new(desk: Desk, options: HecOptions, syslog: Arc<Ledger>) -> Self {
        let ledger = Ledger::new(options.content);
        let (channels, counts) = (Channels::default(), Mutex::default());
        Self { desk, ledger, syslog, options, channels, counts, batches: AtomicU64::new(0) }
    }

    pub(super) fn stats(&self) -> (HecStats, ReceivedStats) {
        (*locked(&self.counts), self.ledger.stats())
    }

    pub(super) fn handle(&self, parts: &Parts, body: &Bytes) -> Response<Body> {
        if let Some(response) = admin::hec(self, parts, body) {
            return response;
        }
        let applies = |kind| !matches!(kind, FaultKind::TokenExpired | FaultKind::PageTokenExpired);
        let (endpoint, work): (_, Box<dyn FnOnce() -> Answer + '_>) =
            match (parts.method.as_str(), parts.uri.path()) {
                ("POST", "/services/collector/event" | "/services/collector") => {
                    ("POST /services/collector/event", Box::new(|| self.events(parts, body)))
                }
                ("POST", "/services/collector/ack") => {
                    ("POST /services/collector/ack", Box::new(|| self.acks(parts, body)))
                }
                (
                    "GET",
                    "/services/collector/health"
                    | "/services/collector/health/1.0"
                    | "/services/collector/event/health",
                ) => (
                    "GET /services/collector/health",
                    Box::new(|| reply(200, 17, "HEC is healthy")),
                ),
                (
                    _,
                    "/services/collector/event" | "/services/collector" | "/services/collector/ack",
                ) => (
                    "other",
                    Box::new(|| reply(405, 405, "The requested URL was not found on this server.")),
                ),
                _ => {
                    let text = "The requested URL was not found on this server.";
                    ("other", Box::new(move || reply(404, 404, text)))
                }
            };
        // Without a user agent splunkd speaks HTTP/1.0 and closes each connection.
        let is_named = parts.headers.contains_key("user-agent");
        let work = || {
            let answer = work();
            if is_named { answer } else { answer.with("connection", &"close") }
        };
        self.desk.call(endpoint, applies, refuse, work)
    }

    /// What is wrong with the request's token, if anything is.
    fn authorize(&self, parts: &Parts) -> Option<Answer> {
        let query = parts.uri.query().unwrap_or_default();
        if super::ser::parameter(query, "token").is_some() {
            return Some(reply(400, 16, "Query string authorization is not enabled"));
        }
        let Some(given) = parts.headers.get("authorization").and_then(|text| text.to_str().ok())
        else {
            return Some(reply(401, 2, "Token is required"));
        };
        match given.strip_prefix("Splunk ") {
            None => Some(reply(401, 3, "Invalid authorization")),
            Some(token) if token != self.options.token => Some(reply(403, 4, "Invalid token")),
            Some(_) => None,
        }
    }

    /// The request's channel, or what is wrong with it.
    fn channel<'a>(&self, parts: &'a Parts) -> Result<Option<&'a str>, Answer> {
        let Some(given) = parts.headers.get("x-splunk-request-channel") else {
            return match (self.options.use_ack, self.options.cloud) {
                (false, _) => Ok(None),
                (true, false) => Err(reply(400, 10, "Data channel is missing")),
                (true, true) => Err(reply(400, 28, "Data channel is missing")),
            };
        };
        // Strict: a GUID as documented, lower-case and with hyphens.
        let given = given.to_str().unwrap_or_default();
        let is_guid =
            uuid::Uuid::try_parse(given).is_ok_and(|guid| guid.hyphenated().to_string() == given);
        if is_guid { Ok(Some(given)) } else { Err(reply(400, 11, "Invalid data channel")) }
    }

    fn events(&self, parts: &Parts, body: &Bytes) -> Answer {
        let plain;
        let body: &[u8] = match parts.headers.get("content-encoding").map(HeaderValue::as_bytes) {
            None | Some(b"identity") => body,
            Some(b"gzip") => {
                let limit = self.options.max_content_length as u64 + 1;
                let mut bytes = Vec::new();
                let mut gzip = flate2::read::MultiGzDecoder::new(&body[..]).take(limit);
                if gzip.read_to_end(&mut bytes).is_err() {
                    return reply(400, 6, "Invalid data format");
                }
                plain = bytes;
                &plain
            }
            Some(_) => {
                let page = "<html><body><h1>415 Unsupported Media Type</h1></body></html>";
                return Answer::html(415, page);
            }
        };
        if let Some(answer) = self.authorize(parts) {
            return answer;
        }
        let channel = match self.channel(parts) {
            Ok(channel) => channel,
            Err(answer) => return answer,
        };
        if body.len() > self.options.max_content_length {
            let page = "<html><body>Content-Length too large</body></html>";
            let is_cloud = self.options.cloud;
            let told_as_bad = || numbered(400, 6, "Invalid data format", 0);
            return if is_cloud { told_as_bad() } else { Answer::html(413, page) };
        }
        let mut read = envelope::read(body, &self.options);
        let is_whole = self.options.unnumbered && read.refusal.is_some();
        if is_whole {
            read.refused += read.accepted.drain(..).count() as u64;
        }
        let number = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        let turn = |every: u64| self.options.use_ack && every > 0 && number.is_multiple_of(every);
        let is_lost = read.refusal.is_none() && turn(self.options.lose_batch_every);
        {
            let mut counts = locked(&self.counts);
            counts.batches += 1;
            counts.dropped_silently += read.dropped;
            counts.refused += read.refused;
            counts.lost += if is_lost { read.accepted.len() as u64 } else { 0 };
        }
        if !is_lost {
            for object in &read.accepted {
                self.ledger.note(object.event_id.as_deref(), object.whole.as_bytes(), object.event);
            }
        }
        if let Some((code, text, _)) = read.refusal.filter(|_| is_whole) {
            return reply(400, code, text);
        }
        if let Some((code, text, number)) = read.refusal {
            return numbered(400, code, text, number);
        }
        if read.accepted.is_empty() {
            return reply(400, 5, "No data");
        }
        match channel.filter(|_| self.options.use_ack) {
            None => reply(200, 0, "Success"),
            Some(channel) => {
                let never = is_lost || turn(self.options.lose_ack_every);
                let polls = if never { u32::MAX } else { self.options.ack_polls };
                let id = self.channels.accept(channel, polls);
                Answer::value(200, &json!({ "text": "Success", "code": 0, "ackId": id }))
            }
        }
    }

    fn acks(&self, parts: &Parts, body: &Bytes) -> Answer {
        if let Some(answer) = self.authorize(parts) {
            return answer;
        }
        if !self.options.use_ack {
            return reply(400, 14, "ACK is disabled");
        }
        let channel = match self.channel(parts) {
            Ok(channel) => channel.unwrap_or_default(),
            Err(answer) => return answer,
        };
        match self.channels.poll(channel, body) {
            Some(acks) => Answer::value(200, &json!({ "acks": acks })),
            None => reply(400, 6, "Invalid data format"),
        }
    }
}

fn reply(status: u16, code: u16, text: &str) -> Answer {
    Answer::json(status, format!(r#"{{"text":"{text}","code":{code}}}"#))
}

fn numbered(status: u16, code: u16, text: &str, number: usize) -> Answer {
    let body = format!(r#"{{"text":"{text}","code":{code},"invalid-event-number":{number}}}"#);
    Answer::json(status, body)
}

fn refuse(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Forbidden => reply(403, 1, "Token disabled"),
        Refusal::Rate | Refusal::Quota => reply(429, 26, "Queue is at capacity"),
        Refusal::BadGateway => Answer::html(502, "<html><body>502 Bad Gateway</body></html>"),
        Refusal::Unavailable => reply(503, 9, "Server is busy"),
        Refusal::GatewayTimeout => {
            Answer::html(504, "<html><body>504 Gateway Time-out</body></html>")
        }
        Refusal::ServerError | Refusal::TokenExpired | Refusal::PageToken => {
            reply(500, 8, "Internal server error")
        }
    }
}
