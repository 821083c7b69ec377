//! The ledger: the last version of each record that the vendor may return again.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, StoreError, slices::StreamId};
use crate::domain::{change::Known, fingerprint::Members};

/// Where the ledger files a record: the hour of its unchanging time, and 16 bytes of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Hours since 1970.
    pub hour: i64,
    pub id: [u8; 16],
}

impl Key {
    pub fn new(hour: i64, record_id: &str) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(record_id.as_bytes()).as_bytes()[..16]);
        Self { hour, id }
    }
}

/// A record that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub content: [u8; 16],
    pub revision: u32,
    block: i64,
    slot: u32,
}

/// The versions that one page adds to a stream's ledger.
#[derive(Debug)]
pub struct NewBlock {
    pub stream: StreamId,
    rows: Vec<(Key, [u8; 16], u32)>,
    block: Vec<u8>,
}

impl Store {
    /// Packs the versions that a page adds to a stream's ledger: where each is filed, its content
    /// hash, and what is to be remembered.
    pub fn pack_versions(
        &self,
        stream: StreamId,
        versions: &[(Key, [u8; 16], Known)],
    ) -> std::io::Result<NewBlock> {
        let rows = versions.iter().map(|(key, content, known)| (*key, *content, known.revision));
        let rows = rows.collect();
        let plain = encode(versions.iter().map(|(_, _, known)| known));
        Ok(NewBlock { stream, rows, block: self.shared.codec.compress(&plain)? })
    }

    /// What is known of records, in the order of `keys`.
    pub fn look_up(
        &self,
        stream: StreamId,
        keys: &[Key],
    ) -> Result<Vec<Option<Entry>>, StoreError> {
        self.read("ledger", |view| {
            let sql = "SELECT content, revision, block, slot FROM ledger
                WHERE stream_id = ? AND hour = ? AND id = ?";
            let mut statement = view.prepare_cached(sql)?;
            let found = |key: &Key| {
                statement.query_row(params![stream.0, key.hour, key.id], entry).optional()
            };
            keys.iter().map(found).collect()
        })
    }

    /// What is remembered of a record that is known.
    pub fn recall(&self, entry: &Entry) -> Result<Known, StoreError> {
        self.read("ledger-block", |view| {
            let sql = "SELECT block FROM ledger_block WHERE id = ?";
            let block: Vec<u8> =
                view.prepare_cached(sql)?.query_row([entry.block], |row| row.get(0))?;
            let unreadable = || rusqlite::Error::IntegralValueOutOfRange(0, i64::from(entry.slot));
            let plain = self.shared.codec.restore(&block).map_err(|_| unreadable())?;
            decode(&plain, entry).ok_or_else(unreadable)
        })
    }

    /// What is filed under an hour.
    pub fn filed_under(
        &self,
        stream: StreamId,
        hour: i64,
    ) -> Result<Vec<(Key, Entry)>, StoreError> {
        self.read("ledger-hour", |view| {
            let sql = "SELECT content, revision, block, slot, id FROM ledger
                WHERE stream_id = ? AND hour = ?";
            let mut statement = view.prepare_cached(sql)?;
            let rows = statement.query_map(params![stream.0, hour], |row| {
                Ok((Key { hour, id: row.get(4)? }, entry(row)?))
            })?;
            rows.collect()
        })
    }

    /// Forgets the records of a stream before an hour.
    pub async fn forget_records(&self, stream: StreamId, hour: i64) -> Result<(), StoreError> {
        self.write("forget-records", move |tx| {
            let before = params![stream.0, hour];
            tx.execute("DELETE FROM ledger WHERE stream_id = ? AND hour < ?", before)?;
            let sql = "DELETE FROM ledger_block WHERE stream_id = ? AND last_hour < ?";
            tx.execute(sql, before).map(drop)
        })
        .await
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry { content: row.get(0)?, revision: row.get(1)?, block: row.get(2)?, slot: row.get(3)? })
}

pub(super) fn insert(tx: &Connection, new: &NewBlock) -> rusqlite::Result<()> {
    let Some(last_hour) = new.rows.iter().map(|(key, _, _)| key.hour).max() else {
        return Ok(());
    };
    let sql = "INSERT INTO ledger_block (stream_id, last_hour, block) VALUES (?, ?, ?)";
    tx.prepare_cached(sql)?.execute(params![new.stream.0, last_hour, new.block])?;
    let block = tx.last_insert_rowid();
    let sql = "INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)";
    let mut statement = tx.prepare_cached(sql)?;
    for (slot, (key, content, revision)) in new.rows.iter().enumerate() {
        let stream = new.stream.0;
        statement.execute(params![stream, key.hour, key.id, content, revision, block, slot])?;
    }
    Ok(())
}

/// The different lists of members' paths, of which a page has few; then for each version the
/// number of its list, its members' hashes, and what is watched.
fn encode<'k>(versions: impl ExactSizeIterator<Item = &'k Known>) -> Vec<u8> {
    let mut lists: Vec<&str> = Vec::new();
    let mut parts = Vec::with_capacity(versions.len() * 1_024);
    for known in versions {
        let (paths, hashes) = known.members.parts();
        let list = lists.iter().position(|list| *list == paths).unwrap_or_else(|| {
            lists.push(paths);
            lists.len() - 1
        });
        encode_length(list, &mut parts);
        for hash in hashes {
            parts.extend_from_slice(&hash.to_le_bytes());
        }
        encode_text(&known.watched, &mut parts);
    }
    let mut out = Vec::with_capacity(parts.len() + lists.len() * 1_024);
    encode_length(lists.len(), &mut out);
    for list in lists {
        encode_text(list, &mut out);
    }
    out.append(&mut parts);
    out
}

fn encode_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    encode_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn decode(mut from: &[u8], entry: &Entry) -> Option<Known> {
    let from = &mut from;
    let lists = decode_length(from)?;
    let lists: Vec<&str> = (0..lists).map(|_| decode_text(from)).collect::<Option<_>>()?;
    let mut version = || {
        let paths = *lists.get(decode_length(from)?)?;
        let count = paths.bytes().filter(|byte| *byte == 0).count();
        let (hashes, rest) = from.split_at_checked(count * 4)?;
        *from = rest;
        Some((paths, hashes, decode_text(from)?))
    };
    for _ in 0..entry.slot {
        version()?;
    }
    let (paths, hashes, watched) = version()?;
    let hashes = hashes.as_chunks().0.iter().map(|hash| u32::from_le_bytes(*hash)).collect();
    let members = Members::from_parts(paths.to_owned(), hashes)?;
    Some(Known { revision: entry.revision, members, watched: watched.to_owned() })
}

fn decode_length(from: &mut &[u8]) -> Option<usize> {
    let (length, rest) = from.split_first_chunk()?;
    *from = rest;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

fn decode_text<'b>(from: &mut &'b [u8]) -> Option<&'b str> {
    let length = decode_length(from)?;
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    std::str::from_utf8(text).ok()
}
