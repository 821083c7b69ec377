//! How a source is doing: what holds it, and what people are told.

use std::{sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;
use tracing::{info, warn};

use super::collector::{Collector, locked};
use crate::{
    source::Source,
    store::{
        StoreError,
        conditions::{Condition, Party, State},
    },
    supervisor::Step,
};

/// How often a full spool is looked at again.
const SPOOL_LOOK: Duration = Duration::from_secs(1);
/// The last success, and that the spool still is full, are written down at most this often.
const TELL_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

impl<S: Source> Collector<S> {
    /// Why nothing may be asked now, if so.
    pub(super) async fn held(&self, now: Timestamp) -> Result<Option<Step>, StoreError> {
        let name = &self.config.name;
        if let Some(wait) = self.held_by_disk(now).await? {
            return Ok(Some(wait));
        }
        if self.store.is_full(self.max_spool).await? {
            let why = StoreError::SpoolFull.to_string();
            if !self.told_lately(State::SpoolFull, now) {
                self.tell(State::SpoolFull, None, Some(why.clone()), now).await?;
            }
            return Ok(Some(look_again(SPOOL_LOOK, why, now)));
        }
        if self.written().is_some_and(|(state, _)| state == State::SpoolFull) {
            self.tell(State::Ok, None, None, now).await?;
        }
        let Some(condition) = self.condition(now)? else { return Ok(None) };
        // Whoever restarts has perhaps mended the credentials or the network, or raised the limit.
        let fresh = self.written().is_none();
        let Some(until) = condition.until.filter(|until| holds(*until, now)) else {
            return Ok(None);
        };
        let person = condition.state == State::AuthFailed;
        if fresh && (person || matches!(condition.state, State::Failing | State::QuotaSpent)) {
            return Ok(None);
        }
        let why = condition.error.unwrap_or_else(|| condition.state.as_str().into());
        Ok(Some(Step::Waiting { until, why: format!("{name}: {why}"), person }))
    }

    /// What holds this stream: its own condition, or that the vendor slows the whole source down.
    fn condition(&self, now: Timestamp) -> Result<Option<Condition>, StoreError> {
        let own = self.store.condition(self.party())?;
        if own.as_ref().is_some_and(|own| own.until.is_some_and(|until| holds(until, now))) {
            return Ok(own);
        }
        for (stream, _) in self.config.sliced() {
            let other = self.store.condition(Party::of(&self.config, stream))?;
            let all = |it: &Condition| matches!(it.state, State::Throttled | State::QuotaSpent);
            if stream != self.source.stream() && other.as_ref().is_some_and(all) {
                return Ok(other);
            }
        }
        Ok(own)
    }

    /// Whose condition this collector tells.
    pub(super) fn party(&self) -> Party<'_> {
        Party::of(&self.config, self.source.stream())
    }

    /// Nothing is asked for that could not be stored.
    async fn held_by_disk(&self, now: Timestamp) -> Result<Option<Step>, StoreError> {
        let told = &self.memory.disk_failed;
        let Some(trouble) = self.store.check_disk().await else {
            if told.swap(false, Ordering::Relaxed) {
                self.tell(State::Ok, None, None, now).await?;
            }
            return Ok(None);
        };
        let why = format!("the store cannot be written: {}", trouble.why);
        if !told.swap(true, Ordering::Relaxed) {
            // Said as far as so little can be written.
            drop(self.tell(State::Failing, None, Some(why.clone()), now).await);
        }
        Ok(Some(look_again(trouble.again_in.max(SPOOL_LOOK), why, now)))
    }

    pub(super) async fn tell_ok(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.told_lately(State::Ok, now) {
            return Ok(());
        }
        self.tell(State::Ok, None, None, now).await
    }

    fn told_lately(&self, state: State, now: Timestamp) -> bool {
        self.written()
            .is_some_and(|(told, at)| told == state && now.duration_since(at).abs() < TELL_EVERY)
    }

    pub(super) async fn tell(
        &self,
        state: State,
        until: Option<Timestamp>,
        error: Option<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let name = self.config.name.as_str();
        let before = self.written().map(|(state, _)| state);
        let (until_text, state_text) = (until.map(tracing::field::display), state.as_str());
        match before {
            Some(before) if before == state => {}
            None if state == State::Ok => {}
            _ if state == State::Ok => info!(parent: None, source = name, "source is well again"),
            _ => {
                warn!(parent: None, source = name, state = state_text, until = until_text, error, "source pauses");
            }
        }
        *locked(&self.memory.written) = Some((state, now));
        self.store.set_condition(self.party(), state, until, error, now).await
    }

    fn written(&self) -> Option<(State, Timestamp)> {
        *locked(&self.memory.written)
    }
}

/// The longest that anything pauses a source: to the vendor's next day. What is further ahead was
/// written by a clock that was wrong.
const LONGEST: jiff::SignedDuration = jiff::SignedDuration::from_hours(25);

fn holds(until: Timestamp, now: Timestamp) -> bool {
    until > now && until.duration_since(now) <= LONGEST
}

fn look_again(after: Duration, why: String, now: Timestamp) -> Step {
    let until = now.checked_add(after).unwrap_or(Timestamp::MAX);
    Step::Waiting { until, why, person: false }
}
