//! Surveys of licences: the last one of each source, and the event that tells it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Store, StoreError,
    budget::{self, Calls},
    ledger,
    slices::{PageCommit, StreamId, time},
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
                keep(tx, survey.stream.0, survey.at, survey.usage.as_ref())?;
                spool::append(tx, &[survey.chunk])
            })
            .await?;
        self.shared.spooled.grows_to(next);
        Ok(())
    }
}

/// Keeps what a page tells of the licence's use.
pub(super) fn keep_of_page(tx: &Connection, page: &PageCommit) -> rusqlite::Result<()> {
    let Some((at, usage)) = &page.usage else { return Ok(()) };
    let sql = "SELECT stream_id FROM slice WHERE id = ?";
    let stream = tx.prepare_cached(sql)?.query_row([page.slice.0], |row| row.get(0))?;
    keep(tx, stream, *at, Some(usage))
}

fn keep(
    tx: &Connection,
    stream: i64,
    at: Timestamp,
    usage: Option<&Usage>,
) -> rusqlite::Result<()> {
    let usage = serde_json::to_string(&usage)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sql = "INSERT INTO licence VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, usage = excluded.usage";
    tx.prepare_cached(sql)?.execute(params![stream, at.as_millisecond(), usage]).map(drop)
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
