//! The composition root: a configuration in, a running system out. The only place that knows
//! every concrete source and sink.

mod kinds;
mod parts;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use parts::Parts;
use rand::{Rng, rngs::StdRng};
use tokio_util::sync::CancellationToken;

pub use self::kinds::{AnySink, AnySource, sink, source};
use crate::{
    clock::Clock,
    collect::backfill::{self, Scope},
    config::{self, Config, Schedule},
    deliver, fault,
    health::{self, Watch},
    rest,
    schedule::{self, CronTrigger},
    source::places::Places,
    store::{Store, slices::RequestId},
    supervisor::{self, End, Stop, Supervisor},
};

/// How long a running system goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Until it is stopped.
    Daemon,
    /// Until all that is due is collected and delivered; given up when nothing worked for
    /// `patience`.
    Once { patience: Duration },
    /// Until one backfill is worked off and all is delivered; given up like `Once`.
    Backfill { request: RequestId, patience: Duration },
    /// Until the dead letters that were asked for are sent again, and what else their sinks wait
    /// for; given up like `Once`.
    Replay { patience: Duration },
}

impl Mode {
    fn scope(self) -> Scope {
        match self {
            Self::Daemon => Scope::Everything,
            // A backfill may take hours; whoever runs this each minute waits for what is new.
            Self::Once { .. } | Self::Replay { .. } => Scope::Due,
            Self::Backfill { request, .. } => Scope::Only(request),
        }
    }
}

/// How a running system ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was left undone, and why; empty when all is well.
    pub undone: Vec<String>,
    /// Tasks that failed for good.
    pub broken: Vec<String>,
}

/// A running system.
pub struct Running {
    supervisor: Supervisor,
    stop: Stop,
    cron: CronTrigger,
    /// Collectors that have not ended.
    collecting: usize,
    /// Cancelled when all is collected.
    collected: CancellationToken,
    /// Without a daemon: looks when all is collected, so that what it says is delivered, too.
    watch: Option<Watch>,
}

/// The names of collectors' tasks begin so.
const COLLECT: &str = "collect ";

/// How often the parts look around by themselves, when nothing wakes them.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Each task, as its clock may have been stepped.
    pub tasks: Duration,
    pub health: Duration,
    pub rest: Duration,
    /// For backfills that commands asked for.
    pub requests: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            tasks: supervisor::LOOK,
            health: health::EVERY,
            rest: rest::EVERY,
            requests: backfill::LOOK,
        }
    }
}

/// Wires the parts and starts them.
pub async fn start(
    config: &Config,
    store: Store,
    clock: Arc<dyn Clock>,
    rng: StdRng,
    mode: Mode,
) -> anyhow::Result<Running> {
    start_at(config, store, clock, rng, mode, Rhythm::default()).await
}

/// The same in another rhythm, for whoever has days to live through in a moment.
pub async fn start_at(
    config: &Config,
    store: Store,
    clock: Arc<dyn Clock>,
    mut rng: StdRng,
    mode: Mode,
    rhythm: Rhythm,
) -> anyhow::Result<Running> {
    store.set_sinks(config.sinks.keys().cloned().collect()).await?;
    let stop = Stop::default();
    let collected = CancellationToken::new();
    let supervisor = Supervisor::new(clock.clone(), stop.clone(), rng.random(), rhythm.tasks);
    let places = Places::default();
    let mut parts = Parts { store, clock, rng, mode, rhythm, stop, supervisor, collected, places };
    let mut wakes = BTreeMap::new();
    for sink in sinks(config, &parts.store, mode)? {
        wakes.insert(sink.name.to_string(), parts.start_sink(sink)?);
    }
    let mut crons = Vec::new();
    let mut asked = BTreeMap::new();
    let sources = sources(config, &parts.store, mode)?;
    let mut collectors = Vec::new();
    for source in sources {
        for activation in parts.start_source(source, config.state.max_spool)? {
            collectors.push((source, activation));
        }
    }
    let collecting = collectors.len();
    for (number, (source, activation)) in collectors.into_iter().enumerate() {
        if mode != Mode::Daemon {
            continue;
        }
        // Backfills are of a source's first stream, which its first collector has.
        asked.entry(source.name.to_string()).or_insert_with(|| activation.wake());
        match &source.schedule {
            Schedule::Every(every) => {
                let timer = schedule::every_by_turns(*every, number, collecting, activation);
                parts.assist(format!("timer {}", source.name), timer);
            }
            Schedule::Cron(cron) => {
                let (clock, missed) = (parts.clock.clone(), activation.clone());
                let missed = schedule::missed_ticks(cron.clone(), clock, missed);
                parts.assist(format!("ticks {}", source.name), missed);
                crons.push((cron.clone(), activation));
            }
        }
    }
    parts.start_helpers(config, wakes.values().cloned().collect());
    let watch = parts.start_watch(config);
    if mode == Mode::Daemon {
        let requests = backfill::bell(parts.store.clone(), asked, rhythm.requests);
        parts.assist("requests".into(), requests);
        let replays = deliver::bell(parts.store.clone(), wakes, rhythm.requests);
        parts.assist("replays".into(), replays);
    }
    if let Mode::Replay { .. } = mode {
        parts.collected.cancel();
    }
    Ok(Running {
        supervisor: parts.supervisor,
        stop: parts.stop,
        cron: CronTrigger::start(crons).await?,
        collecting,
        collected: parts.collected,
        watch,
    })
}

/// The sinks to deliver to: all, or those for which a replay was asked.
fn sinks<'c>(
    config: &'c Config,
    store: &Store,
    mode: Mode,
) -> anyhow::Result<Vec<&'c config::Sink>> {
    let mut sinks: Vec<_> = config.sinks.values().collect();
    if let Mode::Replay { .. } = mode {
        let open = store.open_replays()?;
        sinks.retain(|sink| open.iter().any(|(_, name)| name == sink.name.as_str()));
    }
    Ok(sinks)
}

/// The sources to collect: all, or that of the backfill.
fn sources<'c>(
    config: &'c Config,
    store: &Store,
    mode: Mode,
) -> anyhow::Result<Vec<&'c config::Source>> {
    let id = match mode {
        Mode::Daemon | Mode::Once { .. } => return Ok(config.sources.values().collect()),
        Mode::Replay { .. } => return Ok(Vec::new()),
        Mode::Backfill { request, .. } => request,
    };
    let request = store.request(id)?.with_context(|| format!("there is no backfill {id}"))?;
    let source = config.sources.values().find(|source| source.name.as_str() == request.source);
    let missing =
        || format!("the source {} of backfill {id} is no longer configured", request.source);
    Ok(vec![source.with_context(missing)?])
}

impl Running {
    /// How to stop it.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until it ends: by itself where the mode says so, else when stopped or broken.
    pub async fn ended(mut self) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some((task, end)) = self.supervisor.ended().await {
            match end {
                End::Well => {}
                End::Undone(why) => outcome.undone.push(why),
                End::Broken(why) => {
                    outcome.broken.push(format!("{task}: {why}"));
                    self.stop.soft.cancel();
                }
            }
            if task.starts_with(COLLECT) {
                self.collecting = self.collecting.saturating_sub(1);
                if self.collecting == 0 {
                    if let Some(watch) = &self.watch
                        && let Err(error) = watch.look().await
                    {
                        tracing::warn!(error = fault::chain(&error), "cannot say how things are");
                    }
                    self.collected.cancel();
                }
            }
        }
        drop(self.cron);
        outcome
    }
}
