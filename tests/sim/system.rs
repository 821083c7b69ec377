//! Postrider as a process: started, killed, stopped and started again, over a history.

use std::{future::Future, path::PathBuf, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use postrider::{
    app::{self, Mode, Outcome, Rhythm},
    clock::Clock,
    config::{self, Config},
    domain::{
        filter::Filter,
        name::SinkName,
        slice::{Interval, Stream},
    },
    failpoint, fault, http,
    simulator::{FaultKind, Faults, Mutation},
    store::{Store, requests::NewRequest},
    supervisor::Stop,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    clock, disk,
    history::{Happening, History, Host, minutes},
    network::Network,
    settings,
    watch::Watch,
    world::World,
};

/// Why a seed failed.
pub(crate) type Wrong = String;

/// As `run` gives.
const GRACE: Duration = Duration::from_secs(8);
/// Whoever supervises the process starts it again after this.
const START_AGAIN: Duration = Duration::from_mins(5);

/// Slower than the product's, so that days take moments.
const RHYTHM: Rhythm = Rhythm {
    tasks: minutes_const(60),
    health: minutes_const(60),
    rest: minutes_const(300),
    requests: minutes_const(10),
};

const fn minutes_const(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

struct Life {
    store: Store,
    stop: Stop,
    died: CancellationToken,
    ended: Pin<Box<dyn Future<Output = Outcome>>>,
}

pub(crate) struct System {
    pub world: Arc<World>,
    pub history: History,
    pub config: Config,
    pub watch: Watch,
    root: TempDir,
    directory: PathBuf,
    life: Option<Life>,
    down_until: Timestamp,
    /// When the second sink was added.
    pub archive_since: Option<Timestamp>,
    rng: StdRng,
}

impl System {
    pub(crate) fn new(history: History, printed: bool) -> Self {
        let world = Arc::new(World::new(&history, printed));
        let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let root = root.expect("there is a place for files");
        let directory = root.path().join("0");
        let config = settings::config(&history, root.path(), history.settings.archive);
        let client = postrider_client(&config).to_peer(Arc::new(Network(world.clone())));
        http::set_here(Some(client));
        let reached = world.clone();
        failpoint::set_here(Some(Rc::new(move |place, moment| reached.reach(place, moment))));
        let watch = Watch::new(world.clone(), printed);
        let rng = StdRng::seed_from_u64(history.seed ^ 0x11FE);
        let archive_since = history.settings.archive.then(clock::begin);
        let down_until = clock::begin();
        Self {
            world,
            history,
            config,
            watch,
            root,
            directory,
            life: None,
            down_until,
            archive_since,
            rng,
        }
    }

    /// The store of the process that runs.
    pub(crate) fn store(&self) -> Option<&Store> {
        self.life.as_ref().map(|life| &life.store)
    }

    /// Lives until then, through as many processes as it takes.
    pub(crate) async fn live_until(&mut self, until: Timestamp) -> Result<(), Wrong> {
        while self.world.clock.now() < until {
            if self.life.is_none() {
                let begins = self.down_until.min(until);
                tokio::time::sleep_until(self.world.clock.instant(begins)).await;
                if self.down_until > until {
                    return Ok(());
                }
                self.start().await?;
                continue;
            }
            let Some(life) = &mut self.life else { continue };
            let over = tokio::time::sleep_until(self.world.clock.instant(until));
            tokio::select! {
                biased;
                () = life.died.cancelled() => self.bury().await,
                outcome = &mut life.ended => {
                    return Err(format!("the process ended by itself: {outcome:?}"));
                }
                () = over => {}
            }
            self.inspect()?;
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<(), Wrong> {
        let died = self.world.begin_life(&self.directory);
        self.world.note(format_args!("a process starts"));
        let store = Store::open_on_one_thread(&self.directory)
            .map_err(|error| format!("the store does not open: {}", fault::chain(&error)))?;
        self.forgive(&store)?;
        let rng = StdRng::seed_from_u64(self.rng.random());
        let clock = self.world.machine.clone();
        let starting = {
            let start =
                app::start_at(&self.config, store.clone(), clock, rng, Mode::Daemon, RHYTHM);
            tokio::select! {
                biased;
                () = died.cancelled() => None,
                started = start => Some(started),
            }
        };
        match starting {
            None => {
                drop(store);
                self.bury().await;
            }
            // As on a full disk.
            Some(Err(error)) => {
                self.world.note(format_args!("it does not start: {error:#}"));
                drop(store);
                settle_down().await;
                self.down_until = self.world.clock.now() + START_AGAIN;
            }
            Some(Ok(running)) => {
                let stop = running.stop();
                let ended = Box::pin(running.ended());
                self.life = Some(Life { store, stop, died, ended });
            }
        }
        Ok(())
    }

    /// After a death: the next process finds what was left.
    async fn bury(&mut self) {
        self.life = None;
        settle_down().await;
        let down = self.world.state().death.take().map_or(START_AGAIN, |death| death.down);
        self.down_until = self.world.clock.now() + down;
        self.directory =
            self.root.path().join(format!("{}", self.world.clock.now().as_millisecond()));
        let left = self.root.path().join(disk::LEFT);
        if let Err(error) = std::fs::rename(left, &self.directory) {
            self.world.wrong(format!("the files are gone: {error}"));
        }
    }

    /// Stops softly, then hard.
    async fn stop(&mut self, down: Duration) -> Result<(), Wrong> {
        let Some(mut life) = self.life.take() else { return Ok(()) };
        self.world.note(format_args!("SIGTERM"));
        self.world.state().tally.stops += 1;
        life.stop.soft.cancel();
        let over = tokio::time::sleep(GRACE);
        let ended = tokio::select! {
            biased;
            () = life.died.cancelled() => {
                self.bury().await;
                return Ok(());
            }
            outcome = &mut life.ended => Some(outcome),
            () = over => None,
        };
        life.stop.hard.cancel();
        let outcome = match ended {
            Some(outcome) => outcome,
            None => life.ended.await,
        };
        drop(life.store);
        settle_down().await;
        if !outcome.broken.is_empty() {
            return Err(format!("tasks broke: {:?}", outcome.broken));
        }
        self.down_until = self.world.clock.now() + down;
        Ok(())
    }

    /// After a death, finds out which events may come again, and whether they are few enough.
    fn forgive(&mut self, store: &Store) -> Result<(), Wrong> {
        let sinks: Vec<_> = self.config.sinks.values().collect();
        for (siem, name) in ["splunk", "archive"].into_iter().enumerate() {
            let Some(sink) = sinks.iter().find(|sink| sink.name.as_str() == name) else { continue };
            let unmarked = self.world.quietly(|| unmarked(store, &sink.name))?;
            let count = self.world.state().siems[siem].forgive(&unmarked);
            let most = (sink.max_in_flight * sink.batch.max_events) as u64;
            self.world.note(format_args!("{count} events of {name} may come again"));
            if count > most {
                return Err(format!("{count} events were accepted by {name} and not marked"));
            }
            self.world.state().tally.repeats.push(count);
        }
        Ok(())
    }

    /// What must hold at any time.
    pub(crate) fn inspect(&mut self) -> Result<(), Wrong> {
        if let Some(what) = self.watch.failed() {
            return Err(what);
        }
        if let Some(what) = self.world.state().wrong.pop() {
            return Err(what);
        }
        let Some(store) = self.store().cloned() else { return Ok(()) };
        let look = || -> Result<_, postrider::store::StoreError> {
            Ok((store.spool_bytes()?, store.sinks()?))
        };
        let (bytes, sinks) = self.world.quietly(look).map_err(|error| fault::chain(&error))?;
        // Pages that were asked for before it was full, of both sources.
        let pages = 2 * self.history.settings.in_flight as u64;
        let most = self.config.state.max_spool
            + pages * u64::from(self.history.settings.page_size.max(8)) * 4096;
        if bytes > most {
            return Err(format!("the spool has {bytes} bytes of {most}"));
        }
        for sink in sinks {
            let accepted = {
                let state = self.world.state();
                state.siems[usize::from(sink.name == "archive")].copies
            };
            if sink.delivered > accepted {
                let (name, delivered) = (sink.name, sink.delivered);
                return Err(format!("{delivered} marked for {name}, which accepted {accepted}"));
            }
        }
        Ok(())
    }

    /// Something happens, now.
    pub(crate) async fn happen(&mut self, happening: &Happening) -> Result<(), Wrong> {
        self.world.note(format_args!("HAPPENS {happening:?}"));
        let name = format!("{happening:?}");
        let name = name.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase();
        *self.world.state().tally.troubles.entry(name).or_default() += 1;
        let now = self.world.clock.now();
        match happening.clone() {
            Happening::Faults { host, rate, kinds, retry_after } => {
                let slow_body = Duration::from_secs(self.rng.random_range(1..90));
                let faults = Faults { rate, kinds, retry_after, slow_body, ..Faults::none() };
                self.world.set_faults(host, faults);
            }
            Happening::Next { host, kinds } => {
                let kinds: Vec<FaultKind> = kinds;
                self.world.set_faults(host, Faults { next: kinds.into(), ..Faults::none() });
            }
            Happening::Outage { host, lasts } => {
                self.world.state().down.insert(host, now + lasts);
            }
            Happening::Slow { host, lasts } => {
                self.world.state().slow.insert(host, now + lasts);
            }
            Happening::DiskFull { lasts } => self.world.state().disk_full = Some(now + lasts),
            Happening::DiskFails { lasts } => self.world.state().disk_fails = Some(now + lasts),
            Happening::Crash(death) => self.world.state().death = Some(death),
            Happening::Stop { down } => self.stop(down).await?,
            Happening::Clock { millis } => self.world.machine.set_off(millis),
            Happening::Change { kind, count } => {
                let ids = self.world.vendors.mutate(&Mutation::some(kind, count));
                self.watch.changes.extend(ids.into_iter().map(|id| (id, now)));
            }
            Happening::Late { ago, count } => {
                let mutation = Mutation {
                    ago,
                    ..Mutation::some(postrider::simulator::MutationKind::LateArrival, count)
                };
                let ids = self.world.vendors.mutate(&mutation);
                self.watch.late.extend(ids.into_iter().map(|id| (id, now)));
            }
            Happening::Rename { user, name } => self.world.vendors.rename_user(user, name),
            Happening::Empty { hours_ago, times } => {
                let hour = now.as_second().div_euclid(3600) * 3600;
                let start = Timestamp::from_second(hour).unwrap_or(now) - minutes(60 * hours_ago);
                self.world.vendors.empty_summary(start, times);
                self.watch.empty.push(start);
            }
            Happening::Backfill { etd, ago, length, narrowed } => {
                self.backfill(etd, ago, length, narrowed).await;
            }
            Happening::NewSink => self.add_sink().await?,
        }
        Ok(())
    }

    async fn backfill(&mut self, etd: bool, ago: Duration, length: Duration, narrowed: bool) {
        let Some(now) = self.watch.floor(self.world.machine.now() - minutes(30), 3600) else {
            return;
        };
        let from = (now - ago).max(self.remembered());
        let Some(from) = self.watch.floor(from, 3600) else { return };
        let to = if etd { from + length } else { from + minutes(length.as_secs() / 3600 * 60) };
        if let Some(range) = Interval::new(from, to.min(now)) {
            let verdicts = if narrowed && etd { vec!["neutral".to_owned()] } else { Vec::new() };
            self.ask(etd, range, Filter { verdicts, ..Filter::default() }).await;
        }
    }

    /// Since when records are known; what was forgotten would be new again.
    pub(crate) fn remembered(&self) -> Timestamp {
        let longest = self.history.settings.resweeps.iter().max().copied().unwrap_or_default();
        self.world.clock.now() - longest - minutes(22 * 60)
    }

    /// Asks for a backfill, as the command does.
    pub(crate) async fn ask(&mut self, etd: bool, range: Interval, narrow: Filter) -> bool {
        let Some(store) = self.store().cloned() else { return false };
        let stream = if etd { Stream::Messages } else { Stream::Summary };
        let source = if etd { "etd" } else { "ser" }.parse().expect("it is a name");
        let Ok(Some(stream)) = self.world.quietly(|| store.find_stream(&source, stream)) else {
            return false;
        };
        let new = NewRequest { stream, range, narrow, resend: false };
        let now = self.world.machine.now();
        let died = self.life.as_ref().map(|life| life.died.clone()).unwrap_or_default();
        tokio::select! {
            biased;
            () = died.cancelled() => false,
            asked = store.ask(new, now) => asked.is_ok(),
        }
    }

    /// The configuration has a second sink from now on, with which the process starts anew.
    async fn add_sink(&mut self) -> Result<(), Wrong> {
        if self.archive_since.is_some() {
            return Ok(());
        }
        self.stop(Duration::from_secs(1)).await?;
        self.archive_since = Some(self.world.machine.now() + SignedDuration::from_mins(5));
        self.config = settings::config(&self.history, self.root.path(), true);
        Ok(())
    }
}

/// Until aborted tasks are gone, and what they held with them.
async fn settle_down() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

fn postrider_client(config: &Config) -> http::Client {
    http::set_here(None);
    let settings: &config::Http =
        &config.sources.values().next().expect("there are two sources").http;
    http::client(settings).expect("the settings are those of a client")
}

/// The events that a sink's cursor and ranges do not have.
fn unmarked(store: &Store, sink: &SinkName) -> Result<std::collections::BTreeSet<String>, Wrong> {
    let Ok(position) = store.position(sink) else { return Ok(Default::default()) };
    let mut ids = std::collections::BTreeSet::new();
    let mut seq = position.cursor;
    loop {
        let (from, until) = position.open_from(seq);
        let chunk = store.chunk(from).map_err(|error| fault::chain(&error))?;
        let Some(chunk) = chunk else { return Ok(ids) };
        for event in chunk.iter().filter(|event| (from..until).contains(&event.seq)) {
            ids.insert(uuid::Uuid::from_bytes(*event.id.as_bytes()).to_string());
        }
        let last = chunk.last().map_or(from, |event| event.seq) + 1;
        seq = last.min(until.max(from + 1)).max(seq + 1);
    }
}

/// Which hosts' settings name them.
pub(crate) fn endpoints() -> [String; 3] {
    [Host::SplunkOne, Host::SplunkTwo, Host::Archive].map(|host| format!("https://{}", host.name()))
}
