//! Sinks' cursors: what each has accepted.

use std::ops::Range;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    dead_letters::{self, Packed},
    spool,
};
use crate::domain::{event::Event, name::SinkName};

/// What a sink has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// Every event before it is done with.
    pub cursor: u64,
    /// Ranges beyond it that are done with, in order.
    pub beyond: Vec<Range<u64>>,
}

impl Position {
    /// The first event at or after `seq` that is not done with, and where the next done range
    /// begins.
    pub fn open_from(&self, seq: u64) -> (u64, u64) {
        let mut from = seq.max(self.cursor);
        for done in &self.beyond {
            if from < done.start {
                return (from, done.start);
            }
            from = from.max(done.end);
        }
        (from, u64::MAX)
    }
}

/// An event that a sink will never take, with the reason.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub event: Event,
    pub reason: String,
}

impl Store {
    /// Makes the store's sinks those of the configuration: a new one starts with what is in the
    /// spool, one that is gone frees its events.
    pub async fn set_sinks(&self, names: Vec<SinkName>) -> Result<(), StoreError> {
        self.write("set-sinks", move |tx| {
            for name in &names {
                let sql = "INSERT OR IGNORE INTO sink (name, cursor)
                    SELECT ?, coalesce((SELECT min(first_seq) FROM chunk),
                        (SELECT value FROM gauge WHERE name = 'next_seq'))";
                tx.execute(sql, [name.as_str()])?;
            }
            let kept: Vec<&str> = names.iter().map(SinkName::as_str).collect();
            let kept = serde_json::to_string(&kept).unwrap_or_else(|_| "[]".into());
            for (table, column) in [("sink", "name"), ("acknowledged", "sink")] {
                let sql = format!(
                    "DELETE FROM {table} WHERE {column} NOT IN (SELECT value FROM json_each(?))"
                );
                tx.execute(&sql, [&kept])?;
            }
            let sql = "DELETE FROM condition WHERE kind = 'sink'
                AND name NOT IN (SELECT value FROM json_each(?))";
            tx.execute(sql, [&kept])?;
            // Nobody would work it off; the letters stay.
            let sql = "UPDATE replay SET state = 'cancelled' WHERE state = 'open'
                AND sink NOT IN (SELECT value FROM json_each(?))";
            tx.execute(sql, [&kept]).map(drop)
        })
        .await?;
        self.release().await
    }

    pub fn position(&self, sink: &SinkName) -> Result<Position, StoreError> {
        self.read("position", |view| position(view, sink.as_str()))
    }

    /// Marks events as done with: `accepted` of them by the sink, `refused` to the dead letters,
    /// the rest passed over because they do not go there.
    pub async fn mark(
        &self,
        sink: &SinkName,
        range: Range<u64>,
        accepted: u64,
        refused: Vec<Refusal>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sink = sink.clone();
        let codec = &self.shared.codec;
        let refused: Vec<_> = refused.into_iter().map(|it| Packed::new(it, codec)).collect();
        let marked = self.write("mark", move |tx| {
            let name = sink.as_str();
            for refusal in &refused {
                dead_letters::insert(tx, name, refusal, now)?;
            }
            let before = position(tx, name)?;
            let after = advance(&before, range);
            for done in before.beyond.iter().filter(|done| !after.beyond.contains(done)) {
                tx.prepare_cached("DELETE FROM acknowledged WHERE sink = ? AND from_seq = ?")?
                    .execute(params![name, done.start])?;
            }
            for done in after.beyond.iter().filter(|done| !before.beyond.contains(done)) {
                tx.prepare_cached("INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?)")?
                    .execute(params![name, done.start, done.end])?;
            }
            tx.prepare_cached(
                "UPDATE sink SET cursor = ?, delivered = delivered + ? WHERE name = ?",
            )?
            .execute(params![after.cursor, accepted, name])?;
            if after.cursor > before.cursor { spool::release(tx) } else { Ok(false) }
        });
        if marked.await?
            && let Err(error) = self.release().await
        {
            // It is marked, and that is what counts; the next mark, or start, frees the rest.
            tracing::debug!(error = crate::fault::chain(&error), "cannot free passed chunks");
        }
        Ok(())
    }
}

fn position(view: &Connection, sink: &str) -> rusqlite::Result<Position> {
    let cursor = view
        .prepare_cached("SELECT cursor FROM sink WHERE name = ?")?
        .query_row([sink], |row| row.get(0))?;
    let sql = "SELECT from_seq, to_seq FROM acknowledged WHERE sink = ? ORDER BY from_seq";
    let mut statement = view.prepare_cached(sql)?;
    let beyond = statement.query_map([sink], |row| Ok(row.get(0)?..row.get(1)?))?;
    Ok(Position { cursor, beyond: beyond.collect::<rusqlite::Result<_>>()? })
}

/// The position after `done` is done with too: ranges merged, the cursor past those it reaches.
fn advance(position: &Position, done: Range<u64>) -> Position {
    let mut ranges = position.beyond.clone();
    ranges.push(done);
    ranges.sort_by_key(|range| range.start);
    let mut after = Position { cursor: position.cursor, beyond: Vec::new() };
    for range in ranges {
        if range.start <= after.cursor {
            after.cursor = after.cursor.max(range.end);
        } else if let Some(last) = after.beyond.last_mut().filter(|last| range.start <= last.end) {
            last.end = last.end.max(range.end);
        } else {
            after.beyond.push(range);
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn acknowledged_is_exactly_the_union(
            ranges in prop::collection::vec((0..60_u64, 1..9_u64), 0..30),
        ) {
            let mut position = Position::default();
            let mut model = std::collections::BTreeSet::new();
            for (start, length) in ranges {
                position = advance(&position, start..start + length);
                model.extend(start..start + length);
            }
            let done = |seq| seq < position.cursor || position.beyond.iter().any(|r| r.contains(&seq));
            for seq in 0..80 {
                prop_assert_eq!(done(seq), model.contains(&seq), "{} in {:?}", seq, &position);
                let (from, until) = position.open_from(seq);
                prop_assert!(from >= seq && !model.contains(&from));
                prop_assert!((seq..from).all(|s| model.contains(&s)));
                prop_assert!((from..until.min(90)).all(|s| !model.contains(&s)));
            }
        }
    }
}
