//! The schema, as numbered SQL files that run once each.

use std::path::Path;

use rusqlite::Connection;

use super::{StoreError, damaged};
use crate::failpoint::{self, Moment};

/// In order; `user_version` tells how many have run.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
];

/// Refuses a damaged file and one that a newer postrider made.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    known(connection, path)?;
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| damaged(path, &source))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt { path: path.to_owned(), detail: verdict.replace('\n', " ") })
}

/// Refuses a file that a newer postrider made.
pub(super) fn known(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = version(connection).map_err(|source| damaged(path, &source))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Refuses a file of any other version: its tables may mean something else.
pub(super) fn same(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    known(connection, path)?;
    let found = version(connection).map_err(|source| damaged(path, &source))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found < known {
        return Err(StoreError::Older { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Sets what a connection needs that writes into a file of this version.
pub(super) fn settle(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    set(connection).map_err(|source| damaged(path, &source))
}

fn set(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    wipe(connection, true)?;
    connection.pragma_update(None, "foreign_keys", "ON")
}

/// Brings the file to this version's schema; settings that only a new file takes come first.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let mut migrate = || {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
        set(connection)?;
        let done = usize::try_from(version(connection)?).unwrap_or(0);
        for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
            let step = connection.transaction()?;
            step.execute_batch(sql)?;
            step.pragma_update(None, "user_version", index + 1)?;
            failpoint::open(failpoint::MIGRATE, Moment::Before);
            step.commit()?;
            failpoint::open(failpoint::MIGRATE, Moment::After);
        }
        Ok(())
    };
    migrate().map_err(|source| damaged(path, &source))
}

/// What was deleted is overwritten: a mail that is delivered is nobody's business any more.
fn wipe(connection: &Connection, wipe: bool) -> rusqlite::Result<()> {
    let word = if wipe { "ON" } else { "OFF" };
    connection.query_row(&format!("PRAGMA secure_delete = {word}"), [], |_| Ok(()))
}

/// Does something without overwriting what it deletes.
pub(super) fn unwiped<T>(
    connection: &Connection,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    wipe(connection, false)?;
    let done = work();
    wipe(connection, true)?;
    done
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
