//! One event of 2.6 KB in each format.
//!
//! ```text
//! cargo bench --bench formats
//! ```

use std::{collections::BTreeMap, sync::Arc};

use divan::{Bencher, counter::BytesCount};
use postrider::{
    config::{Leef, Payload, Schema},
    domain::{
        event::{Change, Event, EventId, Origin},
        slice::Stream,
    },
    format::{hec::Hec, json, schema, syslog_body},
};
use serde_json::json;

fn main() {
    divan::main();
}

fn event() -> Event {
    let source = "etd-us".parse().expect("a name");
    let id = EventId::new(&source, Stream::Messages, "b3aa08cd-1b8e-573c-be1d-f0fff545e98b", 1);
    let links = |n| format!("https://host-{n}.example/a/path/of/some/length?click={n}");
    let technique = |n| {
        json!({ "type": format!("Technique {n}"), "severity": "high",
        "description": "What was found, in a sentence of the usual length." })
    };
    let record = json!({
        "postrider": {
            "event_id": id.to_string(), "schema": 1, "source": "etd-us", "vendor": "cisco_etd",
            "stream": "messages", "record_id": "b3aa08cd-1b8e-573c-be1d-f0fff545e98b", "revision": 1,
            "change": "new", "tags": { "tenant": "acme" }, "pass": "live",
            "slice": ["2026-11-20T08:00:00Z", "2026-11-20T08:05:00Z"],
            "collected_at": "2026-11-20T08:10:00.000Z",
        },
        "id": "b3aa08cd-1b8e-573c-be1d-f0fff545e98b", "timestamp": "2026-11-20T08:01:59Z",
        "internetMessageId": "<PN0PR01MB9897111B5299@PN0PR01MB9897.prod.example>",
        "fromAddress": "tom@example.org", "returnPath": "tom@example.org", "senderName": "Tom",
        "subject": "Order cancelled: call support", "direction": "incoming",
        "clientIP": "192.0.2.44", "serverIP": "192.0.2.10", "domain": "example.com",
        "toAddresses": ["ann@example.com", "ben@example.com"],
        "mailboxes": ["ann@example.com", "ben@example.com"],
        "urls": (0..8).map(links).collect::<Vec<_>>(),
        "attachments": [{ "filename": "order.pdf", "SHA256": "9f".repeat(32) }],
        "verdict": {
            "originalVerdict": "malicious", "latestVerdict": "malicious", "category": "malicious",
            "isRetroVerdict": false, "isManualVerdict": false, "timestamp": "2026-11-20T08:02:02Z",
            "userId": "", "publicApiClientId": "", "businessRisk": "",
            "techniques": (0..5).map(technique).collect::<Vec<_>>(),
        },
        "action": { "type": "move", "folder": "quarantine", "timestamp": "2026-11-20T08:02:06Z",
            "isAutoRemediated": true, "publicApiClientId": "" },
    });
    let tags = BTreeMap::from([("tenant".to_owned(), "acme".to_owned())]);
    Event {
        origin: Arc::new(Origin { source, stream: Stream::Messages, tags }),
        seq: 1,
        id,
        revision: 1,
        change: Change::New,
        time_ms: 1_795_161_719_000,
        verdict: Some("malicious".into()),
        json: record.to_string().into(),
    }
}

fn each(bencher: Bencher<'_, '_>, append: impl Fn(&Event, &mut Vec<u8>) + Sync) {
    let event = event();
    let mut out = Vec::with_capacity(16 << 10);
    bencher.counter(BytesCount::new(event.json.len())).bench_local(|| {
        out.clear();
        append(&event, &mut out);
        out.len()
    });
}

fn syslog(bencher: Bencher<'_, '_>, payload: Payload) {
    each(bencher, |event, out| {
        syslog_body::append(event, payload, Schema::Postrider, usize::MAX, out)
            .expect("it has room");
    });
}

/// The least that a format which reads the event can cost: its JSON gone through, and nothing kept.
#[divan::bench]
fn json_skipped(bencher: Bencher<'_, '_>) {
    each(bencher, |event, _| {
        serde_json::from_str::<serde::de::IgnoredAny>(&event.json).expect("JSON");
    });
}

/// What the others are measured by: the event's JSON read, and written anew.
#[divan::bench]
fn json_written(bencher: Bencher<'_, '_>) {
    each(bencher, |event, out| {
        let read: serde_json::Value = serde_json::from_str(&event.json).expect("JSON");
        serde_json::to_writer(out, &read).expect("it has room");
    });
}

/// JSON is stored as it is sent: this is a copy.
#[divan::bench]
fn json_line(bencher: Bencher<'_, '_>) {
    each(bencher, |event, out| json::one_line(&event.json, out));
}

#[divan::bench]
fn syslog_json(bencher: Bencher<'_, '_>) {
    syslog(bencher, Payload::Json);
}

#[divan::bench]
fn syslog_cef(bencher: Bencher<'_, '_>) {
    syslog(bencher, Payload::Cef);
}

#[divan::bench]
fn syslog_leef(bencher: Bencher<'_, '_>) {
    syslog(bencher, Payload::Leef(Leef::V2));
}

#[divan::bench]
fn ecs(bencher: Bencher<'_, '_>) {
    each(bencher, |event, out| json::one_line(&schema::json(event, Schema::Ecs), out));
}

#[divan::bench]
fn ocsf(bencher: Bencher<'_, '_>) {
    each(bencher, |event, out| json::one_line(&schema::json(event, Schema::Ocsf), out));
}

#[divan::bench]
fn hec_envelope(bencher: Bencher<'_, '_>) {
    let hec = Hec::new("collector", Some("email"));
    each(bencher, |event, out| hec.append(event, Schema::Postrider, out));
}
