//! What a receiver got: each event id once, with how often it came and whether always the same.
//! Compact, since benchmarks send a million.

use std::{collections::HashMap, sync::Mutex};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    content::{self, short_hash},
    locked,
};

/// Ids are UUIDs as a rule, which take a quarter of the memory as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Text {
    Uuid(Uuid),
    Other(Box<str>),
}

impl Text {
    fn new(text: &str) -> Self {
        match Uuid::try_parse(text) {
            Ok(uuid) if uuid.hyphenated().to_string() == text => Self::Uuid(uuid),
            _ => Self::Other(text.into()),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Uuid(uuid) => uuid.hyphenated().to_string(),
            Self::Other(text) => text.to_string(),
        }
    }
}

/// The member `postrider` of an event, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
struct Marks {
    #[serde(default)]
    record_id: String,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    revision: u32,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    postrider: Option<Marks>,
}

struct Entry {
    record: Text,
    stream: u8,
    revision: u32,
    bytes: u64,
    content: u64,
    times: u32,
    different: u32,
}

/// One event as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    pub event_id: String,
    pub record_id: String,
    pub stream: String,
    pub revision: u32,
    /// How often it came.
    pub times: u32,
    /// Whether all copies were the same, byte for byte.
    pub identical: bool,
    /// The hash of the vendor's content, comparable with the truth's; absent if not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Sums over a receiver's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ReceivedStats {
    /// Copies received, with an event id.
    pub received: u64,
    /// Different event ids.
    pub events: u64,
    /// Copies beyond the first.
    pub duplicates: u64,
    /// Of these, copies that were not the same as the first.
    pub different: u64,
    /// What came without an event id.
    pub foreign: u64,
    pub bytes: u64,
}

pub(super) struct Ledger {
    with_content: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Text, Entry>,
    streams: Vec<String>,
    stats: ReceivedStats,
}

impl Ledger {
    pub(super) fn new(with_content: bool) -> Self {
        Self { with_content, state: Mutex::default() }
    }

    /// Notes one copy: `whole` as it came over the wire, `event` its JSON where there is one.
    pub(super) fn note(&self, event_id: Option<&str>, whole: &[u8], event: Option<&str>) {
        let bytes = short_hash(whole);
        let marks = event.and_then(|event| serde_json::from_str::<Event>(event).ok());
        let marks = marks.and_then(|event| event.postrider).unwrap_or_default();
        let content = event.filter(|_| self.with_content);
        let content = content.and_then(|event| content::hash(event, "postrider")).unwrap_or(0);
        let mut state = locked(&self.state);
        state.stats.bytes += whole.len() as u64;
        let Some(event_id) = event_id else {
            state.stats.foreign += 1;
            return;
        };
        state.stats.received += 1;
        let key = Text::new(event_id);
        if let Some(entry) = state.entries.get_mut(&key) {
            entry.times += 1;
            let different = entry.bytes != bytes;
            entry.different += u32::from(different);
            state.stats.duplicates += 1;
            state.stats.different += u64::from(different);
            return;
        }
        let stream = state.streams.iter().position(|stream| *stream == marks.stream);
        let stream = stream.unwrap_or_else(|| {
            state.streams.push(marks.stream.clone());
            state.streams.len() - 1
        });
        let entry = Entry {
            record: Text::new(&marks.record_id),
            stream: u8::try_from(stream).unwrap_or(u8::MAX),
            revision: marks.revision,
            bytes,
            content,
            times: 1,
            different: 0,
        };
        state.entries.insert(key, entry);
        state.stats.events += 1;
    }

    pub(super) fn stats(&self) -> ReceivedStats {
        locked(&self.state).stats
    }

    /// Everything received, by event id.
    pub(super) fn received(&self) -> Vec<Received> {
        let state = locked(&self.state);
        let mut all: Vec<_> = state
            .entries
            .iter()
            .map(|(event_id, entry)| Received {
                event_id: event_id.to_text(),
                record_id: entry.record.to_text(),
                stream: state.streams.get(usize::from(entry.stream)).cloned().unwrap_or_default(),
                revision: entry.revision,
                times: entry.times,
                identical: entry.different == 0,
                content: self.with_content.then(|| format!("{:016x}", entry.content)),
            })
            .collect();
        drop(state);
        all.sort_unstable_by(|a, b| a.event_id.cmp(&b.event_id));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_and_compared() {
        let ledger = Ledger::new(true);
        let event = r#"{"postrider":{"record_id":"r","stream":"messages","revision":2},"id":"r"}"#;
        for whole in ["a", "a", "b"] {
            ledger.note(Some("e1"), whole.as_bytes(), Some(event));
        }
        ledger.note(None, b"x", None);
        let stats = ledger.stats();
        assert_eq!((stats.received, stats.events, stats.duplicates), (3, 1, 2));
        assert_eq!((stats.different, stats.foreign), (1, 1));
        let received = ledger.received();
        assert_eq!(received[0].record_id, "r");
        assert_eq!(received[0].stream, "messages");
        assert_eq!((received[0].times, received[0].identical), (3, false));
    }
}
