//! What holds of each record, whatever it was made of, on its way to an event and to the store.

use std::{collections::BTreeMap, mem::discriminant, sync::Arc};

use serde_json::value::RawValue;

use crate::{
    collect::fuzzing::{COLLECTED_AT, event, vanished},
    config::{Payload, Schema},
    domain::{
        change::{self, Known, Revision},
        counters::Counters,
        event::{Event, Origin},
        fingerprint,
        name::SourceName,
        record::{Facts, Record},
        row::KnownRow,
        slice::Stream,
    },
    format::{hec::Hec, rfc3164::Rfc3164, rfc5424::Rfc5424, syslog_body},
    store::{fuzzing as store, spool::NewEvent},
};

/// Sums of larger counters may be cut, so they need not come out even.
const LARGE: u128 = 1 << 100;

/// Checks the records of a page, each as a first version and as one after the record before it.
pub(crate) fn check(records: &[Record]) {
    let (mut events, mut versions) = (Vec::new(), Vec::new());
    let mut before: Option<(&Record, Known)> = None;
    for record in records {
        let first = change::next(None, record, COLLECTED_AT);
        let known = known(record, &first);
        let again = change::again(&known, record, COLLECTED_AT);
        let same = before.take().filter(|(other, _)| {
            other.stream == record.stream
                && discriminant(&other.facts) == discriminant(&record.facts)
        });
        let next = same.map(|(_, other)| {
            let next = change::next(Some(&other), record, COLLECTED_AT);
            assert_follows(&other, record, &next);
            next
        });
        for revision in [Some(first), Some(again), next].into_iter().flatten() {
            let event = event(record, &revision);
            assert_event(&event, record.stream, &record.json);
            events.push(event);
            versions.push(self::known(record, &revision));
        }
        if let Facts::SummaryRow { counters, .. } | Facts::Report { counters, .. } = &record.facts
            && KnownRow::read(&known.watched).row.is_some()
        {
            events.push(gone(&known, record.stream, counters));
        }
        if let Facts::RelayUser { .. } = &record.facts {
            let revision = change::remove(&known, &[], COLLECTED_AT).expect("it is there");
            let watched = revision.watched;
            let known = Known { watched, ..known.clone() };
            assert!(change::remove(&known, &[], COLLECTED_AT).is_none());
        }
        before = Some((record, known));
    }
    store::assert_events_kept(&events);
    store::assert_versions_kept(&versions);
}

fn known(record: &Record, revision: &Revision) -> Known {
    let members = record.fingerprint.members.clone();
    Known { revision: revision.number, members, watched: revision.watched.clone() }
}

/// Equal members name no change, and deltas add up.
fn assert_follows(before: &Known, record: &Record, next: &Revision) {
    if before.members == record.fingerprint.members {
        assert!(next.changed.is_empty(), "{:?}", next.changed);
    }
    let (Facts::SummaryRow { counters: now, .. } | Facts::Report { counters: now, .. }) =
        &record.facts
    else {
        return;
    };
    let was = KnownRow::read(&before.watched).counters();
    let delta = next.delta.as_ref().expect("a row's revision has a delta");
    for (now, was, delta) in
        [(&now.status, &was.status, &delta.status), (&now.details, &was.details, &delta.details)]
    {
        for (name, count) in now {
            let was = was.get(name).copied().unwrap_or_default();
            if was.unsigned_abs() < LARGE && count.unsigned_abs() < LARGE {
                assert_eq!(was + delta[name], *count, "{name}");
            }
        }
    }
}

/// What is remembered of a row suffices to take it back, once.
fn gone(known: &Known, stream: Stream, counters: &Counters) -> NewEvent {
    assert_eq!(KnownRow::read(&known.watched).counters(), *counters, "the ledger forgets");
    let (revision, row) = change::vanish(known).expect("a row that is there");
    let delta = revision.delta.as_ref().expect("a row's revision has a delta");
    let all = counters.status.iter().chain(&counters.details);
    let taken = delta.status.iter().chain(&delta.details);
    for ((name, count), (same, taken)) in all.zip(taken) {
        assert_eq!((name, taken), (same, &count.saturating_neg()));
    }
    let watched = revision.watched.clone();
    let members = known.members.clone();
    assert!(change::vanish(&Known { revision: 2, members, watched }).is_none());
    let event = vanished(stream, &row, &revision);
    assert_event(&event, stream, row.names.get());
    event
}

/// One line of JSON, `postrider` first, then all that the record has.
fn assert_event(event: &NewEvent, stream: Stream, record: &str) {
    let members = one_line(&event.json);
    assert_eq!(members[0].0, "postrider");
    let own = one_line(record);
    assert!(own.iter().all(|(name, _)| name != "postrider"));
    let same = |pair: (&(String, &RawValue), &(String, &RawValue))| {
        pair.0.0 == pair.1.0 && pair.0.1.get() == pair.1.1.get()
    };
    assert_eq!(members.len(), own.len() + 1, "{} of {record}", event.json);
    assert!(members[1..].iter().zip(&own).all(same), "{} of {record}", event.json);
    let header = fingerprint::object(members[0].1).expect("the header is an object");
    let text = |wanted: &str| {
        let found = header.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.get().to_owned())
    };
    assert_eq!(text("event_id"), Some(format!("\"{}\"", event.id)));
    assert_eq!(text("revision"), Some(event.revision.to_string()));
    assert_framed(event, stream);
}

/// The members of an object on one line.
fn one_line(json: &str) -> Vec<(String, &RawValue)> {
    assert!(!json.contains(['\n', '\r']), "more than one line: {json}");
    let raw: &RawValue = serde_json::from_str(json).expect("JSON");
    let members = fingerprint::object(raw).expect("an object");
    members.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
}

/// The sinks' frames are as whole as the event.
fn assert_framed(event: &NewEvent, stream: Stream) {
    let tags = BTreeMap::from([("tenant".to_owned(), "a \"quoted\"\nname".to_owned())]);
    let event = Event {
        origin: Arc::new(Origin { source: SourceName::own(), stream, tags }),
        seq: 1,
        id: event.id,
        revision: event.revision,
        change: event.change,
        time_ms: event.time_ms,
        verdict: event.verdict.as_deref().map(Into::into),
        json: event.json.as_str().into(),
    };
    let mut frame = Vec::new();
    Hec::new("host", Some("index")).append(&event, Schema::Postrider, &mut frame);
    let envelope = std::str::from_utf8(&frame).expect("UTF-8");
    let members = one_line(envelope);
    let inner = members.iter().find(|(name, _)| name == "event").map(|(_, value)| value.get());
    assert_eq!(inner, Some(&*event.json));
    for append in [
        |event: &Event, out: &mut Vec<u8>| Rfc5424::new("host", 32473).append(event, out),
        |event: &Event, out: &mut Vec<u8>| Rfc3164::new("host", Payload::Json).append(event, out),
    ] {
        frame.clear();
        append(&event, &mut frame);
        let (payload, schema) = (Payload::Json, Schema::Postrider);
        syslog_body::append(&event, payload, schema, usize::MAX, &mut frame).expect("it has room");
        let line = std::str::from_utf8(&frame).expect("UTF-8");
        assert!(!line.contains(|c: char| c.is_ascii_control()), "{line}");
        let json = line.split_once(" {").map(|(_, json)| format!("{{{json}")).expect("a message");
        one_line(&json);
    }
}
