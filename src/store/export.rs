//! The log export of a stream: which hours were asked for, where each file is being read, and how
//! many messages it told of.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Store, StoreError, ledger, room,
    slices::{StreamId, time},
    spool,
};

mod creates;
mod spared;

pub use creates::Created;

/// Hours and files are kept for people to look at, and so that nothing is read twice.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Lines from its start.
    pub lines: u64,
    /// It was read to its end.
    pub done: bool,
    /// Lines that were none, or too long.
    pub left_out: u64,
}

/// What some lines of a file make true, together.
#[derive(Debug)]
pub struct LinesCommit {
    pub stream: StreamId,
    /// Hours since 1970.
    pub hour: i64,
    /// The file's path, without its signature.
    pub path: String,
    /// Where it is read on.
    pub position: Position,
    pub chunks: Vec<spool::NewChunk>,
    pub ledger: Vec<ledger::NewBlock>,
    /// Messages that came, by hour of their delivery.
    pub creates: BTreeMap<i64, u64>,
    /// The spool's cap, which the lines must not pass, bytes.
    pub max_spool: u64,
}

/// An hour that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Last.
    pub at: Timestamp,
    /// Why files may be missing.
    pub gap: Option<String>,
}

impl Store {
    /// The hours of a stream's log export that were asked for; hours since 1970.
    pub fn export_hours(&self, stream: StreamId) -> Result<BTreeMap<i64, Asked>, StoreError> {
        self.read("export-hours", |view| {
            let sql = "SELECT hour, asked_ms, gap FROM export_hour WHERE stream_id = ?";
            let mut statement = view.prepare_cached(sql)?;
            let rows = statement.query_map([stream.0], |row| {
                Ok((row.get(0)?, Asked { at: time(row, 1)?, gap: row.get(2)? }))
            })?;
            rows.collect()
        })
    }

    /// How far the files of an hour were read, by path.
    pub fn export_files(
        &self,
        stream: StreamId,
        hour: i64,
    ) -> Result<HashMap<String, Position>, StoreError> {
        self.read("export-files", |view| {
            let sql = "SELECT path, lines, done, left_out FROM export_file
                WHERE stream_id = ? AND hour = ?";
            let mut statement = view.prepare_cached(sql)?;
            let rows = statement.query_map(params![stream.0, hour], |row| {
                let (lines, done, left_out) = (row.get(1)?, row.get(2)?, row.get(3)?);
                Ok((row.get(0)?, Position { lines, done, left_out }))
            })?;
            rows.collect()
        })
    }

    /// Records that hours were asked for, now that all of their files that came are done; with the
    /// reason of those of which files may be missing. Forgets what is too old to matter.
    pub async fn export_asked(
        &self,
        stream: StreamId,
        hours: Vec<(i64, Option<String>)>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("export-asked", move |tx| {
            let sql = "INSERT INTO export_hour VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT DO UPDATE SET asked_ms = excluded.asked_ms, gap = excluded.gap";
            let mut statement = tx.prepare_cached(sql)?;
            for (hour, gap) in &hours {
                statement.execute(params![stream.0, hour, at.as_millisecond(), gap])?;
            }
            let oldest = at.checked_sub(KEPT).unwrap_or(Timestamp::MIN).as_second() / 3600;
            for table in ["export_hour", "export_file", "export_create"] {
                let sql = format!("DELETE FROM {table} WHERE stream_id = ? AND hour < ?");
                tx.prepare_cached(&sql)?.execute([stream.0, oldest])?;
            }
            Ok(())
        })
        .await
    }

    /// Commits lines of a file: their events, their ledger rows, and where the file is read on,
    /// together. Nothing of it where the spool has no room.
    pub async fn commit_lines(&self, lines: LinesCommit) -> Result<(), StoreError> {
        let spools = !lines.chunks.is_empty();
        let bytes = lines.chunks.iter().map(spool::NewChunk::bytes).sum();
        let path = self.shared.path.clone();
        let commit = move |tx: &Connection| {
            let fits = room::fits(tx, &path, bytes, lines.max_spool)?;
            fits.then(|| commit(tx, &lines)).transpose()
        };
        let next = self.write("commit-lines", commit).await?;
        self.learn(bytes, next.is_none());
        let Some(next) = next else { return Err(StoreError::SpoolFull) };
        if spools {
            self.shared.spooled.grows_to(next);
        }
        Ok(())
    }

    /// What stands in the way of a stream's log export, and since when.
    pub fn export_trouble(
        &self,
        stream: StreamId,
    ) -> Result<Option<(String, Timestamp)>, StoreError> {
        self.read("export-trouble", |view| {
            let sql = "SELECT trouble, since_ms FROM export_state
                WHERE stream_id = ? AND trouble IS NOT NULL";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, time(row, 1)?));
            view.prepare_cached(sql)?.query_row([stream.0], row).optional()
        })
    }

    /// Says what stands in the way, or that nothing does.
    pub async fn tell_export_trouble(
        &self,
        stream: StreamId,
        trouble: Option<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let known = self.export_trouble(stream)?;
        if known.as_ref().map(|(text, _)| text) == trouble.as_ref() {
            return Ok(());
        }
        // Said in other words, it goes on.
        let since = known.map_or(now, |(_, since)| since);
        self.write("export-trouble", move |tx| {
            let sql = "UPDATE export_state SET trouble = ?2, since_ms = ?3 WHERE stream_id = ?1";
            let since = trouble.as_ref().map(|_| since.as_millisecond());
            tx.prepare_cached(sql)?.execute(params![stream.0, trouble, since]).map(drop)
        })
        .await
    }
}

/// What stands in the way of log exports, by source.
pub(super) fn troubles(
    view: &Connection,
) -> rusqlite::Result<BTreeMap<String, (String, Timestamp)>> {
    let sql = "SELECT source, trouble, since_ms FROM export_state
        JOIN stream ON stream.id = stream_id WHERE trouble IS NOT NULL";
    let mut statement = view.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, time(row, 2)?))))?;
    rows.collect()
}

/// Returns the spool's next sequence number.
fn commit(tx: &Connection, lines: &LinesCommit) -> rusqlite::Result<u64> {
    for block in &lines.ledger {
        ledger::insert(tx, block)?;
    }
    let Position { lines: read, done, left_out } = lines.position;
    let sql = "INSERT INTO export_file VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT DO UPDATE SET lines = excluded.lines, done = excluded.done,
            left_out = excluded.left_out";
    let (stream, hour) = (lines.stream.0, lines.hour);
    tx.prepare_cached(sql)?.execute(params![stream, hour, lines.path, read, done, left_out])?;
    creates::add(tx, lines.stream, &lines.creates)?;
    spool::append(tx, &lines.chunks)
}
