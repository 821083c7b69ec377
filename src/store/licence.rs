//! Surveys of licences: the last one of each source, and the event that tells it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Store, StoreError,
    budget::{self, Calls},
    ledger,
    slices::{StreamId, time},
    spool,
};
use crate::domain::usage::Usage;

/// What a survey makes true, together.
#[derive(Debug)]
pub struct SurveyCommit {
    pub stream: StreamId,
    pub at: Timestamp,
    /// `None` where the vendor would not say what is used.
    pub usage: Option<Usage>,
    pub chunk: spool::NewChunk,
    pub ledger: ledger::NewBlock,
    pub calls: Calls,
}

impl Store {
    /// When a stream's licence was surveyed last, and what was found.
    pub fn licence(
        &self,
        stream: StreamId,
    ) -> Result<Option<(Timestamp, Option<Usage>)>, StoreError> {
        self.read("licence", |view| {
            let sql = "SELECT at_ms, usage FROM licence WHERE stream_id = ?";
            let found = view.prepare_cached(sql)?.query_row([stream.0], |row| {
                let usage: String = row.get(1)?;
                // A later version's figures are no reason to fail.
                Ok((time(row, 0)?, serde_json::from_str(&usage).unwrap_or_default()))
            });
            found.optional()
        })
    }

    /// What was used of each source's licence at its last survey, where that could be told.
    pub fn usages(&self) -> Result<BTreeMap<String, Usage>, StoreError> {
        self.read("usages", usages)
    }

    pub async fn commit_survey(&self, survey: SurveyCommit) -> Result<(), StoreError> {
        let next = self
            .write("commit-survey", move |tx| {
                budget::count(tx, &survey.calls)?;
                ledger::insert(tx, &survey.ledger)?;
                let usage = serde_json::to_string(&survey.usage)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                let sql = "INSERT INTO licence VALUES (?1, ?2, ?3)
                    ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, usage = excluded.usage";
                let at = survey.at.as_millisecond();
                tx.prepare_cached(sql)?.execute(params![survey.stream.0, at, usage])?;
                spool::append(tx, &[survey.chunk])
            })
            .await?;
        self.shared.spooled.grows_to(next);
        Ok(())
    }
}

pub(super) fn usages(view: &Connection) -> rusqlite::Result<BTreeMap<String, Usage>> {
    let sql = "SELECT source, usage FROM licence JOIN stream ON stream.id = stream_id";
    let mut statement = view.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        let usage: String = row.get(1)?;
        // A later version's figures are no reason to fail.
        Ok((row.get::<_, String>(0)?, serde_json::from_str::<Option<Usage>>(&usage).ok().flatten()))
    })?;
    let known = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(known.into_iter().filter_map(|(source, usage)| Some((source, usage?))).collect())
}
