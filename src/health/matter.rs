//! Matters: what a health event can be about.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::{name::SourceName, severity::Severity};

/// What kind of matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A range of a stream that is not collected.
    Gap,
    /// A source is failing, held up or behind.
    Source,
    /// A sink does not take what is sent.
    Sink,
    /// A sink refused events for good.
    DeadLetters,
    /// Credentials are about to expire, or have.
    Credentials,
    /// The day's calls are nearly used, or passes held back for them.
    Quota,
    /// No records for longer than `expect_records_within`.
    Silence,
    /// A licence is nearly used.
    Entitlement,
    /// A licence will not last.
    EntitlementForecast,
    /// A day's messages differ from the vendor's count.
    Reconciliation,
    /// Something stands in the way of a log export.
    LogExport,
    /// This machine's clock is wrong.
    Clock,
}

/// What an event says of a matter, and what is remembered to have been said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Telling {
    pub kind: Kind,
    /// The word to alert by, such as `auth_failed`. With another one the matter is told anew.
    pub condition: String,
    pub severity: Severity,
    /// What happened, to what, and what a person can do.
    pub message: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// Something that is so now.
#[derive(Debug, Clone, PartialEq)]
pub struct Matter {
    pub source: SourceName,
    /// What it is about, within the source.
    pub record_id: String,
    pub telling: Telling,
    /// Since when; else since it was noticed.
    pub since: Option<Timestamp>,
    pub due: Due,
    /// A number that is told again when it has grown, though not often; 0 for none.
    pub size: u64,
}

/// When a matter is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Once it has gone on for this long.
    After(Duration),
    /// Not now: what is open stays so, nothing is opened.
    Keep,
}

impl Due {
    pub const NOW: Self = Self::After(Duration::ZERO);
}

impl Matter {
    /// A matter that is told at once.
    pub fn new(
        source: &SourceName,
        record_id: impl Into<String>,
        (kind, condition): (Kind, impl Into<String>),
        severity: Severity,
        message: String,
    ) -> Self {
        let condition = condition.into();
        let telling = Telling { kind, condition, severity, message, details: Map::new() };
        let record_id = record_id.into();
        Self { source: source.clone(), record_id, telling, since: None, due: Due::NOW, size: 0 }
    }

    /// What is open stays open as it was told.
    pub fn keep(source: &SourceName, record_id: impl Into<String>, kind: Kind) -> Self {
        let keep = Self::new(source, record_id, (kind, ""), Severity::Info, String::new());
        Self { due: Due::Keep, ..keep }
    }

    #[must_use]
    pub fn after(self, patience: Duration) -> Self {
        Self { due: Due::After(patience), ..self }
    }

    #[must_use]
    pub fn since(self, since: Timestamp) -> Self {
        Self { since: Some(since), ..self }
    }

    #[must_use]
    pub fn growing(self, size: u64) -> Self {
        Self { size, ..self }
    }

    /// Adds a detail; nothing where there is no value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.telling.details.insert(name.into(), value);
        }
        self
    }

    /// Adds a time.
    #[must_use]
    pub fn at(self, name: &str, at: Option<Timestamp>) -> Self {
        self.with(name, at.map(|at| at.to_string()))
    }
}
