//! How a source is doing: what holds it, and what people are told.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::collector::{Collector, locked};
use crate::{
    source::Source,
    store::{
        StoreError,
        conditions::{Party, State},
    },
    supervisor::Step,
};

/// How often a full spool is looked at again.
const SPOOL_LOOK: Duration = Duration::from_secs(1);
/// The last success is written down at most this often.
const OK_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

impl<S: Source> Collector<S> {
    /// Why nothing may be asked now, if so.
    pub(super) async fn held(&self, now: Timestamp) -> Result<Option<Step>, StoreError> {
        let name = &self.config.name;
        if self.store.spool_bytes()? >= self.max_spool {
            let why = "the spool is full: a sink does not keep up; the vendor keeps the data";
            self.tell(State::SpoolFull, None, Some(why.into()), now).await?;
            let until = now.checked_add(SPOOL_LOOK).unwrap_or(Timestamp::MAX);
            return Ok(Some(Step::Waiting { until, why: why.into(), person: false }));
        }
        if self.written().is_some_and(|(state, _)| state == State::SpoolFull) {
            self.tell(State::Ok, None, None, now).await?;
        }
        let Some(condition) = self.store.condition(Party::Source(name.as_str()))? else {
            return Ok(None);
        };
        // Whoever restarts has perhaps mended the credentials, or the network.
        let fresh = self.written().is_none();
        let Some(until) = condition.until.filter(|until| *until > now) else { return Ok(None) };
        let person = condition.state == State::AuthFailed;
        if fresh && (person || condition.state == State::Failing) {
            return Ok(None);
        }
        let why = condition.error.unwrap_or_else(|| condition.state.as_str().into());
        Ok(Some(Step::Waiting { until, why: format!("{name}: {why}"), person }))
    }

    pub(super) async fn tell_ok(&self, now: Timestamp) -> Result<(), StoreError> {
        let lately = self.written().is_some_and(|(state, at)| {
            state == State::Ok && now.duration_since(at).abs() < OK_EVERY
        });
        if lately { Ok(()) } else { self.tell(State::Ok, None, None, now).await }
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
        self.store.set_condition(Party::Source(name), state, until, error, now).await
    }

    fn written(&self) -> Option<(State, Timestamp)> {
        *locked(&self.memory.written)
    }
}
