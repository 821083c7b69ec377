//! The one thread that writes. It takes what waits in its queue into one commit, so that many
//! small transactions share a flush to disk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use crate::failpoint::{self, Moment, Verdict};

/// Transactions that may wait; a full queue holds up whoever wants to write.
const QUEUE: usize = 64;
/// Transactions in one commit at most, so that none waits long.
const GROUP: usize = 32;

type Reply = Box<dyn FnOnce(Result<(), Arc<str>>) + Send>;
type Work = Box<dyn FnOnce(Result<&Connection, Arc<str>>) -> Reply + Send>;

/// A transaction that waits.
struct Job {
    name: &'static str,
    /// Gets the connection inside an open transaction, or why there is none.
    work: Work,
}

pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
    asked: AtomicU64,
    line: Line,
}

/// Who waits for the writer: in its queue, for a place there, or in the commit under way.
#[derive(Default)]
struct Line {
    waiting: AtomicUsize,
    longest: AtomicUsize,
}

impl Line {
    fn join(&self) -> Place<'_> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        self.longest.fetch_max(waiting, Ordering::Relaxed);
        Place(self)
    }
}

/// One who waits, until this is dropped.
struct Place<'l>(&'l Line);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        // Detached: it ends when the last sender is gone, and a transaction under way is either
        // committed or, by SQLite's journal, never happened.
        drop(thread::Builder::new().name("store-writer".into()).spawn(|| run(connection, jobs)));
        Self { queue, asked: AtomicU64::new(0), line: Line::default() }
    }

    /// Starts it as a task of the present runtime instead.
    #[cfg(feature = "testing")]
    #[expect(clippy::disallowed_methods, reason = "it ends with the store, as the thread does")]
    pub(super) fn start_as_task(connection: Connection) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        drop(tokio::task::spawn(run_as_task(connection, jobs)));
        Self { queue, asked: AtomicU64::new(0), line: Line::default() }
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _place = self.line.join();
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |begun: Result<&Connection, Arc<str>>| -> Reply {
            let result = match begun {
                Ok(connection) => apart(connection, work)
                    .map_err(|source| StoreError::Transaction { name, source }),
                Err(detail) => Err(StoreError::Commit { name, detail }),
            };
            Box::new(move |commit: Result<(), Arc<str>>| {
                let committed = commit.map_err(|detail| StoreError::Commit { name, detail });
                // Whoever asked may be gone; what was committed stays.
                drop(reply.send(committed.and(result)));
            })
        });
        let job = Job { name, work };
        self.queue.send(job).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

impl Writer {
    /// Transactions asked for since the start.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The most transactions that ever waited at once.
    pub(super) fn longest_line(&self) -> usize {
        self.line.longest.load(Ordering::Relaxed)
    }
}

/// Runs one transaction inside the group's: if it fails, only its own changes are undone.
fn apart<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute_batch("SAVEPOINT one")?;
    match work(connection) {
        Ok(value) => connection.execute_batch("RELEASE one").map(|()| value),
        Err(error) => {
            connection.execute_batch("ROLLBACK TO one; RELEASE one")?;
            Err(error)
        }
    }
}

fn run(connection: Connection, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(GROUP);
    while jobs.blocking_recv_many(&mut waiting, GROUP) > 0 {
        if commit(&connection, &mut waiting).is_err() {
            return;
        }
    }
    // Leaves one tidy file behind where nobody reads; failing to is harmless.
    if let Err(error) = connection.close() {
        tracing::debug!(error = %error.1, "the store closed with work undone");
    }
}

/// The same as a task, for a simulation on one thread.
#[cfg(feature = "testing")]
async fn run_as_task(connection: Connection, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(GROUP);
    while jobs.recv_many(&mut waiting, GROUP).await > 0 {
        if commit(&connection, &mut waiting).is_err() {
            // The dead answer nobody.
            std::future::pending::<()>().await;
        }
    }
}

/// A test had the process die.
struct Died;

/// Runs what waits in one transaction, and answers.
fn commit(connection: &Connection, waiting: &mut Vec<Job>) -> Result<(), Died> {
    let mut replies = Vec::with_capacity(waiting.len());
    let names: Vec<_> = waiting.iter().map(|job| job.name).collect();
    let begun = connection.execute_batch("BEGIN IMMEDIATE");
    let why: Option<Arc<str>> = begun.as_ref().err().map(|e| Arc::from(crate::fault::chain(e)));
    let mut refused = false;
    for job in waiting.drain(..) {
        replies.push((job.work)(why.clone().map_or(Ok(connection), Err)));
        match failpoint::reach(job.name, Moment::Before) {
            Verdict::GoOn => {}
            Verdict::Fail => refused = true,
            Verdict::Die => return Err(Died),
        }
    }
    let committed = match begun {
        Ok(()) if refused => Err(disk_full()),
        Ok(()) => connection.execute_batch("COMMIT"),
        Err(error) => Err(error),
    };
    if committed.is_err() && !connection.is_autocommit() {
        // A failed commit leaves the transaction open; nothing of it may stay.
        if let Err(error) = connection.execute_batch("ROLLBACK") {
            tracing::error!(error = %error, "the store could not roll back");
        }
    }
    if committed.is_ok() && names.into_iter().any(dies) {
        return Err(Died);
    }
    let outcome = committed.map_err(|error| Arc::from(crate::fault::chain(&error)));
    for reply in replies {
        reply(outcome.clone());
    }
    Ok(())
}

fn dies(name: &'static str) -> bool {
    failpoint::reach(name, Moment::After) == Verdict::Die
}

pub(super) fn disk_full() -> rusqlite::Error {
    let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    rusqlite::Error::SqliteFailure(full, Some("database or disk is full".into()))
}
