//! How much may still go into the spool. Room is kept for what is on its way before it is asked
//! for, and a page that would pass the cap all the same is not committed.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::time::Instant;

use super::{Shared, Store, StoreError, dead_letters, spool};

/// Of the cap, what is left for the WAL and for what must be said though the spool is full.
const MARGIN_PART: u64 = 16;
const MARGIN_MOST: u64 = 16 << 20;
/// A full spool is emptied of what nobody needs at most this often.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// What the spool takes on disk, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Taken {
    pub(super) chunks: u64,
    pub(super) dead_letters: u64,
    /// The WAL's file, whatever it holds.
    pub(super) wal: u64,
}

impl Taken {
    pub(super) fn read(view: &Connection, path: &Path) -> rusqlite::Result<Self> {
        let chunks = spool::gauge(view, "spool_bytes")?;
        let dead_letters = dead_letters::bytes(view)?;
        Ok(Self { chunks, dead_letters, wal: wal_bytes(path) })
    }

    pub(super) fn total(self) -> u64 {
        self.chunks + self.dead_letters + self.wal
    }

    /// What of a cap is used: the margin is kept free, by the WAL or for it.
    fn of(self, cap: u64) -> u64 {
        let wal = self.wal.max(margin(cap));
        self.chunks.saturating_add(self.dead_letters).saturating_add(wal)
    }

    /// Whether a page of `page` stored bytes fits, which is in the WAL too at first. An empty spool
    /// takes one page of any size: else nothing would ever come.
    fn takes(self, page: u64, cap: u64) -> bool {
        self.is_empty() || self.with(page).of(cap) <= cap
    }

    /// After pages of so many bytes were committed.
    fn with(self, pages: u64) -> Self {
        let more = |bytes: u64| bytes.saturating_add(pages);
        Self { chunks: more(self.chunks), wal: more(self.wal), ..self }
    }

    fn is_empty(self) -> bool {
        self.chunks == 0 && self.dead_letters == 0
    }
}

/// Whether one more page may be asked for, which is expected to take `page` bytes, beside those
/// for which room is `kept`. A `full` spool takes nothing before a tenth of it is free. Whoever is
/// admitted must be taken: else the same page would be asked for without end.
fn admits(full: bool, taken: Taken, kept: u64, page: u64, cap: u64) -> bool {
    if taken.is_empty() && kept == 0 {
        return true;
    }
    let free_again = !full || taken.of(cap).saturating_add(kept) <= cap - cap / 10;
    free_again && taken.with(kept.saturating_add(page)).of(cap) <= cap
}

fn margin(cap: u64) -> u64 {
    (cap / MARGIN_PART).min(MARGIN_MOST)
}

/// What is known of the room in a store, by all who write into it.
pub(super) struct Room {
    cap: AtomicU64,
    /// The WAL is to be emptied however small it is.
    pub(super) tidy: AtomicBool,
    wanted: Mutex<Wanted>,
}

#[derive(Default)]
struct Wanted {
    /// For pages on their way.
    kept: u64,
    /// The largest of the last pages.
    page: u64,
    full: bool,
    tidied: Option<Instant>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            cap: AtomicU64::new(u64::MAX),
            tidy: AtomicBool::default(),
            wanted: Mutex::default(),
        }
    }
}

impl Room {
    /// The WAL is emptied when it is larger than this.
    pub(super) fn wal_limit(&self) -> u64 {
        margin(self.cap.load(Ordering::Relaxed)) / 2
    }

    /// A page of so many bytes was committed, or refused for want of room.
    fn learn(&self, page: u64, refused: bool) {
        let mut wanted = self.wanted();
        wanted.page = page.max(wanted.page - wanted.page / 8);
        wanted.full |= refused;
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for a page on its way, until this is dropped.
pub struct Kept {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.shared.room.wanted().kept -= self.bytes;
    }
}

impl Store {
    /// Keeps room for one more page; `None` while the spool is full, that is from when `cap` is
    /// reached until a tenth of it is free.
    pub fn keep_room(&self, cap: u64) -> Result<Option<Kept>, StoreError> {
        let room = &self.shared.room;
        room.cap.store(cap, Ordering::Relaxed);
        let taken = self.taken()?;
        let mut wanted = room.wanted();
        // What only waits for those on their way is not full.
        let beside = if wanted.full { wanted.kept } else { 0 };
        wanted.full = !admits(wanted.full, taken, beside, wanted.page, cap);
        if wanted.full || !admits(false, taken, wanted.kept, wanted.page, cap) {
            return Ok(None);
        }
        let bytes = wanted.page;
        wanted.kept += bytes;
        Ok(Some(Kept { shared: self.shared.clone(), bytes }))
    }

    /// Whether the spool is full, after letting go of what nobody needs.
    pub async fn is_full(&self, cap: u64) -> Result<bool, StoreError> {
        if self.keep_room(cap)?.is_some() {
            return Ok(false);
        }
        let tidied = {
            let mut wanted = self.shared.room.wanted();
            let lately = wanted.tidied.is_some_and(|at| at.elapsed() < TIDY_EVERY);
            if !lately {
                wanted.tidied = Some(Instant::now());
            }
            lately
        };
        // A spool that stays full is looked at each second: it is written to where that helps.
        if !tidied && (self.taken()?.wal > 0 || self.read("releasable", spool::is_releasable)?) {
            self.shared.room.tidy.store(true, Ordering::Relaxed);
            self.release().await?;
        }
        Ok(self.keep_room(cap)?.is_none())
    }

    pub(super) fn taken(&self) -> Result<Taken, StoreError> {
        self.read("taken", |view| Taken::read(view, &self.shared.path))
    }

    /// Notes how a page that was to be committed fared.
    pub(super) fn learn(&self, page: u64, refused: bool) {
        self.shared.room.learn(page, refused);
    }
}

/// Whether the spool has room for a page, asked within the transaction that is to store it.
pub(super) fn fits(tx: &Connection, path: &Path, page: u64, cap: u64) -> rusqlite::Result<bool> {
    Ok(page == 0 || cap == u64::MAX || Taken::read(tx, path)?.takes(page, cap))
}

/// The WAL's size; none where there is no file.
pub(super) fn wal_bytes(path: &Path) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(Path::new(&name)).map_or(0, |file| file.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Else its source is asked for the same page again at once, and again, at its rate limit.
        #[test]
        fn a_page_that_was_admitted_is_taken(
            chunks in 0_u64..20_000, dead_letters in 0_u64..2_000, wal in 0_u64..5_000,
            kept in 0_u64..3_000, page in 0_u64..9_000, full: bool,
        ) {
            let taken = Taken { chunks, dead_letters, wal };
            let with = taken.with(kept);
            prop_assert!(!admits(full, taken, kept, page, CAP) || with.takes(page, CAP));
        }
    }

    const CAP: u64 = 16_000;

    fn taken(chunks: u64, wal: u64) -> Taken {
        Taken { chunks, dead_letters: 0, wal }
    }

    #[test]
    fn room_is_kept_for_what_is_on_its_way() {
        assert!(admits(false, taken(10_000, 0), 1_000, 2_000, CAP));
        assert!(!admits(false, taken(10_000, 0), 1_001, 2_000, CAP));
        assert!(!admits(false, taken(10_000, 2_000), 0, 3_000, CAP), "the WAL counts");
        let dead = Taken { dead_letters: 4_000, ..taken(9_000, 0) };
        assert!(!admits(false, dead, 0, 3_000, CAP), "dead letters count");
    }

    #[test]
    fn a_full_spool_takes_nothing_before_a_tenth_is_free() {
        assert!(admits(false, taken(14_000, 0), 0, 500, CAP));
        assert!(!admits(true, taken(14_000, 0), 0, 500, CAP));
        assert!(admits(true, taken(13_400, 0), 0, 500, CAP));
    }

    #[test]
    fn an_empty_spool_takes_a_page_of_any_size() {
        assert!(admits(true, taken(0, 9_000), 0, 1 << 40, 1));
        assert!(!admits(false, taken(0, 0), 1, 1 << 40, 1), "but one");
        assert!(taken(0, 9_000).takes(1 << 40, 1));
        assert!(!taken(1, 0).takes(1, 1));
    }

    #[test]
    fn a_page_is_in_the_wal_too_at_first() {
        assert!(taken(1_000, 0).takes(7_500, CAP));
        assert!(!taken(1_000, 0).takes(7_501, CAP));
        assert!(!taken(1_000, 5_000).takes(7_500, CAP));
    }
}
