//! A message of 100 KB where receivers take less.

use serde_json::{Value, json};

use super::{readers, samples};
use crate::{
    config::{Leef, Payload, Schema},
    domain::{event::Event, slice::Stream},
    format::syslog_body,
};

fn large() -> Event {
    let urls: Vec<String> = (0..900)
        .map(|n| format!("https://host-{n}.example/a/path/that/is/long/enough?q={n}"))
        .collect();
    let to: Vec<String> = (0..900).map(|n| format!("person-{n}@example.com")).collect();
    let techniques: Vec<Value> = (0..50)
        .map(|n| json!({"type": format!("Technique {n}"), "severity": "high", "description": "x".repeat(300)}))
        .collect();
    let record = json!({
        "id": "4606ba3c-e1ee-5d72-b3ab-75fa6676427e", "timestamp": "2026-11-17T05:57:23Z",
        "subject": "süß ".repeat(400), "fromAddress": format!("{}@example.com", "f".repeat(200)),
        "senderName": "n".repeat(500), "returnPath": format!("{}@example.com", "r".repeat(300)),
        "toAddresses": to, "mailboxes": to, "urls": urls, "clientIP": "192.0.2.44",
        "verdict": {"latestVerdict": "phishing", "originalVerdict": "neutral", "techniques": techniques},
        "attachments": [{"filename": "a".repeat(2000), "SHA256": "0".repeat(64)}],
        "action": {"type": "move", "folder": "quarantine"}, "direction": "incoming",
        "internetMessageId": format!("<{}@example.com>", "m".repeat(600)),
    });
    let changed = json!({"changed": ["verdict.latestVerdict", "verdict.techniques", "action"]});
    samples::event(Stream::Messages, &record, &changed)
}

fn body(event: &Event, payload: Payload, schema: Schema, room: usize) -> String {
    let mut out = Vec::new();
    let done = syslog_body::append(event, payload, schema, room, &mut out);
    assert_eq!(done, Ok(()), "{payload:?} {schema:?} in {room}");
    assert!(out.len() <= room);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_message_of_100_kb_fits_every_receiver_and_says_what_was_cut() {
    let event = large();
    assert!(event.json.len() > 100_000, "{}", event.json.len());
    // A header takes 150 bytes.
    for room in [8192 - 150, 2048 - 150, 1024 - 150] {
        for (payload, schema) in [
            (Payload::Cef, Schema::Postrider),
            (Payload::Leef(Leef::V1), Schema::Postrider),
            (Payload::Leef(Leef::V2), Schema::Postrider),
            (Payload::Json, Schema::Postrider),
            (Payload::Json, Schema::Ecs),
            (Payload::Json, Schema::Ocsf),
        ] {
            let text = body(&event, payload, schema, room);
            assert_eq!(text, body(&event, payload, schema, room));
            let told = match payload {
                Payload::Cef => told(readers::cef(&text).1),
                Payload::Leef(_) => told(readers::leef(&text).1),
                Payload::Json => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    let mark =
                        if schema == Schema::Ocsf { "/unmapped/postrider" } else { "/postrider" };
                    assert_eq!(value.pointer(mark).unwrap()["event_id"], event.id.to_string());
                    value.pointer(mark).unwrap()["truncated"].to_string()
                }
            };
            assert!(told.contains(" of ") || told.contains("no "), "{told}");
        }
    }
}

fn told(pairs: readers::Pairs) -> String {
    pairs.into_iter().find(|(key, _)| key == "truncated").unwrap().1
}

#[test]
fn this_is_left_of_it() {
    let event = large();
    insta::assert_snapshot!("short_cef", body(&event, Payload::Cef, Schema::Postrider, 1024));
    insta::assert_snapshot!("short_json", body(&event, Payload::Json, Schema::Postrider, 1024));
    insta::assert_snapshot!("short_ecs", body(&event, Payload::Json, Schema::Ecs, 2048));
}
