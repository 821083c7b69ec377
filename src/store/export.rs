//! The log export of a stream: which hours were asked for, and where each file is being read.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    budget::{self, Calls},
    ledger, room,
    slices::{StreamId, time},
    spool,
};

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
    /// The spool's cap, which the lines must not pass, bytes.
    pub max_spool: u64,
}

impl Store {
    /// When each hour of a stream's log export was asked for last; hours since 1970.
    pub fn export_hours(&self, stream: StreamId) -> Result<BTreeMap<i64, Timestamp>, StoreError> {
        self.read("export-hours", |view| {
            let sql = "SELECT hour, asked_ms FROM export_hour WHERE stream_id = ?";
            let mut statement = view.prepare_cached(sql)?;
            let rows = statement.query_map([stream.0], |row| Ok((row.get(0)?, time(row, 1)?)))?;
            rows.collect()
        })
    }

    /// The hours of which files may be missing, and why.
    pub fn export_gaps(&self, stream: StreamId) -> Result<BTreeMap<i64, String>, StoreError> {
        self.read("export-gaps", |view| {
            let sql = "SELECT hour, gap FROM export_hour WHERE stream_id = ? AND gap IS NOT NULL";
            let mut statement = view.prepare_cached(sql)?;
            let rows = statement.query_map([stream.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
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
    /// reason of those of which files may be missing.
    pub async fn export_asked(
        &self,
        stream: StreamId,
        hours: Vec<(i64, Option<String>)>,
        at: Timestamp,
        calls: Calls,
    ) -> Result<(), StoreError> {
        self.write("export-asked", move |tx| {
            budget::count(tx, &calls)?;
            let sql = "INSERT INTO export_hour VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT DO UPDATE SET asked_ms = excluded.asked_ms, gap = excluded.gap";
            let mut statement = tx.prepare_cached(sql)?;
            for (hour, gap) in &hours {
                statement.execute(params![stream.0, hour, at.as_millisecond(), gap])?;
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

    /// Forgets hours before this one, whose files the vendor no longer has.
    pub async fn forget_export(&self, before: i64) -> Result<(), StoreError> {
        self.write("forget-export", move |tx| {
            tx.execute("DELETE FROM export_file WHERE hour < ?", [before])?;
            tx.execute("DELETE FROM export_hour WHERE hour < ?", [before])?;
            Ok(())
        })
        .await
    }
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
    spool::append(tx, &lines.chunks)
}
