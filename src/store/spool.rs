//! The spool: a page's events as one compressed block, until every sink has passed them.

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc, sync::PoisonError};

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, block::Codec, room::Taken, slices::StreamId};
use crate::domain::{
    event::{Change, Event, EventId, Origin, Text},
    slice::Stream,
};

/// Decoded chunks kept so that several sinks share the work.
const CACHED: usize = 4;
/// Of those, bytes beyond which only the newest is kept.
const CACHED_BYTES: usize = 4 << 20;

/// An event before it has a place in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub id: EventId,
    pub revision: u32,
    pub change: Change,
    pub time_ms: i64,
    pub verdict: Option<String>,
    pub json: String,
}

/// The events that one page adds to a stream.
#[derive(Debug)]
pub struct NewChunk {
    stream: StreamId,
    tags: String,
    count: usize,
    block: Vec<u8>,
}

/// Some consecutive events, decoded.
pub type Chunk = Arc<[Event]>;

/// The chunks read last.
#[derive(Default)]
pub(super) struct Cache(VecDeque<Chunk>);

impl Cache {
    fn bytes(&self) -> usize {
        self.0.iter().flat_map(|chunk| chunk.iter()).map(|event| event.json.len()).sum()
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }
}

/// What the spool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// Stored bytes of events.
    pub bytes: u64,
    pub events: u64,
    /// What `max_spool` limits: those bytes, the dead letters' and the WAL's.
    pub on_disk: u64,
}

impl NewChunk {
    pub(super) fn bytes(&self) -> u64 {
        self.block.len() as u64
    }
}

impl Store {
    /// Packs the events that a page adds to a stream, in order.
    pub fn pack(
        &self,
        stream: StreamId,
        tags: &BTreeMap<String, String>,
        events: &[NewEvent],
    ) -> std::io::Result<NewChunk> {
        let plain = encode(events);
        let block = self.shared.codec.compress(&plain)?;
        let tags = serde_json::to_string(tags)?;
        Ok(NewChunk { stream, tags, count: events.len(), block })
    }

    /// The chunk that holds the first event at or after `seq`; `None` when there is none yet.
    pub fn chunk(&self, seq: u64) -> Result<Option<Chunk>, StoreError> {
        let holds = |chunk: &Chunk| {
            let (first, last) = (chunk.first().map(|e| e.seq), chunk.last().map(|e| e.seq));
            first.is_some_and(|first| first <= seq) && last.is_some_and(|last| seq <= last)
        };
        let mut cache = self.shared.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chunk) = cache.0.iter().find(|chunk| holds(chunk)) {
            return Ok(Some(chunk.clone()));
        }
        let Some(chunk) = self.read("chunk", |view| read(view, &self.shared.codec, seq))? else {
            return Ok(None);
        };
        cache.0.push_back(chunk.clone());
        while cache.0.len() > 1 && (cache.0.len() > CACHED || cache.bytes() > CACHED_BYTES) {
            cache.0.pop_front();
        }
        Ok(Some(chunk))
    }

    /// The chunk of the oldest events, for one look: it does not take the place of one that sinks
    /// read.
    pub fn oldest_chunk(&self) -> Result<Option<Chunk>, StoreError> {
        self.read("oldest-chunk", |view| read(view, &self.shared.codec, 0))
    }

    pub fn spool_size(&self) -> Result<Size, StoreError> {
        self.read("spool-size", |view| {
            let first: Option<u64> =
                view.query_row("SELECT min(first_seq) FROM chunk", [], |row| row.get(0))?;
            let next = gauge(view, "next_seq")?;
            let events = first.map_or(0, |first| next.saturating_sub(first));
            let taken = Taken::read(view, &self.shared.path)?;
            Ok(Size { bytes: taken.chunks, events, on_disk: taken.total() })
        })
    }

    /// The sequence number that the next event will get.
    pub fn next_seq(&self) -> Result<u64, StoreError> {
        self.read("next-seq", |view| gauge(view, "next_seq"))
    }
}

pub(super) fn gauge(view: &Connection, name: &str) -> rusqlite::Result<u64> {
    view.prepare_cached("SELECT value FROM gauge WHERE name = ?")?
        .query_row([name], |row| row.get(0))
}

/// Appends chunks and returns the next sequence number.
pub(super) fn append(tx: &Connection, chunks: &[NewChunk]) -> rusqlite::Result<u64> {
    let mut next = gauge(tx, "next_seq")?;
    if chunks.is_empty() {
        return Ok(next);
    }
    let sql = "INSERT INTO chunk (first_seq, count, stream_id, tags, block) VALUES (?, ?, ?, ?, ?)";
    let mut statement = tx.prepare_cached(sql)?;
    let mut bytes = 0;
    for chunk in chunks {
        let NewChunk { stream, tags, count, block } = chunk;
        statement.execute(params![next, count, stream.0, tags, block])?;
        next += *count as u64;
        bytes += block.len();
    }
    let sql = "UPDATE gauge SET value = CASE name WHEN 'next_seq' THEN ?1 ELSE value + ?2 END
        WHERE name IN ('next_seq', 'spool_bytes')";
    tx.prepare_cached(sql)?.execute(params![next, bytes])?;
    Ok(next)
}

/// Chunks that one transaction lets go of: those of a batch are few, those of a sink that is gone
/// would hold up everybody.
const RELEASED: u32 = 64;

/// Whether every sink has passed the oldest chunk.
pub(super) fn is_releasable(view: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT first_seq + count <= (SELECT coalesce(min(cursor), 0) FROM sink)
        FROM chunk ORDER BY first_seq LIMIT 1";
    Ok(view.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// Deletes chunks that every sink has passed, oldest first; whether there may be more.
pub(super) fn release(tx: &Connection) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM chunk
        WHERE first_seq IN (SELECT first_seq FROM chunk ORDER BY first_seq LIMIT ?)
            AND first_seq + count <= (SELECT coalesce(min(cursor), 0) FROM sink)
            AND first_seq < (SELECT coalesce(min(cursor), 0) FROM sink)
        RETURNING length(block)";
    let mut statement = tx.prepare_cached(sql)?;
    let (mut freed, mut chunks) = (0_i64, 0);
    for bytes in statement.query_map([RELEASED], |row| row.get::<_, i64>(0))? {
        freed += bytes?;
        chunks += 1;
    }
    if freed > 0 {
        let sql = "UPDATE gauge SET value = max(0, value - ?) WHERE name = 'spool_bytes'";
        tx.prepare_cached(sql)?.execute([freed])?;
    }
    Ok(chunks == RELEASED)
}

fn read(view: &Connection, codec: &Codec, seq: u64) -> rusqlite::Result<Option<Chunk>> {
    type Found = (u64, u64, String, String, String, Vec<u8>);
    let columns = "SELECT first_seq, count, source, stream, tags, block
        FROM chunk JOIN stream ON stream.id = chunk.stream_id";
    let find = |condition: &str| -> rusqlite::Result<Option<Found>> {
        view.prepare_cached(&format!("{columns} WHERE {condition} LIMIT 1"))?
            .query_row([seq], |row| {
                let (source, stream) = (row.get(2)?, row.get(3)?);
                Ok((row.get(0)?, row.get(1)?, source, stream, row.get(4)?, row.get(5)?))
            })
            .optional()
    };
    let within = find("first_seq <= ? ORDER BY first_seq DESC")?
        .filter(|(first, count, ..)| seq < first + count);
    let Some(found) =
        within.map_or_else(|| find("first_seq > ? ORDER BY first_seq"), |f| Ok(Some(f)))?
    else {
        return Ok(None);
    };
    let (first, count, source, stream, tags, block) = found;
    let unreadable = || rusqlite::Error::IntegralValueOutOfRange(5, first.cast_signed());
    let origin = Arc::new(Origin {
        source: source.parse().map_err(|_| unreadable())?,
        stream: Stream::parse(&stream).ok_or_else(unreadable)?,
        tags: serde_json::from_str(&tags).map_err(|_| unreadable())?,
    });
    let plain = codec.restore(&block).map_err(|_| unreadable())?;
    let events = decode(&plain, &origin, first, count).ok_or_else(unreadable)?;
    Ok(Some(events.into()))
}

/// The events' heads, then all their texts together.
pub(super) fn encode(events: &[NewEvent]) -> Vec<u8> {
    let length = events.iter().map(|event| event.json.len() + 64).sum();
    let mut out = Vec::with_capacity(length);
    for event in events {
        out.extend_from_slice(event.id.as_bytes());
        out.extend_from_slice(&event.revision.to_le_bytes());
        out.push(match event.change {
            Change::New => 0,
            Change::Changed => 1,
            Change::Vanished => 2,
        });
        out.extend_from_slice(&event.time_ms.to_le_bytes());
        for text in [event.verdict.as_deref().unwrap_or_default(), &event.json] {
            out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
    }
    for event in events {
        out.extend_from_slice(event.verdict.as_deref().unwrap_or_default().as_bytes());
        out.extend_from_slice(event.json.as_bytes());
    }
    out
}

/// Bytes of an event's head.
const HEAD: usize = 16 + 4 + 1 + 8 + 4 + 4;

pub(super) fn decode(
    plain: &[u8],
    origin: &Arc<Origin>,
    first: u64,
    count: u64,
) -> Option<Vec<Event>> {
    let heads = usize::try_from(count).ok()?.checked_mul(HEAD)?;
    let (heads, texts) = plain.split_at_checked(heads)?;
    let texts: Arc<str> = std::str::from_utf8(texts).ok()?.into();
    let mut at = 0;
    let mut part = |length: [u8; 4]| {
        let start = at;
        at += u32::from_le_bytes(length) as usize;
        Text::part(&texts, start..at)
    };
    let event = |(seq, head): (u64, &[u8; HEAD])| {
        let (id, rest) = head.split_first_chunk::<16>()?;
        let (revision, rest) = rest.split_first_chunk()?;
        let (change, rest) = rest.split_first()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (verdict, rest) = rest.split_first_chunk()?;
        let verdict = part(*verdict)?;
        Some(Event {
            origin: origin.clone(),
            seq,
            id: EventId::from_bytes(*id),
            revision: u32::from_le_bytes(*revision),
            change: match change {
                0 => Change::New,
                1 => Change::Changed,
                2 => Change::Vanished,
                _ => return None,
            },
            time_ms: i64::from_le_bytes(*time),
            verdict: (!verdict.is_empty()).then(|| Arc::from(&*verdict)),
            json: part(*rest.first_chunk()?)?,
        })
    };
    (first..).zip(heads.as_chunks().0).map(event).collect()
}
