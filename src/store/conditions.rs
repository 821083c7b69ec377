//! How sources and sinks are doing, and the overview that `status` shows.

use std::borrow::Cow;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{
    Store, StoreError,
    slices::{interval, time},
};
use crate::{
    config,
    domain::slice::{Interval, Stream},
};

/// Whose condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party<'a> {
    Source(&'a str),
    /// A source's stream that is collected by itself, other than its first one.
    Stream(&'a str, Stream),
    Sink(&'a str),
}

impl<'a> Party<'a> {
    /// Whose condition a stream of a source tells: the first one's is the source's.
    pub fn of(source: &'a config::Source, stream: Stream) -> Self {
        let name = source.name.as_str();
        if source.vendor.streams().first() == Some(&stream) {
            Self::Source(name)
        } else {
            Self::Stream(name, stream)
        }
    }

    /// The role, and the name in it: no source's has a slash.
    pub(super) fn key(self) -> (&'static str, Cow<'a, str>) {
        match self {
            Self::Source(name) => ("source", name.into()),
            Self::Stream(name, stream) => ("source", format!("{name}/{stream}").into()),
            Self::Sink(name) => ("sink", name.into()),
        }
    }
}

/// How a source or sink is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// The vendor or SIEM does not answer as it should; being tried again.
    Failing,
    /// Credentials, rights or the other side's configuration: a person must act.
    AuthFailed,
    /// Asked too often.
    Throttled,
    /// The day's calls are spent.
    QuotaSpent,
    /// Collecting waits because the spool is full.
    SpoolFull,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::AuthFailed => "auth_failed",
            Self::Throttled => "throttled",
            Self::QuotaSpent => "quota_spent",
            Self::SpoolFull => "spool_full",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        use State::{AuthFailed, Failing, Ok, QuotaSpent, SpoolFull, Throttled};
        [Ok, Failing, AuthFailed, Throttled, QuotaSpent, SpoolFull]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A condition as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub state: State,
    pub since: Timestamp,
    /// Nothing is tried before.
    pub until: Option<Timestamp>,
    pub error: Option<String>,
    /// The last success.
    pub ok: Option<Timestamp>,
}

/// A stream's slices, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOverview {
    pub source: String,
    pub stream: Stream,
    /// What live collection has planned.
    pub planned: Option<Interval>,
    /// The first instant that live collection has not covered.
    pub covered_to: Option<Timestamp>,
    pub open: u64,
    /// Of those, with a fault.
    pub failing: u64,
    pub lost: u64,
    pub refused: u64,
    /// The fault of the newest open slice that has one.
    pub error: Option<String>,
    /// When live records came last; before any did, when they were first asked for.
    pub heard: Option<Timestamp>,
}

/// A sink's progress, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkOverview {
    pub name: String,
    pub delivered: u64,
    /// Events in the spool past its cursor; those beyond it that are done count too.
    pub waiting: u64,
    pub dead_letters: u64,
}

impl Store {
    pub fn condition(&self, party: Party<'_>) -> Result<Option<Condition>, StoreError> {
        self.read("condition", |view| {
            let sql = "SELECT state, since_ms, until_ms, error, ok_ms FROM condition
                WHERE kind = ? AND name = ?";
            let (kind, name) = party.key();
            view.prepare_cached(sql)?.query_row(params![kind, name], condition).optional()
        })
    }

    /// Records how a source or sink is doing; `since` stays while the state does.
    pub async fn set_condition(
        &self,
        party: Party<'_>,
        state: State,
        until: Option<Timestamp>,
        error: Option<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (kind, name) = party.key();
        let name = name.into_owned();
        self.write("set-condition", move |tx| {
            let now = now.as_millisecond();
            let ok = (state == State::Ok).then_some(now);
            let until = until.map(Timestamp::as_millisecond);
            let sql = "INSERT INTO condition VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                ON CONFLICT DO UPDATE SET
                    since_ms = CASE WHEN state = ?3 THEN since_ms ELSE ?4 END,
                    state = ?3, until_ms = ?5, error = ?6, ok_ms = coalesce(?7, ok_ms)";
            tx.prepare_cached(sql)?
                .execute(params![kind, name, state.as_str(), now, until, error, ok])
                .map(drop)
        })
        .await
    }

    pub fn streams(&self) -> Result<Vec<StreamOverview>, StoreError> {
        self.read("streams", |view| {
            // An index is used only where its condition is there word for word.
            let done = "FROM slice WHERE stream_id = s.id AND state NOT IN ('open', 'planned')";
            let open = "FROM slice WHERE stream_id = s.id AND state = 'open'";
            let sql = format!(
                "SELECT source, stream, from_ms, to_ms,
                    (SELECT min(start_ms) {open} AND pass = 'live'),
                    (SELECT count(*) {open}),
                    (SELECT count(*) {open} AND attempts > 0),
                    (SELECT count(*) {done} AND state = 'lost'),
                    (SELECT count(*) {done} AND state = 'refused'),
                    (SELECT error {open} AND attempts > 0 ORDER BY id DESC LIMIT 1),
                    heard_ms
                FROM stream s LEFT JOIN frontier ON stream_id = s.id ORDER BY source, stream"
            );
            let mut statement = view.prepare_cached(&sql)?;
            statement.query_map([], stream_overview)?.collect()
        })
    }

    pub fn sinks(&self) -> Result<Vec<SinkOverview>, StoreError> {
        self.read("sinks", |view| {
            let sql = "SELECT name, delivered,
                    max(0, (SELECT value FROM gauge WHERE name = 'next_seq') - cursor),
                    coalesce((SELECT letters FROM dead_letter_total WHERE sink = name), 0)
                FROM sink ORDER BY name";
            let mut statement = view.prepare_cached(sql)?;
            let sinks = statement.query_map([], |row| {
                Ok(SinkOverview {
                    name: row.get(0)?,
                    delivered: row.get(1)?,
                    waiting: row.get(2)?,
                    dead_letters: row.get(3)?,
                })
            })?;
            sinks.collect()
        })
    }
}

pub(super) fn condition(row: &Row<'_>) -> rusqlite::Result<Condition> {
    let state: String = row.get(0)?;
    Ok(Condition {
        // A word from a later version is at least not well.
        state: State::parse(&state).unwrap_or(State::Failing),
        since: time(row, 1)?,
        until: optional(row, 2)?,
        error: row.get(3)?,
        ok: optional(row, 4)?,
    })
}

pub(super) fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => time(row, column).map(Some),
    }
}

fn stream_overview(row: &Row<'_>) -> rusqlite::Result<StreamOverview> {
    let stream: String = row.get(1)?;
    let planned = match row.get::<_, Option<i64>>(2)? {
        Some(_) => interval(row, 2).ok(),
        None => None,
    };
    let first_open = optional(row, 4)?;
    Ok(StreamOverview {
        source: row.get(0)?,
        stream: Stream::parse(&stream).unwrap_or(Stream::Health),
        planned,
        covered_to: first_open.or(planned.map(Interval::end)),
        open: row.get(5)?,
        failing: row.get(6)?,
        lost: row.get(7)?,
        refused: row.get(8)?,
        error: row.get(9)?,
        heard: optional(row, 10)?,
    })
}
