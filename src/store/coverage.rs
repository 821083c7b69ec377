//! What `coverage` is made of: read in one consistent view.
//!
//! Quick also after years: covered intervals are merged, and of slices only such are read as are
//! not covered, which stay few, or are not forgotten yet.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    Store, StoreError,
    reconciliation::{self, Reconciled},
    slices::{Frontier, RequestId, StreamId, interval, narrow, pass, time},
};
use crate::{
    coverage::{Round, State, Unfetched},
    domain::{
        filter::Filter,
        name::SourceName,
        slice::{Interval, Stream},
    },
};

/// All that the store has of a stream's coverage.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What live collection has planned.
    pub frontier: Option<Frontier>,
    pub covered: Vec<(Round, Interval)>,
    /// Slices that are open, planned and due, lost or refused. Those of narrowed backfills, which
    /// prove nothing, are left out.
    pub unfetched: Vec<(Round, Unfetched)>,
    pub requests: Vec<Request>,
    pub counts: BTreeMap<Round, Counts>,
    pub reconciled: Vec<Reconciled>,
}

/// A backfill that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: RequestId,
    pub interval: Interval,
    pub narrow: Filter,
    /// `open`, `done`, `cancelled`.
    pub state: String,
    /// Slices are opened up to here.
    pub planned: Timestamp,
}

/// Covered slices that are not forgotten yet, and their records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    pub slices: u64,
    /// Records read.
    pub records: u64,
    /// What the vendor announced, where it announced anything.
    pub announced: u64,
    /// Records read where it did.
    pub read: u64,
    /// Slices in which fewer came than were announced; more come where the vendor repeats some.
    pub short: u64,
    /// Slices that were read once more because of it.
    pub refetched: u64,
}

impl Store {
    /// The number of a stream that was collected before.
    pub fn find_stream(
        &self,
        source: &SourceName,
        stream: Stream,
    ) -> Result<Option<StreamId>, StoreError> {
        self.read("find-stream", |view| {
            let sql = "SELECT id FROM stream WHERE source = ? AND stream = ?";
            let key = [source.as_str(), stream.as_str()];
            view.prepare_cached(sql)?.query_row(key, |row| row.get(0).map(StreamId)).optional()
        })
    }

    /// What is recorded of a stream. Of the vendor's counts, those since `counted_from`.
    pub fn recorded(
        &self,
        stream: StreamId,
        now: Timestamp,
        counted_from: Timestamp,
    ) -> Result<Recorded, StoreError> {
        self.read("recorded", |view| {
            let sql = "SELECT from_ms, to_ms FROM frontier WHERE stream_id = ?";
            let frontier = |row: &Row<'_>| Ok(Frontier { from: time(row, 0)?, to: time(row, 1)? });
            Ok(Recorded {
                frontier: view.prepare_cached(sql)?.query_row([stream.0], frontier).optional()?,
                covered: covered(view, stream)?,
                unfetched: unfetched(view, stream, now)?,
                requests: requests(view, stream)?,
                counts: counts(view, stream)?,
                reconciled: reconciliation::since(view, stream, counted_from)?,
            })
        })
    }
}

/// Columns: pass, age in milliseconds.
fn round(row: &Row<'_>) -> rusqlite::Result<Round> {
    Ok(Round { pass: pass(row, 0)?, after: Duration::from_millis(row.get(1)?) })
}

fn covered(view: &Connection, stream: StreamId) -> rusqlite::Result<Vec<(Round, Interval)>> {
    let sql = "SELECT pass, after_ms, start_ms, end_ms FROM coverage WHERE stream_id = ?";
    let mut statement = view.prepare_cached(sql)?;
    let rows = statement.query_map([stream.0], |row| Ok((round(row)?, interval(row, 2)?)))?;
    rows.collect()
}

fn unfetched(
    view: &Connection,
    stream: StreamId,
    now: Timestamp,
) -> rusqlite::Result<Vec<(Round, Unfetched)>> {
    // In three parts, each of which an index has; its condition must be there word for word.
    let columns = "pass, after_ms, start_ms, end_ms, state, attempts, not_before, error";
    let whole = "(pass <> 'backfill' OR narrow IS NULL)";
    let sql = format!(
        "SELECT {columns} FROM slice WHERE stream_id = ?1 AND state = 'open' AND {whole}
        UNION ALL SELECT {columns} FROM slice
            WHERE stream_id = ?1 AND state = 'planned' AND not_before <= ?2 AND {whole}
        UNION ALL SELECT {columns} FROM slice
            WHERE stream_id = ?1 AND state IN ('lost', 'refused')
                AND state NOT IN ('open', 'planned') AND {whole}
        ORDER BY start_ms"
    );
    let now = now.as_millisecond();
    let slice = |row: &Row<'_>| {
        let (state, attempts): (String, u32) = (row.get(4)?, row.get(5)?);
        let (state, reason) = match (state.as_str(), attempts) {
            ("lost", _) => (State::Lost, row.get(7)?),
            ("refused", _) => (State::Refused, row.get(7)?),
            ("open", 1..) => (State::Failing, row.get(7)?),
            _ => (State::Waiting, None),
        };
        let closed = matches!(state, State::Lost | State::Refused);
        let next_try =
            if !closed && row.get::<_, i64>(6)? > now { Some(time(row, 6)?) } else { None };
        let interval = interval(row, 2)?;
        Ok((round(row)?, Unfetched { interval, state, reason, attempts, next_try }))
    };
    let mut statement = view.prepare_cached(&sql)?;
    statement.query_map(params![stream.0, now], slice)?.collect()
}

fn requests(view: &Connection, stream: StreamId) -> rusqlite::Result<Vec<Request>> {
    let sql = "SELECT id, from_ms, to_ms, narrow, state, planned_ms FROM request
        WHERE stream_id = ? ORDER BY id";
    let mut statement = view.prepare_cached(sql)?;
    let request = |row: &Row<'_>| {
        Ok(Request {
            id: RequestId(row.get(0)?),
            interval: interval(row, 1)?,
            narrow: narrow(row, 3)?,
            state: row.get(4)?,
            planned: time(row, 5)?,
        })
    };
    statement.query_map([stream.0], request)?.collect()
}

fn counts(view: &Connection, stream: StreamId) -> rusqlite::Result<BTreeMap<Round, Counts>> {
    let sql = "SELECT pass, after_ms, count(*), sum(received), coalesce(sum(total), 0),
            coalesce(sum(received) FILTER (WHERE total IS NOT NULL), 0),
            count(*) FILTER (WHERE received < total), count(*) FILTER (WHERE refetched > 0)
        FROM slice
        WHERE stream_id = ? AND state = 'covered' AND state NOT IN ('open', 'planned')
        GROUP BY pass, after_ms";
    let mut statement = view.prepare_cached(sql)?;
    let counts = |row: &Row<'_>| {
        let counts = Counts {
            slices: row.get(2)?,
            records: row.get(3)?,
            announced: row.get(4)?,
            read: row.get(5)?,
            short: row.get(6)?,
            refetched: row.get(7)?,
        };
        Ok((round(row)?, counts))
    };
    statement.query_map([stream.0], counts)?.collect()
}
