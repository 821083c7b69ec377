//! The store's file, as the writer holds it: opened anew when it cannot be trusted, with a WAL that
//! does not grow without bound.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::time::Instant;

use super::{WRITER_CACHE, connect, disk, disk::Disk, migrations, room, room::Room};
use crate::fault::chain;

/// Readers that are in the way of an empty WAL are waited for so long.
const BUSY: Duration = Duration::from_millis(20);
const BUSY_USUAL: Duration = Duration::from_secs(10);
/// Then it is tried again after this.
const AGAIN: Duration = Duration::from_millis(500);

/// The file that the writer writes to.
pub(super) struct WriterFile {
    path: PathBuf,
    connection: Option<Connection>,
    disk: Arc<Disk>,
    room: Arc<Room>,
    tried: Option<Instant>,
}

impl WriterFile {
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        disk: Arc<Disk>,
        room: Arc<Room>,
    ) -> Self {
        Self { path, connection: Some(connection), disk, room, tried: None }
    }

    /// The connection inside a new transaction, or why there is none.
    pub(super) fn begin(&mut self) -> Result<&Connection, Arc<str>> {
        if self.connection.is_none() {
            self.connection = Some(self.open()?);
        }
        let Some(connection) = &self.connection else { return Err("there is no file".into()) };
        match connection.execute_batch("BEGIN IMMEDIATE") {
            Ok(()) => Ok(connection),
            Err(error) => Err(chain(&error).into()),
        }
    }

    fn open(&self) -> Result<Connection, Arc<str>> {
        let open = || {
            let connection = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE)?;
            migrations::same(&connection, &self.path)?;
            migrations::settle(&connection, &self.path)?;
            Ok(connection)
        };
        open().map_err(|error: super::StoreError| chain(&error).into())
    }

    /// A transaction was not written. What the system has in its memory of the file need not be
    /// what the disk has, after a failed fsync least of all. All that was acknowledged was synced
    /// before, and what was not is written once more: by the next transaction, which begins where
    /// this one began, or by the next checkpoint, which begins where the last whole one ended.
    pub(super) fn failed(&mut self, why: &str) {
        self.disk.failed(why);
        if let Some(connection) = self.connection.take() {
            // Closing must not write either.
            let quiet = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            if let Err(error) = connection.set_db_config(quiet, true) {
                tracing::debug!(%error, "a suspect connection closes as usual");
            }
        }
    }

    /// A transaction is on the disk; `page` when it was as much as a page.
    pub(super) fn worked(&mut self, page: bool) {
        self.disk.worked(page);
        self.settle();
    }

    /// Empties the WAL where it is too large. SQLite does so too from time to time, but tells
    /// nobody when it cannot, and never makes the file smaller while there are readers.
    fn settle(&mut self) {
        let Some(connection) = &self.connection else { return };
        let tidy = self.room.tidy.swap(false, Ordering::Relaxed);
        let limit = if tidy { 0 } else { self.room.wal_limit() };
        if room::wal_bytes(&self.path) <= limit
            || (!tidy && self.tried.is_some_and(|at| at.elapsed() < AGAIN))
        {
            return;
        }
        let checkpoint = || {
            connection.busy_timeout(BUSY)?;
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let busy = connection.query_row(sql, [], |row| row.get::<_, bool>(0));
            connection.busy_timeout(BUSY_USUAL)?;
            busy
        };
        match checkpoint() {
            Ok(false) => self.tried = None,
            Ok(true) => self.tried = Some(Instant::now()),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                self.tried = Some(Instant::now());
            }
            Err(error) => {
                self.tried = Some(Instant::now());
                if disk::is_disks(&error) {
                    self.failed(&chain(&error));
                }
            }
        }
    }

    /// Leaves one tidy file behind where nobody reads; failing to is harmless.
    pub(super) fn close(self) {
        if let Some(Err(error)) = self.connection.map(Connection::close) {
            tracing::debug!(error = %error.1, "the store closed with work undone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FILE, Store};

    /// How it syncs, overwrites and checks.
    fn settings(file: &mut WriterFile) -> [i64; 3] {
        let connection = file.begin().unwrap();
        let of = |name: &str| {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
        };
        let settings = ["synchronous", "secure_delete", "foreign_keys"].map(of);
        connection.execute_batch("ROLLBACK").unwrap();
        settings
    }

    #[tokio::test]
    async fn a_file_that_is_opened_anew_is_written_as_before() {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path()).unwrap());
        let path = directory.path().join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let mut connection = connect(&path, flags, WRITER_CACHE).unwrap();
        migrations::run(&mut connection, &path).unwrap();
        let mut file = WriterFile::new(connection, path, Arc::default(), Arc::default());
        let before = settings(&mut file);
        file.failed("a test");
        assert_eq!(settings(&mut file), before);
        // FULL, ON, ON.
        assert_eq!(before, [2, 1, 1]);
    }
}
