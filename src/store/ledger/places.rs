//! Where the ledger files messages, by their ids alone: the log export names no delivery time.
//!
//! A set of tables by week. Only streams whose blocks ask for it are in them.

use std::{collections::BTreeSet, fmt};

use rusqlite::{Connection, params};

use super::{Key, Needed};
use crate::store::{Store, StoreError, migrations::unwiped, slices::StreamId};

/// Rows that one transaction forgets: other writers wait some milliseconds.
const AT_ONCE: usize = 5_000;
const WEEK: i64 = 7 * 24;
/// Bytes of an id's hash. Two ids may have the same: the ledger, which has more, tells them apart.
const HASH: usize = 8;

/// One of the tables. Thirteen weeks are remembered, so that mostly each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Set(u8);

impl Set {
    const WEEKS: u8 = 16;
    const UNDATED: Self = Self(Self::WEEKS);

    fn of(week: i64) -> Self {
        u8::try_from(week.rem_euclid(i64::from(Self::WEEKS))).map_or(Self::UNDATED, Self)
    }
}

/// The table's name.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "place_{:02}", self.0)
    }
}

fn week(hour: i64) -> i64 {
    hour.div_euclid(WEEK)
}

impl Store {
    /// Where the records of a stream with these ids may be filed: mostly one place, or none.
    pub fn places(&self, stream: StreamId, ids: &[&str]) -> Result<Vec<Vec<Key>>, StoreError> {
        self.read("places", |view| {
            let mut sets: BTreeSet<Set> = weeks(view, stream)?.into_iter().map(Set::of).collect();
            sets.insert(Set::UNDATED);
            places(view, stream, sets, ids)
        })
    }

    /// The same of those only whose time was not known.
    pub fn undated_places(
        &self,
        stream: StreamId,
        ids: &[&str],
    ) -> Result<Vec<Vec<Key>>, StoreError> {
        self.read("undated-places", |view| {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE stream_id = ?)", Set::UNDATED);
            let any = view.prepare_cached(&sql)?.query_row([stream.0], |row| row.get(0))?;
            let sets = Some(Set::UNDATED).filter(|_| any);
            places(view, stream, sets, ids)
        })
    }

    /// Has all that the ledger knows of a stream found by id from now on, or no longer. To be called
    /// before anything is filed: what is filed while nobody asks for it is not found.
    pub async fn keep_places(&self, stream: StreamId, on: bool) -> Result<(), StoreError> {
        let was_on = self.read("places-kept", |view| {
            let sql = "SELECT EXISTS (SELECT 1 FROM export_state WHERE stream_id = ?)";
            view.prepare_cached(sql)?.query_row([stream.0], |row| row.get::<_, bool>(0))
        })?;
        if !on {
            if was_on {
                // Before the places: whoever is killed between has them filled in when it is on again.
                let sql = "DELETE FROM export_state WHERE stream_id = ?";
                self.write("drop-places", move |tx| tx.execute(sql, [stream.0])).await?;
            }
            // Ninety days of them: no other writer waits for all.
            return self.forget_places(&[(stream, i64::MAX)]).await;
        }
        if was_on {
            return Ok(());
        }
        for hour in self.hours(stream, 1..=i64::MAX)? {
            let keys: Vec<Key> =
                self.filed_under(stream, hour)?.into_iter().map(|(key, _)| key).collect();
            self.write("keep-places", move |tx| insert(tx, stream, &keys)).await?;
        }
        self.write("keep-places", move |tx| {
            let sql = "INSERT OR IGNORE INTO export_state (stream_id) VALUES (?)";
            tx.execute(sql, [stream.0]).map(drop)
        })
        .await
    }

    /// Forgets places in weeks that end before the first hour that their stream still needs.
    pub(super) async fn forget_places(&self, needed: &Needed) -> Result<(), StoreError> {
        let needed: Vec<(StreamId, i64)> = needed.to_vec();
        for set in self.read("forgettable-places", |view| forgettable(view, &needed))? {
            self.read_ahead(vec![set.to_string()]).await?;
            let step = || {
                let needed = needed.clone();
                // As with the ledger: what it had is hashes.
                self.write("forget-places", move |tx| unwiped(tx, || step(tx, set, &needed)))
            };
            while step().await? {}
        }
        Ok(())
    }
}

fn places(
    view: &Connection,
    stream: StreamId,
    sets: impl IntoIterator<Item = Set>,
    ids: &[&str],
) -> rusqlite::Result<Vec<Vec<Key>>> {
    let mut found: Vec<Vec<Key>> = vec![Vec::new(); ids.len()];
    let bare: Vec<Key> = ids.iter().map(|id| Key::new(0, id)).collect();
    for set in sets {
        let sql = format!("SELECT hour, second FROM {set} WHERE stream_id = ? AND id = ?");
        let mut statement = view.prepare_cached(&sql)?;
        for (bare, found) in bare.iter().zip(&mut found) {
            let rows = statement.query_map(params![stream.0, &bare.hash()[..HASH]], |row| {
                Ok(Key { hour: row.get(0)?, ..*bare }.at_second(row.get(1)?))
            })?;
            for key in rows {
                found.push(key?);
            }
        }
    }
    Ok(found)
}

pub(super) fn insert<'k>(
    tx: &Connection,
    stream: StreamId,
    keys: impl IntoIterator<Item = &'k Key>,
) -> rusqlite::Result<()> {
    let mut last = None;
    for key in keys {
        let of = week(key.hour);
        if last != Some(of) {
            let sql = "INSERT OR IGNORE INTO place_week VALUES (?, ?)";
            tx.prepare_cached(sql)?.execute([stream.0, of])?;
            last = Some(of);
        }
        insert_into(tx, Set::of(of), stream, key)?;
    }
    Ok(())
}

pub(super) fn insert_undated(
    tx: &Connection,
    stream: StreamId,
    keys: &[Key],
) -> rusqlite::Result<()> {
    keys.iter().try_for_each(|key| insert_into(tx, Set::UNDATED, stream, key))
}

/// How many records of a stream are filed under an hour without being of it.
pub(in crate::store) fn undated(
    view: &Connection,
    stream: StreamId,
    hour: i64,
) -> rusqlite::Result<u64> {
    let sql = format!("SELECT count(*) FROM {} WHERE stream_id = ? AND hour = ?", Set::UNDATED);
    view.prepare_cached(&sql)?.query_row([stream.0, hour], |row| row.get(0))
}

fn insert_into(tx: &Connection, set: Set, stream: StreamId, key: &Key) -> rusqlite::Result<()> {
    let sql = format!("INSERT OR IGNORE INTO {set} VALUES (?, ?, ?, ?)");
    let values = params![stream.0, &key.hash()[..HASH], key.hour, key.second()];
    tx.prepare_cached(&sql)?.execute(values).map(drop)
}

fn weeks(view: &Connection, stream: StreamId) -> rusqlite::Result<Vec<i64>> {
    let mut statement = view.prepare_cached("SELECT week FROM place_week WHERE stream_id = ?")?;
    statement.query_map([stream.0], |row| row.get(0))?.collect()
}

/// The weeks of each set, and whether they are over for their stream.
fn weeks_of(
    view: &Connection,
    set: Set,
    needed: &Needed,
) -> rusqlite::Result<Vec<(StreamId, i64, bool)>> {
    let mut statement = view.prepare_cached("SELECT stream_id, week FROM place_week")?;
    let rows = statement.query_map([], |row| Ok((StreamId(row.get(0)?), row.get(1)?)))?;
    let mut found = Vec::new();
    for row in rows {
        let (stream, week): (StreamId, i64) = row?;
        let over = |hour: i64| (week + 1) * WEEK <= hour;
        let is_over = needed.iter().any(|(of, hour)| *of == stream && over(*hour));
        if Set::of(week) == set {
            found.push((stream, week, is_over));
        }
    }
    Ok(found)
}

fn forgettable(view: &Connection, needed: &Needed) -> rusqlite::Result<Vec<Set>> {
    let mut sets = Vec::new();
    for set in (0..Set::WEEKS).map(Set) {
        if weeks_of(view, set, needed)?.iter().any(|(_, _, is_over)| *is_over) {
            sets.push(set);
        }
    }
    // Few, and not by week: they go with the other rows of their age.
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {} WHERE stream_id = ?1 AND hour < ?2)",
        Set::UNDATED
    );
    let mut undated = view.prepare_cached(&sql)?;
    for (stream, hour) in needed {
        if undated.query_row(params![stream.0, hour], |row| row.get(0))? {
            sets.push(Set::UNDATED);
            break;
        }
    }
    Ok(sets)
}

/// One transaction's worth; whether there is more.
fn step(tx: &Connection, set: Set, needed: &Needed) -> rusqlite::Result<bool> {
    if set == Set::UNDATED {
        let sql = format!("DELETE FROM {set} WHERE stream_id = ?1 AND hour < ?2");
        for (stream, hour) in needed {
            tx.execute(&sql, params![stream.0, hour])?;
        }
        return Ok(false);
    }
    let weeks = weeks_of(tx, set, needed)?;
    let forget_week = |stream: StreamId, week: i64| {
        let sql = "DELETE FROM place_week WHERE stream_id = ? AND week = ?";
        tx.execute(sql, [stream.0, week]).map(drop)
    };
    if weeks.iter().all(|(_, _, is_over)| *is_over) {
        // SQLite frees the pages without going through the rows.
        tx.execute(&format!("DELETE FROM {set}"), [])?;
        weeks.iter().try_for_each(|(stream, week, _)| forget_week(*stream, *week))?;
        return Ok(false);
    }
    let sql = format!(
        "DELETE FROM {set} WHERE (stream_id, id, hour, second) IN
            (SELECT stream_id, id, hour, second FROM {set}
            WHERE stream_id = ?1 AND hour < ?2 LIMIT ?3)"
    );
    for (stream, week, _) in weeks.iter().filter(|(_, _, is_over)| *is_over) {
        if tx.execute(&sql, params![stream.0, (week + 1) * WEEK, AT_ONCE])? == AT_ONCE {
            return Ok(true);
        }
        forget_week(*stream, *week)?;
    }
    Ok(false)
}
