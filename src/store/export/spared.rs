//! Resweeps that the log export makes needless.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::params;

use crate::store::{
    Store, StoreError,
    slices::{StreamId, millis},
};

impl Store {
    /// Drops the planned resweeps that are due and younger than `last`, of slices that begin at or
    /// after `from`; how many.
    pub async fn spare_resweeps(
        &self,
        stream: StreamId,
        from: Timestamp,
        last: Duration,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        const DUE: &str = "stream_id = ?1 AND state = 'planned' AND not_before <= ?2
            AND pass = 'resweep' AND after_ms > 0 AND after_ms < ?3 AND start_ms >= ?4";
        let (now, last, from) = (now.as_millisecond(), millis(last), from.as_millisecond());
        let due = self.read("spare-resweeps", |view| {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM slice WHERE {DUE})");
            let key = params![stream.0, now, last, from];
            view.prepare_cached(&sql)?.query_row(key, |row| row.get::<_, bool>(0))
        })?;
        if !due {
            return Ok(0);
        }
        self.write("spare-resweeps", move |tx| {
            let sql = format!("DELETE FROM slice WHERE {DUE}");
            tx.prepare_cached(&sql)?.execute(params![stream.0, now, last, from])
        })
        .await
    }
}
