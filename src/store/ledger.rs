//! The ledger: the last version of each record that the vendor may return again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::{Store, StoreError, slices::StreamId};
use crate::domain::change::Known;

mod encoding;
mod forget;
#[cfg(feature = "testing")]
pub(super) mod fuzzing;
mod partition;
pub(super) mod places;
mod recall;

pub(super) use forget::Needed;
use partition::Partition;

/// Where the ledger files a record: the hour of its unchanging time, and what tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Hours since 1970. What never ages is filed under 0.
    pub hour: i64,
    /// The second of the hour, then 14 bytes of the hash of its id. A page's records, which are
    /// neighbours in time, are so neighbours in the file, however many an hour has.
    pub id: [u8; 16],
}

impl Key {
    /// Filed by its hour alone.
    const NO_SECOND: u16 = u16::MAX;
    /// Bytes of `id` that are the second.
    const SECOND: usize = size_of::<u16>();

    /// The hour under which is filed what has no time of its own and is never forgotten.
    pub const NEVER_AGES: i64 = 0;

    pub fn new(hour: i64, record_id: &str) -> Self {
        let mut id = [0; 16];
        id[Self::SECOND..].copy_from_slice(&blake3::hash(record_id.as_bytes()).as_bytes()[..14]);
        Self { hour, id }.at_second(Self::NO_SECOND)
    }

    /// For records of which an hour has thousands and whose time never changes by a second.
    pub fn at(time: Timestamp, record_id: &str) -> Self {
        let seconds = time.as_second();
        let second = u16::try_from(seconds.rem_euclid(3600)).unwrap_or(Self::NO_SECOND);
        Self::new(seconds.div_euclid(3600), record_id).at_second(second)
    }

    pub(super) fn at_second(mut self, second: u16) -> Self {
        self.id[..Self::SECOND].copy_from_slice(&second.to_be_bytes());
        self
    }

    pub(super) fn second(&self) -> u16 {
        u16::from_be_bytes([self.id[0], self.id[1]])
    }

    /// Of the hash of the record's id.
    pub(super) fn hash(&self) -> &[u8] {
        &self.id[Self::SECOND..]
    }

    /// The record's unchanging time, to the second, where it is filed by it.
    pub fn time(&self) -> Option<Timestamp> {
        let second = Some(self.second()).filter(|second| *second != Self::NO_SECOND)?;
        Timestamp::from_second(self.hour.checked_mul(3600)?.checked_add(second.into())?).ok()
    }
}

/// A record that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub content: [u8; 16],
    pub revision: u32,
    partition: Partition,
    block: i64,
    slot: u32,
}

/// Where a record is filed, its content's hash, and what is to be remembered.
pub type Version = (Key, [u8; 16], Known);

/// The versions that one page adds to a stream's ledger.
#[derive(Debug)]
pub struct NewBlock {
    pub stream: StreamId,
    parts: Vec<Part>,
    /// Whether its records are to be found by their ids, too.
    by_id: bool,
    /// Those of them whose time is not known.
    undated: Vec<Key>,
}

impl NewBlock {
    /// The same, whose records can be found by their ids alone; `undated` are filed somewhere because
    /// their time is not known.
    #[must_use]
    pub fn by_id(self, undated: Vec<Key>) -> Self {
        Self { by_id: true, undated, ..self }
    }
}

/// What goes into one partition: a row is never apart from its block.
#[derive(Debug)]
struct Part {
    partition: Partition,
    last_hour: i64,
    rows: Vec<(Key, [u8; 16], u32)>,
    block: Vec<u8>,
}

impl Store {
    /// Packs the versions that a page adds to a stream's ledger.
    pub fn pack_versions(
        &self,
        stream: StreamId,
        versions: &[Version],
    ) -> std::io::Result<NewBlock> {
        let mut days: BTreeMap<i64, Vec<&Version>> = BTreeMap::new();
        for version in versions {
            // Hour 0 is apart from the rest of its day.
            let day = if version.0.hour == 0 { i64::MIN } else { version.0.hour.div_euclid(24) };
            days.entry(day).or_default().push(version);
        }
        let part = |versions: Vec<&Version>| {
            let last_hour = versions.iter().map(|(key, _, _)| key.hour).max().unwrap_or_default();
            let rows =
                versions.iter().map(|(key, content, known)| (*key, *content, known.revision));
            let rows = rows.collect();
            let plain = encoding::encode(versions.iter().map(|(_, _, known)| known));
            let block = self.shared.codec.compress(&plain)?;
            std::io::Result::Ok(Part {
                partition: Partition::of(last_hour),
                last_hour,
                rows,
                block,
            })
        };
        let parts = days.into_values().map(part).collect::<std::io::Result<_>>()?;
        Ok(NewBlock { stream, parts, by_id: false, undated: Vec::new() })
    }

    /// What is known of records, in the order of `keys`.
    pub fn look_up(
        &self,
        stream: StreamId,
        keys: &[Key],
    ) -> Result<Vec<Option<Entry>>, StoreError> {
        self.read("ledger", |view| {
            let plain_to: Option<i64> = view
                .prepare_cached("SELECT value FROM gauge WHERE name = 'ledger_plain_to'")?
                .query_row([], |row| row.get(0))
                .optional()?;
            let mut rows = Rows { view, stream, statement: None };
            let mut entry = |key: &Key| {
                let found = rows.find(key)?;
                // An earlier version filed without the second.
                if found.is_none() && plain_to.is_some_and(|hour| key.hour <= hour) {
                    return rows.find(&key.at_second(Key::NO_SECOND));
                }
                Ok(found)
            };
            keys.iter().map(&mut entry).collect()
        })
    }
}

/// Finds rows; keeps the statement, since a page is nearly always of one day.
struct Rows<'v> {
    view: &'v Connection,
    stream: StreamId,
    statement: Option<(Partition, CachedStatement<'v>)>,
}

impl Rows<'_> {
    fn find(&mut self, key: &Key) -> rusqlite::Result<Option<Entry>> {
        let partition = Partition::of(key.hour);
        let statement = match &mut self.statement {
            Some((of, statement)) if *of == partition => statement,
            other => {
                let sql = format!(
                    "SELECT content, revision, block, slot FROM ledger_{partition}
                    WHERE stream_id = ? AND hour = ? AND id = ?"
                );
                &mut other.insert((partition, self.view.prepare_cached(&sql)?)).1
            }
        };
        let row = statement.query_row(params![self.stream.0, key.hour, key.id], |row| {
            Ok(Entry {
                content: row.get(0)?,
                revision: row.get(1)?,
                partition,
                block: row.get(2)?,
                slot: row.get(3)?,
            })
        });
        row.optional()
    }
}

pub(super) fn insert(tx: &Connection, new: &NewBlock) -> rusqlite::Result<()> {
    for Part { partition, last_hour, rows, block } in &new.parts {
        let sql = format!(
            "INSERT INTO ledger_block_{partition} (stream_id, last_hour, block) VALUES (?, ?, ?)"
        );
        tx.prepare_cached(&sql)?.execute(params![new.stream.0, last_hour, block])?;
        let block = tx.last_insert_rowid();
        let sql = format!("INSERT OR REPLACE INTO ledger_{partition} VALUES (?, ?, ?, ?, ?, ?, ?)");
        let mut statement = tx.prepare_cached(&sql)?;
        for (slot, (key, content, revision)) in rows.iter().enumerate() {
            let stream = new.stream.0;
            statement.execute(params![stream, key.hour, key.id, content, revision, block, slot])?;
        }
        if *partition == Partition::UNDATED {
            forget::free_blocks(tx, *partition, new.stream)?;
        }
        if new.by_id {
            places::insert(tx, new.stream, rows.iter().map(|(key, _, _)| key))?;
        }
    }
    places::insert_undated(tx, new.stream, &new.undated)
}

/// How many records of a stream are filed under an hour.
pub(super) fn count(view: &Connection, stream: StreamId, hour: i64) -> rusqlite::Result<u64> {
    let partition = Partition::of(hour);
    let sql = format!("SELECT count(*) FROM ledger_{partition} WHERE stream_id = ? AND hour = ?");
    view.prepare_cached(&sql)?.query_row([stream.0, hour], |row| row.get(0))
}

#[cfg(test)]
mod tests;
