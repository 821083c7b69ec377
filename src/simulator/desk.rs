//! What all simulated HTTP servers have in common: they count calls, keep limits, make faults and
//! answer questions about themselves under `/sim/`.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Response, StatusCode, header},
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    dice::mix,
    faults::{FaultKind, Faults, Plan},
    limiter::{Breach, Limiter, Limits},
    locked,
};
use crate::clock::Clock;

const PAGE: &str = "<!doctype html><html><head><title>Sign in</title></head><body></body></html>";

/// An answer before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let content_type = "application/json";
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn value(status: u16, body: &serde_json::Value) -> Self {
        Self::json(status, body.to_string())
    }

    pub(super) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { content_type: "text/plain", ..Self::json(status, body) }
    }

    pub(super) fn html(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { content_type: "text/html", ..Self::json(status, body) }
    }

    pub(super) fn with(mut self, header: &'static str, value: &impl ToString) -> Self {
        self.headers.push((header, value.to_string()));
        self
    }
}

/// What a server refuses apart from the request's own mistakes; each has its own words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Forbidden,
    Rate,
    Quota,
    ServerError,
    BadGateway,
    Unavailable,
    GatewayTimeout,
    TokenExpired,
    PageToken,
}

/// What a server counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CallStats {
    /// Calls by endpoint and status, like `POST /v1/messages/search 200`; `reset` for none.
    pub calls: BTreeMap<String, u64>,
    /// 429s because the client passed a limit (not those that are faults).
    pub limited: u64,
    pub faults: BTreeMap<&'static str, u64>,
    pub most_calls_in_a_minute: u64,
    /// Calls that counted against the quota of the present UTC day.
    pub calls_of_the_day: u32,
}

pub(super) struct Desk {
    pub(super) seed: u64,
    clock: Arc<dyn Clock>,
    plan: Plan,
    limiter: Mutex<Limiter>,
    counts: Mutex<(BTreeMap<String, u64>, u64)>,
}

impl Desk {
    pub(super) fn new(seed: u64, clock: Arc<dyn Clock>, faults: Faults, limits: Limits) -> Self {
        Self {
            seed,
            clock,
            plan: Plan::new(mix(seed, 0xFA17), faults),
            limiter: Mutex::new(Limiter::new(limits)),
            counts: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.plan.set(faults);
    }

    pub(super) fn faults(&self) -> Faults {
        self.plan.settings()
    }

    pub(super) fn stats(&self) -> CallStats {
        let (calls, limited) = locked(&self.counts).clone();
        let limiter = locked(&self.limiter);
        CallStats {
            calls,
            limited,
            faults: self.plan.injected(),
            most_calls_in_a_minute: limiter.most_in_a_minute(),
            calls_of_the_day: limiter.in_day(),
        }
    }

    /// Answers one call: a limit or a fault may come before `work`, or spoil what it says.
    pub(super) fn call(
        &self,
        endpoint: &str,
        applies: impl Fn(FaultKind) -> bool,
        refuse: impl Fn(Refusal) -> Answer,
        work: impl FnOnce() -> Answer,
    ) -> Response<Body> {
        let breach = locked(&self.limiter).call(self.now());
        if let Some(breach) = breach {
            locked(&self.counts).1 += 1;
            let refusal = if breach == Breach::Quota { Refusal::Quota } else { Refusal::Rate };
            return self.send(endpoint, refuse(refusal));
        }
        let Some(fault) = self.plan.draw(applies) else { return self.send(endpoint, work()) };
        let settings = self.plan.settings();
        let wait = settings.retry_after;
        match fault {
            FaultKind::ThrottledSeconds => {
                let seconds = wait.as_secs_f64().ceil();
                self.send(endpoint, refuse(Refusal::Rate).with("retry-after", &seconds))
            }
            FaultKind::ThrottledDate => {
                let until = self.now().checked_add(wait).unwrap_or(Timestamp::MAX);
                let date = httpdate::fmt_http_date(SystemTime::from(until));
                self.send(endpoint, refuse(Refusal::Rate).with("retry-after", &date))
            }
            FaultKind::Throttled => self.send(endpoint, refuse(Refusal::Rate)),
            FaultKind::QuotaSpent => self.send(endpoint, refuse(Refusal::Quota)),
            FaultKind::Forbidden => self.send(endpoint, refuse(Refusal::Forbidden)),
            FaultKind::ServerError => self.send(endpoint, refuse(Refusal::ServerError)),
            FaultKind::BadGateway => self.send(endpoint, refuse(Refusal::BadGateway)),
            FaultKind::Unavailable => self.send(endpoint, refuse(Refusal::Unavailable)),
            FaultKind::GatewayTimeout => self.send(endpoint, refuse(Refusal::GatewayTimeout)),
            FaultKind::TokenExpired => self.send(endpoint, refuse(Refusal::TokenExpired)),
            FaultKind::PageTokenExpired => self.send(endpoint, refuse(Refusal::PageToken)),
            FaultKind::Html => self.send(endpoint, Answer::html(200, PAGE)),
            FaultKind::Reset => self.close(endpoint),
            FaultKind::LostReply => {
                work();
                self.close(endpoint)
            }
            FaultKind::CutBody => {
                let answer = work();
                self.count(endpoint, "cut");
                cut(answer)
            }
            FaultKind::SlowBody => {
                let answer = work();
                self.count(endpoint, &answer.status.to_string());
                slow(answer, settings.slow_body)
            }
        }
    }

    /// Sends an answer without limits and faults.
    pub(super) fn send(&self, endpoint: &str, answer: Answer) -> Response<Body> {
        self.count(endpoint, &answer.status.to_string());
        reply(answer)
    }

    /// Closes the connection without an answer: hyper drops what it has not yet written when the
    /// body fails, and it writes nothing before it has asked the body once.
    pub(super) fn close(&self, endpoint: &str) -> Response<Body> {
        self.count(endpoint, "reset");
        let broken = stream::once(async { Err::<Bytes, _>(io::Error::other("closed on purpose")) });
        respond(&Answer::text(200, ""), Body::from_stream(broken))
    }

    fn count(&self, endpoint: &str, status: &str) {
        *locked(&self.counts).0.entry(format!("{endpoint} {status}")).or_default() += 1;
    }
}

fn cut(answer: Answer) -> Response<Body> {
    let announced = answer.body.len().max(2);
    let half = Bytes::from(answer.body[..answer.body.len() / 2].to_vec());
    // The pause lets hyper send what it has before it learns of the end.
    let body = stream::once(async move { Ok(half) }).chain(stream::once(async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(io::Error::other("cut on purpose"))
    }));
    let answer = Answer { body: Vec::new(), ..answer }.with("content-length", &announced);
    respond(&answer, Body::from_stream(body))
}

fn slow(answer: Answer, takes: Duration) -> Response<Body> {
    const PIECES: usize = 10;
    let pause = takes / u32::try_from(PIECES).unwrap_or(1);
    let piece = answer.body.len().div_ceil(PIECES).max(1);
    let pieces: Vec<Bytes> = answer.body.chunks(piece).map(Bytes::copy_from_slice).collect();
    let body = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(piece)
    });
    let answer = Answer { body: Vec::new(), ..answer };
    respond(&answer, Body::from_stream(body))
}

fn respond(answer: &Answer, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    response
}

/// Answers with one line of JSON for each item, made as the client reads.
pub(super) fn lines<T: Serialize>(
    items: impl Iterator<Item = T> + Send + 'static,
) -> Response<Body> {
    let mut items = items.fuse();
    let chunks = std::iter::from_fn(move || {
        let mut chunk = Vec::new();
        for item in items.by_ref().take(200) {
            if serde_json::to_writer(&mut chunk, &item).is_ok() {
                chunk.push(b'\n');
            }
        }
        (!chunk.is_empty()).then(|| Ok::<_, Infallible>(Bytes::from(chunk)))
    });
    let answer = Answer { content_type: "application/x-ndjson", ..Answer::json(200, "") };
    respond(&answer, Body::from_stream(stream::iter(chunks)))
}

pub(super) fn reply(mut answer: Answer) -> Response<Body> {
    let body = Body::from(std::mem::take(&mut answer.body));
    respond(&answer, body)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let letter = char::from(ALPHABET[usize::try_from(digit).unwrap_or(0)]);
            out.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_pads() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(super::base64(plain.as_bytes()), coded);
        }
    }
}
