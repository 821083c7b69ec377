//! Works off the backfills that were asked for: their slices are opened some at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::warn;

use super::{
    collector::Collector,
    plan::{self, Policy},
};
use crate::{
    domain::slice::{Interval, Pass},
    source::Source,
    store::{
        Store, StoreError,
        requests::Request,
        slices::{OpenSlice, RequestId, StreamId},
    },
};

/// Open slices of one backfill at most; the rest follows when these are done.
const BATCH: u64 = 64;

/// How often the store is looked at for what the command line asks.
pub const LOOK: Duration = Duration::from_secs(1);

/// What a collector works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    #[default]
    Everything,
    /// What the configuration makes due: no backfills.
    Due,
    /// One backfill alone.
    Only(RequestId),
}

/// Why a range cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("--from must be before --to")]
    Reversed,
    #[error("--to {to} is in the future; write --to {latest} or earlier")]
    Future { to: Timestamp, latest: Timestamp },
    #[error(
        "--to {to} is nearer to now than the vendor's data is complete (`lag`); write --to {latest} or earlier"
    )]
    TooNear { to: Timestamp, latest: Timestamp },
    #[error(
        "the vendor no longer keeps what is before {oldest}; it would start there: write --from {next} or later"
    )]
    PastRetention { oldest: Timestamp, next: Timestamp },
}

/// The range that is asked for, outwards to what can be asked: whole seconds, or whole slices of
/// a stream that is aligned to them; never beyond what is complete.
pub fn range(
    policy: &Policy,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
) -> Result<Interval, Refusal> {
    if from >= to {
        return Err(Refusal::Reversed);
    }
    let unit = if policy.limits.aligned { policy.slice } else { Duration::from_secs(1) };
    let unit = plan::millis(unit);
    let floor = |at: Timestamp| at.as_millisecond() - at.as_millisecond().rem_euclid(unit);
    let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let latest = floor(plan::before(now, policy.lag));
    let refused = |to| {
        let latest = time(latest);
        if to > now { Refusal::Future { to, latest } } else { Refusal::TooNear { to, latest } }
    };
    if to > plan::before(now, policy.lag) {
        return Err(refused(to));
    }
    if let Some(retention) = policy.limits.retention {
        let oldest = plan::before(now, retention);
        if from < oldest {
            // By the time that it is typed the vendor has forgotten some more.
            let hour = 3_600_000;
            let next = oldest.as_millisecond();
            let next = time(next - next.rem_euclid(hour) + hour);
            return Err(Refusal::PastRetention { oldest: time(floor(oldest)), next });
        }
    }
    let end = floor(to);
    let end = if time(end) < to { end.saturating_add(unit) } else { end };
    plan::interval(floor(from), end.min(latest)).ok_or_else(|| refused(to))
}

/// What is to be opened of a backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Next {
    /// What the vendor no longer keeps.
    lost: Option<Interval>,
    slices: Vec<Interval>,
    /// How far it is planned then.
    planned: Timestamp,
}

/// The next slices of a backfill of which everything before `planned` is open or done; `None` when
/// all is. They are cut like live ones.
fn next(
    policy: &Policy,
    planned: Timestamp,
    to: Timestamp,
    now: Timestamp,
    most: usize,
) -> Option<Next> {
    let mut at = planned.as_millisecond();
    let to = to.as_millisecond();
    if at >= to || most == 0 {
        return None;
    }
    let mut lost = None;
    if let Some(retention) = policy.limits.retention {
        let oldest = plan::whole_second(plan::before(now, retention).as_millisecond()).min(to);
        if at < oldest {
            lost = plan::interval(at, oldest);
            at = oldest;
        }
    }
    let (slices, reached) = plan::cut(at, to, policy.slice, most);
    Some(Next { lost, slices, planned: Timestamp::from_millisecond(reached).ok()? })
}

impl<S: Source> Collector<S> {
    /// Opens slices of the stream's backfills, and ends those that are done.
    pub(super) async fn plan_backfills(&self, stream: StreamId) -> Result<(), StoreError> {
        let mine = |request: &Request| match self.scope {
            Scope::Everything => true,
            Scope::Due => false,
            Scope::Only(id) => request.id == id,
        };
        let requests = self.store.open_requests(stream)?;
        for request in requests.into_iter().filter(mine) {
            self.plan_backfill(&request).await?;
        }
        Ok(())
    }

    async fn plan_backfill(&self, request: &Request) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut policy = self.policy();
        let mut most = BATCH;
        if !self.clock.is_confirmed() {
            // Nothing is lost before a vendor has said what time it is.
            (policy.limits.retention, most) = (None, 1);
        }
        let room = usize::try_from(most.saturating_sub(request.open)).unwrap_or(0);
        let mut open = request.open;
        if let Some(next) = next(&policy, request.planned, request.range.end(), now, room) {
            if let Some(lost) = next.lost {
                let source = self.config.name.as_str();
                warn!(source, backfill = %request.id, lost = %lost, "past the vendor's retention: lost");
            }
            open += next.slices.len() as u64;
            let size = policy.limits.page_size;
            self.store
                .plan_backfill(request.id, next.lost, next.slices, next.planned, size)
                .await?;
        }
        if open == 0 { self.store.end_backfill(request.id, now).await } else { Ok(()) }
    }

    /// The slices to fetch next.
    pub(super) fn ready(
        &self,
        stream: StreamId,
        last: Pass,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OpenSlice>, StoreError> {
        match self.scope {
            Scope::Everything => self.store.ready_slices(stream, last, now, limit),
            Scope::Due => self.store.ready_slices(stream, last.min(Pass::Resweep), now, limit),
            Scope::Only(_) if last < Pass::Backfill => Ok(Vec::new()),
            Scope::Only(id) => self.store.ready_of(id, now, limit),
        }
    }

    /// How many slices wait, and until when.
    pub(super) fn waiting(
        &self,
        stream: StreamId,
        last: Pass,
    ) -> Result<Option<(u64, Timestamp)>, StoreError> {
        match self.scope {
            Scope::Everything => self.store.waiting_slices(stream, last),
            Scope::Due => self.store.waiting_slices(stream, last.min(Pass::Resweep)),
            Scope::Only(id) => {
                let waiting = self.store.waiting_of(id)?;
                // What the day leaves for backfills is spent.
                let tomorrow = crate::store::budget::midnight_after(self.clock.now());
                Ok(waiting.map(|(count, at)| match last {
                    Pass::Backfill => (count, at),
                    Pass::Live | Pass::Resweep => (count, at.max(tomorrow)),
                }))
            }
        }
    }
}

/// Wakes the sources for which a backfill was asked or cancelled; never ends.
pub async fn bell(store: Store, wakes: BTreeMap<String, Arc<Notify>>, look: Duration) {
    let mut known = Vec::new();
    loop {
        // A store that cannot be read now is looked at again.
        if let Ok(open) = store.asked_for() {
            let differ = |one: &Vec<(RequestId, String)>, other: &Vec<(RequestId, String)>| {
                one.iter().filter(|asked| !other.contains(asked)).cloned().collect::<Vec<_>>()
            };
            for (_, source) in differ(&open, &known).into_iter().chain(differ(&known, &open)) {
                if let Some(wake) = wakes.get(&source) {
                    wake.notify_one();
                }
            }
            known = open;
        }
        tokio::time::sleep(look).await;
    }
}

#[cfg(test)]
mod tests;
