//! Resweeps that are planned: covered slices to be read again when they are old enough.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{SliceId, StreamId, narrow_text};
use crate::{
    domain::{filter::Filter, slice::Interval},
    store::{Store, StoreError},
};

/// A resweep of a slice that was just covered. Slices of one window are read again together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resweep {
    /// Counted from the slice's end.
    pub after: Duration,
    pub narrow: Filter,
    /// What is read again as one slice, where several were read within it.
    pub window: Interval,
    pub due: Timestamp,
    /// Records a page.
    pub page_size: u32,
}

impl Store {
    /// Opens the planned slices of a stream that are due, and tells how many.
    pub async fn open_due(&self, stream: StreamId, now: Timestamp) -> Result<usize, StoreError> {
        let now = now.as_millisecond();
        let due = self.read("due-slices", |view| {
            let sql = "SELECT EXISTS (SELECT 1 FROM slice
                WHERE stream_id = ? AND state = 'planned' AND not_before <= ?)";
            view.prepare_cached(sql)?.query_row([stream.0, now], |row| row.get::<_, bool>(0))
        })?;
        if !due {
            return Ok(0);
        }
        self.write("open-due", move |tx| {
            let sql = "UPDATE slice SET state = 'open', not_before = 0
                WHERE stream_id = ? AND state = 'planned' AND not_before <= ?";
            tx.prepare_cached(sql)?.execute([stream.0, now])
        })
        .await
    }

    /// Drops the planned resweeps whose age is no longer configured, and tells the others what to
    /// narrow to.
    pub async fn keep_resweeps(
        &self,
        stream: StreamId,
        steps: Vec<(Duration, Filter)>,
    ) -> Result<(), StoreError> {
        self.write("keep-resweeps", move |tx| {
            let sql = "SELECT DISTINCT after_ms FROM slice
                WHERE stream_id = ? AND state = 'planned' AND pass = 'resweep'";
            let planned: Vec<i64> = tx
                .prepare_cached(sql)?
                .query_map([stream.0], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for after in planned {
                let kept = steps.iter().find(|(step, _)| millis(*step) == after);
                let sql =
                    "state = 'planned' AND pass = 'resweep' AND stream_id = ?1 AND after_ms = ?2";
                if let Some((_, narrow)) = kept {
                    let sql = format!("UPDATE slice SET narrow = ?3 WHERE {sql}");
                    tx.execute(&sql, params![stream.0, after, narrow_text(narrow)])?;
                } else {
                    tx.execute(&format!("DELETE FROM slice WHERE {sql}"), [stream.0, after])?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// Plans a resweep of a slice that is covered, or widens the one of its window.
pub(super) fn plan(tx: &Connection, slice: SliceId, resweep: &Resweep) -> rusqlite::Result<()> {
    let Resweep { after, narrow, window, due, page_size } = resweep;
    let (after, due) = (millis(*after), due.as_millisecond());
    let (from, to) = (window.start().as_millisecond(), window.end().as_millisecond());
    let sql = "UPDATE slice SET start_ms = min(start_ms, new.start), end_ms = max(end_ms, new.end),
            not_before = max(not_before, ?5)
        FROM (SELECT stream_id AS stream, start_ms AS start, end_ms AS end
            FROM slice WHERE id = ?1) AS new
        WHERE stream_id = new.stream AND state = 'planned' AND pass = 'resweep' AND after_ms = ?2
            AND start_ms >= ?3 AND start_ms < ?4";
    let widened = tx.prepare_cached(sql)?.execute(params![slice.0, after, from, to, due])?;
    if widened > 0 {
        return Ok(());
    }
    let sql = "INSERT INTO slice (stream_id, pass, after_ms, narrow, start_ms, end_ms, state,
            page_size, not_before)
        SELECT stream_id, 'resweep', ?2, ?3, start_ms, end_ms, 'planned', ?4, ?5
            FROM slice WHERE id = ?1";
    let narrow = narrow_text(narrow);
    tx.prepare_cached(sql)?.execute(params![slice.0, after, narrow, page_size, due]).map(drop)
}

pub(in crate::store) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
