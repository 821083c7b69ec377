//! Texts that would break a line, a pair or a header, in every place where a sender may write.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use syslog_loose::{Protocol, Variant};

use super::{
    readers::{self, Pairs, shown_in_cef, shown_in_leef, shown_in_leef_2},
    samples::{self, event_of_text, record},
    shown::body,
};
use crate::{
    config::{Leef, Payload, Schema},
    domain::{
        event::{Event, Origin},
        slice::Stream,
    },
    format::{hec::Hec, rfc3164::Rfc3164, rfc5424::Rfc5424, schema},
};

/// Subjects as JSON has them, one a line: for these tests and for those from outside.
pub(super) const SUBJECTS: &str = include_str!("../../../tests/fixtures/hostile/subjects.jsonl");

fn keys(pairs: &Pairs) -> Vec<&str> {
    pairs.iter().map(|(key, _)| key.as_str()).filter(|key| *key != "truncated").collect()
}

/// CEF's `msg` has 1023 characters.
fn at_most(text: String, key: &str) -> String {
    if key != "msg" {
        return text;
    }
    let cut: String = text.chars().take(1023).collect();
    shown_in_cef(&cut).unwrap()
}

#[test]
fn no_subject_forges_a_field_or_a_line() {
    let of = |subject: &str| {
        let record = format!(r#"{{"id":"m1","subject":{subject},"fromAddress":"a@example.com"}}"#);
        event_of_text(Stream::Messages, &record, &json!({}))
    };
    let benign = of("\"hello\"");
    assert!(SUBJECTS.lines().count() >= 100);
    let payloads = [Payload::Cef, Payload::Leef(Leef::V1), Payload::Leef(Leef::V2)];
    for subject in SUBJECTS.lines() {
        let event = of(subject);
        let decoded = serde_json::from_str::<String>(subject);
        for payload in payloads {
            let read = |event: &Event| {
                let line = body(event, payload, usize::MAX).unwrap();
                if payload == Payload::Cef { readers::cef(&line) } else { readers::leef(&line) }
            };
            let ((header, pairs), (benign_header, benign_pairs)) = (read(&event), read(&benign));
            assert_eq!(header, benign_header, "{subject}");
            let is = |key: &str| !["msg", "subject"].contains(&key);
            let others = |pairs: &Pairs| -> Pairs {
                pairs.iter().filter(|(key, _)| is(key) && key != "truncated").cloned().collect()
            };
            assert_eq!(others(&pairs), others(&benign_pairs), "{subject}");
            let more = keys(&pairs).len() - others(&pairs).len();
            assert!(more <= 1, "{subject}");
            let Ok(text) = &decoded else { continue };
            let (key, meant) = match payload {
                Payload::Cef => ("msg", shown_in_cef(text)),
                Payload::Leef(Leef::V1) => ("subject", shown_in_leef(text)),
                _ => ("subject", shown_in_leef_2(text)),
            };
            let meant = meant.map(|text| at_most(text, key));
            assert_eq!(value(&pairs, key), meant.as_deref(), "{subject}");
        }
        let json = body(&event, Payload::Json, usize::MAX).unwrap();
        let mut envelope = Vec::new();
        Hec::new("host", None).append(&event, Schema::Ecs, &mut envelope);
        let envelope = String::from_utf8(envelope).unwrap();
        let schemas = [Schema::Ecs, Schema::Ocsf].map(|s| schema::json(&event, s).into_owned());
        for text in [&json, &envelope, &schemas[0], &schemas[1]] {
            assert!(text.contains(subject) || subject.contains('\u{7f}'), "{subject} in {text}");
            assert!(!text.contains(['\n', '\r', '\0', '\t']), "{text}");
            let value = serde_json::from_str::<Value>(text);
            assert_eq!(value.is_err(), decoded.is_err(), "{text}");
        }
        let mut envelope = Vec::new();
        Hec::new("host", Some(subject)).append(&event, Schema::Postrider, &mut envelope);
        if let Ok(text) = &decoded {
            let read: Value = serde_json::from_slice(&envelope).unwrap();
            let keys: Vec<&String> = read.as_object().unwrap().keys().collect();
            let all = ["time", "host", "source", "sourcetype", "index", "event", "fields"];
            assert_eq!(keys, all, "{subject}");
            assert_eq!(
                (&read["event"]["subject"], &read["index"]),
                (&json!(text), &json!(subject))
            );
        }
    }
}

/// What a sender chooses.
#[derive(Debug, Clone)]
struct Chosen {
    subject: String,
    from: String,
    to: Vec<String>,
    urls: Vec<String>,
    file: String,
    hash: String,
    tag: String,
}

fn chosen() -> impl Strategy<Value = Chosen> {
    let text = || prop_oneof![any::<String>(), r"[a=\\|^\n\r\t ,]{0,12}"];
    let texts = || prop::collection::vec(text(), 0..4);
    (text(), text(), texts(), texts(), text(), text(), text()).prop_map(
        |(subject, from, to, urls, file, hash, tag)| Chosen {
            subject,
            from,
            to,
            urls,
            file,
            hash,
            tag,
        },
    )
}

fn event_of(chosen: &Chosen) -> Event {
    let record = json!({
        "id": "m1", "timestamp": "2026-11-20T08:00:00Z", "subject": chosen.subject,
        "fromAddress": chosen.from, "mailboxes": chosen.to, "urls": chosen.urls,
        "attachments": [{"filename": chosen.file, "SHA256": chosen.hash}],
    });
    let mut event = samples::event(Stream::Messages, &record, &json!({}));
    let tags = BTreeMap::from([("t".to_owned(), chosen.tag.clone())]);
    event.origin = Arc::new(Origin { tags, ..(*event.origin).clone() });
    event
}

/// Each text once, joined.
fn joined(texts: &[String], shown: fn(&str) -> Option<String>) -> Option<String> {
    let mut seen: Vec<&String> = Vec::new();
    for text in texts {
        if shown(text).is_some() && !seen.contains(&text) {
            seen.push(text);
        }
    }
    let shown: Vec<String> = seen.into_iter().filter_map(|text| shown(text)).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn value<'p>(pairs: &'p Pairs, key: &str) -> Option<&'p str> {
    pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

proptest! {
    #[test]
    fn cef_reads_back_as_what_was_put_in(chosen in chosen()) {
        let event = event_of(&chosen);
        let (_, pairs) = readers::cef(&body(&event, Payload::Cef, usize::MAX).unwrap());
        let first = |texts: &[String]| texts.iter().find_map(|text| shown_in_cef(text));
        let tag = shown_in_cef(&format!("t={}", chosen.tag));
        let expected = [
            ("msg", shown_in_cef(&chosen.subject)), ("suser", shown_in_cef(&chosen.from)),
            ("cs2", joined(&chosen.to, shown_in_cef)), ("duser", first(&chosen.to)),
            ("request", first(&chosen.urls)), ("cs3", joined(&chosen.urls, shown_in_cef)),
            ("fname", shown_in_cef(&chosen.file)), ("fileHash", shown_in_cef(&chosen.hash)),
            ("cs4", shown_in_cef(&chosen.hash)), ("flexString2", tag),
            ("externalId", Some(event.id.to_string())), ("rt", Some("1795161600120".to_owned())),
            ("start", Some("1795161600000".to_owned())), ("cs5", Some("m1".to_owned())),
            ("cat", Some("noverdict".to_owned())), ("outcome", Some("delivered".to_owned())),
            ("cs6", Some("new".to_owned())), ("cn1", Some("1".to_owned())),
            ("deviceExternalId", Some("etd-us".to_owned())),
        ];
        for (key, text) in &expected {
            prop_assert_eq!(value(&pairs, key), text.as_deref(), "{}", key);
        }
        let known = |key: &str| expected.iter().any(|(known, _)| *known == key);
        for key in keys(&pairs) {
            prop_assert!(known(key.strip_suffix("Label").unwrap_or(key)), "forged: {}", key);
        }
    }

    #[test]
    fn leef_reads_back_as_what_was_put_in(chosen in chosen(), is_2 in any::<bool>()) {
        let event = event_of(&chosen);
        let version = if is_2 { Leef::V2 } else { Leef::V1 };
        let (_, pairs) = readers::leef(&body(&event, Payload::Leef(version), usize::MAX).unwrap());
        let shown = if is_2 { shown_in_leef_2 } else { shown_in_leef };
        let expected = [
            ("subject", shown(&chosen.subject)), ("sender", shown(&chosen.from)),
            ("recipients", joined(&chosen.to, shown)),
            ("usrName", chosen.to.iter().find_map(|text| shown(text))),
            ("urls", joined(&chosen.urls, shown)), ("files", shown(&chosen.file)),
            ("fileHashes", shown(&chosen.hash)),
            ("tags", shown(&format!("t={}", chosen.tag))),
            ("eventId", Some(event.id.to_string())), ("devTime", Some("1795161600120".to_owned())),
            ("cat", Some("new".to_owned())), ("sev", Some("1".to_owned())),
            ("delivered", Some("2026-11-20T08:00:00Z".to_owned())), ("recordId", Some("m1".to_owned())),
            ("verdict", Some("noverdict".to_owned())), ("outcome", Some("delivered".to_owned())),
            ("change", Some("new".to_owned())), ("revision", Some("1".to_owned())),
            ("source", Some("etd-us".to_owned())),
            ("collected", Some("2026-11-20T12:00:00.000Z".to_owned())),
        ];
        for (key, text) in &expected {
            prop_assert_eq!(value(&pairs, key), text.as_deref(), "{}", key);
        }
        let known = |key: &str| expected.iter().any(|(known, _)| *known == key);
        for key in keys(&pairs) {
            prop_assert!(known(key) || ["senderDomain", "recipientDomains"].contains(&key), "{}", key);
        }
    }

    #[test]
    fn another_parser_finds_each_body_whole_behind_each_header(
        chosen in chosen(),
        // That parser takes a name with a colon for a tag.
        hostname in "[^:]{0,40}",
    ) {
        let event = event_of(&chosen);
        for payload in
            [Payload::Json, Payload::Cef, Payload::Leef(Leef::V1), Payload::Leef(Leef::V2)]
        {
            let body = body(&event, payload, usize::MAX).unwrap();
            let mut new = Vec::new();
            Rfc5424::new(&hostname, 32473).append(&event, &mut new);
            new.extend_from_slice(body.as_bytes());
            let new = String::from_utf8(new).unwrap();
            let parsed = syslog_loose::parse_message(&new, Variant::RFC5424);
            prop_assert_eq!(parsed.protocol, Protocol::RFC5424(1));
            prop_assert_eq!(parsed.msgid, Some("messages"));
            prop_assert_eq!(parsed.structured_data.len(), 1);
            let id = event.id.to_string();
            let params: Vec<_> = parsed.structured_data[0].params().collect();
            prop_assert_eq!(params, [(&"event_id", id), (&"revision", "1".to_owned())]);
            prop_assert_eq!(parsed.msg, &body);

            let mut old = Vec::new();
            Rfc3164::new(&hostname, payload).append(&event, &mut old);
            old.extend_from_slice(body.as_bytes());
            let old = String::from_utf8(old).unwrap();
            let parsed = syslog_loose::parse_message_with_year(&old, |_| 2026, Variant::RFC3164);
            prop_assert_eq!(parsed.protocol, Protocol::RFC3164);
            prop_assert_eq!(parsed.timestamp.unwrap().timestamp(), 1_795_161_600);
            // It takes CEF's and LEEF's own beginning for the tag.
            let (tag, msg) = match payload {
                Payload::Json => ("postrider", &*body),
                _ => body.split_once(':').unwrap(),
            };
            prop_assert_eq!(parsed.appname, Some(tag));
            prop_assert_eq!(parsed.msg, msg);
        }
    }

    #[test]
    fn schemas_have_the_record_whole_and_the_texts_in_their_places(chosen in chosen()) {
        let event = event_of(&chosen);
        let seen = |text: &String| shown_in_leef(text).is_some();
        let text = |text: &String| if seen(text) { Value::from(text.as_str()) } else { Value::Null };
        let ecs: Value = serde_json::from_str(&schema::json(&event, Schema::Ecs)).unwrap();
        prop_assert_eq!(&ecs["cisco_etd"], &record(&event));
        prop_assert_eq!(&ecs["email"]["subject"], &text(&chosen.subject));
        prop_assert_eq!(&ecs["email"]["from"]["address"][0], &text(&chosen.from));
        let ocsf: Value = serde_json::from_str(&schema::json(&event, Schema::Ocsf)).unwrap();
        prop_assert_eq!(&ocsf["unmapped"]["record"], &record(&event));
        prop_assert_eq!(&ocsf["email"]["subject"], &text(&chosen.subject));
        let first = chosen.urls.iter().find(|text| seen(text)).map_or(Value::Null, text);
        prop_assert_eq!(&ecs["url"]["original"][0], &first);
        prop_assert_eq!(&ocsf["email"]["urls"][0]["url_string"], &first);
        let file = if chosen.file.is_empty() { Value::Null } else { chosen.file.as_str().into() };
        prop_assert_eq!(&ecs["email"]["attachments"][0]["file"]["name"], &file);
        prop_assert_eq!(&ocsf["email"]["files"][0]["name"], &file);
    }

    #[test]
    fn what_is_shortened_fits_and_can_be_read(chosen in chosen(), room in 200..1500_usize) {
        let event = event_of(&chosen);
        for payload in [Payload::Cef, Payload::Leef(Leef::V2), Payload::Json] {
            match body(&event, payload, room) {
                Err(least) => prop_assert!(least > room),
                Ok(line) => {
                    let id = event.id.to_string();
                    match payload {
                        Payload::Cef => {
                            let (_, pairs) = readers::cef(&line);
                            prop_assert_eq!(value(&pairs, "externalId"), Some(id.as_str()));
                        }
                        Payload::Leef(_) => {
                            let (_, pairs) = readers::leef(&line);
                            prop_assert_eq!(value(&pairs, "eventId"), Some(id.as_str()));
                        }
                        Payload::Json => {
                            let value: Value = serde_json::from_str(&line).unwrap();
                            prop_assert_eq!(&value["postrider"]["event_id"], id.as_str());
                        }
                    }
                }
            }
        }
    }
}
