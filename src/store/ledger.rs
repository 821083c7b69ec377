//! The ledger: the last version of each record that the vendor may return again.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, slices::StreamId};
use crate::domain::{change::Known, fingerprint::Member};

/// zstd's fastest level: blocks are small and read rarely.
const LEVEL: i32 = 1;

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

impl NewBlock {
    /// `versions`: where each is filed, its content hash, and what is to be remembered.
    pub fn new(stream: StreamId, versions: &[(Key, [u8; 16], Known)]) -> std::io::Result<Self> {
        let rows = versions.iter().map(|(key, content, known)| (*key, *content, known.revision));
        let rows = rows.collect();
        let mut plain = Vec::with_capacity(versions.len() * 800);
        for (_, _, known) in versions {
            encode(known, &mut plain);
        }
        Ok(Self { stream, rows, block: zstd::bulk::compress(&plain, LEVEL)? })
    }
}

impl Store {
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
            let entry = |key: &Key| {
                let row = statement.query_row(params![stream.0, key.hour, key.id], |row| {
                    Ok(Entry {
                        content: row.get(0)?,
                        revision: row.get(1)?,
                        block: row.get(2)?,
                        slot: row.get(3)?,
                    })
                });
                row.optional()
            };
            keys.iter().map(entry).collect()
        })
    }

    /// What is remembered of a record that is known.
    pub fn recall(&self, entry: &Entry) -> Result<Known, StoreError> {
        self.read("ledger-block", |view| {
            let sql = "SELECT block FROM ledger_block WHERE id = ?";
            let block: Vec<u8> =
                view.prepare_cached(sql)?.query_row([entry.block], |row| row.get(0))?;
            let unreadable = || rusqlite::Error::IntegralValueOutOfRange(0, i64::from(entry.slot));
            let plain = zstd::stream::decode_all(block.as_slice()).map_err(|_| unreadable())?;
            let mut rest = plain.as_slice();
            for _ in 0..entry.slot {
                decode(&mut rest, 0).ok_or_else(unreadable)?;
            }
            decode(&mut rest, entry.revision).ok_or_else(unreadable)
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

fn encode(known: &Known, out: &mut Vec<u8>) {
    let mut paths = String::with_capacity(known.members.len() * 16);
    for member in &known.members {
        paths.push_str(&member.path);
        paths.push('\0');
    }
    for text in [&paths, &known.watched] {
        out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    for member in &known.members {
        out.extend_from_slice(&member.hash.to_le_bytes());
    }
}

fn decode(from: &mut &[u8], revision: u32) -> Option<Known> {
    let paths = decode_text(from)?;
    let watched = decode_text(from)?;
    let mut members = Vec::new();
    for path in paths.split_terminator('\0') {
        let (hash, rest) = from.split_first_chunk::<4>()?;
        *from = rest;
        members.push(Member { path: path.to_owned(), hash: u32::from_le_bytes(*hash) });
    }
    Some(Known { revision, members, watched })
}

fn decode_text(from: &mut &[u8]) -> Option<String> {
    let (length, rest) = from.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *from = rest;
    String::from_utf8(text.to_vec()).ok()
}
