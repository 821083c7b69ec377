//! Backfills that were asked for on the command line, and how far they are.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::{
    Store, StoreError,
    slices::{
        LOST, OPEN_SLICES, OpenSlice, READY, RequestId, SliceId, StreamId, interval, narrow,
        narrow_text, open_slice, rows, time,
    },
};
use crate::domain::{
    filter::Filter,
    slice::{Interval, Pass, Stream},
};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest {
    pub stream: StreamId,
    pub range: Interval,
    /// What the search is narrowed to.
    pub narrow: Filter,
    /// Whether records that are known are sent again, too.
    pub resend: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    Open,
    Done,
    Cancelled,
}

impl RequestState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A backfill, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: RequestId,
    pub source: String,
    pub stream: Stream,
    pub range: Interval,
    pub narrow: Filter,
    pub resend: bool,
    pub state: RequestState,
    pub asked: Timestamp,
    pub ended: Option<Timestamp>,
    /// Slices were opened up to here.
    pub planned: Timestamp,
    /// Slices that are open now.
    pub open: u64,
    /// The length of what is done, milliseconds; lost and refused parts count.
    pub done_ms: u64,
    /// Slices that are done.
    pub slices: u64,
    /// Received so far, known ones too.
    pub records: u64,
    pub events: u64,
    pub calls: u64,
}

impl Request {
    /// How much of the range is done, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn share(&self) -> f64 {
        let whole = self.range.end().duration_since(self.range.start()).as_millis();
        (self.done_ms as f64 / whole as f64).min(1.0)
    }
}

/// A part of a backfill that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub interval: Interval,
    /// `lost` or `refused`.
    pub state: String,
    pub reason: String,
}

const REQUESTS: &str = "SELECT r.id, t.source, t.stream, r.from_ms, r.to_ms, r.narrow, r.resend,
        r.state, r.asked_ms, r.ended_ms, r.planned_ms, r.done_ms, r.slices, r.calls, count(s.id),
        r.records + coalesce(sum(s.received), 0), r.events + coalesce(sum(s.events), 0)
    FROM request r JOIN stream t ON t.id = r.stream_id
        LEFT JOIN slice s ON s.stream_id = r.stream_id AND s.state = 'open'
            AND s.pass = 'backfill' AND s.request_id = r.id";

/// The open slices of a request, by the index of open slices.
const ITS_OPEN: &str = "state = 'open' AND pass = 'backfill' AND request_id = ?1
    AND stream_id = (SELECT stream_id FROM request WHERE id = ?1)";

impl Store {
    /// Asks for a backfill; `true` where the same was asked for before and is not done, so that
    /// this joins it.
    pub async fn ask(
        &self,
        new: NewRequest,
        now: Timestamp,
    ) -> Result<(RequestId, bool), StoreError> {
        self.write("ask", move |tx| {
            let (from, to) = (new.range.start().as_millisecond(), new.range.end().as_millisecond());
            let narrow = narrow_text(&new.narrow);
            let sql = "SELECT id FROM request WHERE stream_id = ? AND from_ms = ? AND to_ms = ?
                AND narrow IS ? AND resend = ? AND state = 'open'";
            let key = params![new.stream.0, from, to, narrow, new.resend];
            if let Some(id) = tx.query_row(sql, key, |row| row.get(0)).optional()? {
                return Ok((RequestId(id), true));
            }
            let sql = "INSERT INTO request (stream_id, from_ms, to_ms, narrow, resend, state,
                asked_ms, planned_ms) VALUES (?1, ?2, ?3, ?4, ?5, 'open', ?6, ?2)";
            let now = now.as_millisecond();
            tx.execute(sql, params![new.stream.0, from, to, narrow, new.resend, now])?;
            Ok((RequestId(tx.last_insert_rowid()), false))
        })
        .await
    }

    /// All backfills, the newest first.
    pub fn requests(&self) -> Result<Vec<Request>, StoreError> {
        self.find(&format!("{REQUESTS} GROUP BY r.id ORDER BY r.id DESC"), [])
    }

    pub fn request(&self, id: RequestId) -> Result<Option<Request>, StoreError> {
        let found = self.find(&format!("{REQUESTS} WHERE r.id = ? GROUP BY r.id"), [id.0])?;
        Ok(found.into_iter().next())
    }

    /// A stream's backfills that are not done, the oldest first.
    pub fn open_requests(&self, stream: StreamId) -> Result<Vec<Request>, StoreError> {
        let which = "WHERE r.state = 'open' AND r.stream_id = ? GROUP BY r.id ORDER BY r.id";
        self.find(&format!("{REQUESTS} {which}"), [stream.0])
    }

    fn find(&self, sql: &str, which: impl rusqlite::Params) -> Result<Vec<Request>, StoreError> {
        self.read("requests", |view| view.prepare_cached(sql)?.query_map(which, request)?.collect())
    }

    /// The backfills that are not done, with their sources.
    pub fn asked_for(&self) -> Result<Vec<(RequestId, String)>, StoreError> {
        self.read("asked-for", |view| {
            let sql = "SELECT r.id, source FROM request r JOIN stream t ON t.id = r.stream_id
                WHERE r.state = 'open' ORDER BY r.id";
            let mut statement = view.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((RequestId(row.get(0)?), row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Opens slices of a backfill and notes how far it is planned, together. `lost` is what the
    /// vendor no longer keeps. Does nothing for one that has ended.
    pub async fn plan_backfill(
        &self,
        id: RequestId,
        lost: Option<Interval>,
        slices: Vec<Interval>,
        planned: Timestamp,
        page_size: u32,
    ) -> Result<(), StoreError> {
        self.write("plan-backfill", move |tx| {
            let sql = "SELECT stream_id, narrow FROM request WHERE id = ? AND state = 'open'";
            let of = |row: &Row<'_>| Ok((StreamId(row.get(0)?), row.get::<_, Option<String>>(1)?));
            let Some((stream, narrow)) = tx.query_row(sql, [id.0], of).optional()? else {
                return Ok(());
            };
            let open = |interval| rows::New {
                request: Some(id),
                narrow: narrow.as_deref(),
                ..rows::New::open(stream, Pass::Backfill, interval, page_size)
            };
            if let Some(interval) = lost {
                rows::insert(
                    tx,
                    &rows::New { state: "lost", error: Some(LOST), ..open(interval) },
                )?;
                let length = interval.end().as_millisecond() - interval.start().as_millisecond();
                let sql = "UPDATE request SET done_ms = done_ms + ?2, slices = slices + 1
                    WHERE id = ?1";
                tx.execute(sql, [id.0, length])?;
            }
            for interval in slices {
                rows::insert(tx, &open(interval))?;
            }
            let sql = "UPDATE request SET planned_ms = ?2 WHERE id = ?1";
            tx.execute(sql, [id.0, planned.as_millisecond()]).map(drop)
        })
        .await
    }

    /// Ends a backfill all of whose slices are done.
    pub async fn end_backfill(&self, id: RequestId, now: Timestamp) -> Result<(), StoreError> {
        self.write("end-backfill", move |tx| {
            let sql = format!(
                "UPDATE request SET state = 'done', ended_ms = ?2
                WHERE id = ?1 AND state = 'open' AND planned_ms >= to_ms
                    AND NOT EXISTS (SELECT 1 FROM slice WHERE {ITS_OPEN})"
            );
            tx.execute(&sql, [id.0, now.as_millisecond()]).map(drop)
        })
        .await
    }

    /// Ends a backfill and its slices, also those that are being fetched; whether it was open.
    pub async fn cancel(&self, id: RequestId, now: Timestamp) -> Result<bool, StoreError> {
        self.write("cancel", move |tx| {
            let sql = format!(
                "UPDATE request SET state = 'cancelled', ended_ms = ?2,
                    records = records
                        + (SELECT coalesce(sum(received), 0) FROM slice WHERE {ITS_OPEN}),
                    events = events + (SELECT coalesce(sum(events), 0) FROM slice WHERE {ITS_OPEN})
                WHERE id = ?1 AND state = 'open'"
            );
            let was_open = tx.execute(&sql, [id.0, now.as_millisecond()])? > 0;
            let sql =
                format!("UPDATE slice SET state = 'cancelled', page_token = NULL WHERE {ITS_OPEN}");
            tx.execute(&sql, [id.0])?;
            Ok(was_open)
        })
        .await
    }

    /// The parts of a backfill that cannot be had, oldest first.
    pub fn missing(&self, id: RequestId) -> Result<Vec<Missing>, StoreError> {
        self.read("missing", |view| {
            let sql = "SELECT start_ms, end_ms, state, coalesce(error, '') FROM slice
                WHERE state IN ('lost', 'refused') AND state NOT IN ('open', 'planned')
                    AND request_id = ?1
                    AND stream_id = (SELECT stream_id FROM request WHERE id = ?1)
                ORDER BY start_ms";
            let mut statement = view.prepare_cached(sql)?;
            let missing = statement.query_map([id.0], |row| {
                let interval = interval(row, 0)?;
                Ok(Missing { interval, state: row.get(2)?, reason: row.get(3)? })
            })?;
            missing.collect()
        })
    }

    /// The newest fault of a backfill's open slices.
    pub fn trouble(&self, id: RequestId) -> Result<Option<String>, StoreError> {
        self.read("trouble", |view| {
            let sql = format!(
                "SELECT error FROM slice WHERE {ITS_OPEN} AND attempts > 0
                ORDER BY attempts DESC LIMIT 1"
            );
            let found =
                view.prepare_cached(&sql)?.query_row([id.0], |row| row.get(0)).optional()?;
            Ok(found.flatten())
        })
    }

    /// Whether a slice is still to be fetched: whoever cancels a backfill closes its slices.
    pub fn is_open(&self, slice: SliceId) -> Result<bool, StoreError> {
        self.read("is-open", |view| rows::is_open(view, slice))
    }

    /// The open slices of one backfill that may be tried now, oldest first.
    pub fn ready_of(
        &self,
        id: RequestId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OpenSlice>, StoreError> {
        self.read("ready-of", |view| {
            let sql = format!(
                "{OPEN_SLICES} WHERE s.stream_id = r.stream_id AND s.state = 'open'
                    AND s.pass = 'backfill' AND r.id = ?1 AND {READY}
                ORDER BY s.start_ms LIMIT ?2"
            );
            let mut statement = view.prepare_cached(&sql)?;
            statement.query_map(params![id.0, limit, now.as_millisecond()], open_slice)?.collect()
        })
    }

    /// How many slices of one backfill are open, and when the first of them may be tried.
    pub fn waiting_of(&self, id: RequestId) -> Result<Option<(u64, Timestamp)>, StoreError> {
        self.read("waiting-of", |view| {
            let sql = format!("SELECT count(*), min(not_before) FROM slice WHERE {ITS_OPEN}");
            view.prepare_cached(&sql)?.query_row([id.0], |row| match row.get(0)? {
                0 => Ok(None),
                count => Ok(Some((count, time(row, 1)?))),
            })
        })
    }
}

fn request(row: &Row<'_>) -> rusqlite::Result<Request> {
    let stream: String = row.get(2)?;
    let state: String = row.get(7)?;
    let ended = match row.get::<_, Option<i64>>(9)? {
        Some(_) => Some(time(row, 9)?),
        None => None,
    };
    Ok(Request {
        id: RequestId(row.get(0)?),
        source: row.get(1)?,
        stream: Stream::parse(&stream).unwrap_or(Stream::Messages),
        range: interval(row, 3)?,
        narrow: narrow(row, 5)?,
        resend: row.get(6)?,
        state: match state.as_str() {
            "done" => RequestState::Done,
            "cancelled" => RequestState::Cancelled,
            _ => RequestState::Open,
        },
        asked: time(row, 8)?,
        ended,
        planned: time(row, 10)?,
        done_ms: row.get(11)?,
        slices: row.get(12)?,
        calls: row.get(13)?,
        open: row.get(14)?,
        records: row.get(15)?,
        events: row.get(16)?,
    })
}
