//! The world's time, which tokio's paused clock drives, and the machine's, which may be wrong.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use postrider::clock::Clock;
use tokio::time::Instant;

/// Long before any machine's own date.
const BEGIN: &str = "2024-02-10T00:00:00Z";

pub(crate) fn begin() -> Timestamp {
    BEGIN.parse().expect("it is a time")
}

/// The time's last multiple of so many seconds.
pub(crate) fn floor(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(seconds) * seconds).unwrap_or(at)
}

/// What time it is in the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    zero: Instant,
}

impl World {
    /// The world begins now; inside a runtime.
    pub(crate) fn begins() -> Self {
        Self { zero: Instant::now() }
    }

    pub(crate) fn instant(self, at: Timestamp) -> Instant {
        let since = at.duration_since(begin());
        self.zero + since.try_into().unwrap_or_default()
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        begin() + self.zero.elapsed()
    }
}

/// What the machine that Postrider runs on believes.
pub(crate) struct Machine {
    world: World,
    off: AtomicI64,
}

impl Machine {
    pub(crate) fn new(world: World) -> Arc<Self> {
        Arc::new(Self { world, off: AtomicI64::new(0) })
    }

    /// Sets it off by so many milliseconds.
    pub(crate) fn set_off(&self, millis: i64) {
        self.off.store(millis, Ordering::Relaxed);
    }
}

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        self.world.now() + SignedDuration::from_millis(self.off.load(Ordering::Relaxed))
    }
}
