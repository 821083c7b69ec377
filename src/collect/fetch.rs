//! Fetches open slices, page after page, several side by side.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use tracing::{Instrument, info_span, warn};

use super::{
    collector::{Collector, locked},
    outage, page,
    react::react,
};
use crate::{
    domain::slice::Pass,
    failpoint::{self, Moment},
    fault::{Fault, Kind},
    source::{Query, Source, pace::metered},
    store::{
        StoreError,
        budget::Calls,
        conditions::State,
        slices::{OpenSlice, Setback, SliceId, StreamId, Then},
    },
};

/// Faults of a slice, running, from which on its source counts as failing.
const FAILING: u32 = 3;

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

impl<S: Source> Collector<S> {
    /// Fetches open slices of the passes up to `last` side by side until none is ready, or until
    /// live slices may have become due: they come first. Whether that led anywhere. A slice that only failed did not: else `once` would never give up.
    pub(super) async fn fetch_open(&self, stream: StreamId, last: Pass) -> anyhow::Result<bool> {
        let mut busy: BTreeSet<SliceId> = BTreeSet::new();
        let mut on_the_way = FuturesUnordered::new();
        let mut next = Next::GoOn;
        let mut worked = false;
        loop {
            let room = self.config.max_in_flight.saturating_sub(busy.len());
            if next == Next::GoOn && room > 0 && !self.stop.is_cancelled() {
                let now = self.clock.now();
                // Else a long resweep or backfill would hold up what is live.
                if self.notice(now) {
                    self.plan(stream).await?;
                }
                for slice in self.choose(stream, last, &busy, room)? {
                    busy.insert(slice.id);
                    let span = info_span!("slice", source = %self.config.name, pass = %slice.pass,
                        slice = %slice.interval);
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

    /// What to begin now beside those that are `busy`; one at a time in an outage.
    fn choose(
        &self,
        stream: StreamId,
        last: Pass,
        busy: &BTreeSet<SliceId>,
        room: usize,
    ) -> Result<Vec<OpenSlice>, StoreError> {
        let faults = &self.memory.faults;
        let most = match (faults.is_outage(), busy.len()) {
            (false, busy) => busy + room,
            (true, 0) => outage::CHOICE,
            (true, _) => return Ok(Vec::new()),
        };
        let mut ready = self.ready(stream, last, self.clock.now(), most)?;
        ready.retain(|slice| !busy.contains(&slice.id));
        let mut ready = faults.choose(ready);
        ready.truncate(room);
        Ok(ready)
    }

    /// Fetches a slice from where it is to its end, or to a fault.
    async fn fetch_slice(&self, mut slice: OpenSlice) -> Result<Done, StoreError> {
        let mut worked = false;
        loop {
            let now = self.clock.now();
            // Whoever cancels a backfill closes its slices.
            if slice.pass == Pass::Backfill && !self.store.is_open(slice.id)? {
                return Ok(Done { next: Next::GoOn, worked });
            }
            if self.stop.is_cancelled() || self.spent(slice.pass, now).await? {
                return Ok(Done { next: Next::Hold, worked });
            }
            // Until the page is in the spool.
            let Some(_room) = self.store.keep_room(self.max_spool)? else {
                return Ok(Done { next: Next::Hold, worked });
            };
            // Until what it cost is counted.
            let _flight = self.memory.spending.fly();
            let query = Query {
                interval: slice.interval,
                page_token: slice.progress.page_token.clone(),
                page_size: slice.progress.page_size,
                narrow: slice.narrow.clone(),
            };
            failpoint::pass(failpoint::FETCH, Moment::Before).await;
            let (answer, taken) = metered(self.source.fetch(&query)).await;
            failpoint::pass(failpoint::FETCH, Moment::After).await;
            if let Ok(page) = &answer {
                self.clock.hear(page.server_time);
            }
            let calls = self.bill(slice.pass, taken.calls, self.clock.now());
            let then = match answer.and_then(|page| page::check(page, &slice)) {
                Ok(page) => match self.keep(page, &mut slice, calls.clone()).await {
                    // It is asked for again when there is room.
                    Err(StoreError::SpoolFull) => {
                        self.store.count_calls(calls).await?;
                        return Ok(Done { next: Next::Hold, worked });
                    }
                    kept => kept?,
                },
                Err(fault) => {
                    let done = self.fail(&slice, &fault, calls).await?;
                    return Ok(Done { worked: worked || done.worked, ..done });
                }
            };
            worked = true;
            self.memory.faults.well();
            match then {
                Then::Next(progress) => slice.progress = progress,
                Then::Covered(_) | Then::Doubt { .. } => {
                    return Ok(Done { next: Next::GoOn, worked });
                }
                Then::Refetch(progress) => {
                    slice.progress = progress;
                    slice.refetched += 1;
                }
            }
            slice.attempts = 0;
            if slice.pass > Pass::Live && self.activation.is_due() {
                // It goes on from here when what is live is done.
                return Ok(Done { next: Next::GoOn, worked });
            }
        }
    }

    async fn fail(
        &self,
        slice: &OpenSlice,
        fault: &Fault,
        calls: Calls,
    ) -> Result<Done, StoreError> {
        let now = self.clock.now();
        if matches!(fault.kind, Kind::Throttled { .. }) {
            self.pace.slow_down(now);
        }
        let condition = self.store.condition(self.party())?;
        let quota_hit_today = condition.as_ref().is_some_and(|condition| {
            condition.state == State::QuotaSpent && condition.until.is_some_and(|at| at <= now)
        });
        let (reaction, outage) = {
            let mut rng = locked(&self.memory.rng);
            let limits = self.source.limits();
            let reaction = react(fault.kind, slice, limits, quota_hit_today, now, &mut *rng);
            (reaction, self.memory.faults.add(fault.kind, &mut *rng))
        };
        let error = fault.chain();
        if reaction.pause.is_none() {
            warn!(attempt = slice.attempts + 1, error, "fetching failed");
        }
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
        if let Some(wait) = outage {
            let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
            self.tell(State::Failing, Some(until), Some(error), now).await?;
            return Ok(Done { next: Next::Hold, worked });
        }
        if slice.attempts + 1 >= FAILING {
            self.tell(State::Failing, None, Some(error), now).await?;
        }
        Ok(Done { next: Next::GoOn, worked })
    }
}
