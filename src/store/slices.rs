//! Slices, coverage and the live frontier.

mod rows;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{
    Store, StoreError,
    budget::{self, Calls, day},
    ledger, spool,
};
use crate::domain::{
    name::SourceName,
    slice::{Interval, Pass, Stream},
};

/// A stream of a source, as the store numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(super) i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceId(i64);

#[cfg(test)]
impl StreamId {
    pub(crate) fn for_test(id: i64) -> Self {
        Self(id)
    }
}

#[cfg(test)]
impl SliceId {
    pub(crate) fn for_test(id: i64) -> Self {
        Self(id)
    }
}

/// A slice that is to be fetched, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSlice {
    pub id: SliceId,
    pub stream: StreamId,
    pub pass: Pass,
    pub interval: Interval,
    pub progress: Progress,
    /// Events that it made so far.
    pub events: u64,
    /// Times that it was begun anew because less came than the vendor announced.
    pub refetched: u32,
    /// Faults running.
    pub attempts: u32,
    pub not_before: Timestamp,
}

/// How far a slice is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    pub page_token: Option<String>,
    pub page_size: u32,
    pub pages: u64,
    /// Pages without records, running.
    pub empty_pages: u32,
    pub received: u64,
    pub total: Option<u64>,
}

impl Progress {
    /// From the first page.
    pub fn anew(page_size: u32) -> Self {
        Self { page_size, ..Self::default() }
    }
}

/// Everything that one page makes true, together.
#[derive(Debug)]
pub struct PageCommit {
    pub slice: SliceId,
    pub chunks: Vec<spool::NewChunk>,
    pub ledger: Vec<ledger::NewBlock>,
    pub events: u64,
    pub then: Then,
    pub calls: Calls,
}

/// What becomes of the slice after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Go on at this place.
    Next(Progress),
    /// It was read to its end, and is covered.
    Covered(Progress),
    /// Less came than was announced: read it once more from the start.
    Refetch(Progress),
}

/// What becomes of a slice that could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setback {
    /// Try again, from where it is or from `progress`.
    Again { not_before: Timestamp, progress: Option<Progress> },
    /// Too large: two smaller slices take its place.
    Split { page_size: u32 },
    /// Past what the vendor keeps: what lies before this time, or all of it.
    Lost { before: Option<Timestamp> },
    /// Cannot be had at all.
    Refused,
}

/// How far live collection of a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frontier {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Store {
    /// The number of a source's stream, given at first sight.
    pub async fn stream(
        &self,
        source: &SourceName,
        stream: Stream,
    ) -> Result<StreamId, StoreError> {
        let source = source.clone();
        self.write("stream", move |tx| {
            let key = params![source.as_str(), stream.as_str()];
            tx.execute("INSERT OR IGNORE INTO stream (source, stream) VALUES (?, ?)", key)?;
            tx.query_row("SELECT id FROM stream WHERE source = ? AND stream = ?", key, |row| {
                row.get(0).map(StreamId)
            })
        })
        .await
    }

    pub fn frontier(&self, stream: StreamId) -> Result<Option<Frontier>, StoreError> {
        self.read("frontier", |view| {
            let sql = "SELECT from_ms, to_ms FROM frontier WHERE stream_id = ?";
            view.prepare_cached(sql)?
                .query_row([stream.0], |row| {
                    Ok(Frontier { from: time(row, 0)?, to: time(row, 1)? })
                })
                .optional()
        })
    }

    /// Opens live slices and moves the frontier over them, together. `lost` is what the vendor no
    /// longer keeps.
    pub async fn plan_live(
        &self,
        stream: StreamId,
        frontier: Frontier,
        lost: Option<Interval>,
        slices: Vec<Interval>,
        page_size: u32,
    ) -> Result<(), StoreError> {
        self.write("plan-live", move |tx| {
            if let Some(lost) = lost {
                rows::insert(tx, stream, Pass::Live, lost, "lost", page_size, Some(LOST))?;
            }
            for interval in slices {
                rows::insert(tx, stream, Pass::Live, interval, "open", page_size, None)?;
            }
            let sql = "INSERT INTO frontier VALUES (?1, ?2, ?3)
                ON CONFLICT DO UPDATE SET to_ms = excluded.to_ms";
            let (from, to) = (frontier.from.as_millisecond(), frontier.to.as_millisecond());
            tx.prepare_cached(sql)?.execute(params![stream.0, from, to]).map(drop)
        })
        .await
    }

    /// Open slices that may be tried now, in the order in which they are to be fetched: live,
    /// resweep, backfill; oldest first.
    pub fn ready_slices(
        &self,
        stream: StreamId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OpenSlice>, StoreError> {
        self.read("ready-slices", |view| {
            let sql = "SELECT id, stream_id, pass, start_ms, end_ms, page_token, page_size, pages,
                    empty_pages, received, total, refetched, attempts, not_before, events
                FROM slice WHERE stream_id = ?1 AND state = 'open' AND not_before <= ?2
                ORDER BY CASE pass WHEN 'live' THEN 0 WHEN 'resweep' THEN 1 ELSE 2 END, start_ms
                LIMIT ?3";
            let mut statement = view.prepare_cached(sql)?;
            let now = now.as_millisecond();
            statement.query_map(params![stream.0, now, limit], open_slice)?.collect()
        })
    }

    /// How many slices are open, and when the first of them may be tried.
    pub fn waiting_slices(&self, stream: StreamId) -> Result<Option<(u64, Timestamp)>, StoreError> {
        self.read("waiting-slices", |view| {
            let sql = "SELECT count(*), min(not_before) FROM slice
                WHERE stream_id = ? AND state = 'open'";
            view.prepare_cached(sql)?.query_row([stream.0], |row| match row.get(0)? {
                0 => Ok(None),
                count => Ok(Some((count, time(row, 1)?))),
            })
        })
    }

    /// Commits a page: its events, its ledger rows, and the slice's next place, together.
    pub async fn commit_page(&self, page: PageCommit) -> Result<(), StoreError> {
        let spools = !page.chunks.is_empty();
        let next = self
            .write("commit-page", move |tx| {
                for block in &page.ledger {
                    ledger::insert(tx, block)?;
                }
                let next = spool::append(tx, &page.chunks)?;
                budget::count(tx, &page.calls)?;
                let (state, progress, refetch) = match &page.then {
                    Then::Next(progress) => ("open", progress, 0),
                    Then::Covered(progress) => ("covered", progress, 0),
                    Then::Refetch(progress) => ("open", progress, 1),
                };
                let sql =
                    "UPDATE slice SET state = ?2, page_token = ?3, page_size = ?4, pages = ?5,
                        empty_pages = ?6, received = ?7, total = ?8, events = events + ?9,
                        refetched = refetched + ?10, attempts = 0, error = NULL, not_before = 0
                    WHERE id = ?1";
                tx.prepare_cached(sql)?.execute(params![
                    page.slice.0,
                    state,
                    progress.page_token,
                    progress.page_size,
                    progress.pages,
                    progress.empty_pages,
                    progress.received,
                    progress.total,
                    page.events,
                    refetch
                ])?;
                if state == "covered" {
                    rows::cover(tx, page.slice)?;
                }
                Ok(next)
            })
            .await?;
        if spools {
            self.shared.spooled.send_replace(next);
        }
        Ok(())
    }

    /// Records that a slice could not be fetched, with the reason.
    pub async fn set_back(
        &self,
        slice: SliceId,
        setback: Setback,
        error: String,
        calls: Calls,
    ) -> Result<(), StoreError> {
        self.write("set-back", move |tx| {
            budget::count(tx, &calls)?;
            match setback {
                Setback::Again { not_before, progress } => {
                    let sql =
                        "UPDATE slice SET attempts = attempts + 1, not_before = ?2, error = ?3
                        WHERE id = ?1";
                    let at = not_before.as_millisecond();
                    tx.prepare_cached(sql)?.execute(params![slice.0, at, error])?;
                    if let Some(p) = progress {
                        let sql = "UPDATE slice SET page_token = ?2, page_size = ?3, pages = ?4,
                                empty_pages = ?5, received = ?6, total = ?7 WHERE id = ?1";
                        let key = slice.0;
                        tx.prepare_cached(sql)?.execute(params![
                            key,
                            p.page_token,
                            p.page_size,
                            p.pages,
                            p.empty_pages,
                            p.received,
                            p.total
                        ])?;
                    }
                }
                Setback::Split { page_size } => rows::split(tx, slice, page_size, &error)?,
                Setback::Lost { before } => rows::lose(tx, slice, before, &error)?,
                Setback::Refused => rows::close(tx, slice, "refused", &error)?,
            }
            Ok(())
        })
        .await
    }

    /// The first instant of a stream that is planned and not done with, or the end of what is
    /// planned; `None` before anything is.
    pub fn done_to(&self, stream: StreamId) -> Result<Option<Timestamp>, StoreError> {
        self.read("done-to", |view| {
            let sql = "SELECT coalesce(
                    (SELECT min(start_ms) FROM slice WHERE stream_id = ?1 AND state = 'open'),
                    to_ms)
                FROM frontier WHERE stream_id = ?1";
            view.prepare_cached(sql)?.query_row([stream.0], |row| time(row, 0)).optional()
        })
    }

    /// Forgets covered slices that ended before `before`; coverage and gaps stay.
    pub async fn forget_slices(&self, before: Timestamp) -> Result<(), StoreError> {
        self.write("forget-slices", move |tx| {
            let sql = "DELETE FROM slice WHERE state IN ('covered', 'split') AND end_ms < ?";
            tx.execute(sql, [before.as_millisecond()])?;
            tx.execute("DELETE FROM budget WHERE day < ?", [day(before)]).map(drop)
        })
        .await
    }
}

/// Why a slice was lost.
const LOST: &str = "past the vendor's retention when it could be asked for";

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let millis: i64 = row.get(column)?;
    Timestamp::from_millisecond(millis)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, millis))
}

pub(super) fn interval(row: &Row<'_>, column: usize) -> rusqlite::Result<Interval> {
    Interval::new(time(row, column)?, time(row, column + 1)?)
        .ok_or_else(|| rusqlite::Error::IntegralValueOutOfRange(column, 0))
}

pub(super) fn pass(row: &Row<'_>, column: usize) -> rusqlite::Result<Pass> {
    let text: String = row.get(column)?;
    Pass::parse(&text).ok_or_else(|| rusqlite::Error::InvalidColumnName(text))
}

fn open_slice(row: &Row<'_>) -> rusqlite::Result<OpenSlice> {
    Ok(OpenSlice {
        id: SliceId(row.get(0)?),
        stream: StreamId(row.get(1)?),
        pass: pass(row, 2)?,
        interval: interval(row, 3)?,
        progress: Progress {
            page_token: row.get(5)?,
            page_size: row.get(6)?,
            pages: row.get(7)?,
            empty_pages: row.get(8)?,
            received: row.get(9)?,
            total: row.get(10)?,
        },
        refetched: row.get(11)?,
        attempts: row.get(12)?,
        not_before: time(row, 13)?,
        events: row.get(14)?,
    })
}
