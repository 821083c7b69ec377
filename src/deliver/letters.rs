//! Dead letters that are sent again, because a person asked for it: one batch at a time, after
//! everything else that may go, and never while the sink is held.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::{
    batch::{Batch, Filling},
    parts::Parts,
    task::{Deliverer, Held, wait_after},
};
use crate::{
    config::{BatchLimits, Route},
    fault::{Fault, Kind, chain},
    sink::Sink,
    store::{Store, dead_letters::replays::ReplayId},
};

/// Letters in one batch at most: those that may go twice after a crash.
const TOGETHER: usize = 100;

/// Where the replays of a sink are.
#[derive(Default)]
pub(super) struct Letters {
    /// Whether a batch is on its way.
    out: bool,
    parts: Parts,
    /// Failures since the last acceptance.
    failures: u32,
    held: Option<Held>,
}

impl Letters {
    /// Takes a batch back: the next may go.
    pub(super) fn back(&mut self) {
        self.out = false;
    }

    pub(super) fn worked(&mut self) {
        self.failures = 0;
    }

    pub(super) fn parts(&mut self) -> &mut Parts {
        &mut self.parts
    }

    /// What keeps letters waiting, if anything does.
    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }
}

impl<K: Sink> Deliverer<K> {
    /// The next batch of dead letters that may go now.
    pub(super) async fn next_letters(&mut self) -> Option<Batch> {
        if self.letters.out {
            return None;
        }
        if self.letters.held.as_ref().is_some_and(|held| held.until > self.clock.now()) {
            return None;
        }
        self.letters.held = None;
        let batch = match self.letters.parts.take() {
            Some(part) => part,
            None => self.read_letters().await?,
        };
        self.letters.out = true;
        Some(batch)
    }

    /// Reads what comes next of the replays, and ends those of which nothing is left.
    async fn read_letters(&mut self) -> Option<Batch> {
        let limits = self.sink.batch_limits();
        let limits = BatchLimits { max_events: limits.max_events.min(TOGETHER), ..limits };
        loop {
            let sink = &self.config.name;
            let next = self.store.letters_to_send(sink, limits.max_events, limits.max_bytes);
            let (replay, letters) = match next {
                Ok(next) => next?,
                Err(error) => {
                    debug!(sink = %sink, error = chain(&error), "cannot read the dead letters");
                    return None;
                }
            };
            if letters.is_empty() {
                self.note(replay, None).await?;
                continue;
            }
            let mut filling = Filling::default();
            for letter in &letters {
                // Whoever asks for it wants it there, whatever goes there by now.
                if !filling.take(letter, &Route::default(), &*self.sink, limits) {
                    break;
                }
            }
            return Some(Batch { replay: Some(replay), ..filling.finish()? });
        }
    }

    /// Letters could not be sent. The sink is not held for that: other batches show how it is.
    pub(super) async fn letters_failed(&mut self, batch: Batch, replay: ReplayId, fault: &Fault) {
        self.letters.failures += 1;
        let wait = wait_after(fault, self.letters.failures, &mut self.rng);
        let until = self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
        let why = fault.chain();
        warn!(sink = %self.config.name, error = why, "dead letters could not be sent again");
        let person = fault.kind == Kind::Auth;
        self.letters.held = Some(Held { until, why: why.clone(), person });
        self.letters.parts.put(batch);
        // Whether that could be noted makes no difference.
        let _: Option<()> = self.note(replay, Some(why)).await;
    }

    /// Writes down that a replay is done, or why it does not go on; `None` where that fails.
    async fn note(&self, replay: ReplayId, error: Option<String>) -> Option<()> {
        let noted = self.store.note_replay(replay, error).await;
        if let Err(error) = &noted {
            warn!(sink = %self.config.name, error = chain(error), "cannot note how a replay is");
        }
        noted.ok()
    }
}

/// Wakes the sinks for which a replay was asked; never ends.
pub async fn bell(store: Store, wakes: BTreeMap<String, Arc<Notify>>, look: Duration) {
    let mut known = None;
    loop {
        // A store that cannot be read now is looked at again.
        if let Ok(open) = store.open_replays() {
            for (_, sink) in open.iter().filter(|(id, _)| Some(*id) > known) {
                if let Some(wake) = wakes.get(sink) {
                    wake.notify_one();
                }
            }
            known = known.max(open.last().map(|(id, _)| *id));
        }
        tokio::time::sleep(look).await;
    }
}
