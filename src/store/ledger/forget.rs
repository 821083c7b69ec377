//! Forgetting days that nobody needs any more.

use std::{collections::BTreeSet, sync::Arc};

use rusqlite::{Connection, OptionalExtension, params};

use super::Partition;
use crate::store::{Store, StoreError, migrations::unwiped, slices::StreamId};

/// Rows or blocks that one transaction visits: other writers wait some milliseconds.
const AT_ONCE: Batch = Batch { rows: 5_000, blocks: 200 };

#[derive(Clone, Copy)]
pub(super) struct Batch {
    pub(super) rows: usize,
    pub(super) blocks: usize,
}

/// The first hour that a stream still needs.
pub(in crate::store) type Needed = [(StreamId, i64)];

impl Store {
    /// Forgets the records of streams before the first hour that each still needs; what is of that
    /// hour's day stays. A stream that is not named keeps everything.
    ///
    /// Takes as many transactions as it needs, and may be dropped between any two.
    pub async fn forget_records(&self, needed: &Needed) -> Result<(), StoreError> {
        let needed = whole_days(needed);
        // Mostly there is nothing to forget, and whoever reads does not hold up the writer.
        for partition in self.read("forgettable", |view| expired(view, &needed))? {
            if self.read("forgettable", |view| is_unneeded(view, partition, &needed))? {
                let tables = ["ledger", "ledger_block"].map(|of| format!("{of}_{partition}"));
                self.read_ahead(tables.into()).await?;
            }
            let step = || {
                let needed = Arc::clone(&needed);
                self.write("forget-records", move |tx| {
                    // Overwriting would put a whole day into the WAL. What a freed page had is
                    // hashes, verdicts and actions; the days to come take its place.
                    unwiped(tx, || step(tx, partition, &needed, AT_ONCE))
                })
            };
            while step().await? {}
        }
        self.forget_places(&needed).await
    }

    /// Has the system fetch tables from disk, where they have been for days. The writer, which is
    /// to free their pages, would wait for each of them, and everybody else for the writer.
    pub(in crate::store) async fn read_ahead(&self, tables: Vec<String>) -> Result<(), StoreError> {
        let store = self.clone();
        let read = move || {
            store.read("read-ahead", |view| {
                // Counting goes through the pages that freeing goes through, no others.
                for table in &tables {
                    let sql = format!("SELECT count(*) FROM {table} NOT INDEXED");
                    view.query_row(&sql, [], |_| Ok(()))?;
                }
                Ok(())
            })
        };
        #[cfg(feature = "testing")]
        if crate::failpoint::is_simulated() {
            return read();
        }
        // Seconds on a slow disk. If it could not run, forgetting is slower.
        tokio::task::spawn_blocking(read).await.unwrap_or(Ok(()))
    }
}

/// A day is forgotten at once: by the hour, none of it would be left for the fast way.
pub(super) fn whole_days(needed: &Needed) -> Arc<Needed> {
    needed.iter().map(|(stream, hour)| (*stream, hour.div_euclid(24) * 24)).collect()
}

/// The partitions with rows or blocks that nobody needs; one question, as it is asked each hour.
fn expired(view: &Connection, needed: &Needed) -> rusqlite::Result<Vec<Partition>> {
    let first = |(at, partition): (usize, Partition)| {
        format!(
            "SELECT {at} AS at,
            (SELECT min(hour) FROM ledger_{partition} WHERE stream_id = ?1) AS row,
            (SELECT min(last_hour) FROM ledger_block_{partition} WHERE stream_id = ?1) AS block"
        )
    };
    let all: Vec<String> = Partition::all().enumerate().map(first).collect();
    let all = all.join(" UNION ALL ");
    let sql = format!("SELECT at FROM ({all}) WHERE row < ?2 OR block < ?2");
    let mut statement = view.prepare_cached(&sql)?;
    let mut found: BTreeSet<usize> = BTreeSet::new();
    for (stream, hour) in needed {
        let rows = statement.query_map(params![stream.0, hour], |row| row.get(0))?;
        for at in rows {
            found.insert(at?);
        }
    }
    let expired = Partition::all().enumerate().filter(|(at, _)| found.contains(at));
    Ok(expired.map(|(_, partition)| partition).collect())
}

fn has_rows(view: &Connection, partition: Partition, needed: &Needed) -> rusqlite::Result<bool> {
    let sql = format!("SELECT min(hour) FROM ledger_{partition} WHERE stream_id = ?");
    let mut first_hour = view.prepare_cached(&sql)?;
    for (stream, hour) in needed {
        let first: Option<i64> = first_hour.query_row([stream.0], |row| row.get(0))?;
        if first.is_some_and(|first| first < *hour) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One transaction's worth; whether there is more. Blocks go when no row can need them, so that
/// after each transaction every row has its block.
pub(super) fn step(
    tx: &Connection,
    partition: Partition,
    needed: &Needed,
    at_once: Batch,
) -> rusqlite::Result<bool> {
    // Asked anew each time: pages are committed between the transactions.
    if has_rows(tx, partition, needed)? {
        if is_unneeded(tx, partition, needed)? {
            // SQLite frees the pages without going through the rows.
            tx.execute(&format!("DELETE FROM ledger_{partition}"), [])?;
        } else {
            forget_rows(tx, partition, needed, at_once.rows)?;
        }
        return Ok(true);
    }
    let sql = format!("SELECT EXISTS (SELECT 1 FROM ledger_{partition})");
    if tx.query_row(&sql, [], |row| row.get(0))? {
        return forget_blocks(tx, partition, needed, at_once.blocks);
    }
    tx.execute(&format!("DELETE FROM ledger_block_{partition}"), [])?;
    Ok(false)
}

/// Whether no row is needed by its stream.
fn is_unneeded(tx: &Connection, partition: Partition, needed: &Needed) -> rusqlite::Result<bool> {
    // Both are answered by one descent into the tree.
    let sql = format!("SELECT min(stream_id) FROM ledger_{partition} WHERE stream_id > ?");
    let mut next_stream = tx.prepare(&sql)?;
    let sql = format!("SELECT max(hour) FROM ledger_{partition} WHERE stream_id = ?");
    let mut last_hour = tx.prepare(&sql)?;
    let mut stream = i64::MIN;
    while let Some(next) = next_stream.query_row([stream], |row| row.get::<_, Option<i64>>(0))? {
        stream = next;
        let last: i64 = last_hour.query_row([stream], |row| row.get(0))?;
        if !needed.iter().any(|(of, hour)| of.0 == stream && last < *hour) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn forget_rows(
    tx: &Connection,
    partition: Partition,
    needed: &Needed,
    mut left: usize,
) -> rusqlite::Result<()> {
    for (stream, hour) in needed {
        let sql = format!(
            "SELECT hour, id FROM ledger_{partition} WHERE stream_id = ? AND hour < ?
            ORDER BY hour, id LIMIT 1 OFFSET ?"
        );
        let end: Option<(i64, [u8; 16])> = tx
            .query_row(&sql, params![stream.0, hour, left], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((end, id)) = end else {
            let sql = format!("DELETE FROM ledger_{partition} WHERE stream_id = ? AND hour < ?");
            left -= tx.execute(&sql, params![stream.0, hour])?.min(left);
            continue;
        };
        let sql =
            format!("DELETE FROM ledger_{partition} WHERE stream_id = ? AND (hour, id) < (?, ?)");
        tx.execute(&sql, params![stream.0, end, id])?;
        break;
    }
    Ok(())
}

/// Frees a stream's blocks of which no row is left, since each was written anew. Elsewhere they go
/// with their day; what never ages would gather them for ever.
pub(super) fn free_blocks(
    tx: &Connection,
    partition: Partition,
    stream: StreamId,
) -> rusqlite::Result<()> {
    let sql = format!(
        "DELETE FROM ledger_block_{partition} WHERE stream_id = ?1
            AND id NOT IN (SELECT block FROM ledger_{partition} WHERE stream_id = ?1)"
    );
    tx.prepare_cached(&sql)?.execute([stream.0]).map(drop)
}

fn forget_blocks(
    tx: &Connection,
    partition: Partition,
    needed: &Needed,
    mut left: usize,
) -> rusqlite::Result<bool> {
    let sql = format!(
        "DELETE FROM ledger_block_{partition} WHERE id IN
            (SELECT id FROM ledger_block_{partition} WHERE stream_id = ? AND last_hour < ? LIMIT ?)"
    );
    let mut forget = tx.prepare(&sql)?;
    for (stream, hour) in needed {
        left -= forget.execute(params![stream.0, hour, left])?.min(left);
    }
    Ok(left == 0)
}
