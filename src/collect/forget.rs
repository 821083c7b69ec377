//! Forgets what can no longer matter: old slices, and records that no slice can return again.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    clock::Clock,
    config,
    domain::slice::Stream,
    store::Store,
    supervisor::{Step, Task},
};

/// Covered slices are kept this long for people to look at.
const SLICES: Duration = Duration::from_hours(8 * 24);
/// The ledger remembers this long after the last resweep of a slice.
const AFTER_RESWEEP: Duration = Duration::from_hours(24);

/// SER rows are few, and are remembered for `postrider export` too, and for backfills.
pub const ROWS: Duration = Duration::from_hours(100 * 24);

/// Cisco's log export tells of changes of messages that are as old as the search reaches back.
const CHANGES: Duration = Duration::from_hours(90 * 24);

/// How long the ledger remembers what a source returned: for its resweeps, and for the log export.
pub(super) fn memory(source: &config::Source) -> Duration {
    let last = source.resweep.iter().map(|resweep| resweep.after).max();
    let exported = if source.has_log_export() { CHANGES } else { Duration::ZERO };
    last.unwrap_or_default().max(exported) + AFTER_RESWEEP + source.slice + source.lag
}

/// Keeps the store from growing without end.
pub struct Forgetter {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub sources: Vec<Arc<config::Source>>,
    pub due: Timestamp,
}

impl Forgetter {
    const EVERY: Duration = Duration::from_hours(1);
}

impl Task for Forgetter {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let now = self.clock.now();
        // The hour after next is a due time that a wrong clock has set.
        let is_later = self.due <= now.checked_add(2 * Self::EVERY).unwrap_or(Timestamp::MAX);
        if (now < self.due && is_later) || !self.clock.is_confirmed() {
            return Ok(Step::Idle);
        }
        let before = |by: Duration| now.checked_sub(by).unwrap_or(Timestamp::MIN);
        self.store.forget_slices(before(SLICES)).await?;
        let mut needed = Vec::new();
        for source in &self.sources {
            // The licence and relay users never age: their streams are not among those that forget.
            // What is fetched with the first stream's slices is done when they are.
            let Some(first) = source.vendor.streams().first() else { continue };
            let Some(sliced) = self.store.find_stream(&source.name, *first)? else { continue };
            let ages =
                |stream: &&Stream| !matches!(stream, Stream::Entitlement | Stream::RelayUsers);
            for stream in source.vendor.streams().iter().filter(ages) {
                let Some(id) = self.store.find_stream(&source.name, *stream)? else { continue };
                let rows = if *stream == Stream::Summary { ROWS } else { Duration::ZERO };
                let keep = memory(source).max(rows);
                // What is still to be fetched may return what was fetched before.
                let Some(done) = self.store.done_to(sliced)? else { continue };
                let hour = done.min(before(keep)).as_second().div_euclid(3600);
                needed.push((id, hour));
            }
        }
        self.store.forget_records(&needed).await?;
        self.due = now.checked_add(Self::EVERY).unwrap_or(Timestamp::MAX);
        Ok(Step::Idle)
    }
}
