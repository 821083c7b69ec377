//! Slices, coverage and the live frontier.

mod commit;
mod resweeps;
pub(super) mod rows;
mod seen;
mod unplan;

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, budget::day};
use crate::domain::{
    filter::Filter,
    name::SourceName,
    slice::{Interval, Pass, Stream},
};

pub use commit::{Heard, PageCommit, Setback, Tally, Then};
pub use resweeps::Resweep;
pub(super) use resweeps::millis;

/// Slices that one transaction forgets: other writers wait some milliseconds.
const FORGET_AT_ONCE: usize = 5_000;

/// A stream of a source, as the store numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(super) i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceId(pub(super) i64);

/// A backfill that was asked for, as people name it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct RequestId(pub i64);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

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
    /// Of a resweep: counted from the slice's end; else zero.
    pub after: Duration,
    /// Of a backfill.
    pub request: Option<RequestId>,
    /// Whether records that are known are sent again, too.
    pub resend: bool,
    /// What the search is narrowed to.
    pub narrow: Filter,
    pub interval: Interval,
    pub progress: Progress,
    /// Events that it made so far.
    pub events: u64,
    /// Times that it was begun anew because less came than the vendor announced.
    pub refetched: u32,
    /// Times that an entirely empty answer was not believed.
    pub doubted: u32,
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
    /// Records that could not be read.
    pub unread: u64,
    pub total: Option<u64>,
}

impl Progress {
    /// From the first page.
    pub fn anew(page_size: u32) -> Self {
        Self { page_size, ..Self::default() }
    }
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
        let live = move |interval| rows::New::open(stream, Pass::Live, interval, page_size);
        self.write("plan-live", move |tx| {
            if let Some(lost) = lost {
                rows::insert(tx, &rows::New { error: Some(LOST), state: "lost", ..live(lost) })?;
            }
            for interval in slices {
                rows::insert(tx, &live(interval))?;
            }
            let sql = "INSERT INTO frontier VALUES (?1, ?2, ?3)
                ON CONFLICT DO UPDATE SET to_ms = excluded.to_ms";
            let (from, to) = (frontier.from.as_millisecond(), frontier.to.as_millisecond());
            tx.prepare_cached(sql)?.execute(params![stream.0, from, to]).map(drop)
        })
        .await
    }

    /// Open slices that may be tried now, in the order in which they are to be fetched: live,
    /// resweep, backfill; oldest first. Passes after `last` are left out.
    pub fn ready_slices(
        &self,
        stream: StreamId,
        last: Pass,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OpenSlice>, StoreError> {
        self.read("ready-slices", |view| {
            let sql = format!(
                "{OPEN_SLICES} WHERE s.stream_id = ?1 AND s.state = 'open' AND s.pass = ?2
                    AND {READY} ORDER BY s.start_ms LIMIT ?4"
            );
            let mut statement = view.prepare_cached(&sql)?;
            let now = now.as_millisecond();
            let mut ready = Vec::new();
            for pass in Pass::IN_ORDER.into_iter().filter(|pass| *pass <= last) {
                let room = limit.saturating_sub(ready.len());
                let found = params![stream.0, pass.as_str(), now, room];
                for slice in statement.query_map(found, open_slice)? {
                    ready.push(slice?);
                }
            }
            Ok(ready)
        })
    }

    /// How many slices of the passes up to `last` are open, and when the first of them may be
    /// tried.
    pub fn waiting_slices(
        &self,
        stream: StreamId,
        last: Pass,
    ) -> Result<Option<(u64, Timestamp)>, StoreError> {
        self.read("waiting-slices", |view| {
            let sql = "SELECT count(*), min(not_before) FROM slice
                WHERE stream_id = ? AND state = 'open' AND pass = ?";
            let mut statement = view.prepare_cached(sql)?;
            let mut waiting = None::<(u64, Timestamp)>;
            for pass in Pass::IN_ORDER.into_iter().filter(|pass| *pass <= last) {
                let found = statement.query_row(params![stream.0, pass.as_str()], |row| {
                    Ok(match row.get(0)? {
                        0 => None,
                        count => Some((count, time(row, 1)?)),
                    })
                })?;
                waiting = match (waiting, found) {
                    (Some((a, first)), Some((b, then))) => Some((a + b, first.min(then))),
                    (one, other) => one.or(other),
                };
            }
            Ok(waiting)
        })
    }

    /// The first instant of a stream that is still to be fetched in any pass, asked for by a
    /// backfill too, or the end of what is planned; `None` before anything is.
    pub fn done_to(&self, stream: StreamId) -> Result<Option<Timestamp>, StoreError> {
        self.read("done-to", |view| {
            let sql = "SELECT min(
                    coalesce((SELECT min(start_ms) FROM slice
                        WHERE stream_id = ?1 AND state = 'open'), to_ms),
                    coalesce((SELECT min(start_ms) FROM slice
                        WHERE stream_id = ?1 AND state = 'planned'), to_ms),
                    coalesce((SELECT min(planned_ms) FROM request
                        WHERE stream_id = ?1 AND state = 'open'), to_ms))
                FROM frontier WHERE stream_id = ?1";
            view.prepare_cached(sql)?.query_row([stream.0], |row| time(row, 0)).optional()
        })
    }

    /// Forgets covered slices that ended before `before`; coverage and gaps stay.
    pub async fn forget_slices(&self, before: Timestamp) -> Result<(), StoreError> {
        // Stream by stream, as the index has them: a thousand sources keep millions.
        let some = move || {
            self.write("forget-slices", move |tx| {
                let sql = "DELETE FROM slice WHERE id IN (SELECT s.id
                    FROM stream t CROSS JOIN slice s INDEXED BY slice_done ON s.stream_id = t.id
                        AND s.state IN ('covered', 'split', 'cancelled')
                        AND s.state NOT IN ('open', 'planned') AND s.end_ms < ?1
                    LIMIT ?2)";
                tx.prepare_cached(sql)?.execute(params![before.as_millisecond(), FORGET_AT_ONCE])
            })
        };
        while some().await? == FORGET_AT_ONCE {}
        let sql = "DELETE FROM budget WHERE day < ?";
        self.write("forget-calls", move |tx| tx.execute(sql, [day(before)]).map(drop)).await
    }
}

/// What [`open_slice`] reads.
pub(super) const OPEN_SLICES: &str = "SELECT s.id, s.stream_id, s.pass, s.start_ms, s.end_ms,
        s.page_token, s.page_size, s.pages, s.empty_pages, s.received, s.total, s.refetched,
        s.attempts, s.not_before, s.events, s.after_ms, s.request_id, s.narrow, s.doubted,
        coalesce(r.resend, 0), s.unread
    FROM slice s LEFT JOIN request r ON r.id = s.request_id";

/// A slice may be tried at `?3`. No backoff is longer than to the next day: what waits for longer
/// was set back by a clock that was wrong.
pub(super) const READY: &str = "(s.not_before <= ?3 OR s.not_before > ?3 + 25 * 3600 * 1000)";

/// Why a slice was lost.
pub(super) const LOST: &str = "past the vendor's retention when it could be asked for";

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

pub(super) fn narrow(row: &Row<'_>, column: usize) -> rusqlite::Result<Filter> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(Filter::default()) };
    serde_json::from_str(&text).map_err(|_| rusqlite::Error::InvalidColumnName(text))
}

/// A filter as the store keeps it; `None` for one that narrows nothing.
pub(super) fn narrow_text(filter: &Filter) -> Option<String> {
    // A structure of texts can always be written.
    (!filter.is_empty()).then(|| serde_json::to_string(filter).unwrap_or_default())
}

pub(super) fn open_slice(row: &Row<'_>) -> rusqlite::Result<OpenSlice> {
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
            unread: row.get(20)?,
        },
        refetched: row.get(11)?,
        attempts: row.get(12)?,
        not_before: time(row, 13)?,
        events: row.get(14)?,
        after: Duration::from_millis(row.get(15)?),
        request: row.get::<_, Option<i64>>(16)?.map(RequestId),
        narrow: narrow(row, 17)?,
        doubted: row.get(18)?,
        resend: row.get(19)?,
    })
}
