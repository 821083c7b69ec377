//! What the stream `health` is made of: the facts that it looks at, and what it has said.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    Store, StoreError,
    conditions::{Condition, Party, condition, optional},
    dead_letters::{self, Pile},
    export, licence,
    slices::{interval, pass, time},
    spool,
};
use crate::domain::{
    slice::{Interval, Pass},
    usage::Usage,
};

/// Faults of a slice, running, from which on it counts as failing.
const FAILING: u32 = 3;

/// What is true now, of all sources and sinks.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub reached: Vec<Reached>,
    /// By name; see [`Facts::source`].
    pub sources: BTreeMap<String, Condition>,
    pub sinks: BTreeMap<String, Condition>,
    /// Calls of the UTC day by source.
    pub calls: BTreeMap<String, u64>,
    pub waiting: Vec<Waiting>,
    pub gone: Vec<Gone>,
    pub differing: Vec<Differing>,
    /// What the last surveys found, by source.
    pub licences: BTreeMap<String, Usage>,
    /// What stands in the way of log exports, and since when, by source.
    pub exports: BTreeMap<String, (String, Timestamp)>,
    pub dead_letters: Vec<Pile>,
    pub spool_bytes: u64,
}

impl Facts {
    /// How a source, or a stream of one, is doing.
    pub fn source(&self, party: Party<'_>) -> Option<&Condition> {
        self.sources.get(party.key().1.as_ref())
    }
}

/// How far live collection of a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    pub source: String,
    pub stream: String,
    /// The first instant that is not covered.
    pub covered_to: Timestamp,
    /// When records came last; before any did, when they were first asked for.
    pub heard: Option<Timestamp>,
}

/// The open slices of a stream and pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub source: String,
    pub stream: String,
    pub pass: Pass,
    /// Where the first begins.
    pub from: Timestamp,
    pub failing: Option<Failing>,
}

/// Those of them that failed time and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// From the first one's start to the last one's end.
    pub within: Interval,
    pub slices: u64,
    /// All of them together.
    pub seconds: i64,
    pub error: Option<String>,
}

/// A slice that cannot be had, and that no other reading covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    pub source: String,
    pub stream: String,
    pub pass: Pass,
    pub interval: Interval,
    /// `lost` or `refused`.
    pub state: String,
    pub error: Option<String>,
}

/// A day whose messages differ from the vendor's count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    pub source: String,
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// JSON.
    pub counts: String,
}

/// What was said of a matter last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub source: String,
    /// The matter, within the source.
    pub record_id: String,
    /// 0 before anything was said.
    pub revision: u32,
    /// Whether it goes on.
    pub open: bool,
    pub since: Timestamp,
    /// JSON.
    pub said: String,
}

/// A change of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    Keep(Said),
    /// Nothing was said of it, and nothing is to be.
    Drop {
        source: String,
        record_id: String,
    },
}

impl Store {
    /// Everything that the stream `health` looks at, at one moment. `day` is that of the budget.
    pub fn facts(&self, day: &str) -> Result<Facts, StoreError> {
        self.read("facts", |view| {
            Ok(Facts {
                reached: reached(view)?,
                sources: conditions(view, "source")?,
                sinks: conditions(view, "sink")?,
                calls: pairs(
                    view,
                    "SELECT source, sum(calls) FROM budget WHERE day = ? GROUP BY source",
                    [day],
                )?,
                waiting: waiting(view)?,
                gone: gone(view)?,
                differing: differing(view)?,
                licences: licence::usages(view)?,
                exports: export::troubles(view)?,
                dead_letters: dead_letters::piles(view)?,
                spool_bytes: spool::gauge(view, "spool_bytes")?,
            })
        })
    }

    /// What was said last of each matter.
    pub fn said(&self) -> Result<Vec<Said>, StoreError> {
        self.read("said", |view| {
            let sql = "SELECT source, key, revision, open, since_ms, said FROM health ORDER BY key";
            let mut statement = view.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                let (source, key): (String, String) = (row.get(0)?, row.get(1)?);
                let record_id = key.strip_prefix(&format!("{source}/")).unwrap_or(&key).to_owned();
                Ok(Said {
                    source,
                    record_id,
                    revision: row.get(2)?,
                    open: row.get(3)?,
                    since: time(row, 4)?,
                    said: row.get(5)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Spools health events and writes down what they said, together: nothing is said twice.
    pub async fn say(
        &self,
        notes: Vec<Note>,
        chunks: Vec<spool::NewChunk>,
    ) -> Result<(), StoreError> {
        let spools = !chunks.is_empty();
        let next = self
            .write("say", move |tx| {
                for note in &notes {
                    write_down(tx, note)?;
                }
                spool::append(tx, &chunks)
            })
            .await?;
        if spools {
            self.shared.spooled.grows_to(next);
        }
        Ok(())
    }
}

fn write_down(tx: &Connection, note: &Note) -> rusqlite::Result<()> {
    let key = |source: &str, record_id: &str| format!("{source}/{record_id}");
    match note {
        Note::Keep(Said { source, record_id, revision, open, since, said }) => {
            let sql = "INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?, ?, ?)";
            let (key, since) = (key(source, record_id), since.as_millisecond());
            tx.prepare_cached(sql)?
                .execute(params![key, source, revision, open, since, said])
                .map(drop)
        }
        Note::Drop { source, record_id } => {
            let sql = "DELETE FROM health WHERE key = ?";
            tx.prepare_cached(sql)?.execute([key(source, record_id)]).map(drop)
        }
    }
}

fn conditions(view: &Connection, kind: &str) -> rusqlite::Result<BTreeMap<String, Condition>> {
    let sql = "SELECT state, since_ms, until_ms, error, ok_ms, name FROM condition WHERE kind = ?";
    let mut statement = view.prepare_cached(sql)?;
    let named = |row: &Row<'_>| Ok((row.get(5)?, condition(row)?));
    statement.query_map([kind], named)?.collect()
}

fn pairs<V: rusqlite::types::FromSql>(
    view: &Connection,
    sql: &str,
    with: impl rusqlite::Params,
) -> rusqlite::Result<BTreeMap<String, V>> {
    let mut statement = view.prepare_cached(sql)?;
    statement.query_map(with, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn reached(view: &Connection) -> rusqlite::Result<Vec<Reached>> {
    let sql = "SELECT source, stream, coalesce(
            (SELECT min(start_ms) FROM slice
                WHERE stream_id = t.id AND state = 'open' AND pass = 'live'),
            to_ms), heard_ms
        FROM stream t JOIN frontier ON stream_id = t.id";
    let mut statement = view.prepare_cached(sql)?;
    let reached = statement.query_map([], |row| {
        let (source, stream) = (row.get(0)?, row.get(1)?);
        Ok(Reached { source, stream, covered_to: time(row, 2)?, heard: optional(row, 3)? })
    })?;
    reached.collect()
}

fn waiting(view: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    let sql = "SELECT source, stream, pass, min(start_ms),
            min(start_ms) FILTER (WHERE attempts >= ?1), max(end_ms) FILTER (WHERE attempts >= ?1),
            count(*) FILTER (WHERE attempts >= ?1),
            sum(end_ms - start_ms) FILTER (WHERE attempts >= ?1) / 1000,
            max(error) FILTER (WHERE attempts >= ?1)
        FROM slice JOIN stream ON stream.id = stream_id
        WHERE state = 'open' GROUP BY stream_id, pass";
    let mut statement = view.prepare_cached(sql)?;
    let waiting = statement.query_map([FAILING], |row| {
        let slices = row.get(6)?;
        let failing = match slices {
            0 => None,
            slices => Some(Failing {
                within: interval(row, 4)?,
                slices,
                seconds: row.get(7)?,
                error: row.get(8)?,
            }),
        };
        let (source, stream) = (row.get(0)?, row.get(1)?);
        Ok(Waiting { source, stream, pass: pass(row, 2)?, from: time(row, 3)?, failing })
    })?;
    waiting.collect()
}

fn gone(view: &Connection) -> rusqlite::Result<Vec<Gone>> {
    // The index needs both conditions on the state; without it every slice would be looked at. What
    // live collection or a backfill could not read, the other may have; what a resweep could not,
    // only the same resweep.
    let sql = "SELECT source, stream, pass, start_ms, end_ms, state, error
        FROM stream t CROSS JOIN slice s INDEXED BY slice_done
            ON s.stream_id = t.id AND s.state IN ('lost', 'refused')
            AND s.state NOT IN ('open', 'planned')
        WHERE NOT EXISTS (SELECT 1 FROM coverage c WHERE c.stream_id = t.id
            AND (c.pass = 'resweep') = (s.pass = 'resweep') AND c.after_ms = s.after_ms
            AND c.start_ms <= s.start_ms AND c.end_ms >= s.end_ms)
        ORDER BY s.id";
    let mut statement = view.prepare_cached(sql)?;
    let gone = statement.query_map([], |row| {
        Ok(Gone {
            source: row.get(0)?,
            stream: row.get(1)?,
            pass: pass(row, 2)?,
            interval: interval(row, 3)?,
            state: row.get(5)?,
            error: row.get(6)?,
        })
    })?;
    gone.collect()
}

fn differing(view: &Connection) -> rusqlite::Result<Vec<Differing>> {
    let sql = "SELECT source, day, counts FROM reconciliation
        JOIN stream ON stream.id = stream_id WHERE state = 'differs' ORDER BY source, day";
    let mut statement = view.prepare_cached(sql)?;
    let differing = statement.query_map([], |row| {
        Ok(Differing { source: row.get(0)?, day: row.get(1)?, counts: row.get(2)? })
    })?;
    differing.collect()
}
