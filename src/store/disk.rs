//! When the disk fails: noticed where it is written to, told once, and asked again with patience.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::ErrorCode;
use tokio::time::Instant;

use super::Store;

/// Between two tries to write, while nothing can be written.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// A disk that fails now and then is told of at most this often.
const TOLD_EVERY: Duration = Duration::from_mins(10);

/// The store cannot be written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub why: String,
    /// For how long.
    pub lasts: Duration,
    /// When writing is worth another try.
    pub again_in: Duration,
}

/// How the disk does.
#[derive(Default)]
pub(super) struct Disk(Mutex<Standing>);

#[derive(Default)]
struct Standing {
    failing: Option<Failing>,
    told: Option<Instant>,
    /// Tries that failed, since pages could be written without fail.
    failures: u32,
}

struct Failing {
    why: String,
    since: Instant,
    again: Instant,
}

impl Disk {
    /// Something could not be written.
    pub(super) fn failed(&self, why: &str) {
        let now = Instant::now();
        let mut standing = self.lock();
        let since = standing.failing.as_ref().map_or(now, |failing| failing.since);
        let is_new = standing.failing.is_none();
        // Several transactions that fail together are one failure.
        if standing.failing.as_ref().is_none_or(|failing| failing.again <= now) {
            standing.failures = standing.failures.saturating_add(1);
        }
        let wait = FIRST.saturating_mul(1 << standing.failures.clamp(1, 10).saturating_sub(1));
        let again = now + wait.min(LONGEST);
        standing.failing = Some(Failing { why: why.to_owned(), since, again });
        if is_new && standing.told.is_none_or(|told| now.duration_since(told) >= TOLD_EVERY) {
            standing.told = Some(now);
            tracing::error!(
                error = why,
                "the store cannot be written; collecting pauses, and goes on by itself when it can"
            );
        } else {
            tracing::debug!(error = why, "the store cannot be written");
        }
    }

    /// Something was written to the disk; `page` when it was as much as a page.
    pub(super) fn worked(&self, page: bool) {
        let mut standing = self.lock();
        if page {
            standing.failures = 0;
        }
        // A little can often be written where a page cannot.
        let now = Instant::now();
        if let Some(failing) = standing.failing.take_if(|it| page || it.again <= now) {
            let seconds = failing.since.elapsed().as_secs();
            tracing::info!(seconds, "the store can be written again");
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        let standing = self.lock();
        let failing = standing.failing.as_ref()?;
        let again_in = failing.again.saturating_duration_since(Instant::now());
        Some(Trouble { why: failing.why.clone(), lasts: failing.since.elapsed(), again_in })
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// What keeps the store from being written, as far as is known.
    pub fn disk_trouble(&self) -> Option<Trouble> {
        self.shared.disk.trouble()
    }

    /// The same, after another try where one is due. Whoever is about to ask a vendor for what he
    /// could not store asks here first.
    pub async fn check_disk(&self) -> Option<Trouble> {
        if self.disk_trouble()?.again_in.is_zero() {
            // Its failure is noted by the writer, as its success is.
            let same = "UPDATE gauge SET value = value WHERE name = 'next_seq'";
            drop(self.write("probe", |tx| tx.execute(same, []).map(drop)).await);
        }
        self.disk_trouble()
    }
}

/// Whether an error is the disk's, not the transaction's.
pub(super) fn is_disks(error: &rusqlite::Error) -> bool {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, FileLockingProtocolFailed,
        NotADatabase, PermissionDenied, ReadOnly, SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            CannotOpen
                | DatabaseBusy
                | DatabaseCorrupt
                | DiskFull
                | FileLockingProtocolFailed
                | NotADatabase
                | PermissionDenied
                | ReadOnly
                | SystemIoFailure
        )
    )
}

/// Whether an error is one of the file itself: what it holds, not how the disk does.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    !is_disks(error)
        || matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
}
