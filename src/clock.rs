//! Time as an argument: whoever needs the time is given a [`Clock`].

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

mod steady;

pub use steady::SteadyClock;

/// Tells the time in UTC.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// Hears what time it is by a vendor's answer; `None` where an answer does not say.
    fn hear(&self, _theirs: Option<Timestamp>) {}

    /// Whether anybody but this machine has said what time it is. Before, nothing is given up or
    /// forgotten for its age.
    fn is_confirmed(&self) -> bool {
        true
    }

    /// How far the machine's clock is ahead of the time, where they differ by more than a minute.
    fn off(&self) -> Option<SignedDuration> {
        None
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may ask the system")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    pub fn set(&self, now: Timestamp) {
        *self.lock() = now;
    }

    pub fn advance(&self, by: std::time::Duration) {
        let mut now = self.lock();
        *now = now.checked_add(by).unwrap_or(Timestamp::MAX);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.lock()
    }
}
