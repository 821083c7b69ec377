//! Events: one version of a record, as it goes to the sinks.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Deref, Range},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{name::SourceName, slice::Stream};

/// A function of source, stream, record and revision: the same event always has the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    pub fn new(source: &SourceName, stream: Stream, record_id: &str, revision: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [source.as_str(), stream.as_str(), record_id] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&revision.to_le_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(Uuid::new_v8(bytes))
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How an event's record came to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    New,
    Changed,
    /// A SER row or relay user that a later fetch no longer has.
    Vanished,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Vanished => "vanished",
        }
    }
}

/// What all events of a chunk share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub source: SourceName,
    pub stream: Stream,
    /// The source's configured tags when the events were made.
    pub tags: BTreeMap<String, String>,
}

/// A part of a text that is shared: the events of a chunk are restored together.
#[derive(Clone)]
pub struct Text {
    whole: Arc<str>,
    part: Range<usize>,
}

impl Text {
    /// `None` where the part is not within the text, or cuts a character.
    pub fn part(whole: &Arc<str>, part: Range<usize>) -> Option<Self> {
        whole.get(part.clone())?;
        Some(Self { whole: whole.clone(), part })
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.whole.get(self.part.clone()).unwrap_or_default()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { whole: text.into(), part: 0..text.len() }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

/// An event as the spool keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub origin: Arc<Origin>,
    /// Position in the spool; unique in a store.
    pub seq: u64,
    pub id: EventId,
    pub revision: u32,
    pub change: Change,
    /// The event's time, milliseconds since 1970.
    pub time_ms: i64,
    /// The latest verdict of a message, lower case.
    pub verdict: Option<Arc<str>>,
    /// The event: one JSON object on one line, `postrider` first.
    pub json: Text,
}
