//! The vendor's own counts of whole days, beside what was collected.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError,
    budget::{self, Calls, day},
    slices::{StreamId, rows, time},
};
use crate::domain::slice::{Interval, Pass};

/// How a day's counts compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Equal,
    /// They differed; the day is read once more.
    Refetching,
    /// They differ after that, too.
    Differs,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Refetching => "refetching",
            Self::Differs => "differs",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Equal, Self::Refetching, Self::Differs].into_iter().find(|it| it.as_str() == text)
    }
}

/// Messages of one direction, by the vendor's count and by ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub vendor: u64,
    pub collected: u64,
}

/// A day that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    pub verdict: Verdict,
    /// By direction.
    pub counts: BTreeMap<String, Count>,
    pub at: Timestamp,
}

/// Whether a day can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Live collection has not covered it.
    Incomplete,
    /// Nobody has asked yet.
    Ready,
    /// It differed, and is being read once more.
    Refetching,
    /// It differed, and was read once more, or again since by a backfill.
    Refetched,
    /// It was compared for good.
    Compared,
}

impl Store {
    /// Whether a stream's day can be compared.
    pub fn readiness(&self, stream: StreamId, whole: Interval) -> Result<Readiness, StoreError> {
        self.read("readiness", |view| {
            let sql = "SELECT state FROM reconciliation WHERE stream_id = ? AND day = ?";
            let mut statement = view.prepare_cached(sql)?;
            let mut found = statement.query(params![stream.0, day(whole.start())])?;
            let state: Option<String> = found.next()?.map(|row| row.get(0)).transpose()?;
            let bounds =
                params![stream.0, whole.start().as_millisecond(), whole.end().as_millisecond()];
            let holds = |sql: &str| {
                view.prepare_cached(sql)?.query_row(bounds, |row| row.get::<_, bool>(0))
            };
            Ok(match state.as_deref() {
                None => {
                    let sql = "SELECT EXISTS (SELECT 1 FROM coverage WHERE stream_id = ?1
                        AND pass = 'live' AND after_ms = 0 AND start_ms <= ?2 AND end_ms >= ?3)";
                    if holds(sql)? { Readiness::Ready } else { Readiness::Incomplete }
                }
                Some("refetching") => {
                    let sql = "SELECT EXISTS (SELECT 1 FROM slice WHERE stream_id = ?1
                        AND state = 'open' AND pass = 'resweep' AND after_ms = 0
                        AND start_ms < ?3 AND end_ms > ?2)";
                    if holds(sql)? { Readiness::Refetching } else { Readiness::Refetched }
                }
                Some("differs") => {
                    let sql = "SELECT EXISTS (SELECT 1 FROM request r JOIN reconciliation c
                            ON c.stream_id = r.stream_id AND c.day = date(?2 / 1000, 'unixepoch')
                        WHERE r.stream_id = ?1 AND r.state = 'done' AND r.narrow IS NULL
                            AND r.from_ms <= ?2 AND r.to_ms >= ?3 AND r.asked_ms >= c.at_ms)";
                    if holds(sql)? { Readiness::Refetched } else { Readiness::Compared }
                }
                Some(_) => Readiness::Compared,
            })
        })
    }

    /// Messages of a day that were collected, by direction.
    pub fn tally(&self, stream: StreamId, day: &str) -> Result<BTreeMap<String, u64>, StoreError> {
        self.read("tally", |view| {
            let sql = "SELECT direction, messages FROM tally WHERE stream_id = ? AND day = ?";
            let mut statement = view.prepare_cached(sql)?;
            let rows = statement.query_map(params![stream.0, day], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?))
            })?;
            rows.collect()
        })
    }

    /// Records how a day compares, the calls that it took, and the slices that are to be read once
    /// more, together.
    pub async fn reconcile(
        &self,
        stream: StreamId,
        compared: Reconciled,
        refetch: Vec<Interval>,
        page_size: u32,
        calls: Calls,
    ) -> Result<(), StoreError> {
        self.write("reconcile", move |tx| {
            budget::count(tx, &calls)?;
            // A map of texts to numbers can always be written.
            let counts = serde_json::to_string(&compared.counts).unwrap_or_default();
            let sql = "INSERT OR REPLACE INTO reconciliation VALUES (?, ?, ?, ?, ?)";
            tx.prepare_cached(sql)?.execute(params![
                stream.0,
                compared.day,
                compared.verdict.as_str(),
                counts,
                compared.at.as_millisecond()
            ])?;
            for interval in refetch {
                rows::insert(tx, &rows::New::open(stream, Pass::Resweep, interval, page_size))?;
            }
            Ok(())
        })
        .await
    }
}

/// The days of a stream that were compared, since the day of `from`; newest first.
pub(super) fn since(
    view: &Connection,
    stream: StreamId,
    from: Timestamp,
) -> rusqlite::Result<Vec<Reconciled>> {
    let sql = "SELECT day, state, counts, at_ms FROM reconciliation
        WHERE stream_id = ? AND day >= ? ORDER BY day DESC";
    let mut statement = view.prepare_cached(sql)?;
    let compared = |row: &Row<'_>| {
        let (state, counts): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(Reconciled {
            day: row.get(0)?,
            // A word from a later version is at least not equal.
            verdict: Verdict::parse(&state).unwrap_or(Verdict::Differs),
            counts: serde_json::from_str(&counts).unwrap_or_default(),
            at: time(row, 3)?,
        })
    };
    statement.query_map(params![stream.0, day(from)], compared)?.collect()
}
