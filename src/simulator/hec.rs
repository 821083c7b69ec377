//! Splunk's HTTP event collector, to the letter of what real ones answered.

mod acks;
mod envelope;
mod options;

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

use self::acks::{Channels, Due};
pub use self::{acks::AckAnswers, options::HecOptions};
use super::{
    admin,
    desk::{Answer, Desk, Refusal},
    faults::FaultKind,
    ledger::{Ledger, ReceivedStats},
    locked,
};

const ACK: &str = "POST /services/collector/ack";
const NODE: &str = "sim_node";

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
    /// Answers to questions for acknowledgements that never arrived.
    pub lost_ack_answers: u64,
}

pub(super) struct Hec {
    pub(super) desk: Desk,
    pub(super) ledger: Ledger,
    /// The syslog receiver's, which has no HTTP server to be asked by.
    pub(super) syslog: Arc<Ledger>,
    options: Mutex<Arc<HecOptions>>,
    channels: Channels,
    counts: Mutex<HecStats>,
    batches: AtomicU64,
    questions: AtomicU64,
    /// Requests without a node's cookie.
    strays: AtomicU64,
}

impl Hec {
    pub(super) fn new(desk: Desk, options: HecOptions, syslog: Arc<Ledger>) -> Self {
        let ledger = Ledger::new(options.content);
        Self {
            desk,
            ledger,
            syslog,
            options: Mutex::new(options.into()),
            channels: Channels::default(),
            counts: Mutex::default(),
            batches: AtomicU64::new(0),
            questions: AtomicU64::new(0),
            strays: AtomicU64::new(0),
        }
    }

    fn options(&self) -> Arc<HecOptions> {
        Arc::clone(&locked(&self.options))
    }

    /// From now on it behaves otherwise; its limits and what it has stay.
    pub(super) fn change(&self, change: impl FnOnce(&mut HecOptions)) {
        change(Arc::make_mut(&mut locked(&self.options)));
    }

    pub(super) fn forget_channels(&self) {
        self.channels.forget();
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
                ("POST", "/services/collector/ack") => (ACK, Box::new(|| self.acks(parts, body))),
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
        if endpoint == ACK && self.loses_answer() {
            work();
            return self.desk.close(endpoint);
        }
        self.desk.call(endpoint, applies, refuse, work)
    }

    fn loses_answer(&self) -> bool {
        let every = self.options().lose_ack_answer_every;
        let question = self.questions.fetch_add(1, Ordering::Relaxed) + 1;
        let loses = every > 0 && question.is_multiple_of(every);
        locked(&self.counts).lost_ack_answers += u64::from(loses);
        loses
    }

    /// The node that answers, and the cookie that it sets.
    fn node(&self, parts: &Parts) -> (u32, Option<String>) {
        let options = self.options();
        if options.nodes <= 1 {
            return (0, None);
        }
        let cookies = parts.headers.get("cookie").and_then(|text| text.to_str().ok());
        let kept = cookies.into_iter().flat_map(|text| text.split("; ")).find_map(|cookie| {
            let (name, value) = cookie.split_once('=')?;
            value.parse::<u32>().ok().filter(|node| name == NODE && *node < options.nodes)
        });
        if let Some(node) = kept {
            return (node, None);
        }
        let stray = self.strays.fetch_add(1, Ordering::Relaxed);
        let node = u32::try_from(stray % u64::from(options.nodes)).unwrap_or_default();
        let cookie = options.sticky.then(|| format!("{NODE}={node}; Path=/; HttpOnly"));
        (node, cookie)
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
            Some(token) if token != self.options().token => Some(reply(403, 4, "Invalid token")),
            Some(_) => None,
        }
    }

    /// The request's channel, or what is wrong with it.
    fn channel<'a>(&self, parts: &'a Parts) -> Result<Option<&'a str>, Answer> {
        let options = self.options();
        let Some(given) = parts.headers.get("x-splunk-request-channel") else {
            return match (options.use_ack, options.cloud) {
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
        let options = self.options();
        let plain;
        let body: &[u8] = match parts.headers.get("content-encoding").map(HeaderValue::as_bytes) {
            None | Some(b"identity") => body,
            Some(b"gzip") => {
                let limit = options.max_content_length as u64 + 1;
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
        if body.len() > options.max_content_length {
            let page = "<html><body>Content-Length too large</body></html>";
            let is_cloud = options.cloud;
            let told_as_bad = || numbered(400, 6, "Invalid data format", 0);
            return if is_cloud { told_as_bad() } else { Answer::html(413, page) };
        }
        let mut read = envelope::read(body, &options);
        let is_whole = options.unnumbered && read.refusal.is_some();
        if is_whole {
            read.refused += read.accepted.drain(..).count() as u64;
        }
        let number = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        let turn = |every: u64| options.use_ack && every > 0 && number.is_multiple_of(every);
        let is_lost = read.refusal.is_none() && turn(options.lose_batch_every);
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
        match channel.filter(|_| options.use_ack) {
            None => reply(200, 0, "Success"),
            Some(channel) => {
                if turn(options.forget_channels_every) {
                    self.channels.forget();
                }
                let at = self.desk.now().checked_add(options.ack_delay);
                let due = at.ok().map(|at| Due { polls: options.ack_polls, at });
                let due = due.filter(|_| !is_lost && !turn(options.lose_ack_every));
                let (node, cookie) = self.node(parts);
                let id = self.channels.accept(node, channel, due);
                let answer = json!({ "text": "Success", "code": 0, "ackId": id });
                with_cookie(Answer::value(200, &answer), cookie)
            }
        }
    }

    fn acks(&self, parts: &Parts, body: &Bytes) -> Answer {
        const PAGE: &str = "<html><body>nothing here</body></html>";
        let options = self.options();
        if let Some(answer) = self.authorize(parts) {
            return answer;
        }
        match options.ack_answers {
            AckAnswers::Well => {}
            AckAnswers::Refused => return reply(403, 1, "Token disabled"),
            AckAnswers::Unavailable => return reply(503, 9, "Server is busy"),
            AckAnswers::ServerError => return reply(500, 8, "Internal server error"),
            AckAnswers::Html => return Answer::html(200, PAGE),
            AckAnswers::Redirect => {
                return Answer::html(302, PAGE).with("location", &"https://elsewhere.example/");
            }
            AckAnswers::NotFound => {
                return reply(404, 404, "The requested URL was not found on this server.");
            }
            AckAnswers::ProxyNotFound => return Answer::html(404, PAGE),
        }
        if !options.use_ack {
            return reply(400, 14, "ACK is disabled");
        }
        let channel = match self.channel(parts) {
            Ok(channel) => channel.unwrap_or_default(),
            Err(answer) => return answer,
        };
        let (node, cookie) = self.node(parts);
        match self.channels.poll(node, channel, body, self.desk.now()) {
            Some(acks) => with_cookie(Answer::value(200, &json!({ "acks": acks })), cookie),
            None => reply(400, 6, "Invalid data format"),
        }
    }
}

fn with_cookie(answer: Answer, cookie: Option<String>) -> Answer {
    match cookie {
        Some(cookie) => answer.with("set-cookie", &cookie),
        None => answer,
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
