//! What is remembered of records that are known.

use std::{
    collections::{BTreeSet, HashSet},
    ops::RangeInclusive,
};

use rusqlite::{Connection, params};

use super::{Entry, Key, Partition, encoding::Versions};
use crate::{
    domain::change::Known,
    store::{Store, StoreError, slices::StreamId},
};

impl Store {
    /// What is remembered of a record that is known.
    pub fn recall(&self, entry: &Entry) -> Result<Known, StoreError> {
        self.read("ledger-block", |view| {
            let plain = self.block(view, entry)?;
            let slot = usize::try_from(entry.slot).unwrap_or(usize::MAX);
            Versions::of(&plain)
                .and_then(|mut versions| versions.nth(slot)?.known(entry.revision))
                .ok_or_else(|| unreadable(entry))
        })
    }

    /// Everything that is remembered of a stream's records that are filed under an hour, by key.
    pub fn recall_hour(
        &self,
        stream: StreamId,
        hour: i64,
    ) -> Result<Vec<(Key, Entry, Known)>, StoreError> {
        self.read("ledger-hour", |view| {
            let mut entries = entries_of(view, stream, hour)?;
            // Each block is unpacked once, and gone through once.
            entries.sort_unstable_by_key(|(_, entry)| (entry.block, entry.slot));
            let mut all = Vec::with_capacity(entries.len());
            for of_block in entries.chunk_by(|(_, a), (_, b)| a.block == b.block) {
                let plain = self.block(view, &of_block[0].1)?;
                let mut versions = Versions::of(&plain).into_iter().flatten().zip(0_u32..);
                for (key, entry) in of_block {
                    let version = versions.find(|(_, slot)| *slot == entry.slot);
                    let known = version.and_then(|(version, _)| version.known(entry.revision));
                    all.push((*key, *entry, known.ok_or_else(|| unreadable(entry))?));
                }
            }
            all.sort_unstable_by_key(|(key, _, _)| *key);
            Ok(all)
        })
    }

    /// The newest of what was filed for a stream in blocks that end with an hour: another one when
    /// anything of that was changed.
    pub fn newest_block(&self, stream: StreamId, hour: i64) -> Result<Option<i64>, StoreError> {
        self.read("newest-block", |view| {
            let sql = format!(
                "SELECT max(id) FROM ledger_block_{} WHERE stream_id = ? AND last_hour = ?",
                Partition::of(hour)
            );
            view.prepare_cached(&sql)?.query_row(params![stream.0, hour], |row| row.get(0))
        })
    }

    /// The hours within a range that have anything of a stream, oldest first.
    pub fn hours(
        &self,
        stream: StreamId,
        hours: RangeInclusive<i64>,
    ) -> Result<Vec<i64>, StoreError> {
        self.read("ledger-hours", |view| {
            let mut found = BTreeSet::new();
            for partition in Partition::all() {
                let sql = format!(
                    "SELECT DISTINCT hour FROM ledger_{partition}
                    WHERE stream_id = ? AND hour BETWEEN ? AND ?"
                );
                let mut statement = view.prepare(&sql)?;
                let range = params![stream.0, hours.start(), hours.end()];
                for hour in statement.query_map(range, |row| row.get::<_, i64>(0))? {
                    found.insert(hour?);
                }
            }
            Ok(found.into_iter().collect())
        })
    }

    /// What is filed under an hour, without what is remembered of it.
    pub fn filed_under(
        &self,
        stream: StreamId,
        hour: i64,
    ) -> Result<Vec<(Key, Entry)>, StoreError> {
        self.read("ledger-filed", |view| entries_of(view, stream, hour))
    }

    fn block(&self, view: &Connection, entry: &Entry) -> rusqlite::Result<Vec<u8>> {
        let sql = format!("SELECT block FROM ledger_block_{} WHERE id = ?", entry.partition);
        let block: Vec<u8> =
            view.prepare_cached(&sql)?.query_row([entry.block], |row| row.get(0))?;
        self.shared.codec.restore(&block).map_err(|_| unreadable(entry))
    }
}

fn unreadable(entry: &Entry) -> rusqlite::Error {
    rusqlite::Error::IntegralValueOutOfRange(0, i64::from(entry.slot))
}

fn entries_of(
    view: &Connection,
    stream: StreamId,
    hour: i64,
) -> rusqlite::Result<Vec<(Key, Entry)>> {
    let partition = Partition::of(hour);
    let sql = format!(
        "SELECT id, content, revision, block, slot FROM ledger_{partition}
        WHERE stream_id = ? AND hour = ?"
    );
    let mut statement = view.prepare_cached(&sql)?;
    let rows = statement.query_map(params![stream.0, hour], |row| {
        let (content, revision) = (row.get(1)?, row.get(2)?);
        let entry = Entry { content, revision, partition, block: row.get(3)?, slot: row.get(4)? };
        Ok((Key { hour, id: row.get(0)? }, entry))
    });
    let mut entries = rows?.collect::<rusqlite::Result<Vec<_>>>()?;
    // A newer version hides the one that was filed without the second; that one sorts last.
    let mut seen = HashSet::with_capacity(entries.len());
    entries.retain(|(key, _)| seen.insert(key.at_second(Key::NO_SECOND)));
    Ok(entries)
}
