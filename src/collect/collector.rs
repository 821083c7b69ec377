//! One task a source: plans what is due and has it fetched.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use jiff::Timestamp;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    backfill::Scope,
    export::{Exported, Exporting},
    licence::Pending,
    outage::Faults,
    plan::{self, Policy},
    reconcile::Tries,
    spend,
};
use crate::{
    clock::Clock,
    config,
    domain::slice::{Pass, Stream},
    schedule::Activation,
    source::{Source, pace::Pace},
    store::{
        Store, StoreError,
        budget::{Calls, day},
        conditions::State,
        slices::StreamId,
    },
    supervisor::{Step, Task},
};

/// Open live slices beyond which no more are planned.
const ENOUGH: u64 = 256;

/// Collects one source.
pub struct Collector<S> {
    pub config: Arc<config::Source>,
    pub source: Arc<S>,
    pub pace: Arc<Pace>,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub max_spool: u64,
    pub scope: Scope,
    /// When to plan anew.
    pub activation: Arc<Activation>,
    /// Soft stop: no new page is asked for.
    pub stop: CancellationToken,
    pub memory: Arc<Memory>,
}

/// What outlives a restart of the task, but not of the process.
pub struct Memory {
    pub(super) rng: Mutex<StdRng>,
    streams: tokio::sync::OnceCell<BTreeMap<Stream, StreamId>>,
    /// Fetches on their way, and what the day is expected to cost.
    pub(super) spending: spend::Spending,
    /// Held from looking records up until they are committed, so that two slices cannot both take
    /// a record for new.
    pub(super) diffing: tokio::sync::Mutex<()>,
    pub(super) written: Mutex<Option<(State, Timestamp)>>,
    /// The source waits for the disk.
    pub(super) disk_failed: AtomicBool,
    /// The last activation: what became due later waits for the next one.
    pub(super) activated: Mutex<Option<Timestamp>>,
    pub(super) faults: Faults,
    pub(super) reconciling: Mutex<Tries>,
    pub(super) licence: Mutex<Pending>,
    /// One step at a time uses it.
    pub(super) exporting: tokio::sync::Mutex<Exporting>,
}

impl Memory {
    pub fn new(rng: StdRng) -> Self {
        Self {
            rng: Mutex::new(rng),
            streams: tokio::sync::OnceCell::new(),
            spending: spend::Spending::default(),
            diffing: tokio::sync::Mutex::default(),
            written: Mutex::default(),
            disk_failed: AtomicBool::default(),
            activated: Mutex::default(),
            faults: Faults::default(),
            reconciling: Mutex::default(),
            licence: Mutex::default(),
            exporting: tokio::sync::Mutex::default(),
        }
    }
}

impl<S: Source> Task for Collector<S> {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let now = self.clock.now();
        self.pace.recover(now);
        self.notice(now);
        let stream = self.streams().await?[&self.source.stream()];
        if let Some(wait) = self.held(now).await? {
            return Ok(wait);
        }
        self.plan(stream).await?;
        let exported = self.exported(stream).await?;
        if matches!(exported, Exported::Worked) {
            return Ok(Step::Worked);
        }
        let last = self.last_pass(now)?;
        if self.fetch_open(stream, last).await? || self.activation.is_due() {
            return Ok(Step::Worked);
        }
        // What failed has perhaps paused the source, and knows why better than a slice.
        if let Some(wait) = self.held(self.clock.now()).await? {
            return Ok(wait);
        }
        // What has to leave the rest of the day's calls to others is not waited for.
        let last = self.last_pass(self.clock.now())?;
        let one = matches!(self.scope, Scope::Only(_));
        if !one && (self.reconcile(stream, last).await? || self.compare_told(stream).await?) {
            return Ok(Step::Worked);
        }
        let Some((count, until)) = self.waiting(stream, last)? else {
            if let Exported::Waits(until) | Exported::Refused(until) = exported {
                let why = format!("the log export of {} cannot be read", self.config.name);
                let person = matches!(exported, Exported::Refused(_));
                return Ok(Step::Waiting { until, why, person });
            }
            let survey = if one { None } else { self.survey(now).await? };
            return Ok(survey.unwrap_or(Step::Idle));
        };
        let until = match exported {
            Exported::Waits(sooner) => until.min(sooner),
            _ => until,
        };
        let why = uncovered(count, self.config.name.as_str());
        Ok(Step::Waiting { until, why, person: false })
    }
}

fn uncovered(slices: u64, source: &str) -> String {
    match slices {
        1 => format!("1 slice of {source} is not covered"),
        _ => format!("{slices} slices of {source} are not covered"),
    }
}

impl<S: Source> Collector<S> {
    /// The store's numbers of the source's streams. The first time they are asked for, what is
    /// planned is brought in line with the configuration.
    pub(super) async fn streams(&self) -> Result<&BTreeMap<Stream, StreamId>, StoreError> {
        let number = async || {
            let mut ids = BTreeMap::new();
            for stream in self.config.vendor.streams() {
                ids.insert(*stream, self.store.stream(&self.config.name, *stream).await?);
            }
            let (steps, stream) = (plan::steps(&self.config.resweep), ids[&self.source.stream()]);
            self.store.keep_resweeps(stream, steps).await?;
            self.store.keep_places(stream, self.source.log_export().is_some()).await?;
            Ok(ids)
        };
        self.memory.streams.get_or_try_init(number).await
    }

    /// Whether there was an activation, which is then the last one.
    pub(super) fn notice(&self, now: Timestamp) -> bool {
        let activated = self.activation.take();
        if activated {
            *locked(&self.memory.activated) = Some(now);
        }
        activated
    }

    /// Reads the log export where it is due, when what is live is collected: messages are to be known
    /// before their changes. Before resweeps and backfills, which may go on for days.
    async fn exported(&self, stream: StreamId) -> anyhow::Result<Exported> {
        if matches!(self.scope, Scope::Only(_)) || !self.export_is_due(stream).await? {
            return Ok(Exported::Nothing);
        }
        self.fetch_open(stream, Pass::Live).await?;
        if self.held(self.clock.now()).await?.is_some() {
            return Ok(Exported::Held);
        }
        Ok(self.export(stream).await?)
    }

    /// Opens what was due at the last activation: live slices, as many as are useful at once, and
    /// all resweeps; and of backfills at any time.
    pub(super) async fn plan(&self, stream: StreamId) -> Result<(), StoreError> {
        self.plan_backfills(stream).await?;
        let Some(activated) = self.activated() else { return Ok(()) };
        if matches!(self.scope, Scope::Only(_)) {
            return Ok(());
        }
        let now = self.clock.now();
        // The clock may have been corrected since.
        let activated = activated.min(now);
        let (frontier, confirmed) = (self.store.frontier(stream)?, self.clock.is_confirmed());
        let ahead = frontier.is_some_and(|frontier| frontier.to > now);
        if ahead && confirmed && self.store.unplan(stream, now).await? {
            let source = self.config.name.as_str();
            warn!(parent: None, source, "a clock that was wrong had planned time to come: undone");
        }
        if confirmed {
            self.spare_resweeps(stream, activated).await?;
            self.store.open_due(stream, activated).await?;
        }
        let open = self.store.waiting_slices(stream, Pass::Live)?;
        // In an outage, slices that nobody tries are of no use; afterwards longer ones do.
        let untried = open.is_some_and(|(_, first)| first == Timestamp::UNIX_EPOCH);
        let most = if confirmed { ENOUGH } else { 1 };
        let enough = open.is_some_and(|(count, _)| count >= most);
        if enough || (untried && self.memory.faults.is_outage()) {
            return Ok(());
        }
        let policy = self.policy();
        let frontier = self.store.frontier(stream)?;
        let planned = if confirmed {
            plan::live(&policy, frontier, activated)
        } else {
            plan::first(&policy, frontier, activated)
        };
        let Some(plan) = planned else { return Ok(()) };
        if let Some(lost) = plan.lost {
            warn!(source = %self.config.name, lost = %lost, "past the vendor's retention: lost");
        }
        let size = policy.limits.page_size;
        self.store.plan_live(stream, plan.frontier, plan.lost, plan.slices, size).await
    }

    pub(super) fn policy(&self) -> Policy {
        Policy::of(&self.config, self.source.limits())
    }

    /// The last activation that was noted.
    pub(super) fn activated(&self) -> Option<Timestamp> {
        *locked(&self.memory.activated)
    }

    /// Calls made and not counted yet, to be counted with the next commit.
    pub(super) fn bill(&self, pass: Pass, count: u64, now: Timestamp) -> Calls {
        self.pace.count(count);
        Calls { source: self.config.name.clone(), day: day(now), pass, count }
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
