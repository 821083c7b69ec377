//! Changes of slices' rows, inside a transaction.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{SliceId, StreamId, interval, pass};
use crate::domain::slice::{Interval, Pass};

pub(super) fn insert(
    tx: &Connection,
    stream: StreamId,
    pass: Pass,
    interval: Interval,
    state: &str,
    page_size: u32,
    error: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO slice (stream_id, pass, start_ms, end_ms, state, page_size, error)
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    let (start, end) = (interval.start().as_millisecond(), interval.end().as_millisecond());
    tx.prepare_cached(sql)?
        .execute(params![stream.0, pass.as_str(), start, end, state, page_size, error])
        .map(drop)
}

pub(super) fn close(
    tx: &Connection,
    slice: SliceId,
    state: &str,
    error: &str,
) -> rusqlite::Result<()> {
    let sql = "UPDATE slice SET state = ?2, error = ?3, page_token = NULL WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![slice.0, state, error]).map(drop)
}

/// Closes the part of a slice before a time as lost; the rest is a slice of its own.
pub(super) fn lose(
    tx: &Connection,
    slice: SliceId,
    before: Option<Timestamp>,
    error: &str,
) -> rusqlite::Result<()> {
    let sql = "SELECT stream_id, pass, start_ms, end_ms, page_size FROM slice WHERE id = ?";
    let (stream, pass, whole, page_size) = tx.prepare_cached(sql)?.query_row([slice.0], |row| {
        Ok((StreamId(row.get(0)?), pass(row, 1)?, interval(row, 2)?, row.get(4)?))
    })?;
    let inside = before.filter(|before| whole.start() < *before && *before < whole.end());
    let kept = inside.and_then(|before| Interval::new(before, whole.end()));
    if let Some(kept) = kept {
        let sql = "UPDATE slice SET end_ms = ?2 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute(params![slice.0, kept.start().as_millisecond()])?;
        insert(tx, stream, pass, kept, "open", page_size, None)?;
    }
    close(tx, slice, "lost", error)
}

pub(super) fn split(
    tx: &Connection,
    slice: SliceId,
    page_size: u32,
    error: &str,
) -> rusqlite::Result<()> {
    let sql = "SELECT stream_id, pass, start_ms, end_ms FROM slice WHERE id = ?";
    let (stream, pass, whole) = tx.prepare_cached(sql)?.query_row([slice.0], |row| {
        Ok((StreamId(row.get(0)?), pass(row, 1)?, interval(row, 2)?))
    })?;
    let Some((left, right)) = whole.halves() else {
        return close(tx, slice, "refused", error);
    };
    close(tx, slice, "split", error)?;
    insert(tx, stream, pass, left, "open", page_size, None)?;
    insert(tx, stream, pass, right, "open", page_size, None)
}

/// Adds a slice to the coverage of its stream and pass, merged with what it touches.
pub(super) fn cover(tx: &Connection, slice: SliceId) -> rusqlite::Result<()> {
    let sql = "SELECT stream_id, pass, start_ms, end_ms FROM slice WHERE id = ?";
    let (stream, pass, mut start, mut end): (i64, String, i64, i64) = tx
        .prepare_cached(sql)?
        .query_row([slice.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let sql = "DELETE FROM coverage WHERE stream_id = ?1 AND pass = ?2
            AND start_ms <= ?4 AND end_ms >= ?3 RETURNING start_ms, end_ms";
    let mut touching = tx.prepare_cached(sql)?;
    let touching = touching.query_map(params![stream, pass, start, end], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    for interval in touching {
        let (from, to) = interval?;
        (start, end) = (start.min(from), end.max(to));
    }
    let sql = "INSERT INTO coverage VALUES (?, ?, ?, ?)";
    tx.prepare_cached(sql)?.execute(params![stream, pass, start, end]).map(drop)
}
