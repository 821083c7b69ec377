//! One of Splunk's channels at one endpoint, with what keeps its posts and questions together.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::header::HeaderMap;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::{
    cookies::Cookies,
    pending::{Pending, Post},
};

pub(super) struct Channel {
    pub(super) id: Uuid,
    /// The endpoint's place among the configured ones.
    pub(super) endpoint: usize,
    /// Whether acknowledgements are asked for where the server gives ids.
    pub(super) asks: bool,
    pending: Mutex<Pending>,
    cookies: Mutex<Cookies>,
    /// The first post goes alone, so that a load balancer chooses one node for all.
    first: tokio::sync::Mutex<()>,
    opened: AtomicBool,
    /// Whoever holds it asks for all that waits.
    turn: tokio::sync::Mutex<()>,
    /// Something became of some batch.
    settled: Notify,
    used: Mutex<Instant>,
}

/// A post on its way; dropped without an answer it counts as unanswered.
pub(super) struct Posting<'a> {
    channel: &'a Channel,
    post: Post,
}

impl Channel {
    pub(super) fn new(id: Uuid, endpoint: usize, asks: bool, ack_timeout: Duration) -> Self {
        let now = Instant::now();
        Self {
            id,
            endpoint,
            asks,
            pending: Mutex::new(Pending::new(ack_timeout, now)),
            cookies: Mutex::default(),
            first: tokio::sync::Mutex::default(),
            opened: false.into(),
            turn: tokio::sync::Mutex::default(),
            settled: Notify::new(),
            used: Mutex::new(now),
        }
    }

    /// Holds back all posts but the first until that has ended.
    pub(super) async fn opened(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        if self.opened.load(Ordering::Relaxed) {
            return None;
        }
        let first = self.first.lock().await;
        Some(first).filter(|_| !self.opened.load(Ordering::Relaxed))
    }

    pub(super) fn begin(&self) -> Posting<'_> {
        *locked(&self.used) = Instant::now();
        Posting { channel: self, post: self.pending().begin() }
    }

    /// How long it has not been used; `None` while something waits on it.
    pub(super) fn rests(&self) -> Option<Duration> {
        self.pending().is_empty().then(|| locked(&self.used).elapsed())
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        locked(&self.pending)
    }

    pub(super) fn cookie(&self) -> Option<reqwest::header::HeaderValue> {
        locked(&self.cookies).header()
    }

    pub(super) fn take_cookies(&self, headers: &HeaderMap) {
        locked(&self.cookies).take(headers);
    }

    /// Whoever holds the turn asks for all that waits, so that one question is on the way.
    pub(super) fn turn(&self) -> &tokio::sync::Mutex<()> {
        &self.turn
    }

    /// Woken when something became of some batch.
    pub(super) fn settled(&self) -> &Notify {
        &self.settled
    }
}

impl Posting<'_> {
    /// HEC answered without an id.
    pub(super) fn declined(self) {
        self.channel.pending().declined(self.post);
        self.channel.settled.notify_waiters();
    }

    /// HEC answered with an id; false where no acknowledgement on this channel counts any more.
    #[must_use]
    pub(super) fn accepted(self, id: u64) -> bool {
        let counts = self.channel.pending().accepted(self.post, id, Instant::now());
        self.channel.settled.notify_waiters();
        counts
    }
}

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.channel.opened.store(true, Ordering::Relaxed);
        // Without effect where it was answered.
        self.channel.pending().unanswered(self.post);
        self.channel.settled.notify_waiters();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
