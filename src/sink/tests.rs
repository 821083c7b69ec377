//! What the sinks' tests share.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;

use super::Sink;
use crate::{
    config::{self, BatchLimits, SinkKind},
    domain::{
        event::{Change, Event, EventId, Origin},
        slice::Stream,
    },
};

pub(crate) fn sink() -> config::Sink {
    config::Sink {
        name: "test".parse().unwrap(),
        route: config::Route::default(),
        batch: BatchLimits { max_events: 500, max_bytes: 1 << 20, max_age: Duration::from_secs(1) },
        max_in_flight: 1,
        schema: config::Schema::default(),
        privacy: None,
        kind: SinkKind::Stdout,
    }
}

pub(crate) fn event_of(seq: u64, json: &str) -> Event {
    let source = "etd-us".parse().unwrap();
    let id = EventId::new(&source, Stream::Messages, &seq.to_string(), 1);
    Event {
        origin: Arc::new(Origin { source, stream: Stream::Messages, tags: BTreeMap::new() }),
        seq,
        id,
        revision: 1,
        change: Change::New,
        time_ms: 1_795_600_000_000,
        verdict: None,
        json: json.into(),
    }
}

pub(crate) fn event(seq: u64) -> Event {
    event_of(seq, &format!(r#"{{"postrider":{{"schema":1}},"n":{seq},"subject":"äß \u00e4"}}"#))
}

/// The first `count` events as `sink` frames them.
pub(crate) fn batch(sink: &impl Sink, count: u64) -> (Bytes, Vec<Range<usize>>) {
    let mut body = Vec::new();
    let mut frames = Vec::new();
    for seq in 0..count {
        let start = body.len();
        sink.frame(&event(seq), &mut body).unwrap();
        frames.push(start..body.len());
    }
    (body.into(), frames)
}

pub(crate) mod pki;
