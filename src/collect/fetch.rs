//! One task a source: fetches what is planned, page after page, several slices side by side.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use super::{
    compose,
    plan::{self, Policy},
    react::{self, react},
};
use crate::{
    clock::Clock,
    config,
    domain::{
        change::{self, Known},
        record::Record,
        slice::Stream,
    },
    fault::{Fault, Kind},
    schedule::Activation,
    source::{Page, Query, Source, pace::Pace},
    store::{
        Store, StoreError,
        conditions::{Party, State},
        ledger::{Key, NewBlock},
        slices::{Calls, OpenSlice, PageCommit, Progress, Setback, SliceId, StreamId, Then, day},
        spool::{NewChunk, NewEvent},
    },
    supervisor::{Step, Task},
};

/// Pages without records but with a token, running, before the search counts as broken.
const EMPTY_PAGES: u32 = 3;
/// Open slices beyond which no more are planned.
const ENOUGH: u64 = 256;
/// Faults of a slice, running, from which on its source counts as failing.
const FAILING: u32 = 3;
/// How often a full spool is looked at again.
const SPOOL_LOOK: Duration = Duration::from_secs(1);
/// The last success is written down at most this often.
const OK_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

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
    counted: AtomicU64,
    /// Held from looking records up until they are committed, so that two slices cannot both take
    /// a record for new.
    diffing: tokio::sync::Mutex<()>,
    written: Mutex<Option<(State, Timestamp)>>,
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

    /// Why nothing may be asked now, if so.
    async fn held(&self, now: Timestamp) -> Result<Option<Step>, StoreError> {
        let name = &self.config.name;
        if self.store.spool_size()?.bytes >= self.max_spool {
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
        // Whoever restarts has perhaps mended the credentials.
        let fresh = self.written().is_none();
        let Some(until) = condition.until.filter(|until| *until > now) else { return Ok(None) };
        let person = condition.state == State::AuthFailed;
        if fresh && person {
            return Ok(None);
        }
        let why = condition.error.unwrap_or_else(|| condition.state.as_str().into());
        Ok(Some(Step::Waiting { until, why: format!("{name}: {why}"), person }))
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
                || self.store.spool_size()?.bytes >= self.max_spool
            {
                return Ok(Done { next: Next::Hold, worked });
            }
            let query = Query {
                interval: slice.interval,
                page_token: slice.progress.page_token.clone(),
                page_size: slice.progress.page_size,
                verdicts: Vec::new(),
            };
            let page = match self.source.fetch(&query).await {
                Ok(page) => check(page, &slice),
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
    async fn keep(&self, page: Page, slice: &mut OpenSlice) -> Result<Then, StoreError> {
        let now = self.clock.now();
        for warning in &page.warnings {
            warn!("{warning}");
        }
        let then = after_page(&page, slice, self.source.limits().page_size);
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
            let records = page.records.iter().filter(|record| record.stream == *stream);
            let records: Vec<&Record> = records.collect();
            if records.is_empty() {
                continue;
            }
            let (events, versions) = self.diff(*id, &records, context)?;
            if events.is_empty() {
                continue;
            }
            count += events.len() as u64;
            let compressed = NewChunk::new(*id, &self.config.tags, &events)
                .and_then(|chunk| Ok((chunk, NewBlock::new(*id, &versions)?)));
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

    /// The events of what is new, and the versions for the ledger.
    #[expect(clippy::type_complexity, reason = "two lists that are made together")]
    fn diff(
        &self,
        stream: StreamId,
        records: &[&Record],
        context: compose::Context<'_>,
    ) -> Result<(Vec<NewEvent>, Vec<(Key, [u8; 16], Known)>), StoreError> {
        let keys: Vec<Key> = records.iter().map(|record| key(record, context)).collect();
        let known = self.store.look_up(stream, &keys)?;
        let mut events = Vec::new();
        let mut versions: Vec<(Key, [u8; 16], Known)> = Vec::new();
        // The same record may come twice on one page.
        let mut newest: HashMap<Key, usize> = HashMap::new();
        for ((record, key), entry) in records.iter().zip(keys).zip(known) {
            let content = record.fingerprint.content;
            let before = match (newest.get(&key), entry) {
                (Some(index), _) => {
                    let (_, was, known) = &versions[*index];
                    if *was == content {
                        continue;
                    }
                    Some(known.clone())
                }
                (None, Some(entry)) if entry.content == content => continue,
                (None, Some(entry)) => Some(self.store.recall(&entry)?),
                (None, None) => None,
            };
            let revision = change::next(before.as_ref(), record, context.collected_at);
            events.push(compose::event(record, &revision, context));
            let known = Known {
                revision: revision.number,
                members: record.fingerprint.members.clone(),
                watched: revision.watched,
            };
            let index = *newest.entry(key).or_insert(versions.len());
            match versions.get_mut(index) {
                Some(version) => *version = (key, content, known),
                None => versions.push((key, content, known)),
            }
        }
        Ok((events, versions))
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

    /// Whether the day's calls are spent; if so the source pauses until the vendor's next day.
    async fn spent(&self, now: Timestamp) -> Result<bool, StoreError> {
        let Some(per_day) = self.config.rate_limit.per_day else { return Ok(false) };
        let uncounted =
            self.pace.calls().saturating_sub(self.memory.counted.load(Ordering::Relaxed));
        if self.store.calls(&self.config.name, &day(now))? + uncounted < u64::from(per_day) {
            return Ok(false);
        }
        let until = react::next_day(now);
        let why = format!("the day's {per_day} calls (rate_limit.per_day) are spent");
        self.tell(State::QuotaSpent, Some(until), Some(why), now).await?;
        Ok(true)
    }

    /// The calls made since the last count.
    fn calls(&self, now: Timestamp) -> Calls {
        let made = self.pace.calls();
        let count = made.saturating_sub(self.memory.counted.swap(made, Ordering::Relaxed));
        Calls { source: self.config.name.clone(), day: day(now), count }
    }

    async fn tell_ok(&self, now: Timestamp) -> Result<(), StoreError> {
        let lately = self.written().is_some_and(|(state, at)| {
            state == State::Ok && now.duration_since(at).abs() < OK_EVERY
        });
        if lately { Ok(()) } else { self.tell(State::Ok, None, None, now).await }
    }

    async fn tell(
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the ledger files a record. What has no time of its own is filed with the slice; the
/// licence, which never ages, apart.
fn key(record: &Record, context: compose::Context<'_>) -> Key {
    let at = record.time.unwrap_or(context.slice.start());
    let hour =
        if record.stream == Stream::Entitlement { 0 } else { at.as_second().div_euclid(3600) };
    Key::new(hour, &record.id)
}

/// Refuses a page that cannot be right.
fn check(page: Page, slice: &OpenSlice) -> Result<Page, Fault> {
    let second = jiff::SignedDuration::from_secs(1);
    if let Some(theirs) = page.server_time
        && slice.interval.end().duration_since(theirs) > second
    {
        // What the vendor does not have yet would count as covered.
        return Err(Fault::transient(format!(
            "the slice ends after the vendor's time {theirs}: set this machine's clock"
        )));
    }
    if page.next.is_some() && page.next == slice.progress.page_token {
        return Err(Fault::new(Kind::PageTokenRejected, "the vendor's page token repeats itself"));
    }
    if page.next.is_some() && page.received == 0 && slice.progress.empty_pages + 1 >= EMPTY_PAGES {
        let what = format!("{EMPTY_PAGES} pages running have a page token but no records");
        return Err(Fault::new(Kind::PageTokenRejected, what));
    }
    Ok(page)
}

/// Where a slice stands after a page.
fn after_page(page: &Page, slice: &OpenSlice, first_page_size: u32) -> Then {
    let before = &slice.progress;
    let progress = Progress {
        page_token: page.next.clone(),
        page_size: before.page_size,
        pages: before.pages + 1,
        empty_pages: if page.received == 0 { before.empty_pages + 1 } else { 0 },
        received: before.received + page.received,
        total: if before.pages == 0 { page.total } else { before.total },
    };
    if progress.page_token.is_some() {
        return Then::Next(progress);
    }
    let fewer = progress.total.is_some_and(|total| total > progress.received);
    if fewer && slice.refetched == 0 {
        return Then::Refetch(Progress::anew(first_page_size));
    }
    Then::Covered(progress)
}

#[cfg(test)]
mod tests;
