//! Events as they are made of the vendors' samples.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::domain::{
    event::{Change, Event, EventId, Origin},
    slice::Stream,
};

const ETD: &str = include_str!("../../../tests/fixtures/vendors/etd/page_first.json");
const RETRO: &str = include_str!("../../../tests/fixtures/vendors/etd/pair_retro_after.json");
const AUDIT: &str = include_str!("../../../tests/fixtures/vendors/etd_export/log_audit.ndjson");
const SER: &str = include_str!("../../../tests/fixtures/vendors/ser/summary_normal.json");

fn sample(text: &str, pointer: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap().pointer(pointer).unwrap().clone()
}

/// An event of a record, with what `more` has in the member `postrider`.
pub(super) fn event(stream: Stream, record: &Value, more: &Value) -> Event {
    event_of_text(stream, &record.to_string(), more)
}

/// The same of a record's JSON.
pub(super) fn event_of_text(stream: Stream, record: &str, more: &Value) -> Event {
    let source = "etd-us".parse().unwrap();
    let changed = more.get("changed").is_some();
    let revision = if changed { 2 } else { 1 };
    let change = if changed { Change::Changed } else { Change::New };
    let id = EventId::new(&source, stream, "AAA=", revision);
    let tags = BTreeMap::from([("tenant".to_owned(), "acme".to_owned())]);
    let mut own = json!({
        "event_id": id.to_string(), "schema": 1, "source": "etd-us", "stream": stream.as_str(),
        "record_id": "AAA=", "revision": revision, "change": change.as_str(),
        "collected_at": "2026-11-20T12:00:00.000Z",
    });
    for (name, value) in more.as_object().unwrap() {
        own[name] = value.clone();
    }
    let verdict = serde_json::from_str::<Value>(record).ok().and_then(|record| {
        record.pointer("/verdict/latestVerdict")?.as_str().map(str::to_lowercase)
    });
    Event {
        origin: Arc::new(Origin { source, stream, tags }),
        seq: 7,
        id,
        revision,
        change,
        time_ms: 1_795_161_600_120,
        verdict: verdict.map(Into::into),
        json: format!(r#"{{"postrider":{own},{}"#, record.trim_start_matches('{')).into(),
    }
}

pub(super) fn message() -> Event {
    let mut record = sample(ETD, "/data/messages/1");
    record["attachments"] = json!([
        {"filename": "no hash.png"},
        {"SHA256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"SHA256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752", "filename": "b.pdf"},
    ]);
    event(Stream::Messages, &record, &json!({}))
}

pub(super) fn changed() -> Event {
    let record = sample(RETRO, "/data/messages/0");
    let changed = json!({"changed": ["verdict.latestVerdict", "action"],
        "previous": {"verdict.latestVerdict": "neutral"}});
    event(Stream::Messages, &record, &changed)
}

pub(super) fn row() -> Event {
    let more = json!({
        "window_start": "2026-11-20T08:00:00Z", "window_end": "2026-11-20T09:00:00Z",
        "details": [{"code": "2.X.X", "class": 2, "count": 1840}, {"code": "3.X.X", "class": 3, "count": 0},
            {"code": "5.X.X", "class": 5, "count": 12}],
        "delta": {"status": {"failure": 12, "inProgress": 0, "total": 1860}, "details": {"2.X.X": 1840}},
        "final": false,
    });
    event(Stream::Summary, &sample(SER, "/applicationUsers/0"), &more)
}

pub(super) fn entitlement() -> Event {
    let more = json!({"usage": {
        "used_bytes": 483_183_820_800_u64, "as_of": "2026-11-20T09:00:00Z",
        "allowed_bytes": 536_870_912_000_u64, "license_start": "2026-03-01T00:00:00Z",
        "license_end": "2027-02-28T23:59:59.999Z", "share": 0.9, "burn_rate_7d": 1_073_741_824,
        "burn_rate_30d": null, "exhausted_on": "2027-01-09", "exhausted_before_end": true,
        "applications": [{"application": "SAP", "bytes": 400, "share": 0.8}],
    }});
    event(Stream::Entitlement, &sample(SER, "/entitlement"), &more)
}

pub(super) fn audit() -> Event {
    let mut line: Value = serde_json::from_str(AUDIT.lines().next().unwrap()).unwrap();
    line["comments"] = "asked for by its recipient".into();
    event(Stream::Audit, &line, &json!({}))
}

pub(super) fn health() -> Event {
    let record = json!({"kind": "sink", "condition": "failing", "severity": "warning", "state": "open",
        "message": "The sink archive is failing: a password is wrong.",
        "since": "2026-11-21T10:00:00.000Z", "sink": "archive"});
    event(Stream::Health, &record, &json!({}))
}

/// Of each stream of the SER Admin API, with samples that have all fields between them.
pub(super) fn ser_admin() -> Vec<Event> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vendors/ser_admin");
    let own = |report: &str| {
        json!({
            "report": report, "window_start": "2026-11-20T00:00:00Z",
            "window_end": "2026-11-21T00:00:00Z", "final": false,
            "relay_user": {"id": "b30904d5-575e-503d-be50-f1893763626e", "name": "sap-billing"},
            "delta": {"status": {"count": 9, "sentMessages": 0}, "details": {}},
        })
    };
    let files = [
        (Stream::Usage, "traffic_summary", ""),
        (Stream::Usage, "message_trend", "/data/0"),
        (Stream::Usage, "data_trend", "/data/0"),
        (Stream::Usage, "overview_v2", "/data"),
        (Stream::Failures, "failures_relay_users_p1", "/data/0"),
        (Stream::Failures, "failures_recipient", "/data/0"),
        (Stream::Failures, "failures_policy_violations", "/data/0"),
        (Stream::Failures, "failures_message_filtering", "/data/0"),
        (Stream::RelayUsers, "relay_users", "/data/0"),
        (Stream::RelayUsers, "relay_user_detail", "/data"),
    ];
    let events = files.map(|(stream, file, pointer)| {
        let text = std::fs::read_to_string(format!("{folder}/{file}.json")).unwrap();
        let own = if stream == Stream::RelayUsers { json!({}) } else { own(file) };
        event(stream, &sample(&text, pointer), &own)
    });
    events.into()
}

/// The record in an event, without the member `postrider`.
pub(super) fn record(event: &Event) -> Value {
    let mut record: Value = serde_json::from_str(&event.json).unwrap();
    record.as_object_mut().unwrap().shift_remove("postrider");
    record
}
