//! One daemon among its simulated vendors and receivers.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use postrider::{
    clock::{Clock, SystemClock},
    simulator::{EtdOptions, Faults, HecOptions, Options, Simulation},
};
use serde_json::Value;

use super::{
    files::FileLedger,
    support::{Daemon, Sample, run},
};

/// What a batch holds at most, and how many are on their way at once.
pub(super) const BATCH: u64 = 200;
pub(super) const HEC_IN_FLIGHT: u64 = 4;

/// The syslog receiver closes a connection after so many frames, read or not.
pub(super) const CLOSE_EVERY: u64 = 1_000;

/// Mail before the start, and how far it goes back.
const MESSAGES: u64 = 20_000;
const BEFORE: Duration = Duration::from_hours(2);
/// Ends of searches, and of slices, before now.
const MARGIN: Duration = Duration::from_secs(5);
pub(super) const LAG: Duration = Duration::from_secs(10);
/// The last resweep of a slice is due then.
pub(super) const LAST_RESWEEP: Duration = Duration::from_mins(3);

pub(super) struct World {
    pub(super) name: &'static str,
    pub(super) simulation: Simulation,
    pub(super) file: FileLedger,
    pub(super) from: Timestamp,
    directory: PathBuf,
    config: PathBuf,
    daemon: Option<Daemon>,
}

/// What the worlds differ in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) seed: u64,
    /// New messages a second.
    pub(super) live: f64,
    /// Whether the HEC's token demands indexer acknowledgement.
    pub(super) acknowledgement: bool,
}

impl World {
    pub(super) async fn start(
        name: &'static str,
        root: &Path,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        let now = SystemClock.now();
        let from = now - BEFORE;
        let mut options = Options { seed: settings.seed, ..Options::default() };
        options.etd = EtdOptions {
            messages: MESSAGES,
            range: Some([from, now]),
            live_per_second: settings.live,
            now_margin: MARGIN,
            token_life: Duration::from_mins(2),
            page_token_life: Duration::from_secs(20),
            ..EtdOptions::default()
        };
        // The vendor's records change when the soak says so, to be compared in the end.
        options.etd.quirks.late_verdict_every = 0;
        options.etd.quirks.retro_every = 0;
        options.hec = HecOptions { poison_every: 2_000, ..HecOptions::default() };
        if settings.acknowledgement {
            options.hec.use_ack = true;
            options.hec.ack_polls = 1;
            options.hec.lose_batch_every = 100;
            options.hec.lose_ack_every = 150;
        }
        options.syslog_close_every = CLOSE_EVERY;
        let simulation = Simulation::start(options).await?;
        let directory = root.join(name);
        std::fs::create_dir_all(&directory)?;
        let config = directory.join("postrider.toml");
        let text = configuration(&simulation, &directory, settings.acknowledgement);
        let mut file = OpenOptions::new();
        file.create(true).truncate(true).write(true).mode(0o600);
        file.open(&config)?.write_all(text.as_bytes())?;
        let file = FileLedger::new(directory.join("events.jsonl"));
        let mut world = Self { name, simulation, file, from, directory, config, daemon: None };
        world.launch()?;
        Ok(world)
    }

    pub(super) fn launch(&mut self) -> anyhow::Result<()> {
        self.daemon = Some(Daemon::start_logging(&self.config, &self.directory.join("log"))?);
        Ok(())
    }

    /// Kills the daemon as a power failure would, but for the disk.
    pub(super) fn kill(&mut self) {
        // Dropping it kills it and waits for its end.
        drop(self.daemon.take());
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.daemon.as_ref().map_or(Ok(()), |daemon| daemon.signal(signal))
    }

    pub(super) fn sample(&mut self) -> anyhow::Result<Sample> {
        let daemon = self.daemon.as_mut().context("no daemon")?;
        let ended = daemon.ended()?;
        ensure!(ended.is_none(), "{}: the daemon ended by itself: {ended:?}", self.name);
        daemon.sample()
    }

    /// Bytes of the store, its journal included.
    pub(super) fn store_bytes(&self) -> u64 {
        let size = |name: &str| std::fs::metadata(self.directory.join("state").join(name));
        ["postrider.db", "postrider.db-wal"]
            .iter()
            .flat_map(|name| size(name))
            .map(|it| it.len())
            .sum()
    }

    /// How often a source paused because of it.
    pub(super) fn spool_full(&self) -> anyhow::Result<usize> {
        let log = std::fs::read_to_string(self.directory.join("log"))?;
        Ok(log.lines().filter(|line| line.contains("spool_full")).count())
    }

    pub(super) fn status(&self) -> anyhow::Result<Value> {
        let (text, _) = run(&self.config, &["status", "--output", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Reads all of it once more, and waits for the end of that.
    pub(super) fn backfill(&self, to: Timestamp) -> anyhow::Result<()> {
        let (from, to) = (format!("{:.0}", self.from), format!("{to:.0}"));
        run(&self.config, &["backfill", "--source", "etd", "--from", &from, "--to", &to, "--yes"])
            .map(drop)
    }

    /// The faults of all servers.
    pub(super) fn set_faults(&self, faults: &Faults) {
        self.simulation.set_etd_faults(faults.clone());
        self.simulation.set_ser_faults(faults.clone());
        self.simulation.set_hec_faults(faults.clone());
    }

    /// Copies beyond the first, by sink: HEC, syslog, file.
    pub(super) fn duplicates(&mut self) -> anyhow::Result<[u64; 3]> {
        self.file.read_on()?;
        let stats = self.simulation.stats();
        Ok([stats.hec_events.duplicates, stats.syslog_events.duplicates, self.file.duplicates()])
    }

    /// Different events that came, by sink.
    pub(super) fn arrived(&mut self) -> anyhow::Result<[u64; 3]> {
        self.file.read_on()?;
        let stats = self.simulation.stats();
        Ok([stats.hec_events.events, stats.syslog_events.events, self.file.events.len() as u64])
    }
}

fn configuration(simulation: &Simulation, directory: &Path, acknowledgement: bool) -> String {
    let Simulation { etd_url, ser_url, hec_url, syslog_addr, .. } = simulation;
    let path = |name| toml::Value::from(directory.join(name).display().to_string());
    let (state, file) = (path("state"), path("events.jsonl"));
    let acknowledgements = if acknowledgement { "required" } else { "off" };
    format!(
        r#"
[state]
directory = {state}
max_spool = "1MiB"
[admin]
listen = "127.0.0.1:0"
[log]
level = "warn"
[sources.etd]
type = "cisco_etd"
base_url = "{etd_url}"
client_id = "sim-client"
client_secret = "sim-secret"
api_key = "sim-api-key"
start = "{BEFORE}s"
schedule = {{ every = "5s" }}
lag = "{LAG}s"
slice = "1m"
resweep = [{{ after = "1m" }}, {{ after = "3m" }}]
rate_limit = {{ per_second = 100, burst = 20, per_day = 10000000 }}
[sources.ser]
type = "proofpoint_ser"
base_url = "{ser_url}"
token_url = "{ser_url}/v1/token"
client_id = "sim-client"
client_secret = "sim-secret"
start = "{BEFORE}s"
schedule = {{ cron = "*/10 * * * * *" }}
lag = "1m"
rate_limit = {{ per_minute = 6000, burst = 50 }}
[sinks.splunk]
type = "splunk_hec"
endpoints = ["{hec_url}"]
token = "11111111-2222-3333-4444-555555555555"
acknowledgements = "{acknowledgements}"
ack_timeout = "10s"
max_in_flight = {HEC_IN_FLIGHT}
batch = {{ max_events = {BATCH} }}
[sinks.siem]
type = "syslog"
address = "{syslog_addr}"
transport = "tcp"
max_message = "1MiB"
batch = {{ max_events = {BATCH} }}
[sinks.archive]
type = "file"
path = {file}
rotation = "never"
batch = {{ max_events = {BATCH} }}
"#,
        BEFORE = BEFORE.as_secs(),
        LAG = LAG.as_secs(),
    )
}
