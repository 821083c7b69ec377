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

use super::{StoreError, disk, file::WriterFile};
use crate::failpoint::{self, Moment, Verdict};

/// Transactions that may wait; a full queue holds up whoever wants to write.
const QUEUE: usize = 64;
/// Transactions in one commit at most, so that none waits long.
const GROUP: usize = 32;

/// The transaction that takes the most room.
const PAGE: &str = "commit-page";

type Reply = Box<dyn FnOnce(Result<(), Arc<str>>) + Send>;
type Work = Box<dyn FnOnce(Result<&Connection, Arc<str>>) -> (Reply, Option<String>) + Send>;

/// A transaction that waits.
struct Job {
    name: &'static str,
    /// Gets the connection inside an open transaction, or why there is none. Tells of a disk that
    /// failed.
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
    pub(super) fn start(file: WriterFile) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        // Detached: it ends when the last sender is gone, and a transaction under way is either
        // committed or, by SQLite's journal, never happened.
        drop(thread::Builder::new().name("store-writer".into()).spawn(|| run(file, jobs)));
        Self { queue, asked: AtomicU64::new(0), line: Line::default() }
    }

    /// Starts it as a task of the present runtime instead.
    #[cfg(feature = "testing")]
    #[expect(clippy::disallowed_methods, reason = "it ends with the store, as the thread does")]
    pub(super) fn start_as_task(file: WriterFile) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        drop(tokio::task::spawn(run_as_task(file, jobs)));
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
        let work =
            Box::new(move |begun: Result<&Connection, Arc<str>>| -> (Reply, Option<String>) {
                let done = begun.map(|connection| apart(connection, work));
                let failed = match &done {
                    Ok(Err(error)) if disk::is_disks(error) => Some(crate::fault::chain(error)),
                    _ => None,
                };
                let reply = move |commit: Result<(), Arc<str>>| {
                    let result = match done {
                        Ok(result) => {
                            result.map_err(|source| StoreError::Transaction { name, source })
                        }
                        Err(detail) => Err(StoreError::Commit { name, detail }),
                    };
                    let committed = commit.map_err(|detail| StoreError::Commit { name, detail });
                    // Whoever asked may be gone; what was committed stays.
                    drop(reply.send(committed.and(result)));
                };
                (Box::new(reply), failed)
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
        // A disk that fails may have ended the whole transaction.
        Err(error) if connection.is_autocommit() => Err(error),
        Err(error) => {
            connection.execute_batch("ROLLBACK TO one; RELEASE one")?;
            Err(error)
        }
    }
}

fn run(mut file: WriterFile, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(GROUP);
    while jobs.blocking_recv_many(&mut waiting, GROUP) > 0 {
        if commit(&mut file, &mut waiting).is_err() {
            return;
        }
    }
    file.close();
}

/// The same as a task, for a simulation on one thread.
#[cfg(feature = "testing")]
async fn run_as_task(mut file: WriterFile, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(GROUP);
    while jobs.recv_many(&mut waiting, GROUP).await > 0 {
        if commit(&mut file, &mut waiting).is_err() {
            // The dead answer nobody.
            std::future::pending::<()>().await;
        }
    }
}

/// A test had the process die.
struct Died;

/// Runs what waits in one transaction, and answers.
fn commit(file: &mut WriterFile, waiting: &mut Vec<Job>) -> Result<(), Died> {
    let names: Vec<_> = waiting.iter().map(|job| job.name).collect();
    let begun = file.begin();
    let mut why: Option<Arc<str>> = begun.as_ref().err().cloned();
    let connection = begun.ok();
    let mut failed = None;
    let mut replies = Vec::with_capacity(waiting.len());
    for job in waiting.drain(..) {
        let begun = match (connection, &why) {
            (Some(connection), None) => Ok(connection),
            (_, why) => Err(why.clone().unwrap_or_else(|| "there is no file".into())),
        };
        let (reply, disk) = (job.work)(begun);
        replies.push(reply);
        failed = disk.or(failed);
        match failpoint::reach(job.name, Moment::Before) {
            Verdict::GoOn => {}
            Verdict::Fail => why = why.or_else(|| Some(crate::fault::chain(&disk_full()).into())),
            Verdict::Die => return Err(Died),
        }
        if why.is_none() && connection.is_some_and(Connection::is_autocommit) {
            // Nothing may be written outside the transaction.
            why = Some(failed.clone().unwrap_or_else(|| "it was rolled back".into()).into());
        }
    }
    let outcome = match (connection, why) {
        (Some(connection), None) => {
            let committed = connection.execute_batch("COMMIT");
            committed.map_err(|error| Arc::from(crate::fault::chain(&error)))
        }
        (_, why) => Err(why.unwrap_or_else(|| "there is no file".into())),
    };
    if let Some(connection) = connection.filter(|it| outcome.is_err() && !it.is_autocommit()) {
        // A failed commit leaves the transaction open; nothing of it may stay.
        if let Err(error) = connection.execute_batch("ROLLBACK") {
            tracing::debug!(error = %error, "the store could not roll back");
        }
    }
    if outcome.is_ok() && names.iter().copied().any(dies) {
        return Err(Died);
    }
    for reply in replies {
        reply(outcome.clone());
    }
    match outcome.as_ref().err().map(ToString::to_string).or(failed) {
        Some(why) => file.failed(&why),
        None => file.worked(names.contains(&PAGE)),
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
