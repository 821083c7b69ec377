//! Calls made, by source and UTC day.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};
use crate::domain::name::SourceName;

/// Calls to be counted for a source's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    pub source: SourceName,
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    pub count: u64,
}

impl Store {
    /// Calls counted for a source's UTC day.
    pub fn calls(&self, source: &SourceName, day: &str) -> Result<u64, StoreError> {
        self.read("calls", |view| {
            let sql = "SELECT calls FROM budget WHERE source = ? AND day = ?";
            let calls =
                view.prepare_cached(sql)?.query_row([source.as_str(), day], |row| row.get(0));
            Ok(calls.optional()?.unwrap_or(0))
        })
    }
}

/// The UTC day of a time, as the budget counts.
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

pub(super) fn count(tx: &Connection, calls: &Calls) -> rusqlite::Result<()> {
    if calls.count == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO budget VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET calls = calls + excluded.calls";
    tx.prepare_cached(sql)?
        .execute(params![calls.source.as_str(), calls.day, calls.count])
        .map(drop)
}
