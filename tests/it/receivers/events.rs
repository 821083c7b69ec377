//! Events whose texts are hostile, the sink that sends them, and what must come out at a receiver.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, LazyLock},
    time::Duration,
};

use jiff::Timestamp;
use postrider::{
    config::{self, BatchLimits, Payload, Schema, SinkKind, SyslogHeader},
    domain::{
        event::{Change, Event, EventId, Origin},
        slice::Stream,
    },
    fault::Fault,
    format::syslog_body,
    sink::{Outcome, Sink, syslog::Syslog},
};

use super::{programs::Program, receiver::Received};
use crate::records::Line;

pub(super) const BATCH: usize = 500;

/// As JSON, one a line.
pub(super) const SUBJECTS: &str = include_str!("../../fixtures/hostile/subjects.jsonl");

static LISTED: LazyLock<Vec<&str>> = LazyLock::new(|| SUBJECTS.lines().collect());

/// A record of ETD with one hostile text as the subject, and others where a sender may write, too.
pub(super) fn record(seq: usize) -> String {
    let text = |shift: usize| LISTED[(seq + shift) % LISTED.len()];
    format!(
        r#"{{"id":"m{seq}","timestamp":"2026-11-20T08:00:00Z","subject":{},"fromAddress":"a@example.com","senderName":{},"mailboxes":["b@example.com"],"urls":[{},"https://example.com/?a=b|c"],"attachments":[{{"filename":{}}}],"verdict":{{"latestVerdict":"{}"}},"n":1.10}}"#,
        text(0),
        text(41),
        text(83),
        text(127),
        if seq.is_multiple_of(10) { "phishing" } else { "neutral" },
    )
}

pub(super) fn event(seq: usize) -> Event {
    let verdict = if seq.is_multiple_of(10) { "phishing" } else { "neutral" };
    event_of(Stream::Messages, seq, &record(seq), Some(verdict))
}

/// An event of a record's JSON.
pub(super) fn event_of(stream: Stream, seq: usize, record: &str, verdict: Option<&str>) -> Event {
    let source = "etd-us".parse().unwrap();
    let id = EventId::new(&source, stream, &format!("m{seq}"), 1);
    let own = format!(
        r#"{{"postrider":{{"event_id":"{id}","schema":1,"source":"etd-us","revision":1,"change":"new"}},"#
    );
    Event {
        origin: Arc::new(Origin { source, stream, tags: BTreeMap::new() }),
        seq: seq as u64,
        id,
        revision: 1,
        change: Change::New,
        time_ms: 1_795_600_000_000 + i64::try_from(seq).unwrap(),
        verdict: verdict.map(Into::into),
        json: format!("{own}{}", record.strip_prefix('{').unwrap()).into(),
    }
}

pub(super) fn sink(settings: &config::Syslog) -> Syslog {
    let sink = config::Sink {
        name: "siem".parse().unwrap(),
        route: config::Route::default(),
        batch: BatchLimits {
            max_events: BATCH,
            max_bytes: 1 << 20,
            max_age: Duration::from_secs(1),
        },
        max_in_flight: 1,
        schema: Schema::default(),
        privacy: None,
        kind: SinkKind::Syslog(settings.clone()),
    };
    Syslog::new(&sink, settings, "collector").unwrap()
}

pub(super) async fn send(sink: &Syslog, events: Range<usize>) -> Result<(), Fault> {
    let mut body = Vec::new();
    let mut frames = Vec::new();
    for seq in events {
        let start = body.len();
        sink.frame(&event(seq), &mut body).unwrap();
        frames.push(start..body.len());
    }
    match sink.send(body.into(), &frames).await {
        Outcome::Accepted => Ok(()),
        Outcome::Failed(fault) => Err(fault),
        other => panic!("{other:?}"),
    }
}

/// What goes behind the header. The JSON is the event's own, but for the one control character that
/// JSON allows raw.
pub(super) fn body(event: &Event, payload: Payload) -> String {
    if payload == Payload::Json {
        return event.json.replace('\u{7f}', "\\u007f");
    }
    let mut out = Vec::new();
    syslog_body::append(event, payload, Schema::default(), usize::MAX, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A receiver's own parser found in a message what was meant, each thing in its place.
pub(super) fn assert_meant(
    program: Program,
    received: &Received,
    seq: usize,
    sent: &config::Syslog,
) {
    let event = event(seq);
    let mut body = body(&event, sent.payload);
    if program == Program::Rsyslog {
        // It rewrites LEEF 1.0's tabs unless it is told not to.
        body = body.replace('\t', "#011");
    }
    let is_new = sent.header == SyslogHeader::Rfc5424;
    let (name, message) = match body.split_once(':') {
        // In the old header CEF and LEEF bring their own tags.
        Some(tagged) if !is_new && sent.payload != Payload::Json => tagged,
        _ => ("postrider", &*body),
    };
    let none = if program == Program::Rsyslog { "-" } else { "" };
    // rsyslog keeps the space after the tag.
    let space =
        if program == Program::Rsyslog && name == "postrider" && !is_new { " " } else { "" };
    assert_eq!(received.message, format!("{space}{message}"), "{seq}");
    assert_eq!(received.priority, if seq.is_multiple_of(10) { "132" } else { "134" });
    assert_eq!(received.host, "collector");
    assert_eq!(received.program, name);
    assert_eq!(received.stream, if is_new { "messages" } else { none });
    if is_new {
        let data = format!("[postrider@32473 event_id=\"{}\" revision=\"1\"]", event.id);
        assert_eq!(received.data, data);
        let time: Timestamp = received.time.parse().unwrap();
        assert_eq!(time.as_millisecond(), event.time_ms);
    } else {
        assert_eq!(received.data, none);
    }
}

/// The events' numbers by their ids.
pub(super) fn seqs() -> &'static HashMap<String, usize> {
    static SEQS: LazyLock<HashMap<String, usize>> =
        LazyLock::new(|| (0..10_000).map(|seq| (event(seq).id.to_string(), seq)).collect());
    &SEQS
}

/// The event of a message's first version that the file sink has as a line.
pub(super) fn event_of_line(line: &Line) -> Event {
    let own = &line.json["postrider"];
    let source = own["source"].as_str().unwrap().parse().unwrap();
    let id = EventId::new(&source, Stream::Messages, own["record_id"].as_str().unwrap(), 1);
    assert_eq!(id.to_string(), line.id());
    let time: Timestamp = line.json["timestamp"].as_str().unwrap().parse().unwrap();
    Event {
        origin: Arc::new(Origin { source, stream: Stream::Messages, tags: BTreeMap::new() }),
        seq: 0,
        id,
        revision: 1,
        change: Change::New,
        time_ms: time.as_millisecond(),
        verdict: line.json["verdict"]["latestVerdict"]
            .as_str()
            .map(|word| word.to_lowercase().into()),
        json: line.text.as_str().into(),
    }
}
