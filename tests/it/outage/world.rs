//! A source, two sinks and the watch over them on one clock that the test moves: what the daemon
//! does, without its waiting.

use std::{
    net::TcpListener,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use postrider::{
    app::{self, AnySink, AnySource},
    clock::{Clock, ManualClock},
    collect::{Collector, Forgetter, Memory, backfill::Scope},
    config::{self, Config},
    deliver::{Deliverer, Flush},
    health::Watch,
    schedule::Activation,
    simulator::{Listen, Options, Simulation},
    sink::{file::File, splunk_hec::SplunkHec},
    source::{cisco_etd::CiscoEtd, pace::Pace},
    store::Store,
    supervisor::{Step, Task},
};
use rand::{SeedableRng, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use crate::harness::{Home, etd, hec};

/// Long before any machine's own date, which the simulator's answers bear: a slice that ends
/// after it would not count.
const BEGIN: &str = "2024-02-10T00:00:00Z";
const EVERY: Duration = Duration::from_mins(5);
/// Between two looks of the watch; it is five seconds in earnest.
const LOOK: Duration = Duration::from_mins(1);
/// The vendor has this many messages, spread over so many days from the beginning.
const MESSAGES: u64 = 1_000;
const DAYS: u64 = 10;

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

/// A port that nobody is given by chance while the servers are down.
fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = 18_000 + u16::try_from(std::process::id() % 12_000).unwrap();
    let mut ports = (0..1_000).map(|_| begin + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// Servers that may go down, and come back where they were.
pub(crate) struct Side {
    pub(crate) options: Options,
    running: Option<Simulation>,
}

impl Side {
    async fn new(clock: &Arc<ManualClock>) -> Self {
        let begin = clock.now();
        let mut options = Options { clock: clock.clone(), ..Options::plain() };
        options.etd.messages = MESSAGES;
        options.etd.range = Some([begin, begin + hours(24 * DAYS)]);
        options.listen = Listen { etd: free(), hec: free(), ..Listen::default() };
        let mut side = Self { options, running: None };
        side.up().await;
        side
    }

    pub(crate) async fn up(&mut self) {
        self.running = Some(Simulation::start(self.options.clone()).await.unwrap());
    }

    /// Nobody listens any more.
    pub(crate) async fn down(&mut self) {
        self.running.take().unwrap().stop().await;
    }
}

impl Deref for Side {
    type Target = Simulation;

    fn deref(&self) -> &Simulation {
        self.running.as_ref().unwrap()
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) vendor: Side,
    pub(crate) siem: Side,
    pub(crate) home: Home,
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    collector: Collector<CiscoEtd>,
    forgetter: Forgetter,
    watch: Watch,
    splunk: Deliverer<SplunkHec>,
    archive: Deliverer<File>,
    activation: Timestamp,
    look: Timestamp,
    /// When something that waits goes on.
    wake: Timestamp,
    /// Health events that were shown.
    pub(crate) shown: usize,
}

impl World {
    /// An `extra` line of the source replaces the test's own of the same key.
    pub(crate) async fn new(extra: &str) -> Self {
        let clock = Arc::new(ManualClock::at(BEGIN.parse().unwrap()));
        let (vendor, siem) = (Side::new(&clock).await, Side::new(&clock).await);
        let home = Home::new();
        home.secret("secret", "sim-secret");
        let secret = format!("client_secret = {{ file = {:?} }}", home.path("secret"));
        let own = [
            secret.as_str(),
            "start = \"1h\"",
            "max_in_flight = 1",
            "schedule = { every = \"5m\" }",
            "resweep = [{ after = \"1h\" }, { after = \"24h\" }, { after = \"7d\" }]",
            "rate_limit = { per_second = 1000, burst = 100, per_day = 10000 }",
        ];
        let key = |line: &str| line.split(" = ").next().map(str::to_owned);
        let own = own.into_iter().filter(|line| key(line) != key(extra));
        let lines: Vec<&str> = own.chain([extra]).collect();
        let splunk = "acknowledgements = \"off\"\nmax_in_flight = 1";
        home.configure(&[
            etd(&vendor.etd_url, &lines.join("\n")),
            hec(&siem.hec_url, splunk),
            home.file_sink(),
        ]);
        let file = home.path("postrider.toml");
        let loaded = config::load(Some(&file), [], clock.now()).unwrap_or_else(|p| panic!("{p}"));
        let config = Arc::new(loaded.config);
        let store = Store::open(&config.state.directory).unwrap();
        store.set_sinks(config.sinks.keys().cloned().collect()).await.unwrap();
        let mut world = Self {
            collector: collector(&config, &store, &clock),
            forgetter: Forgetter {
                store: store.clone(),
                clock: clock.clone(),
                sources: config.sources.values().cloned().map(Arc::new).collect(),
                due: Timestamp::MIN,
            },
            watch: Watch::new(config.clone(), store.clone(), clock.clone()),
            splunk: deliverer("splunk", &config, &store, &clock, |sink| match sink {
                AnySink::SplunkHec(sink) => sink,
                _ => panic!("another sink"),
            }),
            archive: deliverer("archive", &config, &store, &clock, |sink| match sink {
                AnySink::File(sink) => sink,
                _ => panic!("another sink"),
            }),
            activation: clock.now(),
            look: clock.now(),
            wake: Timestamp::MAX,
            shown: 0,
            clock,
            vendor,
            siem,
            home,
            config,
            store,
        };
        Box::pin(world.work()).await;
        world
    }

    /// Lets time pass.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.clock.set(self.activation.min(self.look).min(self.wake).min(end));
            Box::pin(self.work()).await;
        }
    }

    /// Does all that is due now.
    async fn work(&mut self) {
        let now = self.clock.now();
        if now >= self.activation {
            self.collector.activation.activate();
            self.activation = now + EVERY;
        }
        let collector = settle(&mut self.collector, now).await;
        settle(&mut self.forgetter, now).await;
        if now >= self.look {
            self.watch.look().await.unwrap();
            self.look = now + LOOK;
        }
        let splunk = settle(&mut self.splunk, now).await;
        let archive = settle(&mut self.archive, now).await;
        self.wake = collector.min(splunk).min(archive);
    }
}

/// Steps a task until nothing of it can be done now; when it goes on.
async fn settle(task: &mut impl Task, now: Timestamp) -> Timestamp {
    for _ in 0..100_000 {
        match task.step().await.unwrap() {
            Step::Worked => {}
            Step::Waiting { until, .. } => return until.max(now + Duration::from_millis(100)),
            Step::Idle => return Timestamp::MAX,
        }
    }
    panic!("it never ends");
}

fn collector(config: &Config, store: &Store, clock: &Arc<ManualClock>) -> Collector<CiscoEtd> {
    let source = config.sources.values().next().unwrap();
    let pace = Arc::new(Pace::new(source.rate_limit));
    let any: Arc<dyn Clock> = clock.clone();
    let AnySource::Etd(etd) = app::source(source, &pace, &any).unwrap() else { panic!("no ETD") };
    Collector {
        config: Arc::new(source.clone()),
        source: Arc::new(etd),
        pace,
        store: store.clone(),
        clock: any,
        max_spool: config.state.max_spool,
        activation: Arc::new(Activation::default()),
        stop: CancellationToken::new(),
        scope: Scope::Everything,
        memory: Arc::new(Memory::new(StdRng::seed_from_u64(1))),
    }
}

fn deliverer<K: postrider::sink::Sink>(
    name: &str,
    config: &Config,
    store: &Store,
    clock: &Arc<ManualClock>,
    of: impl FnOnce(AnySink) -> K,
) -> Deliverer<K> {
    let any: Arc<dyn Clock> = clock.clone();
    let sink = &config.sinks[&name.parse().unwrap()];
    let mut rng = StdRng::seed_from_u64(2);
    let built = Arc::new(of(app::sink(sink, &any, &mut rng).unwrap()));
    // Nothing waits for a batch to fill.
    let flush = Flush::new();
    flush.cancel();
    let stop = CancellationToken::new();
    Deliverer::new(Arc::new(sink.clone()), built, store.clone(), any, stop, flush, rng)
}
