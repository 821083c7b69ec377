//! What came on the pages of an answer that is not read to its end yet.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::{PageCommit, SliceId, StreamId};
use crate::store::{Store, StoreError, ledger::Key};

impl Store {
    /// What of a stream came on the pages of a slice so far, as the ledger files it.
    pub fn seen(&self, slice: SliceId, stream: StreamId) -> Result<HashSet<[u8; 16]>, StoreError> {
        self.read("seen", |view| {
            let sql = "SELECT id FROM seen WHERE slice_id = ? AND stream_id = ?";
            let mut statement = view.prepare_cached(sql)?;
            statement.query_map(params![slice.0, stream.0], |row| row.get(0))?.collect()
        })
    }

    /// Which of these came on the pages of a slice so far.
    pub fn seen_among(
        &self,
        slice: SliceId,
        stream: StreamId,
        keys: &[Key],
    ) -> Result<HashSet<Key>, StoreError> {
        self.read("seen-among", |view| {
            let sql = "SELECT 1 FROM seen WHERE slice_id = ? AND stream_id = ? AND id = ?";
            let mut statement = view.prepare_cached(sql)?;
            let mut found = HashSet::new();
            for key in keys {
                if statement.exists(params![slice.0, stream.0, key.id])? {
                    found.insert(*key);
                }
            }
            Ok(found)
        })
    }
}

/// Keeps what came on a page; on the first one, what came before the slice began anew is forgotten.
/// The schema's triggers forget the rest when the slice is done.
pub(super) fn keep(tx: &Connection, page: &PageCommit, is_first: bool) -> rusqlite::Result<()> {
    if page.seen.is_empty() {
        return Ok(());
    }
    if is_first {
        let sql = "DELETE FROM seen WHERE slice_id = ?";
        tx.prepare_cached(sql)?.execute([page.slice.0])?;
    }
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)")?;
    for (stream, keys) in &page.seen {
        for key in keys {
            insert.execute(params![page.slice.0, stream.0, key.id])?;
        }
    }
    Ok(())
}
