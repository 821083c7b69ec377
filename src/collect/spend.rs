//! Asks the budget before each call, and tells when it holds something back.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use tracing::info;

use super::{
    budget::{self, Expected, Held, Outlook},
    collector::{Collector, locked},
};
use crate::{
    domain::slice::Pass,
    source::Source,
    store::{
        StoreError,
        budget::{day, midnight_after},
        conditions::State,
    },
};

/// What a collector remembers of its spending.
#[derive(Default)]
pub(super) struct Spending {
    flying: AtomicU64,
    expected: Expected,
    /// What was told last.
    held: Mutex<Vec<Pass>>,
}

impl Spending {
    /// A fetch that is on its way until this is dropped.
    pub(super) fn fly(&self) -> Flight<'_> {
        self.flying.fetch_add(1, Ordering::Relaxed);
        Flight(&self.flying)
    }
}

pub(super) struct Flight<'a>(&'a AtomicU64);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: Source> Collector<S> {
    /// Whether a fetch of a pass may not begin, for want of calls. When live collection has spent
    /// all of the day's, the source pauses until the vendor's next day.
    pub(super) async fn spent(&self, pass: Pass, now: Timestamp) -> Result<bool, StoreError> {
        let Some(per_day) = self.config.rate_limit.per_day else { return Ok(false) };
        let flying = self.memory.spending.flying.load(Ordering::Relaxed);
        if pass != Pass::Live {
            return Ok(self.outlook(now)?.is_some_and(|outlook| !outlook.allows(pass, flying)));
        }
        let spent = self.store.calls(&self.config.name, &day(now))? + self.pace.uncounted();
        if budget::live_fits(per_day.into(), spent, flying) {
            return Ok(false);
        }
        // Those on their way may cost less than was kept for them.
        if flying == 0 {
            let until = midnight_after(now);
            let why = format!("the day's {per_day} calls (rate_limit.per_day) are spent");
            self.tell(State::QuotaSpent, Some(until), Some(why), now).await?;
        }
        Ok(true)
    }

    /// The last pass that may spend calls now.
    pub(super) fn last_pass(&self, now: Timestamp) -> Result<Pass, StoreError> {
        let outlook = self.outlook(now)?;
        self.tell_held(outlook.as_ref().and_then(Outlook::held));
        Ok(outlook.map_or(Pass::Backfill, |outlook| outlook.last_pass()))
    }

    fn outlook(&self, now: Timestamp) -> Result<Option<Outlook>, StoreError> {
        let (store, source) = (&self.store, &*self.config);
        let expected = &self.memory.spending.expected;
        budget::look(store, source, self.pace.uncounted(), now, || expected.of(store, source, now))
    }

    fn tell_held(&self, held: Option<Held>) {
        let passes = held.as_ref().map(|held| held.passes.clone()).unwrap_or_default();
        let before = std::mem::replace(&mut *locked(&self.memory.spending.held), passes.clone());
        let source = self.config.name.as_str();
        if before == passes {
            return;
        }
        if let Some(held) = held {
            info!(parent: None, source, "{held}");
        } else {
            info!(parent: None, source, "what was held back goes on");
        }
    }
}
