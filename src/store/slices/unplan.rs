//! Takes back what a wrong clock had planned.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::StreamId;
use crate::store::{Store, StoreError};

impl Store {
    /// Forgets live slices that end after `now` and of which nothing was read, those that were
    /// given up as lost too, and moves the frontier back to where they begin; whether there were
    /// any. Time that has not come can be neither due nor lost.
    pub async fn unplan(&self, stream: StreamId, now: Timestamp) -> Result<bool, StoreError> {
        self.write("unplan", move |tx| {
            let sql = "SELECT min(start_ms) FROM slice
                WHERE stream_id = ?1 AND pass = 'live' AND state IN ('open', 'lost')
                    AND end_ms > ?2 AND pages = 0 AND start_ms >= coalesce((SELECT max(end_ms)
                        FROM coverage WHERE stream_id = ?1 AND pass = 'live'), start_ms)";
            let key = params![stream.0, now.as_millisecond()];
            let from: Option<i64> = tx.query_row(sql, key, |row| row.get(0)).optional()?.flatten();
            let Some(from) = from else { return Ok(false) };
            let sql = "DELETE FROM slice WHERE stream_id = ? AND pass = 'live'
                AND state IN ('open', 'lost') AND start_ms >= ?";
            tx.execute(sql, params![stream.0, from])?;
            let sql = "UPDATE frontier SET to_ms = ?2 WHERE stream_id = ?1 AND to_ms > ?2";
            tx.execute(sql, params![stream.0, from])?;
            // Where nothing is left, `start` counts anew.
            let sql = "DELETE FROM frontier WHERE stream_id = ? AND to_ms <= from_ms";
            tx.execute(sql, params![stream.0])?;
            Ok(true)
        })
        .await
    }
}
