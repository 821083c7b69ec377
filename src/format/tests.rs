mod hostile;
mod qradar;
mod readers;
mod samples;
mod short;
mod shown;

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use syslog_loose::{Protocol, SyslogFacility, SyslogSeverity, Variant};

use super::{hec::Hec, json, rfc3164::Rfc3164, rfc5424::Rfc5424};
use crate::{
    config::{self, Schema},
    domain::{
        event::{Change, Event, EventId, Origin},
        slice::Stream,
    },
};

const TIME: i64 = 1_795_600_000_120;

pub(super) fn event(stream: Stream, json: &str) -> Event {
    let source = "etd-us".parse().unwrap();
    let id = EventId::new(&source, stream, "AAA=", 2);
    let tags = BTreeMap::from([("tenant".to_owned(), "acme \"1\"".to_owned())]);
    Event {
        origin: Arc::new(Origin { source, stream, tags }),
        seq: 7,
        id,
        revision: 2,
        change: Change::Changed,
        time_ms: TIME,
        verdict: None,
        json: json.into(),
    }
}

fn sample() -> Event {
    event(Stream::Messages, r#"{"postrider":{"schema":1},"subject":"ünï [x]\\ \"q\"","n":1.10}"#)
}

fn rfc5424(event: &Event) -> String {
    let mut out = Vec::new();
    Rfc5424::new("collector.example.com", 32473).append(event, &mut out);
    json::printable_line(&event.json, &mut out);
    String::from_utf8(out).unwrap()
}

fn rfc3164(event: &Event) -> String {
    let mut out = Vec::new();
    Rfc3164::new("collector", config::Payload::Json).append(event, &mut out);
    json::printable_line(&event.json, &mut out);
    String::from_utf8(out).unwrap()
}

fn hec(event: &Event) -> String {
    let mut out = Vec::new();
    Hec::new("collector", Some("email")).append(event, Schema::Postrider, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_formats_look_like_this() {
    insta::assert_snapshot!(rfc5424(&sample()), @r#"<134>1 2026-11-25T09:46:40.120Z collector.example.com postrider - messages [postrider@32473 event_id="6dc29028-bbf9-8a9b-a82f-b04fcf215bde" revision="2"] {"postrider":{"schema":1},"subject":"ünï [x]\\ \"q\"","n":1.10}"#);
    insta::assert_snapshot!(rfc3164(&sample()), @r#"<134>Nov 25 09:46:40 collector postrider: {"postrider":{"schema":1},"subject":"ünï [x]\\ \"q\"","n":1.10}"#);
    insta::assert_snapshot!(hec(&sample()), @r#"{"time":1795600000.120,"host":"collector","source":"postrider:etd-us","sourcetype":"cisco:etd:message","index":"email","event":{"postrider":{"schema":1},"subject":"ünï [x]\\ \"q\"","n":1.10},"fields":{"event_id":"6dc29028-bbf9-8a9b-a82f-b04fcf215bde","revision":"2","change":"changed","tenant":"acme \"1\""}}"#);
}

#[test]
fn an_envelope_has_exactly_the_keys_that_splunk_knows() {
    let keys = |text: &str| -> Vec<String> {
        let envelope: serde_json::Map<_, _> = serde_json::from_str(text).unwrap();
        envelope.into_iter().map(|(key, _)| key).collect()
    };
    let mut expected = ["time", "host", "source", "sourcetype", "index", "event", "fields"];
    expected.sort_unstable();
    let mut found = keys(&hec(&sample()));
    found.sort_unstable();
    assert_eq!(found, expected);
    let mut out = Vec::new();
    Hec::new("collector", None).append(&sample(), Schema::Postrider, &mut out);
    let found = keys(std::str::from_utf8(&out).unwrap());
    assert!(!found.contains(&"index".to_owned()) && found.len() == 6);
}

#[test]
fn hec_fields_are_strings_and_tags_do_not_replace_ours() {
    let mut event = sample();
    let tags = BTreeMap::from([
        ("event_id".to_owned(), "mine".to_owned()),
        ("site".to_owned(), "a\u{1}b".to_owned()),
    ]);
    event.origin = Arc::new(Origin { tags, ..(*event.origin).clone() });
    let envelope: serde_json::Value = serde_json::from_str(&hec(&event)).unwrap();
    let fields = envelope["fields"].as_object().unwrap();
    assert_eq!(fields["event_id"], event.id.to_string());
    assert_eq!(fields["revision"], "2");
    assert_eq!(fields["change"], "changed");
    assert_eq!(fields["site"], "a\u{1}b");
    assert!(fields.values().all(serde_json::Value::is_string));
}

#[test]
fn hec_time_is_exact_and_never_in_exponents() {
    for (ms, text) in [
        (TIME, "1795600000.120"),
        (0, "0.000"),
        (7, "0.007"),
        (-1, "-0.001"),
        (-1_500, "-1.500"),
        (i64::MIN, "-9223372036854775.808"),
    ] {
        let event = Event { time_ms: ms, ..sample() };
        assert!(hec(&event).starts_with(&format!("{{\"time\":{text},")), "{ms}");
    }
}

#[test]
fn every_stream_has_its_sourcetype() {
    let types = Stream::ALL.map(super::hec::sourcetype);
    let expected = [
        "cisco:etd:message",
        "cisco:etd:audit",
        "proofpoint:ser:summary",
        "proofpoint:ser:entitlement",
        "proofpoint:ser:usage",
        "proofpoint:ser:failure",
        "proofpoint:ser:relay_user",
        "postrider:health",
    ];
    assert_eq!(types, expected);
}

#[test]
fn severity_follows_the_verdict() {
    for (verdict, stream, pri) in [
        (Some("phishing"), Stream::Messages, 132),
        (Some("bec"), Stream::Messages, 132),
        (Some("scam"), Stream::Messages, 132),
        (Some("malicious"), Stream::Messages, 132),
        (Some("neutral"), Stream::Messages, 134),
        (Some("spam"), Stream::Messages, 134),
        (None, Stream::Summary, 134),
        (None, Stream::Health, 133),
    ] {
        let event = Event { verdict: verdict.map(Into::into), ..event(stream, "{}") };
        assert!(rfc5424(&event).starts_with(&format!("<{pri}>1 ")), "{verdict:?}");
        assert!(rfc3164(&event).starts_with(&format!("<{pri}>")), "{verdict:?}");
    }
}

#[test]
fn severity_follows_a_health_events_own() {
    for (severity, pri) in [("info", 133), ("warning", 132), ("error", 131), ("critical", 130)] {
        let json = format!(r#"{{"postrider":{{}},"kind":"sink","severity":"{severity}"}}"#);
        let event = event(Stream::Health, &json);
        assert!(rfc5424(&event).starts_with(&format!("<{pri}>1 ")), "{severity}");
    }
}

#[test]
fn a_hostname_is_printable_ascii_of_at_most_255() {
    let host = |name: &str| {
        let mut out = Vec::new();
        Rfc5424::new(name, 1).append(&sample(), &mut out);
        String::from_utf8(out).unwrap().split(' ').nth(2).unwrap().to_owned()
    };
    assert_eq!(host("müller host"), "m_ller_host");
    assert_eq!(host(" "), "-");
    assert_eq!(host(&"x".repeat(300)).len(), 255);
}

#[test]
fn the_day_of_rfc_3164_is_padded_with_a_space() {
    // 2026-11-05T03:04:05.999Z
    let event = Event { time_ms: 1_793_847_845_999, ..sample() };
    assert!(rfc3164(&event).starts_with("<134>Nov  5 03:04:05 collector postrider: {"));
}

#[test]
fn a_time_that_the_header_cannot_say_is_none() {
    let event = Event { time_ms: i64::MAX, ..sample() };
    assert!(rfc5424(&event).starts_with("<134>1 - collector"));
    let event = Event { time_ms: -99_999_999_999_999, ..sample() };
    assert!(rfc5424(&event).starts_with("<134>1 - collector"));
}

fn any_json() -> impl Strategy<Value = String> {
    ("\\PC{0,60}", any::<String>(), any::<i64>()).prop_map(|(key, text, number)| {
        serde_json::json!({ "postrider": { "schema": 1 }, key: text, "n": number }).to_string()
    })
}

proptest! {
    #[test]
    fn another_parser_reads_our_rfc_5424(
        json in any_json(),
        time_ms in 0_i64..253_402_300_799_999,
        stream in prop::sample::select(&Stream::ALL),
    ) {
        let event = Event { time_ms, ..event(stream, &json) };
        let text = rfc5424(&event);
        prop_assert!(!text.bytes().any(|byte| byte < b' ' || byte == 0x7f));
        let parsed = syslog_loose::parse_message(&text, Variant::RFC5424);
        prop_assert_eq!(parsed.protocol, Protocol::RFC5424(1));
        prop_assert_eq!(parsed.facility, Some(SyslogFacility::LOG_LOCAL0));
        prop_assert_eq!(parsed.timestamp.unwrap().timestamp_millis(), time_ms);
        prop_assert_eq!(parsed.hostname, Some("collector.example.com"));
        prop_assert_eq!(parsed.appname, Some("postrider"));
        prop_assert!(parsed.procid.is_none());
        prop_assert_eq!(parsed.msgid, Some(stream.as_str()));
        let data = &parsed.structured_data;
        prop_assert_eq!(data.len(), 1);
        prop_assert_eq!(data[0].id, "postrider@32473");
        let id = event.id.to_string();
        let params: Vec<_> = data[0].params().map(|(key, value)| (*key, value.clone())).collect();
        prop_assert_eq!(params, vec![("event_id", id), ("revision", "2".to_owned())]);
        let sent: serde_json::Value = serde_json::from_str(parsed.msg).unwrap();
        prop_assert_eq!(sent, serde_json::from_str::<serde_json::Value>(&json).unwrap());
    }

    #[test]
    fn another_parser_reads_our_rfc_3164(json in any_json()) {
        let text = rfc3164(&event(Stream::Messages, &json));
        let parsed = syslog_loose::parse_message_with_year(&text, |_| 2026, Variant::RFC3164);
        prop_assert_eq!(parsed.protocol, Protocol::RFC3164);
        prop_assert_eq!(parsed.severity, Some(SyslogSeverity::SEV_INFO));
        prop_assert_eq!(parsed.timestamp.unwrap().timestamp(), TIME / 1000);
        prop_assert_eq!(parsed.hostname, Some("collector"));
        prop_assert_eq!(parsed.appname, Some("postrider"));
        let sent: serde_json::Value = serde_json::from_str(parsed.msg).unwrap();
        prop_assert_eq!(sent, serde_json::from_str::<serde_json::Value>(&json).unwrap());
    }

    #[test]
    fn an_envelope_carries_the_event_verbatim(json in any_json(), time_ms in any::<i64>()) {
        let text = hec(&Event { time_ms, ..event(Stream::Messages, &json) });
        let spliced = format!(",\"event\":{json},\"fields\":{{");
        prop_assert!(text.contains(&spliced));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
