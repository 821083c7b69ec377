//! `/sim/…`: what a test or a person may ask a simulator and tell it. Never limited, never faulty.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{Response, request::Parts},
};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    desk::{Answer, Desk, lines, reply},
    etd::Etd,
    faults::Faults,
    hec::Hec,
    message::Change,
    ser::{Ser, parameter},
};

/// Something to happen at the ETD vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    pub kind: MutationKind,
    /// The message; without it `count` are picked by seed.
    #[serde(default)]
    pub id: Option<Uuid>,
    #[serde(default = "one")]
    pub count: u64,
    /// How long ago a late arrival was delivered.
    #[serde(default = "twenty_minutes", rename = "ago_ms", with = "super::millis")]
    pub ago: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MutationKind {
    RetroVerdict,
    Clearance,
    Remediation,
    Release,
    LateArrival,
}

fn one() -> u64 {
    1
}

fn twenty_minutes() -> Duration {
    Duration::from_secs(20 * 60)
}

impl Mutation {
    pub fn of(kind: MutationKind, id: Uuid) -> Self {
        Self { id: Some(id), ..Self::some(kind, 1) }
    }

    pub fn some(kind: MutationKind, count: u64) -> Self {
        Self { kind, id: None, count, ago: twenty_minutes() }
    }
}

/// Makes the change and names the messages that it happened to.
pub(super) fn mutate(etd: &Etd, mutation: &Mutation) -> Vec<Uuid> {
    let now = etd.desk.now();
    let change = match mutation.kind {
        MutationKind::RetroVerdict => Change::RetroVerdict,
        MutationKind::Clearance => Change::Clearance,
        MutationKind::Remediation => Change::Remediation,
        MutationKind::Release => Change::Release,
        MutationKind::LateArrival => {
            let count = mutation.count.min(100_000);
            return (0..count).map(|_| etd.world.arrive_late(mutation.ago, now)).collect();
        }
    };
    match mutation.id {
        Some(id) => etd.world.change(id, change, now).then_some(id).into_iter().collect(),
        None => etd.world.change_some(mutation.count, change, now),
    }
}

pub(super) fn etd(etd: &Etd, parts: &Parts, body: &Bytes) -> Option<Response<Body>> {
    let query = parts.uri.query().unwrap_or_default();
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/sim/truth") => {
            let with_content = parameter(query, "content").is_none_or(|value| value != "false");
            Some(lines(etd.world.truth(etd.desk.now(), with_content)))
        }
        ("POST", "/sim/mutate") => Some(match serde_json::from_slice::<Mutation>(body) {
            Ok(mutation) => json_reply(200, &json!({ "ids": mutate(etd, &mutation) })),
            Err(error) => json_reply(400, &json!({ "message": error.to_string() })),
        }),
        ("GET", "/sim/stats") => {
            let mut stats = value(&etd.desk.stats());
            stats["messages"] = json!(etd.world.held(etd.desk.now()));
            stats["fewest_search_calls"] = json!(etd.fewest_searches());
            Some(json_reply(200, &stats))
        }
        _ => common(&etd.desk, parts, body),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    user: u32,
    /// Without a name the user vanishes.
    name: Option<String>,
}

pub(super) fn ser(ser: &Ser, parts: &Parts, body: &Bytes) -> Option<Response<Body>> {
    let query = parts.uri.query().unwrap_or_default();
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/sim/truth") => {
            let now = ser.desk.now();
            let time = |name| parameter(query, name).and_then(|text| text.parse().ok());
            let day_ago = now.checked_sub(Span::new().hours(24)).unwrap_or(now);
            let window = [time("from").unwrap_or(day_ago), time("to").unwrap_or(now)];
            Some(lines(hours(ser, window, now).into_iter()))
        }
        ("POST", "/sim/mutate") => Some(match serde_json::from_slice::<Rename>(body) {
            Ok(Rename { user, name }) => {
                json_reply(200, &json!({ "known": ser.relay.rename(user, name) }))
            }
            Err(error) => json_reply(400, &json!({ "message": error.to_string() })),
        }),
        ("GET", "/sim/stats") => Some(json_reply(200, &value(&ser.desk.stats()))),
        _ => common(&ser.desk, parts, body),
    }
}

/// The rows of each hour that begins in the window.
fn hours(ser: &Ser, [from, to]: [Timestamp; 2], now: Timestamp) -> Vec<Value> {
    let mut all = Vec::new();
    let mut hour = from.as_second().div_euclid(3_600) * 3_600;
    while hour < to.as_second() {
        let window = [hour, hour + 3_600].map(|at| Timestamp::from_second(at).unwrap_or(now));
        for row in ser.relay.rows(window, now) {
            let mut line = value(&row);
            line["window"] = json!(window);
            all.push(line);
        }
        hour += 3_600;
    }
    all
}

pub(super) fn hec(hec: &Hec, parts: &Parts, body: &Bytes) -> Option<Response<Body>> {
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/sim/received") => {
            let sink = parameter(parts.uri.query().unwrap_or_default(), "sink");
            let by_syslog = sink.as_deref() == Some("syslog");
            let ledger = if by_syslog { &hec.syslog } else { &hec.ledger };
            Some(lines(ledger.received().into_iter()))
        }
        ("GET", "/sim/stats") => {
            let (counts, received) = hec.stats();
            let mut stats = value(&hec.desk.stats());
            for part in [value(&counts), value(&received)] {
                if let (Value::Object(stats), Value::Object(part)) = (&mut stats, part) {
                    stats.extend(part);
                }
            }
            stats["syslog"] = value(&hec.syslog.stats());
            Some(json_reply(200, &stats))
        }
        _ => common(&hec.desk, parts, body),
    }
}

fn common(desk: &Desk, parts: &Parts, body: &Bytes) -> Option<Response<Body>> {
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/sim/faults") => Some(json_reply(200, &value(&desk.faults()))),
        ("POST", "/sim/faults") => Some(match merged::<Faults>(&desk.faults(), body) {
            Ok(faults) => {
                desk.set_faults(faults.clone());
                json_reply(200, &value(&faults))
            }
            Err(error) => json_reply(400, &json!({ "message": error.to_string() })),
        }),
        (_, path) if path.starts_with("/sim/") => {
            Some(json_reply(404, &json!({ "message": "no such question" })))
        }
        _ => None,
    }
}

/// `present` with the members that `body` names replaced.
fn merged<T: Serialize + DeserializeOwned>(present: &T, body: &[u8]) -> serde_json::Result<T> {
    let mut all = value(present);
    let changes: serde_json::Map<String, Value> = serde_json::from_slice(body)?;
    if let Value::Object(all) = &mut all {
        all.extend(changes);
    }
    serde_json::from_value(all)
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

fn json_reply(status: u16, body: &Value) -> Response<Body> {
    reply(Answer::value(status, body))
}
