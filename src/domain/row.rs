//! What the ledger remembers of a SER row: enough to tell how it moved, and what it was when a
//! later answer no longer has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use uuid::Uuid;

use super::{counters::Counters, record::RelayUser, slice::Interval};

/// A row's last version. Its `status` and `details` stand as in events, so that `previous` can be
/// looked up in it by the names of members.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KnownRow {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub status: BTreeMap<String, i128>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, i128>,
    /// Absent from what versions before 0.2 wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Identity>,
    /// Whether the last answer no longer had it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// When this version was collected, milliseconds since 1970. Absent from what versions before
    /// 0.2 wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

/// The flag of rows of one key.
pub const TWIN: &str = "duplicate_key";

/// The id of the next row of the same key, where keys are not unique.
pub fn twin(id: &str) -> String {
    let hash = blake3::hash(format!("twin of {id}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    Uuid::new_v8(bytes).to_string()
}

/// Which row it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// See [`super::record::Record::id`].
    pub id: String,
    /// Milliseconds since 1970.
    window: [i64; 2],
    /// The members that name it, as they came: one JSON object.
    pub names: Box<RawValue>,
    /// The SER Admin API's report that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// Of whom, where the report has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<RelayUser>,
}

impl Identity {
    pub fn new(id: String, window: Interval, names: Box<RawValue>) -> Self {
        let window = [window.start().as_millisecond(), window.end().as_millisecond()];
        Self { id, window, names, report: None, user: None }
    }

    #[must_use]
    pub fn of_report(self, report: &str, user: Option<RelayUser>) -> Self {
        Self { report: Some(report.to_owned()), user, ..self }
    }

    pub fn window(&self) -> Option<Interval> {
        let at = |ms| Timestamp::from_millisecond(ms).ok();
        Interval::new(at(self.window[0])?, at(self.window[1])?)
    }
}

impl KnownRow {
    pub fn new(counters: Counters, row: Option<Identity>) -> Self {
        let Counters { status, details } = counters;
        Self { status, details, row, gone: false, at: None }
    }

    /// What [`KnownRow::text`] wrote; what cannot be read counts as nothing known.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        // Numbers and texts can always be written.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    #[must_use]
    pub fn collected(self, at: Timestamp) -> Self {
        Self { at: Some(at.as_millisecond()), ..self }
    }

    pub fn counters(&self) -> Counters {
        Counters { status: self.status.clone(), details: self.details.clone() }
    }
}
