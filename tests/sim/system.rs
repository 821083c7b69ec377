//! Postrider as a process: started, killed, stopped and started again, over a history.

use std::{
    collections::BTreeSet, future::Future, path::PathBuf, pin::Pin, rc::Rc, sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use postrider::{
    app::{self, Mode, Outcome, Rhythm},
    clock::Clock,
    config::{self, Config},
    domain::name::SinkName,
    failpoint, fault, http,
    store::{Store, spool::Size},
    supervisor::Stop,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    clock, disk,
    history::{History, Host},
    network::Network,
    settings,
    watch::{self, Watch},
    world::World,
};

/// Why a seed failed.
pub(crate) type Wrong = String;

/// What health events take in a spool that is full, more than its margin where that is small.
const SAID: u64 = 4096;
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
    pub root: TempDir,
    directory: PathBuf,
    life: Option<Life>,
    /// The last process died.
    crashed: bool,
    down_until: Timestamp,
    /// When the second sink was added.
    pub archive_since: Option<Timestamp>,
    pub rng: StdRng,
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
            crashed: false,
            down_until,
            archive_since,
            rng,
        }
    }

    /// The store of the process that runs.
    pub(crate) fn store(&self) -> Option<&Store> {
        self.life.as_ref().map(|life| &life.store)
    }

    /// Cancelled when the process that runs dies.
    pub(crate) fn died(&self) -> CancellationToken {
        self.life.as_ref().map(|life| life.died.clone()).unwrap_or_default()
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
        let crashed = std::mem::take(&mut self.crashed);
        let died = self.world.begin_life(&self.directory);
        self.world.note(format_args!("a process starts"));
        let store = Store::open_on_one_thread(&self.directory)
            .map_err(|error| format!("the store does not open: {}", fault::chain(&error)))?;
        self.forgive(&store, crashed)?;
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
        (self.life, self.crashed) = (None, true);
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
    pub(crate) async fn stop(&mut self, down: Duration) -> Result<(), Wrong> {
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
    fn forgive(&mut self, store: &Store, crashed: bool) -> Result<(), Wrong> {
        let sinks: Vec<_> = self.config.sinks.values().collect();
        for (siem, name) in ["splunk", "archive"].into_iter().enumerate() {
            let Some(sink) = sinks.iter().find(|sink| sink.name.as_str() == name) else { continue };
            let unmarked = self.world.quietly(|| unmarked(store, &sink.name))?;
            let count = self.world.state().siems[siem].forgive(&unmarked);
            // While indexers are waited for, four times as many batches may be on the way.
            let ahead = if siem == 0 && self.history.settings.acks { 4 } else { 1 };
            let most = (ahead * sink.max_in_flight * sink.batch.max_events) as u64;
            self.world.note(format_args!("{count} events of {name} may come again"));
            if count > most {
                return Err(format!("{count} events were accepted by {name} and not marked"));
            }
            if crashed {
                self.world.state().tally.repeats.push((count, most));
            }
        }
        Ok(())
    }

    /// What must hold at any time.
    pub(crate) fn inspect(&mut self) -> Result<(), Wrong> {
        if let Some(what) = watch::broken() {
            return Err(what);
        }
        if let Some(what) = self.world.state().wrong.pop() {
            return Err(what);
        }
        let Some(store) = self.store().cloned() else { return Ok(()) };
        let look = || -> Result<_, postrider::store::StoreError> {
            Ok((store.spool_size()?, store.sinks()?))
        };
        let (spool, sinks) = self.world.quietly(look).map_err(|error| fault::chain(&error))?;
        self.check_cap(spool)?;
        for sink in sinks {
            let accepted = {
                let state = self.world.state();
                state.siems[usize::from(sink.name == "archive")].copies
            };
            if sink.delivered > accepted {
                let (name, delivered) = (sink.name, sink.delivered);
                return Err(format!("{delivered} marked for {name}, which accepted {accepted}"));
            }
            if sink.waiting > spool.events {
                let (name, waiting) = (sink.name, sink.waiting);
                return Err(format!(
                    "{waiting} events wait for {name}: the spool has {}",
                    spool.events
                ));
            }
        }
        Ok(())
    }
}

impl System {
    /// The spool's cap holds, to the byte but for what is said in a spool that is full. An empty
    /// spool takes one page of any size. The log counts, and is emptied after each commit.
    fn check_cap(&self, spool: Size) -> Result<(), Wrong> {
        let cap = self.config.state.max_spool;
        let log = std::fs::metadata(self.directory.join(format!("{}-wal", postrider::store::FILE)))
            .map_or(0, |file| file.len());
        let page = u64::from(self.history.settings.page_size.max(8));
        let most = if spool.events <= page { u64::MAX } else { cap.max(cap - cap / 16 + SAID) };
        let stored = spool.on_disk.saturating_sub(log);
        if stored > most {
            return Err(format!("the spool has {stored} bytes of {cap}: {spool:?}"));
        }
        // What a dead process left goes with the first commit of the next.
        let is_new = self.world.clock.now() < self.down_until + Duration::from_mins(10);
        if log > cap / 16 && !is_new && self.world.state().disk_full.is_none() {
            return Err(format!("the log has {log} bytes, of a cap of {cap}"));
        }
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
fn unmarked(store: &Store, sink: &SinkName) -> Result<BTreeSet<String>, Wrong> {
    let Ok(position) = store.position(sink) else { return Ok(BTreeSet::new()) };
    let mut ids = BTreeSet::new();
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
