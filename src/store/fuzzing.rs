//! What the disk holds, damaged at will, for `crate::fuzzing`: an answer or none, never a panic.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    block::Codec,
    spool::{NewEvent, decode, encode},
};
use crate::domain::{
    event::{Event, Origin},
    name::SourceName,
    slice::Stream,
};

pub(crate) use super::ledger::fuzzing::assert_kept as assert_versions_kept;
pub use super::ledger::fuzzing::ledger;

/// A chunk of the spool: how many events it is said to have, and its bytes.
pub fn chunk(bytes: &[u8]) {
    let Some((count, plain)) = bytes.split_first() else { return };
    drop(Codec::default().restore(plain));
    let Some(events) = decode(plain, &origin(), 7, u64::from(*count)) else { return };
    assert_eq!(events.len(), usize::from(*count));
    assert_events_kept(&events.into_iter().map(renewed).collect::<Vec<_>>());
}

/// What is packed comes out as it went in.
pub(crate) fn assert_events_kept(events: &[NewEvent]) {
    let codec = Codec::default();
    let block = codec.compress(&encode(events)).expect("memory to compress in");
    let plain = codec.restore(&block).expect("its own block");
    let read = decode(&plain, &origin(), 7, events.len() as u64).expect("its own chunk");
    assert!(read.into_iter().map(renewed).eq(events.iter().cloned()));
}

fn origin() -> Arc<Origin> {
    Arc::new(Origin { source: SourceName::own(), stream: Stream::Messages, tags: BTreeMap::new() })
}

fn renewed(event: Event) -> NewEvent {
    NewEvent {
        id: event.id,
        revision: event.revision,
        change: event.change,
        time_ms: event.time_ms,
        verdict: event.verdict.map(|verdict| verdict.to_string()),
        json: event.json.to_string(),
    }
}
