//! One task a source: fetches what is planned, page after page, several slices side by side.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use super::{
    compose,
    diff::{News, diff},
    page,
    plan::{self, Policy},
    react::react,
};
use crate::{
    clock::Clock,
    config,
    domain::{record::Record, slice::Stream},
    fault::{Fault, Kind},
    schedule::Activation,
    source::{Page, Query, Source, pace::Pace},
    store::{
        Store, StoreError,
        budget::{Calls, day},
        conditions::{Party, State},
        slices::{OpenSlice, PageCommit, Setback, SliceId, StreamId, Then},
    },
    supervisor::{Step, Task},
};

/// Open slices beyond which no more are planned.
const ENOUGH: u64 = 256;
/// Faults of a slice, running, from which on its source counts as failing.
const FAILING: u32 = 3;

/// Collects one source.
pub struct Collector<S> {
    pub config: Arc<config::Source>,
    pub source: Arc<S>,
    pub pace: Arc<Pace>,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub max_spool: u64,
    /// When to plan anew.
    pub activation: Arc<Activation>,
    /// Soft stop: no new page is asked for.
    pub stop: CancellationToken,
    pub memory: Arc<Memory>,
}

/// What outlives a restart of the task, but not of the process.
pub struct Memory {
    rng: Mutex<StdRng>,
    streams: tokio::sync::OnceCell<BTreeMap<Stream, StreamId>>,
    /// Calls of the pace that the budget has counted.
    pub(super) counted: AtomicU64,
    /// Held from looking records up until they are committed, so that two slices cannot both take
    /// a record for new.
    diffing: tokio::sync::Mutex<()>,
    pub(super) written: Mutex<Option<(State, Timestamp)>>,
    /// The last activation: what became due later waits for the next one.
    activated: Mutex<Option<Timestamp>>,
}

impl Memory {
    pub fn new(rng: StdRng) -> Self {
        Self {
            rng: Mutex::new(rng),
            streams: tokio::sync::OnceCell::new(),
            counted: AtomicU64::new(0),
            diffing: tokio::sync::Mutex::default(),
            written: Mutex::default(),
            activated: Mutex::default(),
        }
    }
}

/// Whether the source may go on after a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Hold,
}

/// What became of a slice for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    next: Next,
    /// Whether it is further than before.
    worked: bool,
}

impl<S: Source> Task for Collector<S> {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let now = self.clock.now();
        self.pace.recover(now);
        if self.activation.take() {
            *locked(&self.memory.activated) = Some(now);
        }
        let stream = self.streams().await?[&self.source.stream()];
        if let Some(wait) = self.held(now).await? {
            return Ok(wait);
        }
        self.plan(stream).await?;
        if self.fetch_open(stream).await? {
            return Ok(Step::Worked);
        }
        // What failed has perhaps paused the source, and knows why better than a slice.
        if let Some(wait) = self.held(self.clock.now()).await? {
            return Ok(wait);
        }
        let Some((count, until)) = self.store.waiting_slices(stream)? else {
            return Ok(Step::Idle);
        };
        let why = format!("{count} slices of {} are not covered", self.config.name);
        Ok(Step::Waiting { until, why, person: false })
    }
}

impl<S: Source> Collector<S> {
    async fn streams(&self) -> Result<&BTreeMap<Stream, StreamId>, StoreError> {
        let number = async || {
            let mut ids = BTreeMap::new();
            for stream in self.config.vendor.streams() {
                ids.insert(*stream, self.store.stream(&self.config.name, *stream).await?);
            }
            Ok(ids)
        };
        self.memory.streams.get_or_try_init(number).await
    }

    /// Opens the slices that were due at the last activation, as many as are useful at once.
    async fn plan(&self, stream: StreamId) -> Result<(), StoreError> {
        let Some(activated) = *locked(&self.memory.activated) else { return Ok(()) };
        let open = self.store.waiting_slices(stream)?.map_or(0, |(count, _)| count);
        if open >= ENOUGH {
            return Ok(());
        }
        let policy = Policy {
            start: self.config.start,
            lag: self.config.lag,
            slice: self.config.slice,
            limits: self.source.limits(),
        };
        let Some(plan) = plan::live(&policy, self.store.frontier(stream)?, activated) else {
            return Ok(());
        };
        if let Some(lost) = plan.lost {
            warn!(source = %self.config.name, lost = %lost, "past the vendor's retention: lost");
        }
        let size = policy.limits.page_size;
        self.store.plan_live(stream, plan.frontier, plan.lost, plan.slices, size).await
    }

    /// Fetches open slices side by side until none is ready; whether that led anywhere. A slice
    /// that only failed did not: else `once` would never give up.
    async fn fetch_open(&self, stream: StreamId) -> anyhow::Result<bool> {
        let mut busy: BTreeSet<SliceId> = BTreeSet::new();
        let mut on_the_way = FuturesUnordered::new();
        let mut next = Next::GoOn;
        let mut worked = false;
        loop {
            let room = self.config.max_in_flight.saturating_sub(busy.len());
            if next == Next::GoOn && room > 0 && !self.stop.is_cancelled() {
                let now = self.clock.now();
                let ready = self.store.ready_slices(stream, now, busy.len() + room)?;
                let ready = ready.into_iter().filter(|slice| !busy.contains(&slice.id));
                for slice in ready.take(room).collect::<Vec<_>>() {
                    busy.insert(slice.id);
                    let span =
                        info_span!("slice", source = %self.config.name, slice = %slice.interval);
                    let id = slice.id;
                    let fetch = async move { (id, self.fetch_slice(slice).await) };
                    on_the_way.push(fetch.instrument(span));
                }
            }
            let Some((id, done)) = on_the_way.next().await else { return Ok(worked) };
            busy.remove(&id);
            let done = done?;
            worked |= done.worked;
            if done.next == Next::Hold {
                next = Next::Hold;
            }
        }
    }

    /// Fetches a slice from where it is to its end, or to a fault.
    async fn fetch_slice(&self, mut slice: OpenSlice) -> Result<Done, StoreError> {
        let mut worked = false;
        loop {
            let now = self.clock.now();
            if self.stop.is_cancelled()
                || self.spent(now).await?
                || self.store.spool_bytes()? >= self.max_spool
            {
                return Ok(Done { next: Next::Hold, worked });
            }
            let query = Query {
                interval: slice.interval,
                page_token: slice.progress.page_token.clone(),
                page_size: slice.progress.page_size,
                narrow: crate::domain::filter::Filter::default(),
            };
            let page = match self.source.fetch(&query).await {
                Ok(page) => page::check(page, &slice),
                Err(fault) => Err(fault),
            };
            let then = match page {
                Ok(page) => self.keep(page, &mut slice).await?,
                Err(fault) => {
                    let done = self.fail(&slice, &fault).await?;
                    return Ok(Done { worked: worked || done.worked, ..done });
                }
            };
            worked = true;
            match then {
                Then::Next(progress) => slice.progress = progress,
                Then::Covered(_) => return Ok(Done { next: Next::GoOn, worked }),
                Then::Refetch(progress) => {
                    slice.progress = progress;
                    slice.refetched += 1;
                }
            }
            slice.attempts = 0;
        }
    }

    /// Makes events of what is new on a page, and commits it with the slice's next place.
    async fn keep(&self, mut page: Page, slice: &mut OpenSlice) -> Result<Then, StoreError> {
        let now = self.clock.now();
        for warning in &page.warnings {
            warn!("{warning}");
        }
        let then = page::after(&page, slice, self.source.limits().page_size);
        let streams = self.streams().await?;
        let context = compose::Context {
            source: &self.config.name,
            vendor: self.source.vendor(),
            tags: &self.config.tags,
            pass: slice.pass,
            slice: slice.interval,
            collected_at: now,
        };
        let alone = self.memory.diffing.lock().await;
        let (mut chunks, mut ledger, mut count) = (Vec::new(), Vec::new(), 0);
        for (stream, id) in streams {
            let of_stream = |record: &Record| record.stream == *stream;
            let (records, others) = page.records.into_iter().partition(of_stream);
            page.records = others;
            let News { events, versions } = diff(&self.store, *id, records, context)?;
            if events.is_empty() {
                continue;
            }
            count += events.len() as u64;
            let packed = self.store.pack(*id, &self.config.tags, &events);
            let compressed =
                packed.and_then(|chunk| Ok((chunk, self.store.pack_versions(*id, &versions)?)));
            let (chunk, block) = compressed.map_err(|error| StoreError::Commit {
                name: "compress-page",
                detail: error.to_string().into(),
            })?;
            chunks.push(chunk);
            ledger.push(block);
        }
        let calls = self.calls(now);
        let (slice_id, done) = (slice.id, then.clone());
        let commit =
            PageCommit { slice: slice_id, chunks, ledger, events: count, then: done, calls };
        self.store.commit_page(commit).await?;
        drop(alone);
        slice.events += count;
        self.tell_ok(now).await?;
        match &then {
            Then::Covered(done) => {
                info!(
                    pages = done.pages,
                    records = done.received,
                    events = slice.events,
                    "slice covered"
                );
                if done.total.is_some_and(|total| total > done.received) {
                    warn!(
                        total = done.total,
                        read = done.received,
                        "fewer records than announced, twice"
                    );
                }
            }
            Then::Refetch(_) => warn!(
                total = page.total.or(slice.progress.total),
                read = slice.progress.received + page.received,
                "fewer records than announced; reading the slice once more"
            ),
            Then::Next(_) => {}
        }
        Ok(then)
    }

    async fn fail(&self, slice: &OpenSlice, fault: &Fault) -> Result<Done, StoreError> {
        let now = self.clock.now();
        let name = self.config.name.as_str();
        if matches!(fault.kind, Kind::Throttled { .. }) {
            self.pace.slow_down(now);
        }
        let condition = self.store.condition(Party::Source(name))?;
        let quota_hit_today = condition.as_ref().is_some_and(|condition| {
            condition.state == State::QuotaSpent && condition.until.is_some_and(|at| at <= now)
        });
        let reaction = {
            let mut rng = locked(&self.memory.rng);
            react(fault.kind, slice, self.source.limits(), quota_hit_today, now, &mut *rng)
        };
        let error = fault.chain();
        if reaction.pause.is_none() {
            warn!(attempt = slice.attempts + 1, error, "fetching failed");
        }
        let calls = self.calls(now);
        // To be tried again as it is leads nowhere; with a smaller page it does.
        let worked = match &reaction.setback {
            Setback::Again { progress, .. } => {
                progress.as_ref().is_some_and(|to| to.page_size < slice.progress.page_size)
            }
            Setback::Split { .. } | Setback::Lost { .. } | Setback::Refused => true,
        };
        self.store.set_back(slice.id, reaction.setback, error.clone(), calls).await?;
        if let Some((state, until)) = reaction.pause {
            self.tell(state, Some(until), Some(error), now).await?;
            return Ok(Done { next: Next::Hold, worked });
        }
        if slice.attempts + 1 >= FAILING {
            self.tell(State::Failing, None, Some(error), now).await?;
        }
        Ok(Done { next: Next::GoOn, worked })
    }

    /// The calls made since the last count.
    fn calls(&self, now: Timestamp) -> Calls {
        let made = self.pace.calls();
        let count = made.saturating_sub(self.memory.counted.swap(made, Ordering::Relaxed));
        Calls { source: self.config.name.clone(), day: day(now), count }
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
