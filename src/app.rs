//! The composition root: a configuration in, a running system out. The only place that knows
//! every concrete source and sink.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    collect::{
        Collector, Forgetter, Memory,
        backfill::{self, Scope},
    },
    config::{self, Config, Schedule, SinkKind, Vendor},
    deliver::{self, Deliverer},
    fault,
    health::{self, Watch},
    http,
    rest::{self, Rest},
    schedule::{self, Activation, CronTrigger},
    sink::{
        Sink, file::File, private::Private, splunk_hec::SplunkHec, stdout::Stdout, syslog::Syslog,
    },
    source::{
        Source, cisco_etd::CiscoEtd, pace::Pace, places::Places, proofpoint_ser::ProofpointSer,
    },
    store::{Store, budget::day, slices::RequestId},
    supervisor::{self, End, Stop, Supervisor, Until},
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
    let collecting = sources.len();
    for (number, source) in sources.into_iter().enumerate() {
        let activation = parts.start_source(source, config.state.max_spool)?;
        if mode != Mode::Daemon {
            continue;
        }
        asked.insert(source.name.to_string(), activation.wake());
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
        self.cron.stop().await;
        outcome
    }
}

struct Parts {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: StdRng,
    mode: Mode,
    rhythm: Rhythm,
    stop: Stop,
    supervisor: Supervisor,
    collected: CancellationToken,
    /// For the calls of all sources.
    places: Places,
}

impl Parts {
    fn start_source(
        &mut self,
        config: &config::Source,
        max_spool: u64,
    ) -> anyhow::Result<Arc<Activation>> {
        let today = day(self.clock.now());
        let pace = match self.store.calls(&config.name, &today)? {
            0 => Pace::new(config.rate_limit),
            _ => Pace::resumed(config.rate_limit),
        };
        let pace = Arc::new(pace.within(self.places.clone()));
        match source(config, &pace, &self.clock)? {
            AnySource::Etd(source) => Ok(self.collect(config, source, pace, max_spool)),
            AnySource::Ser(source) => Ok(self.collect(config, source, pace, max_spool)),
        }
    }

    fn collect<S: Source>(
        &mut self,
        config: &config::Source,
        source: S,
        pace: Arc<Pace>,
        max_spool: u64,
    ) -> Arc<Activation> {
        let (config, source) = (Arc::new(config.clone()), Arc::new(source));
        let memory = Arc::new(Memory::new(StdRng::from_rng(&mut self.rng)));
        let (store, clock, stop) = (self.store.clone(), self.clock.clone(), self.stop.soft.clone());
        let due = CancellationToken::new();
        due.cancel();
        let activation = Arc::new(Activation::of(&config.name));
        // What came due while the process did not run is due now.
        activation.activate();
        let (wake, activated) = (activation.wake(), activation.clone());
        let until = self.until(due);
        let scope = self.mode.scope();
        let name = format!("{COLLECT}{}", config.name);
        self.supervisor.start(name, wake, until, move || Collector {
            config: config.clone(),
            source: source.clone(),
            pace: pace.clone(),
            store: store.clone(),
            clock: clock.clone(),
            max_spool,
            scope,
            activation: activated.clone(),
            stop: stop.clone(),
            memory: memory.clone(),
        });
        activation
    }

    fn start_sink(&mut self, config: &config::Sink) -> anyhow::Result<Arc<Notify>> {
        match sink(config, &self.clock, &mut self.rng)? {
            AnySink::SplunkHec(sink) => self.deliver(config, sink),
            AnySink::Syslog(sink) => self.deliver(config, sink),
            AnySink::File(sink) => self.deliver(config, sink),
            AnySink::Stdout(sink) => self.deliver(config, sink),
        }
    }

    fn deliver<K: Sink>(&mut self, config: &config::Sink, sink: K) -> anyhow::Result<Arc<Notify>> {
        let sink = Private::new(config, sink)
            .with_context(|| format!("sinks.{}.privacy.key", config.name))?;
        let (config, sink) = (Arc::new(config.clone()), Arc::new(sink));
        let (store, clock, stop) = (self.store.clone(), self.clock.clone(), self.stop.soft.clone());
        let seed: u64 = self.rng.random();
        let flush = self.collected.clone();
        let wake = Arc::new(Notify::new());
        let until = self.until(self.collected.clone());
        let name = format!("deliver {}", config.name);
        self.supervisor.start(name, wake.clone(), until, move || {
            let rng = StdRng::seed_from_u64(seed);
            let (store, stop, flush) = (store.clone(), stop.clone(), flush.clone());
            Deliverer::new(config.clone(), sink.clone(), store, clock.clone(), stop, flush, rng)
        });
        Ok(wake)
    }

    /// Housekeeping, and the bell that tells deliverers of new events.
    fn start_helpers(&mut self, config: &Config, wakes: Vec<Arc<Notify>>) {
        let sources: Vec<_> = config.sources.values().cloned().map(Arc::new).collect();
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let until = self.until(self.collected.clone());
        self.supervisor.start("forget".into(), Arc::default(), until, move || {
            let (store, clock, sources) = (store.clone(), clock.clone(), sources.clone());
            Forgetter { store, clock, sources, due: Timestamp::MIN }
        });
        if self.mode == Mode::Daemon {
            let (store, activation) = (self.store.clone(), Arc::new(Activation::default()));
            let wake = activation.wake();
            self.assist("rest timer".into(), schedule::every(self.rhythm.rest, activation));
            let rest = move || Rest::new(store.clone());
            self.supervisor.start("rest".into(), wake, Until::Stopped, rest);
        }
        let mut spooled = self.store.spooled();
        self.assist("bell".into(), async move {
            while spooled.changed().await.is_ok() {
                for wake in &wakes {
                    wake.notify_one();
                }
            }
        });
    }

    /// Starts what tells the sinks how all is doing; without a daemon it is returned, to look once.
    fn start_watch(&mut self, config: &Config) -> Option<Watch> {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let watch = Watch::new(Arc::new(config.clone()), store, clock);
        match self.mode {
            Mode::Daemon => {}
            Mode::Once { .. } | Mode::Backfill { .. } => return Some(watch),
            // What has changed is told by the next process that delivers what is told.
            Mode::Replay { .. } => return None,
        }
        let activation = Arc::new(Activation::default());
        let wake = activation.wake();
        self.assist("health timer".into(), schedule::every(self.rhythm.health, activation));
        let make = move || watch.clone();
        self.supervisor.start("health".into(), wake, Until::Stopped, make);
        None
    }

    /// Starts something endless, which ends with the first stop or when all is collected.
    fn assist(&mut self, name: String, work: impl Future<Output = ()> + Send + 'static) {
        let (soft, collected) = (self.stop.soft.clone(), self.collected.clone());
        self.supervisor.assist(name, async move {
            tokio::select! {
                // The same order each time, which a simulation needs.
                biased;
                () = work => {}
                () = soft.cancelled() => {}
                () = collected.cancelled() => {}
            }
        });
    }

    fn until(&self, after: CancellationToken) -> Until {
        match self.mode {
            Mode::Daemon => Until::Stopped,
            Mode::Once { patience }
            | Mode::Backfill { patience, .. }
            | Mode::Replay { patience } => Until::Done { after, patience },
        }
    }
}

/// A configured source, ready to be asked.
pub enum AnySource {
    Etd(CiscoEtd),
    Ser(ProofpointSer),
}

pub fn source(
    config: &config::Source,
    pace: &Arc<Pace>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<AnySource> {
    let http = http::client(&config.http).with_context(|| format!("sources.{}", config.name))?;
    let (pace, clock) = (pace.clone(), clock.clone());
    Ok(match &config.vendor {
        Vendor::CiscoEtd(etd) => AnySource::Etd(CiscoEtd::new(etd, http, pace, clock)),
        Vendor::ProofpointSer(ser) => AnySource::Ser(ProofpointSer::new(ser, http, pace, clock)),
    })
}

/// A configured sink, ready to be sent to.
#[expect(clippy::large_enum_variant, reason = "one lives for a moment, when the system is wired")]
pub enum AnySink {
    SplunkHec(SplunkHec),
    Syslog(Syslog),
    File(File),
    Stdout(Stdout),
}

pub fn sink(
    config: &config::Sink,
    clock: &Arc<dyn Clock>,
    rng: &mut StdRng,
) -> anyhow::Result<AnySink> {
    let name = || format!("sinks.{}", config.name);
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    Ok(match &config.kind {
        SinkKind::SplunkHec(hec) => {
            let clock = clock.clone();
            AnySink::SplunkHec(SplunkHec::new(config, hec, &host, clock, rng).with_context(name)?)
        }
        SinkKind::Syslog(syslog) => {
            AnySink::Syslog(Syslog::new(config, syslog, &host).with_context(name)?)
        }
        SinkKind::File(file) => AnySink::File(File::new(config, file, clock.clone())),
        SinkKind::Stdout => AnySink::Stdout(Stdout::new(config)),
    })
}
