//! Thirty days of a vendor in seconds: the real collector and store against the simulator, both on
//! one clock that the test moves.

mod etd;
mod export;
mod ser;
mod ser_admin;
mod tables;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use postrider::{
    clock::{Clock, ManualClock},
    collect::{Collector, Forgetter, Memory, backfill::Scope},
    config,
    domain::name::SinkName,
    schedule::Activation,
    source::{Source, pace::Pace},
    store::Store,
    supervisor::{Step, Task},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Long before any machine's own date, which the simulator's answers bear: a slice that ends
/// after it would not count.
const BEGIN: &str = "2024-02-10T00:00:00Z";
/// A slice's fault or doubt is waited for up to this long; a quota or a person is not.
const PATIENCE: Duration = Duration::from_mins(10);

fn begin() -> Timestamp {
    BEGIN.parse().unwrap()
}

fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

/// An event as a sink gets it.
struct Event {
    id: uuid::Uuid,
    time: Timestamp,
    text: String,
    json: Value,
}

impl Event {
    fn post(&self, name: &str) -> &Value {
        &self.json["postrider"][name]
    }

    fn text(&self, name: &str) -> &str {
        self.post(name).as_str().unwrap_or_default()
    }

    fn at(&self, name: &str) -> Timestamp {
        self.text(name).parse().unwrap()
    }

    fn revision(&self) -> usize {
        usize::try_from(self.post("revision").as_u64().unwrap()).unwrap()
    }
}

/// One source that is collected, and may be restarted at any time.
struct Month<S> {
    clock: Arc<ManualClock>,
    config: Arc<config::Source>,
    source: Arc<S>,
    pace: Arc<Pace>,
    collector: Option<Collector<S>>,
    forgetter: Option<Forgetter>,
    directory: TempDir,
    rng: StdRng,
    restarts: u64,
    next: u64,
    events: Vec<Event>,
    /// The same, as a sink gets them.
    spooled: Vec<postrider::domain::event::Event>,
}

/// The only source of a configuration.
fn source_of(directory: &TempDir, toml: &str, now: Timestamp) -> Arc<config::Source> {
    let path = directory.path().join("postrider.toml");
    let state = directory.path().join("state");
    let rest = format!(
        "[state]\ndirectory = {state:?}\n[sinks.spool]\ntype = \"file\"\npath = {:?}\n{toml}",
        directory.path().join("events.jsonl")
    );
    std::fs::write(&path, rest).unwrap();
    let loaded = config::load(Some(&path), [], now).unwrap_or_else(|problems| panic!("{problems}"));
    Arc::new(loaded.config.sources.into_values().next().unwrap())
}

impl<S: Source> Month<S> {
    async fn new(
        seed: u64,
        clock: &Arc<ManualClock>,
        toml: &str,
        source: impl FnOnce(&config::Source, Arc<Pace>, Arc<dyn Clock>) -> S,
    ) -> Self {
        // In memory where there is such a place: a month is many commits, and no power is cut.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let config = source_of(&directory, toml, clock.now());
        let pace = Arc::new(Pace::new(config.rate_limit));
        let source = Arc::new(source(&config, pace.clone(), clock.clone()));
        let mut month = Self {
            clock: clock.clone(),
            config,
            source,
            pace,
            collector: None,
            forgetter: None,
            directory,
            rng: StdRng::seed_from_u64(seed),
            restarts: 0,
            next: 1,
            events: Vec::new(),
            spooled: Vec::new(),
        };
        month.restart();
        let sink: SinkName = "spool".parse().unwrap();
        month.store().set_sinks(vec![sink]).await.unwrap();
        month
    }

    fn store(&self) -> &Store {
        &self.collector.as_ref().unwrap().store
    }

    /// What is left is the store's files and the vendor.
    fn restart(&mut self) {
        (self.collector, self.forgetter) = (None, None);
        let store = Store::open(&self.directory.path().join("state")).unwrap();
        self.forgetter = Some(Forgetter {
            store: store.clone(),
            clock: self.clock.clone(),
            sources: vec![self.config.clone()],
            due: Timestamp::MIN,
        });
        self.collector = Some(Collector {
            config: self.config.clone(),
            source: self.source.clone(),
            pace: self.pace.clone(),
            store,
            clock: self.clock.clone(),
            max_spool: 1 << 40,
            scope: Scope::Everything,
            activation: Arc::new(Activation::default()),
            stop: CancellationToken::new(),
            memory: Arc::new(Memory::new(StdRng::seed_from_u64(self.rng.random()))),
        });
    }

    /// Does all that is due now, as an activation would. Restarts in the midst of it now and then.
    async fn activate(&mut self) {
        self.collector.as_ref().unwrap().activation.activate();
        for _ in 0..10_000 {
            match self.collector.as_mut().unwrap().step().await.unwrap() {
                Step::Worked => {}
                Step::Waiting { until, .. } if until <= self.clock.now() + PATIENCE => {
                    self.clock.set(until);
                }
                Step::Waiting { why, .. } => panic!("{why}"),
                Step::Idle => {
                    self.forgetter.as_mut().unwrap().step().await.unwrap();
                    return;
                }
            }
            if self.rng.random_ratio(1, 50) {
                self.restart();
                self.restarts += 1;
                self.collector.as_ref().unwrap().activation.activate();
            }
        }
        panic!("it never ends");
    }

    /// Takes over the events that are new, as a sink would.
    async fn drain(&mut self) {
        let first = self.next;
        while let Some(chunk) = self.store().chunk(self.next).unwrap() {
            self.next = chunk.last().unwrap().seq + 1;
            self.spooled.extend(chunk.iter().cloned());
            self.events.extend(chunk.iter().map(|event| Event {
                id: uuid::Uuid::from_bytes(*event.id.as_bytes()),
                time: Timestamp::from_millisecond(event.time_ms).unwrap(),
                text: event.json.to_string(),
                json: serde_json::from_str(&event.json).unwrap(),
            }));
        }
        let (sink, now) = ("spool".parse().unwrap(), self.clock.now());
        let count = self.next - first;
        self.store().mark(&sink, first..self.next, count, Vec::new(), now).await.unwrap();
    }
}
