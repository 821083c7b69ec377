//! The parts of a running system as supervised tasks: a collector a source, a deliverer a sink, and
//! what helps them.

use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{AnySink, AnySource, COLLECT, Mode, Rhythm, sink, source};
use crate::{
    clock::Clock,
    collect::{Collector, Forgetter, Memory},
    config::{self, Config},
    deliver::Deliverer,
    health::Watch,
    rest::Rest,
    schedule::{self, Activation},
    sink::{Sink, private::Private},
    source::{Source, pace::Pace, places::Places},
    store::{Store, budget::day},
    supervisor::{Stop, Supervisor, Until},
};

/// What all parts have in common.
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: StdRng,
    pub(super) mode: Mode,
    pub(super) rhythm: Rhythm,
    pub(super) stop: Stop,
    pub(super) supervisor: Supervisor,
    pub(super) collected: CancellationToken,
    /// For the calls of all sources.
    pub(super) places: Places,
}

impl Parts {
    /// Starts a source's collectors: one for each stream that has slices of its own.
    pub(super) fn start_source(
        &mut self,
        config: &config::Source,
        max_spool: u64,
    ) -> anyhow::Result<Vec<Arc<Activation>>> {
        let today = day(self.clock.now());
        let pace = match self.store.calls(&config.name, &today)? {
            0 => Pace::new(config.rate_limit),
            _ => Pace::resumed(config.rate_limit),
        };
        let pace = Arc::new(pace.within(self.places.clone()));
        match source(config, &pace, &self.clock)? {
            AnySource::Etd(source) => Ok(vec![self.collect(config, source, pace, max_spool)]),
            AnySource::Ser(source) => Ok(vec![self.collect(config, source, pace, max_spool)]),
            AnySource::SerAdmin(source) => {
                let mut activations = Vec::new();
                for (stream, config) in config.sliced() {
                    let pace = pace.clone();
                    match source.relay_users().filter(|users| users.stream() == stream) {
                        // What is so now has no past: backfills are of days.
                        Some(_) if matches!(self.mode, Mode::Backfill { .. }) => {}
                        Some(users) => {
                            activations.push(self.collect(&config, users, pace, max_spool));
                        }
                        None => {
                            let days = source.days();
                            activations.push(self.collect(&config, days, pace, max_spool));
                        }
                    }
                }
                Ok(activations)
            }
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
        let name = format!("{COLLECT}{} {}", config.name, source.stream());
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

    pub(super) fn start_sink(&mut self, config: &config::Sink) -> anyhow::Result<Arc<Notify>> {
        match sink(config, &self.clock, &mut self.rng)? {
            AnySink::SplunkHec(sink) => self.deliver(config, sink),
            AnySink::Syslog(sink) => self.deliver(config, sink),
            AnySink::File(sink) => self.deliver(config, sink),
            AnySink::Folder(sink) => self.deliver(config, sink),
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
    pub(super) fn start_helpers(&mut self, config: &Config, wakes: Vec<Arc<Notify>>) {
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
            loop {
                spooled.changed().await;
                for wake in &wakes {
                    wake.notify_one();
                }
            }
        });
    }

    /// Starts what tells the sinks how all is doing; without a daemon it is returned, to look once.
    pub(super) fn start_watch(&mut self, config: &Config) -> Option<Watch> {
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
    pub(super) fn assist(&mut self, name: String, work: impl Future<Output = ()> + Send + 'static) {
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
