//! The embedded store: one SQLite file that holds what was collected until it is delivered, and
//! every cursor. Only this module knows SQL.
//!
//! One thread writes (see `writer`); readers have connections of their own. Everything that must
//! be true together is one named transaction.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::failpoint::{self, Moment, Verdict};

mod block;
pub mod budget;
pub mod conditions;
pub mod coverage;
pub mod dead_letters;
pub mod disk;
mod file;
mod free;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
pub mod health;
pub mod ledger;
pub mod licence;
pub mod migrations;
mod owner;
pub mod reconciliation;
pub mod requests;
pub mod room;
pub mod sinks;
pub mod slices;
pub mod spool;
mod spooled;
pub mod tables;
mod writer;

pub const FILE: &str = "postrider.db";
const LOCK: &str = "postrider.lock";
const LOCK_TRIES: u32 = 100;
/// Who only reads has no writer.
const NOBODY: Option<(Connection, Start)> = None;
type Start = fn(file::WriterFile) -> writer::Writer;

/// What emptying the log at the end may take: a stop has its own limit of time.
const PUT_AWAY: Duration = Duration::from_secs(5);

/// Of SQLite, as it counts: minus KiB. Holds the ledger's present hours.
const WRITER_CACHE: i64 = -6_000;
/// Each commit empties the readers' caches, so that they need little.
const READER_CACHE: i64 = -256;

/// What can go wrong with the store, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the state directory {} cannot be used; it must exist or be creatable, and belong to the user that runs postrider", path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("{} belongs to user {owner}, not to the one that runs postrider; run `chown -R postrider: {}` (with the user that runs it)", path.display(), directory.display())]
    Foreign { path: PathBuf, owner: u32, directory: PathBuf },
    #[error("another postrider{pid} uses {}; stop it first, or give this one its own state.directory", path.display())]
    Locked { path: PathBuf, pid: String },
    #[error("there is no store in {}; `postrider run` or `once` makes one", .0.display())]
    Missing(PathBuf),
    #[error("whether {} is there cannot be seen; run this as the user that runs postrider, such as by `runuser -u postrider -- postrider status`", path.display())]
    Hidden { path: PathBuf, source: std::io::Error },
    #[error("the store {} was made by a newer postrider (schema {found}, this one knows {known}); run that version, or restore the copy from before the upgrade", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the store {} was made by an older postrider (schema {found}, this one works on {known}); start this version's `postrider run` or `once`, which brings it up to date", path.display())]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the store {} is damaged ({detail}); stop postrider, keep a copy of the file, and either restore a backup or move it away: postrider then starts anew and collects again from `start`",
        path.display()
    )]
    Corrupt { path: PathBuf, detail: String },
    #[error("the store {} cannot be used for now ({detail}); look at the disk: its space, how it is mounted, its errors; nothing is lost", path.display())]
    Unusable { path: PathBuf, detail: String },
    #[error("the spool is full: a sink does not keep up; the vendor keeps the data")]
    SpoolFull,
    #[error("the transaction {name} failed")]
    Transaction { name: &'static str, source: rusqlite::Error },
    #[error("the commit of {name} failed: {detail}")]
    Commit { name: &'static str, detail: Arc<str> },
    #[error("reading {name} from the store failed")]
    Read { name: &'static str, source: rusqlite::Error },
    #[error("the store's writer has stopped")]
    Stopped,
}

impl StoreError {
    /// Whether it may go away while the process runs: a full disk, an I/O error.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Transaction { .. }
                | Self::Commit { .. }
                | Self::Read { .. }
                | Self::Unusable { .. }
                | Self::SpoolFull
        )
    }
}

/// The store, open. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writer: Option<writer::Writer>,
    readers: Mutex<Vec<Connection>>,
    spooled: spooled::Spooled,
    chunks: Mutex<spool::Cache>,
    codec: block::Codec,
    disk: Arc<disk::Disk>,
    room: Arc<room::Room>,
    _lock: Option<File>,
}

impl Store {
    /// Opens the store in `directory` for this process alone, making or migrating it.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::open_with(directory, writer::Writer::start)
            .map_err(|error| owner::explained(error, directory))
    }

    /// The same without a thread: what is written is written by a task of the present runtime.
    #[cfg(feature = "testing")]
    pub fn open_on_one_thread(directory: &Path) -> Result<Self, StoreError> {
        Self::open_with(directory, writer::Writer::start_as_task)
    }

    fn open_with(
        directory: &Path,
        start: impl FnOnce(file::WriterFile) -> writer::Writer,
    ) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Directory { path: directory.to_owned(), source };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(unusable)?;
        let lock = lock(directory)?;
        let path = directory.join(FILE);
        let create = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        drop(create.map_err(unusable)?);
        failpoint::open(failpoint::CREATE, Moment::After);
        owner::keep_private(&path);
        // Who can write tidies up the log when it leaves, even one that a newer version left.
        migrations::known(&connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE)?, &path)?;
        let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE)?;
        migrations::check(&connection, &path)?;
        migrations::run(&mut connection, &path)?;
        let next = connection
            .query_row("SELECT value FROM gauge WHERE name = 'next_seq'", [], |row| row.get(0))
            .map_err(|source| damaged(&path, &source))?;
        Ok(Self::with(path, Some((connection, start)), next, Some(lock)))
    }

    /// Opens an existing store to look at it, beside a running daemon or without one.
    pub fn open_read_only(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let connection = existing(directory, OpenFlags::SQLITE_OPEN_READ_ONLY, -2_000)?;
        let store = Self::with(path, NOBODY, 0, None);
        store.give_back(connection);
        Ok(store)
    }

    /// Opens an existing store to write into it beside the process that holds it, as commands do.
    pub fn open_beside(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let connection = existing(directory, OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE)?;
        migrations::settle(&connection, &path)?;
        Ok(Self::with(path, Some((connection, writer::Writer::start)), 0, None))
    }

    /// Whether a process holds the store of this directory.
    pub fn is_in_use(directory: &Path) -> bool {
        let Ok(file) = File::open(directory.join(LOCK)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    fn with<F: FnOnce(file::WriterFile) -> writer::Writer>(
        path: PathBuf,
        writer: Option<(Connection, F)>,
        next: u64,
        lock: Option<File>,
    ) -> Self {
        let (disk, room) = (Arc::<disk::Disk>::default(), Arc::<room::Room>::default());
        let writer = writer.map(|(connection, start)| {
            let file = file::WriterFile::new(connection, path.clone(), disk.clone(), room.clone());
            start(file)
        });
        let shared = Shared {
            path,
            writer,
            readers: Mutex::default(),
            spooled: spooled::Spooled::new(next),
            chunks: Mutex::default(),
            codec: block::Codec::default(),
            disk,
            room,
            _lock: lock,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Tells the sequence number after the newest event, each time it grows.
    pub fn spooled(&self) -> spooled::Listener {
        self.shared.spooled.listener()
    }

    /// Grows with each transaction.
    pub fn changes(&self) -> u64 {
        self.shared.writer.as_ref().map_or(0, writer::Writer::asked)
    }

    /// The most transactions that ever waited for the writer at once.
    pub fn longest_line(&self) -> usize {
        self.shared.writer.as_ref().map_or(0, writer::Writer::longest_line)
    }

    /// Lets go of what is kept for speed, and of the WAL, which has what was deleted lately.
    pub async fn shrink(&self) -> Result<(), StoreError> {
        self.shared.room.tidy.store(true, std::sync::atomic::Ordering::Relaxed);
        self.readers().clear();
        self.shared.chunks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.codec.clear();
        self.write("shrink", |tx| tx.execute_batch("PRAGMA shrink_memory")).await
    }

    /// For the end of a process: the WAL, which has what was delivered lately, is emptied. Where the
    /// disk or a reader is in the way, the next process does it.
    pub async fn put_away(&self) {
        let put_away = async {
            self.shrink().await?;
            // It is emptied after that answer and before the next transaction.
            self.write("shrink", |_| Ok(())).await
        };
        match tokio::time::timeout(PUT_AWAY, put_away).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = %crate::fault::chain(&error), "the log stays");
            }
            Err(_) => tracing::debug!("the log stays: the disk is slow"),
        }
    }

    /// Runs `work` in a transaction called `name` and returns when it is durable. What waits at
    /// the same time is committed together.
    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.shared.writer {
            Some(writer) => writer.write(name, work).await,
            None => Err(StoreError::Stopped),
        }
    }

    /// Reads a consistent view. Short: it runs on the caller's thread.
    fn read<T>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let pooled = self.readers().pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => connect(&self.shared.path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE)?,
        };
        let read = || {
            if failpoint::reach(failpoint::READ, Moment::Before) == Verdict::Fail {
                return Err(writer::disk_full());
            }
            let view = connection.unchecked_transaction()?;
            let value = work(&view)?;
            view.finish()?;
            Ok(value)
        };
        let value = read();
        // What failed to read is not asked again.
        if !value.as_ref().is_err_and(disk::is_disks) {
            self.give_back(connection);
        }
        value.map_err(|source| StoreError::Read { name, source })
    }

    fn give_back(&self, connection: Connection) {
        self.readers().push(connection);
    }

    fn readers(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Store {
    /// Makes pages and marks fail to be written, as on a full disk.
    pub(crate) async fn refuse_writes(&self, refuse: bool) {
        let sql = ["sink", "slice"].map(|table| {
            if refuse {
                format!(
                    "CREATE TEMP TRIGGER refuse_{table} BEFORE UPDATE ON main.{table}
                    BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;"
                )
            } else {
                format!("DROP TRIGGER refuse_{table};")
            }
        });
        let set = move |tx: &Connection| tx.execute_batch(&sql.concat());
        self.write("refuse-writes", set).await.unwrap();
    }
}

/// Takes the directory for this process. The lock dies with the process, so a crash leaves none.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let unusable = |source| StoreError::Directory { path: directory.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(unusable)?;
    // Whoever looks whether the store is in use holds the lock for a moment.
    let mut tries = 0;
    let taken = loop {
        tries += 1;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                std::thread::yield_now();
            }
            taken => break taken,
        }
    };
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // Who holds it is a courtesy; without it the message is still true.
            let pid = match file.read_to_string(&mut pid) {
                Ok(_) if !pid.trim().is_empty() => format!(" (process {})", pid.trim()),
                _ => String::new(),
            };
            return Err(StoreError::Locked { path: directory.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    file.set_len(0).map_err(unusable)?;
    file.rewind().map_err(unusable)?;
    writeln!(file, "{}", std::process::id()).map_err(unusable)?;
    Ok(file)
}

/// A connection to a store that is there, in this version's schema.
fn existing(directory: &Path, flags: OpenFlags, cache: i64) -> Result<Connection, StoreError> {
    let path = directory.join(FILE);
    if !path.try_exists().map_err(|source| StoreError::Hidden { path: path.clone(), source })? {
        return Err(StoreError::Missing(directory.to_owned()));
    }
    let connection = connect(&path, flags, cache);
    let same = connection.and_then(|it| migrations::same(&it, &path).map(|()| it));
    same.map_err(|error| owner::explained(error, directory))
}

#[expect(clippy::disallowed_methods, reason = "this is the store")]
fn connect(path: &Path, flags: OpenFlags, cache: i64) -> Result<Connection, StoreError> {
    let open = || {
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "cache_size", cache)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Else many statements are read and planned anew with each value that they are given.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(connection)
    };
    open().map_err(|source| damaged(path, &source))
}

fn damaged(path: &Path, error: &rusqlite::Error) -> StoreError {
    let (path, detail) = (path.to_owned(), crate::fault::chain(error));
    if disk::is_damage(error) {
        StoreError::Corrupt { path, detail }
    } else {
        StoreError::Unusable { path, detail }
    }
}

#[cfg(test)]
mod tests;
