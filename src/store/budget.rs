//! Calls made, by source and UTC day.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::domain::{name::SourceName, slice::Pass};

/// Calls to be counted for a source's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    pub source: SourceName,
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// What they were for.
    pub pass: Pass,
    pub count: u64,
}

impl Store {
    /// Calls counted for a source's UTC day.
    pub fn calls(&self, source: &SourceName, day: &str) -> Result<u64, StoreError> {
        self.read("calls", |view| {
            let sql = "SELECT coalesce(sum(calls), 0) FROM budget WHERE source = ? AND day = ?";
            view.prepare_cached(sql)?.query_row([source.as_str(), day], |row| row.get(0))
        })
    }
}

impl Store {
    /// Counts calls that led to nothing else to be stored.
    pub async fn count_calls(&self, calls: Calls) -> Result<(), StoreError> {
        if calls.count == 0 {
            return Ok(());
        }
        self.write("count-calls", move |tx| count(tx, &calls)).await
    }

    /// Calls counted for a source's UTC day in one pass.
    pub fn calls_of(&self, source: &SourceName, day: &str, pass: Pass) -> Result<u64, StoreError> {
        self.read("calls-of-pass", |view| {
            let sql = "SELECT coalesce(sum(calls), 0) FROM budget
                WHERE source = ? AND day = ? AND pass = ?";
            let key = [source.as_str(), day, pass.as_str()];
            view.prepare_cached(sql)?.query_row(key, |row| row.get(0))
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
    let sql = "INSERT INTO budget VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET calls = calls + excluded.calls";
    tx.prepare_cached(sql)?
        .execute(params![calls.source.as_str(), calls.day, calls.pass.as_str(), calls.count])
        .map(drop)
}
