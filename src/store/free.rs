//! Free pages go back to the file system, a few at a time.

use super::{Store, StoreError, spool};

/// Pages given back in one transaction: one MiB, which takes some milliseconds.
const STEP: u64 = 256;
/// Pages that stay free, for what comes next.
const KEPT: u64 = 1024;

impl Store {
    /// Lets go of chunks that every sink has passed, however many.
    pub(super) async fn release(&self) -> Result<(), StoreError> {
        while self.write("release", spool::release).await? {}
        Ok(())
    }

    /// Gives some free pages back to the file system; whether there are more to give. Others wait
    /// for it no longer than for a page's commit.
    pub async fn give_back_pages(&self) -> Result<bool, StoreError> {
        let free = |view: &rusqlite::Connection| -> rusqlite::Result<u64> {
            view.query_row("PRAGMA freelist_count", [], |row| row.get(0))
        };
        if self.read("free-pages", free)? <= KEPT {
            return Ok(false);
        }
        self.write("give-back-pages", move |tx| {
            let most = free(tx)?.saturating_sub(KEPT).min(STEP);
            if most == 0 {
                return Ok(false);
            }
            let mut step = tx.prepare(&format!("PRAGMA incremental_vacuum({most})"))?;
            let mut pages = step.query([])?;
            // One page each time.
            while pages.next()?.is_some() {}
            Ok(most == STEP)
        })
        .await
    }
}
