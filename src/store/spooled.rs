//! Word of each event that goes into the spool. Whoever waits for it is woken in the order of
//! asking, which a simulation needs: tokio's `watch` wakes in another order each time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

/// The sequence number after the newest event, as those know it who write.
pub(super) struct Spooled(Arc<Growth>);

struct Growth {
    next: AtomicU64,
    grown: Notify,
}

impl Spooled {
    pub(super) fn new(next: u64) -> Self {
        Self(Arc::new(Growth { next: next.into(), grown: Notify::new() }))
    }

    pub(super) fn grows_to(&self, next: u64) {
        self.0.next.store(next, Ordering::Release);
        self.0.grown.notify_waiters();
    }

    pub(super) fn listener(&self) -> Listener {
        Listener { growth: self.0.clone(), seen: self.0.next.load(Ordering::Acquire) }
    }
}

/// Hears of the spool's growth.
pub struct Listener {
    growth: Arc<Growth>,
    seen: u64,
}

impl Listener {
    /// The sequence number after the newest event, which counts as seen from now on.
    pub fn look(&mut self) -> u64 {
        self.seen = self.growth.next.load(Ordering::Acquire);
        self.seen
    }

    /// Waits until it is another than was seen.
    pub async fn changed(&mut self) {
        let growth = self.growth.clone();
        loop {
            let mut grown = std::pin::pin!(growth.grown.notified());
            // From here on nothing is missed.
            grown.as_mut().enable();
            let before = self.seen;
            if self.look() != before {
                return;
            }
            grown.await;
        }
    }
}
