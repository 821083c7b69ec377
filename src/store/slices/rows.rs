//! Changes of slices' rows, inside a transaction.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{RequestId, SliceId, StreamId, interval, pass};
use crate::domain::slice::{Interval, Pass};

/// A slice to be inserted, due at once.
pub(in crate::store) struct New<'a> {
    pub(in crate::store) stream: StreamId,
    pub(in crate::store) pass: Pass,
    pub(in crate::store) request: Option<RequestId>,
    pub(in crate::store) narrow: Option<&'a str>,
    pub(in crate::store) interval: Interval,
    pub(in crate::store) state: &'a str,
    pub(in crate::store) page_size: u32,
    pub(in crate::store) error: Option<&'a str>,
}

impl New<'_> {
    /// To be fetched whole.
    pub(in crate::store) fn open(
        stream: StreamId,
        pass: Pass,
        interval: Interval,
        page_size: u32,
    ) -> Self {
        let (request, narrow, error) = (None, None, None);
        Self { stream, pass, request, narrow, interval, state: "open", page_size, error }
    }
}

pub(in crate::store) fn insert(tx: &Connection, new: &New<'_>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO slice (stream_id, pass, request_id, narrow, start_ms, end_ms, state,
            page_size, error)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let New { stream, pass, request, narrow, interval, .. } = new;
    let (start, end) = (interval.start().as_millisecond(), interval.end().as_millisecond());
    tx.prepare_cached(sql)?
        .execute(params![
            stream.0,
            pass.as_str(),
            request.map(|request| request.0),
            narrow,
            start,
            end,
            new.state,
            new.page_size,
            new.error
        ])
        .map(drop)
}

/// Opens another slice with what `slice` is about, for another interval.
fn sibling(
    tx: &Connection,
    slice: SliceId,
    interval: Interval,
    page_size: Option<u32>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO slice (stream_id, pass, after_ms, request_id, narrow, start_ms, end_ms,
            state, page_size)
        SELECT stream_id, pass, after_ms, request_id, narrow, ?2, ?3, 'open',
            coalesce(?4, page_size) FROM slice WHERE id = ?1";
    let (start, end) = (interval.start().as_millisecond(), interval.end().as_millisecond());
    tx.prepare_cached(sql)?.execute(params![slice.0, start, end, page_size]).map(drop)
}

fn interval_of(tx: &Connection, slice: SliceId) -> rusqlite::Result<Interval> {
    let sql = "SELECT start_ms, end_ms FROM slice WHERE id = ?";
    tx.prepare_cached(sql)?.query_row([slice.0], |row| interval(row, 0))
}

/// Ends a slice that cannot be had; whether it was still open.
pub(super) fn close(
    tx: &Connection,
    slice: SliceId,
    state: &str,
    error: &str,
) -> rusqlite::Result<()> {
    let sql = "UPDATE slice SET state = ?2, error = ?3, page_token = NULL
        WHERE id = ?1 AND state = 'open'";
    if tx.prepare_cached(sql)?.execute(params![slice.0, state, error])? == 0 {
        return Ok(());
    }
    if state == "split" { hand_on(tx, slice) } else { finish(tx, slice) }
}

/// Closes the part of a slice before a time as lost; the rest is a slice of its own.
pub(super) fn lose(
    tx: &Connection,
    slice: SliceId,
    before: Option<Timestamp>,
    error: &str,
) -> rusqlite::Result<()> {
    if !is_open(tx, slice)? {
        return Ok(());
    }
    let whole = interval_of(tx, slice)?;
    let inside = before.filter(|before| whole.start() < *before && *before < whole.end());
    let kept = inside.and_then(|before| Interval::new(before, whole.end()));
    if let Some(kept) = kept {
        // The rest is read from its start: what came so far comes again.
        let sql = "UPDATE slice SET end_ms = ?2, received = 0 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute(params![slice.0, kept.start().as_millisecond()])?;
        sibling(tx, slice, kept, None)?;
    }
    close(tx, slice, "lost", error)
}

pub(super) fn split(
    tx: &Connection,
    slice: SliceId,
    page_size: u32,
    error: &str,
) -> rusqlite::Result<()> {
    if !is_open(tx, slice)? {
        return Ok(());
    }
    let Some((left, right)) = interval_of(tx, slice)?.halves() else {
        return close(tx, slice, "refused", error);
    };
    close(tx, slice, "split", error)?;
    sibling(tx, slice, left, Some(page_size))?;
    sibling(tx, slice, right, Some(page_size))
}

/// Whoever cancels a backfill closes its slices, also such as are being fetched.
pub(in crate::store) fn is_open(tx: &Connection, slice: SliceId) -> rusqlite::Result<bool> {
    let sql = "SELECT state = 'open' FROM slice WHERE id = ?";
    tx.prepare_cached(sql)?.query_row([slice.0], |row| row.get(0))
}

/// Counts calls for the backfill that a slice belongs to, if it does.
pub(super) fn spend(tx: &Connection, slice: SliceId, calls: u64) -> rusqlite::Result<()> {
    let sql = "UPDATE request SET calls = calls + ?2
        WHERE id = (SELECT request_id FROM slice WHERE id = ?1)";
    tx.prepare_cached(sql)?.execute(params![slice.0, calls]).map(drop)
}

/// Counts a slice that came to its end for the backfill that it belongs to, if it does.
fn finish(tx: &Connection, slice: SliceId) -> rusqlite::Result<()> {
    let sql = "UPDATE request SET done_ms = done_ms + s.end_ms - s.start_ms, slices = slices + 1,
            records = records + s.received, events = request.events + s.events
        FROM slice s WHERE s.id = ?1 AND request.id = s.request_id";
    tx.prepare_cached(sql)?.execute([slice.0]).map(drop)
}

/// Keeps what a slice that is split has counted for its backfill: its halves will not make the
/// same events again.
fn hand_on(tx: &Connection, slice: SliceId) -> rusqlite::Result<()> {
    let sql = "UPDATE request SET events = request.events + s.events
        FROM slice s WHERE s.id = ?1 AND request.id = s.request_id";
    tx.prepare_cached(sql)?.execute([slice.0]).map(drop)
}

/// Adds a slice that was read to its end to the coverage of its stream and pass, merged with what
/// it touches. A backfill that is narrowed proves nothing about what else there was.
pub(super) fn cover(tx: &Connection, slice: SliceId) -> rusqlite::Result<()> {
    finish(tx, slice)?;
    let sql = "SELECT stream_id, pass, after_ms, start_ms, end_ms, narrow FROM slice WHERE id = ?";
    let (stream, pass, after, interval, narrow) =
        tx.prepare_cached(sql)?.query_row([slice.0], |row| {
            let interval = interval(row, 3)?;
            Ok((row.get::<_, i64>(0)?, pass(row, 1)?, row.get::<_, i64>(2)?, interval, {
                row.get::<_, Option<String>>(5)?
            }))
        })?;
    if pass == Pass::Backfill && narrow.is_some() {
        return Ok(());
    }
    let (mut start, mut end) = (interval.start().as_millisecond(), interval.end().as_millisecond());
    let sql = "DELETE FROM coverage WHERE stream_id = ?1 AND pass = ?2 AND after_ms = ?3
            AND start_ms <= ?5 AND end_ms >= ?4 RETURNING start_ms, end_ms";
    let mut touching = tx.prepare_cached(sql)?;
    let touching = touching
        .query_map(params![stream, pass.as_str(), after, start, end], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
    for interval in touching {
        let (from, to) = interval?;
        (start, end) = (start.min(from), end.max(to));
    }
    let sql = "INSERT INTO coverage VALUES (?, ?, ?, ?, ?)";
    tx.prepare_cached(sql)?.execute(params![stream, pass.as_str(), after, start, end]).map(drop)
}
