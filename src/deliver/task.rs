//! One task a sink: batches out, marks back.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    batch::{Batch, Filling},
    letters::Letters,
    marking::Settled,
    parts::Parts,
};
use crate::{
    clock::Clock,
    config,
    failpoint::{self, Moment},
    fault::{Fault, Kind, backoff},
    sink::{Outcome, Sink},
    store::{
        Store, StoreError,
        conditions::{Party, State},
        sinks::Position,
    },
    supervisor::{Step, Task},
};

const FIRST: Duration = Duration::from_millis(500);
pub(super) const LONGEST: Duration = Duration::from_mins(1);
/// Backoff where a person must act.
const HOLD_FIRST: Duration = Duration::from_secs(5);
const HOLD_LONGEST: Duration = Duration::from_mins(5);
/// The last success is written down at most this often.
const OK_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

/// Cancelled when nothing more will come: batches go without waiting for their age.
pub type Flush = CancellationToken;

/// Delivers to one sink.
pub struct Deliverer<K> {
    pub(super) config: Arc<config::Sink>,
    pub(super) sink: Arc<K>,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    stop: CancellationToken,
    flush: Flush,
    pub(super) rng: StdRng,
    /// What was done with when the task started; `None` until it is read.
    resume: Option<Position>,
    /// The next event to read.
    next: u64,
    filling: Filling,
    /// Batches that are to be sent again.
    retry: VecDeque<Batch>,
    /// Parts of batches that the sink refused.
    pub(super) parts: Parts,
    pub(super) letters: Letters,
    /// What the sink has or refused, but the store could not write down: it is not sent again.
    pub(super) unmarked: VecDeque<Settled>,
    /// The largest batch that the sink took, in bytes.
    pub(super) largest: usize,
    /// Failures since the last acceptance.
    pub(super) failures: u32,
    pub(super) held: Option<Held>,
    written: Option<(State, Timestamp)>,
}

/// Nothing is sent before `until`.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) until: Timestamp,
    pub(super) why: String,
    pub(super) person: bool,
}

impl<K: Sink> Deliverer<K> {
    pub fn new(
        config: Arc<config::Sink>,
        sink: Arc<K>,
        store: Store,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
        flush: Flush,
        rng: StdRng,
    ) -> Self {
        Self {
            config,
            sink,
            store,
            clock,
            stop,
            flush,
            rng,
            resume: None,
            next: 0,
            filling: Filling::default(),
            retry: VecDeque::new(),
            parts: Parts::default(),
            letters: Letters::default(),
            unmarked: VecDeque::new(),
            largest: 0,
            failures: 0,
            held: None,
            written: None,
        }
    }
}

impl<K: Sink> Task for Deliverer<K> {
    async fn step(&mut self) -> anyhow::Result<Step> {
        if self.resume.is_none() {
            self.resume = Some(self.store.position(&self.config.name)?);
        }
        self.go_on().await;
        if let Some(held) = &self.held {
            return Ok(held.step(&self.config));
        }
        let mut spooled = self.store.spooled();
        let mut on_the_way = FuturesUnordered::new();
        let mut worked = false;
        loop {
            // Some batches may be on the way for long, and need not be waited for.
            if self.held.is_some() {
                self.go_on().await;
            }
            let seen = *spooled.borrow_and_update();
            let most = self.sink.most_on_the_way(self.config.max_in_flight);
            while on_the_way.len() < most && self.held.is_none() && !self.stop.is_cancelled() {
                let batch = match self.next_batch(seen)? {
                    Some(batch) => batch,
                    None => match self.next_letters().await {
                        Some(letters) => letters,
                        None => break,
                    },
                };
                if batch.frames.is_empty() {
                    self.accept(batch).await;
                    continue;
                }
                let sink = self.sink.clone();
                on_the_way.push(async move {
                    let outcome = send(&*sink, &batch).await;
                    (batch, outcome)
                });
            }
            if on_the_way.is_empty() {
                if let Some(held) = &self.held {
                    // What was delivered before the failure counts against giving up; what could
                    // not be marked does not.
                    let worked = worked && self.unmarked.is_empty();
                    return Ok(if worked { Step::Worked } else { held.step(&self.config) });
                }
                if self.filling.is_empty() || self.stop.is_cancelled() {
                    return Ok(match self.letters.held() {
                        _ if worked => Step::Worked,
                        Some(held) => held.step(&self.config),
                        None => Step::Idle,
                    });
                }
            }
            let room = on_the_way.len() < most && self.held.is_none();
            let age = self.filling.left(self.config.batch.max_age).unwrap_or(Duration::MAX);
            let hold = self.held.as_ref().map(|held| held.left(self.clock.now()));
            tokio::select! {
                // The same order each time, which a simulation needs.
                biased;
                Some((batch, outcome)) = on_the_way.next() => {
                    worked |= !matches!(outcome, Outcome::Failed(_));
                    self.settle(batch, outcome).await?;
                }
                // The sender lives as long as the store, so an error cannot come.
                _ = spooled.changed(), if room => {}
                () = tokio::time::sleep(age.min(LONGEST)), if room && !self.filling.is_empty() => {}
                () = tokio::time::sleep(hold.unwrap_or_default()), if hold.is_some() => {}
                () = self.flush.cancelled(), if !self.flush.is_cancelled() => {}
                () = self.stop.cancelled(), if on_the_way.is_empty() => {}
            }
        }
    }
}

impl<K: Sink> Deliverer<K> {
    /// Ends a hold whose time is over, and writes down what was left.
    async fn go_on(&mut self) {
        if self.held.as_ref().is_none_or(|held| held.left(self.clock.now()).is_zero()) {
            self.held = None;
            self.mark().await;
        }
    }

    /// The next batch of the spool that may go now: one that goes again, part of one that was
    /// refused, or a new one.
    fn next_batch(&mut self, spooled: u64) -> Result<Option<Batch>, StoreError> {
        if let Some(batch) = self.retry.pop_front().or_else(|| self.parts.by_turns()) {
            return Ok(Some(batch));
        }
        // What is taken apart is kept in memory.
        let room = self.parts.batches() <= self.config.max_in_flight;
        let new = if room { self.new_batch(spooled)? } else { None };
        Ok(new.or_else(|| self.parts.take()))
    }

    /// A full, old or last batch of what was not sent yet.
    fn new_batch(&mut self, spooled: u64) -> Result<Option<Batch>, StoreError> {
        let limits = self.sink.batch_limits();
        loop {
            let (from, until) =
                self.resume.as_ref().map_or((0, u64::MAX), |p| p.open_from(self.next));
            let jumps = self.filling.next().is_some_and(|next| next != from);
            if jumps {
                return Ok(self.filling.finish());
            }
            self.next = from;
            let chunk = if from < spooled { self.store.chunk(from)? } else { None };
            let Some(chunk) = chunk else { break };
            for event in chunk.iter().filter(|event| (from..until).contains(&event.seq)) {
                if !self.filling.take(event, &self.config.route, &*self.sink, limits) {
                    return Ok(self.filling.finish());
                }
                self.next = event.seq + 1;
            }
        }
        let due = self.filling.left(limits.max_age).is_some_and(|left| left.is_zero());
        let passed = self.filling.is_empty() && self.filling.next().is_some();
        if due || passed || self.flush.is_cancelled() {
            Ok(self.filling.finish())
        } else {
            Ok(None)
        }
    }

    pub(super) async fn fail(&mut self, batch: Batch, fault: &Fault) {
        self.retry.push_front(batch);
        // Batches that fail together fail once.
        if self.held.is_none() {
            self.failures += 1;
        }
        let person = fault.kind == Kind::Auth;
        let wait = wait_after(fault, self.failures, &mut self.rng);
        let until = self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
        let why = fault.chain();
        warn!(sink = %self.config.name, attempt = self.failures, error = why, "delivery failed");
        let state = if person { State::AuthFailed } else { State::Failing };
        self.tell(state, Some(until), Some(why.clone())).await;
        self.held = Some(Held { until, why, person });
    }

    pub(super) async fn tell(
        &mut self,
        state: State,
        until: Option<Timestamp>,
        error: Option<String>,
    ) {
        let now = self.clock.now();
        match self.written {
            Some((State::Ok, at))
                if state == State::Ok && now.duration_since(at).abs() < OK_EVERY =>
            {
                return;
            }
            Some((before, _)) if before == state => {}
            None if state == State::Ok => {}
            _ if state == State::Ok => info!(sink = %self.config.name, "sink is well again"),
            _ => {}
        }
        self.written = Some((state, now));
        let party = Party::Sink(self.config.name.as_str());
        // Only what people see: that it cannot be written is no reason to stop delivering.
        if let Err(error) = self.store.set_condition(party, state, until, error, now).await {
            debug!(sink = %self.config.name, error = crate::fault::chain(&error), "cannot note the state");
        }
    }
}

/// How long after so many failures in a row a sink is left alone.
pub(super) fn wait_after(fault: &Fault, failures: u32, rng: &mut StdRng) -> Duration {
    match fault.kind {
        Kind::Auth => backoff(failures, HOLD_FIRST, HOLD_LONGEST, rng),
        // Never at once: a sink that says so each time would be asked without a pause.
        Kind::Transient { retry_after: Some(wait) }
        | Kind::Throttled { retry_after: Some(wait) } => wait.max(FIRST),
        _ => backoff(failures, FIRST, LONGEST, rng),
    }
}

async fn send<K: Sink>(sink: &K, batch: &Batch) -> Outcome {
    failpoint::pass(failpoint::SEND, Moment::Before).await;
    let outcome = sink.send(batch.body.clone(), &batch.frames).await;
    failpoint::pass(failpoint::SEND, Moment::After).await;
    outcome
}

impl Held {
    fn left(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.until.duration_since(now)).unwrap_or_default().min(LONGEST)
    }

    fn step(&self, config: &config::Sink) -> Step {
        let why = format!("{}: {}", config.name, self.why);
        Step::Waiting { until: self.until, why, person: self.person }
    }
}

#[cfg(test)]
mod tests;
