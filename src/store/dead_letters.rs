//! Events that a sink refused for good, until a person replays or drops them.

use std::{io, sync::Arc};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{Store, StoreError, block::Codec, sinks::Refusal, slices::time};
use crate::domain::{
    event::{Change, Event, EventId, Origin},
    slice::Stream,
};

pub mod replays;

/// Letters that one transaction drops, so that no other waits long for it.
const DROPPED_TOGETHER: usize = 500;

/// A dead letter as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub id: u64,
    pub event_id: String,
    pub sink: String,
    /// Of the last refusal.
    pub reason: String,
    /// When that was.
    pub at: Timestamp,
    /// Refusals so far.
    pub attempts: u64,
}

/// A dead letter with all that is known of it.
#[derive(Debug, Clone)]
pub struct Letter {
    pub entry: Entry,
    /// The first refusal.
    pub first: Timestamp,
    /// Its `seq` is the letter's number.
    pub event: Event,
}

/// Which letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    All,
    Sink(String),
    Ids(Vec<u64>),
}

impl Which {
    /// A condition with one parameter, `?1`.
    fn condition(&self) -> (&'static str, Option<String>) {
        match self {
            Self::All => ("?1 IS NULL", None),
            Self::Sink(name) => ("sink = ?1", Some(name.clone())),
            Self::Ids(ids) => ("id IN (SELECT value FROM json_each(?1))", Some(list(ids))),
        }
    }
}

fn list(ids: &[u64]) -> String {
    serde_json::to_string(ids).unwrap_or_else(|_| "[]".into())
}

/// The dead letters of a sink together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pile {
    pub sink: String,
    pub letters: u64,
    /// What they take in the store.
    pub bytes: u64,
    /// Of the last refusal.
    pub reason: String,
    pub at: Timestamp,
}

/// A refused event, ready to be kept.
pub(super) struct Packed {
    refusal: Refusal,
    body: Vec<u8>,
}

impl Packed {
    pub(super) fn new(refusal: Refusal, codec: &Codec) -> Self {
        let json = refusal.event.json.as_bytes();
        // Uncompressed it can be read, too.
        let body = codec.compress(json).unwrap_or_else(|_| json.to_vec());
        Self { refusal, body }
    }
}

impl Store {
    /// The sinks that have dead letters, by name.
    pub fn dead_letters(&self) -> Result<Vec<Pile>, StoreError> {
        self.read("dead-letters", piles)
    }

    /// What all dead letters take in the store.
    pub fn dead_letter_bytes(&self) -> Result<u64, StoreError> {
        self.read("dead-letter-bytes", bytes)
    }

    /// Of these numbers the ones that name no letter.
    pub fn unknown_letters(&self, ids: &[u64]) -> Result<Vec<u64>, StoreError> {
        self.read("unknown-letters", |view| {
            let sql = "SELECT value FROM json_each(?)
                WHERE value NOT IN (SELECT id FROM dead_letter)";
            let mut statement = view.prepare_cached(sql)?;
            statement.query_map([list(ids)], |row| row.get(0))?.collect()
        })
    }

    /// How many letters are meant, by sink, and the newest number of all there are.
    pub fn meant(&self, which: &Which) -> Result<(Vec<(String, u64)>, u64), StoreError> {
        self.read("meant", |view| {
            let sql = "SELECT coalesce(max(id), 0) FROM dead_letter";
            let last = view.query_row(sql, [], |row| row.get(0))?;
            if let Which::Ids(ids) = which {
                let sql = "SELECT sink, count(*) FROM dead_letter
                    WHERE id IN (SELECT value FROM json_each(?)) GROUP BY sink";
                let mut statement = view.prepare_cached(sql)?;
                let pairs =
                    statement.query_map([list(ids)], |row| Ok((row.get(0)?, row.get(1)?)))?;
                return Ok((pairs.collect::<rusqlite::Result<_>>()?, last));
            }
            let mut of = piles(view)?;
            of.retain(|pile| !matches!(which, Which::Sink(name) if *name != pile.sink));
            Ok((of.into_iter().map(|pile| (pile.sink, pile.letters)).collect(), last))
        })
    }

    /// Up to `most` letters with smaller numbers than `before`, the newest first.
    pub fn letters(
        &self,
        which: &Which,
        before: u64,
        most: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (condition, with) = which.condition();
        self.read("letters", |view| {
            // Lists go by number, which no index does.
            let sql = format!(
                "SELECT id, event_id, sink, reason, at_ms, attempts FROM dead_letter NOT INDEXED
                WHERE {condition} AND id < ?2 ORDER BY id DESC LIMIT ?3"
            );
            let before = i64::try_from(before).unwrap_or(i64::MAX);
            let mut statement = view.prepare_cached(&sql)?;
            statement.query_map(params![with, before, most], entry)?.collect()
        })
    }

    pub fn letter(&self, id: u64) -> Result<Option<Letter>, StoreError> {
        self.read("letter", |view| {
            let sql = format!(
                "SELECT {COLUMNS}, sink, reason, at_ms, attempts, first_ms
                FROM dead_letter WHERE id = ?"
            );
            let letter = |row: &Row<'_>| {
                let event = event(row, &self.shared.codec)?;
                let entry = Entry {
                    id: event.seq,
                    event_id: event.id.to_string(),
                    sink: row.get(10)?,
                    reason: row.get(11)?,
                    at: time(row, 12)?,
                    attempts: row.get(13)?,
                };
                Ok(Letter { entry, first: time(row, 14)?, event })
            };
            view.prepare_cached(&sql)?.query_row([id], letter).optional()
        })
    }

    /// Deletes letters, none newer than `last`: some in one transaction. Call it again until it
    /// returns 0.
    pub async fn drop_letters(&self, which: &Which, last: u64) -> Result<usize, StoreError> {
        let (condition, with) = which.condition();
        self.write("drop-letters", move |tx| {
            let sql = format!(
                "DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter
                    WHERE {condition} AND id <= ?2 LIMIT ?3)"
            );
            tx.prepare_cached(&sql)?.execute(params![with, last, DROPPED_TOGETHER])
        })
        .await
    }
}

/// Keeps a refused event with its reason; a second refusal counts as another attempt.
pub(super) fn insert(
    tx: &Connection,
    sink: &str,
    packed: &Packed,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Packed { refusal: Refusal { event, reason }, body } = packed;
    let now = now.as_millisecond();
    let sql = "UPDATE dead_letter SET attempts = attempts + 1, reason = ?3, at_ms = ?4
        WHERE sink = ?1 AND event_id = ?2";
    let again = params![sink, event.id.as_bytes(), reason, now];
    if tx.prepare_cached(sql)?.execute(again)? > 0 {
        return Ok(());
    }
    let tags = serde_json::to_string(&event.origin.tags).unwrap_or_else(|_| "{}".into());
    let sql = "INSERT INTO dead_letter (sink, event_id, source, stream, tags, revision, change,
            time_ms, verdict, reason, first_ms, at_ms, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12)";
    tx.prepare_cached(sql)?
        .execute(params![
            sink,
            event.id.as_bytes(),
            event.origin.source.as_str(),
            event.origin.stream.as_str(),
            tags,
            event.revision,
            event.change.as_str(),
            event.time_ms,
            event.verdict.as_deref(),
            reason,
            now,
            body,
        ])
        .map(drop)
}

/// What all dead letters take, by the totals that triggers keep.
pub(super) fn bytes(view: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(sum(bytes), 0) FROM dead_letter_total";
    view.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

pub(super) fn piles(view: &Connection) -> rusqlite::Result<Vec<Pile>> {
    let sql = "SELECT sink, letters, bytes, reason, at_ms FROM dead_letter_total
        WHERE letters > 0 ORDER BY sink";
    let mut statement = view.prepare_cached(sql)?;
    let piles = statement.query_map([], |row| {
        Ok(Pile {
            sink: row.get(0)?,
            letters: row.get(1)?,
            bytes: row.get(2)?,
            reason: row.get(3)?,
            at: time(row, 4)?,
        })
    })?;
    piles.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        event_id: EventId::from_bytes(row.get(1)?).to_string(),
        sink: row.get(2)?,
        reason: row.get(3)?,
        at: time(row, 4)?,
        attempts: row.get(5)?,
    })
}

/// What an event is made of.
const COLUMNS: &str =
    "id, source, stream, tags, revision, change, time_ms, verdict, body, event_id";

/// The event, the same to the byte.
fn event(row: &Row<'_>, codec: &Codec) -> rusqlite::Result<Event> {
    let number: i64 = row.get(0)?;
    let unreadable = || rusqlite::Error::IntegralValueOutOfRange(0, number);
    let (source, stream, tags): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let change: String = row.get(5)?;
    let verdict: Option<String> = row.get(7)?;
    let body = row.get_ref(8)?.as_blob()?;
    let plain = match body {
        [b'{', ..] => Ok(body.to_vec()),
        packed => codec.restore(packed),
    };
    let text = |bytes| String::from_utf8(bytes).map_err(io::Error::other);
    Ok(Event {
        origin: Arc::new(Origin {
            source: source.parse().map_err(|_| unreadable())?,
            stream: Stream::parse(&stream).ok_or_else(unreadable)?,
            tags: serde_json::from_str(&tags).map_err(|_| unreadable())?,
        }),
        seq: number.cast_unsigned(),
        id: EventId::from_bytes(row.get(9)?),
        revision: row.get(4)?,
        change: [Change::New, Change::Changed, Change::Vanished]
            .into_iter()
            .find(|known| known.as_str() == change)
            .ok_or_else(unreadable)?,
        time_ms: row.get(6)?,
        verdict: verdict.as_deref().map(Arc::from),
        json: plain.and_then(text).map_err(|_| unreadable())?.into(),
    })
}

#[cfg(test)]
mod tests;
