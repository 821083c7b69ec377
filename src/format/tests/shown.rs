//! What the formats look like, one event of each stream.

use serde_json::Value;

use super::samples::{self, audit, changed, entitlement, health, message, record, row};
use crate::{
    config::{Leef, Payload, Schema},
    domain::{event::Event, slice::Stream},
    format::{schema, syslog_body},
};

type Named = (&'static str, fn() -> Event);

const EVENTS: [Named; 6] = [
    ("message", message),
    ("changed", changed),
    ("audit", audit),
    ("row", row),
    ("entitlement", entitlement),
    ("health", health),
];

pub(super) fn body(event: &Event, payload: Payload, room: usize) -> Result<String, usize> {
    let mut out = Vec::new();
    syslog_body::append(event, payload, Schema::Postrider, room, &mut out)?;
    assert!(out.len() <= room);
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn lines() {
    for (name, payload) in [
        ("cef", Payload::Cef),
        ("leef_1", Payload::Leef(Leef::V1)),
        ("leef_2", Payload::Leef(Leef::V2)),
    ] {
        let lines: Vec<String> = EVENTS
            .iter()
            .map(|(event, make)| {
                // A pair a line is easier to read, and so is a delimiter that can be seen.
                let line = body(&make(), payload, usize::MAX).unwrap();
                let line = line.replace('\t', "⇥\n  ").replace('^', "^\n  ");
                format!("{event}\n  {line}")
            })
            .collect();
        insta::assert_snapshot!(name, lines.join("\n\n"));
    }
}

#[test]
fn schemas() {
    for (name, schema) in [("ecs", Schema::Ecs), ("ocsf", Schema::Ocsf)] {
        let shown: Vec<String> = EVENTS
            .iter()
            .map(|(event, make)| {
                let mut json: Value = serde_json::from_str(&schema::json(&make(), schema)).unwrap();
                // Tested to be whole below.
                for place in ["/cisco_etd", "/proofpoint_ser", "/health", "/postrider", "/unmapped"]
                {
                    if let Some(member) = json.pointer_mut(place) {
                        *member = "…".into();
                    }
                }
                format!("{event} {}", serde_json::to_string_pretty(&json).unwrap())
            })
            .collect();
        insta::assert_snapshot!(name, shown.join("\n\n"));
    }
}

#[test]
fn a_schema_has_the_whole_event_in_it() {
    for (_, make) in EVENTS {
        let event = make();
        let own: Value = serde_json::from_str(&event.json).unwrap();
        let ecs: Value = serde_json::from_str(&schema::json(&event, Schema::Ecs)).unwrap();
        let ocsf: Value = serde_json::from_str(&schema::json(&event, Schema::Ocsf)).unwrap();
        let place = match event.origin.stream {
            Stream::Messages | Stream::Audit => "cisco_etd",
            Stream::Summary | Stream::Entitlement => "proofpoint_ser",
            Stream::Usage | Stream::Failures | Stream::RelayUsers => "proofpoint_ser_admin",
            Stream::Health => "health",
        };
        assert_eq!(ecs[place], record(&event));
        assert_eq!(ocsf["unmapped"]["record"], record(&event));
        assert_eq!(ecs["postrider"], own["postrider"]);
        assert_eq!(ocsf["unmapped"]["postrider"], own["postrider"]);
    }
}

#[test]
fn a_schema_s_required_members_are_there_and_of_their_types() {
    for (_, make) in EVENTS {
        let event = make();
        let ocsf: Value = serde_json::from_str(&schema::json(&event, Schema::Ocsf)).unwrap();
        let is_mail = event.origin.stream == Stream::Messages;
        let (category, class, kind) = if is_mail { (4, 4009, 400_903) } else { (0, 0, 99) };
        assert_eq!(ocsf["category_uid"], category);
        assert_eq!(ocsf["class_uid"], class);
        assert_eq!(ocsf["type_uid"], kind);
        assert_eq!(ocsf["time"], event.time_ms);
        assert!((1..=5).contains(&ocsf["severity_id"].as_u64().unwrap()));
        assert_eq!(ocsf["direction_id"].is_u64(), is_mail);
        let ecs: Value = serde_json::from_str(&schema::json(&event, Schema::Ecs)).unwrap();
        assert_eq!(ecs["@timestamp"], "2026-11-20T08:00:00.120Z");
        assert!(["alert", "event", "metric"].contains(&ecs["event"]["kind"].as_str().unwrap()));
        if is_mail {
            assert_eq!(ecs["event"]["category"], serde_json::json!(["email"]));
            assert_eq!(ecs["event"]["type"], serde_json::json!(["info"]));
        }
    }
}

#[test]
fn what_is_not_of_its_kind_is_in_the_record_only() {
    let record = serde_json::json!({"clientIP": "unknown", "serverIP": "2001:db8::1", "timestamp": "yesterday",
        "direction": "sideways", "subject": ["a", "list"]});
    let event = samples::event(Stream::Messages, &record, &serde_json::json!({}));
    let ecs: Value = serde_json::from_str(&schema::json(&event, Schema::Ecs)).unwrap();
    assert_eq!(ecs.pointer("/source"), None);
    assert_eq!(ecs.pointer("/email/delivery_timestamp"), None);
    assert_eq!(ecs["destination"]["ip"], "2001:db8::1");
    assert_eq!(ecs["cisco_etd"]["clientIP"], "unknown");
    let ocsf: Value = serde_json::from_str(&schema::json(&event, Schema::Ocsf)).unwrap();
    assert_eq!(ocsf["direction_id"], 99);
    let cef = body(&event, Payload::Cef, usize::MAX).unwrap();
    assert!(cef.contains(" c6a3=2001:db8::1 ") && !cef.contains(" start="), "{cef}");
}
