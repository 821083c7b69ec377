//! Messages that the log export told of, beside those that searches found: by hour of delivery.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::{
    domain::slice::{Interval, Pass},
    store::{
        Store, StoreError,
        ledger::{self, places},
        slices::{StreamId, rows},
    },
};

/// An hour's messages by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Hours since 1970.
    pub hour: i64,
    /// That the log export told of.
    pub creates: u64,
    /// That searches found; `None` while they were not compared.
    pub collected: Option<u64>,
}

impl Store {
    /// The hours since `from` of which the log export told, oldest first.
    pub fn created(&self, stream: StreamId, from: i64) -> Result<Vec<Created>, StoreError> {
        self.read("created", |view| {
            let sql = "SELECT hour, creates, collected FROM export_create
                WHERE stream_id = ? AND hour >= ? ORDER BY hour";
            let mut statement = view.prepare_cached(sql)?;
            statement.query_map(params![stream.0, from], created)?.collect()
        })
    }

    /// Compares the hours that were not, and has those read once more of which searches found fewer.
    /// Which hours those are.
    pub async fn compare_created(
        &self,
        stream: StreamId,
        page_size: u32,
    ) -> Result<Vec<Created>, StoreError> {
        if self.read("comparable", |view| comparable(view, stream))?.is_empty() {
            return Ok(Vec::new());
        }
        self.write("compare-created", move |tx| {
            let mut fewer = Vec::new();
            for hour in comparable(tx, stream)? {
                let (filed, undated) =
                    (ledger::count(tx, stream, hour)?, places::undated(tx, stream, hour)?);
                let sql = "UPDATE export_create SET collected = ?3
                    WHERE stream_id = ?1 AND hour = ?2
                    RETURNING hour, creates, collected, creates > max(collected, reread)";
                let collected = filed.saturating_sub(undated);
                let key = params![stream.0, hour, collected];
                let (found, again) = tx
                    .prepare_cached(sql)?
                    .query_row(key, |row| Ok((created(row)?, row.get::<_, bool>(3)?)))?;
                if again {
                    read_again(tx, stream, hour, page_size)?;
                    fewer.push(found);
                }
            }
            Ok(fewer)
        })
        .await
    }
}

fn created(row: &Row<'_>) -> rusqlite::Result<Created> {
    Ok(Created { hour: row.get(0)?, creates: row.get(1)?, collected: row.get(2)? })
}

/// Hours to be compared that live collection has covered and that nobody reads just now.
fn comparable(view: &Connection, stream: StreamId) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT hour FROM export_create c WHERE stream_id = ?1 AND collected IS NULL
        AND EXISTS (SELECT 1 FROM coverage v WHERE v.stream_id = ?1 AND pass = 'live'
            AND after_ms = 0 AND start_ms <= hour * 3600000 AND end_ms >= (hour + 1) * 3600000)
        AND NOT EXISTS (SELECT 1 FROM slice s WHERE s.stream_id = ?1 AND state = 'open'
            AND pass = 'resweep' AND after_ms = 0
            AND start_ms < (hour + 1) * 3600000 AND end_ms > hour * 3600000)
        ORDER BY hour";
    let mut statement = view.prepare_cached(sql)?;
    statement.query_map([stream.0], |row| row.get(0))?.collect()
}

/// Opens a resweep of the hour; it is compared again when that is covered. Once for each number of
/// messages that the export tells of.
fn read_again(
    tx: &Connection,
    stream: StreamId,
    hour: i64,
    page_size: u32,
) -> rusqlite::Result<()> {
    let sql = "UPDATE export_create SET collected = NULL, reread = creates
        WHERE stream_id = ?1 AND hour = ?2";
    tx.prepare_cached(sql)?.execute([stream.0, hour])?;
    let at = |hour: i64| Timestamp::from_second(hour.saturating_mul(3600)).ok();
    let interval = at(hour).zip(at(hour + 1)).and_then(|(start, end)| Interval::new(start, end));
    let Some(interval) = interval else { return Ok(()) };
    rows::insert(tx, &rows::New::open(stream, Pass::Resweep, interval, page_size))
}

/// What is told of an hour that was compared has it compared again.
pub(super) fn add(
    tx: &Connection,
    stream: StreamId,
    creates: &BTreeMap<i64, u64>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO export_create (stream_id, hour, creates) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET creates = creates + excluded.creates, collected = NULL";
    let mut statement = tx.prepare_cached(sql)?;
    for (hour, count) in creates {
        statement.execute(params![stream.0, hour, count])?;
    }
    Ok(())
}
