//! The demo's servers, and the daemon between them.

use std::{
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Mutex,
    time::Duration,
};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::{
    super::{setup, simulate::THROUGHPUT_OF_A_USER},
    Args,
};
use crate::{
    domain::slice::Stream,
    simulator::{EtdOptions, Faults, Mutation, MutationKind, Options, SerOptions, Simulation},
    store::Store,
};

/// The sinks of the demo, as the bars and the table name them.
pub(super) const SINKS: [&str; 3] = ["splunk (HEC)", "syslog (TCP)", "file"];

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The vendor's mail ends this long ago, so that all of it is due.
const SETTLED: SignedDuration = SignedDuration::from_mins(10);
/// Verdicts that change once everything has arrived, among the mail of so many hours.
const CHANGES: usize = 60;
const CHANGED_WITHIN: SignedDuration = SignedDuration::from_hours(3);
const RETRY_AFTER: Duration = Duration::from_millis(800);

/// The simulators, the daemon, and what is to arrive.
pub(super) struct Scene {
    pub(super) simulation: Simulation,
    directory: PathBuf,
    daemon: Option<Child>,
    /// SER rows of the whole hours that are due.
    pub(super) rows: u64,
    pub(super) messages: u64,
    pub(super) kills: u32,
    /// Where the mail ends, and where the whole hours that are due.
    pub(super) ends: Timestamp,
    hours_end: Timestamp,
    /// Messages whose verdict changed after they were delivered.
    pub(super) changed: Vec<Uuid>,
    file: Mutex<Tail>,
}

/// How far everything is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) collected: u64,
    pub(super) delivered: [u64; 3],
    pub(super) faults: u64,
}

impl Progress {
    /// Whether all that the vendors hold is delivered. Resweeps may find changes before that, so
    /// numbers alone do not tell.
    pub(super) fn complete(&self, scene: &Scene) -> bool {
        self.delivered.iter().all(|count| *count >= scene.held())
            && scene.covered()
            && scene.waiting() == Some(0)
    }
}

impl Scene {
    pub(super) async fn set(args: &Args, directory: &Path) -> anyhow::Result<Self> {
        let now = setup::clock().now();
        let (from, to) = (now - HOUR * 48, now - SETTLED);
        let faults = Faults { rate: args.faults, retry_after: RETRY_AFTER, ..Faults::default() };
        let live_per_second = if args.stay { 5.0 } else { 0.0 };
        let range = Some([from, to]);
        let etd =
            EtdOptions { messages: args.messages, range, live_per_second, ..EtdOptions::default() };
        let mut ser = SerOptions::default();
        ser.annual_throughput = u64::from(ser.users) * THROUGHPUT_OF_A_USER;
        let options = Options { seed: args.seed, faults, etd, ser, ..Options::default() };
        let simulation = Simulation::start(options).await.context("cannot start the simulators")?;
        let file = Mutex::new(Tail::new(directory.join("events.jsonl")));
        let mut scene = Self {
            rows: rows(&simulation, from, now),
            messages: args.messages,
            simulation,
            directory: directory.to_owned(),
            daemon: None,
            kills: 0,
            ends: to,
            hours_end: hours_end(now),
            changed: Vec::new(),
            file,
        };
        let config = scene.config();
        // It holds secrets, if only simulated ones.
        let mut file = File::options();
        file.create(true).write(true).truncate(true).mode(0o600);
        file.open(scene.config_file())
            .and_then(|mut file| file.write_all(config.as_bytes()))
            .context("cannot write the configuration")?;
        scene.start()?;
        Ok(scene)
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.directory.join("postrider.toml")
    }

    pub(super) fn hec_url(&self) -> &str {
        &self.simulation.hec_url
    }

    /// Events that are to reach every sink: messages, SER rows, and the licence.
    pub(super) fn held(&self) -> u64 {
        self.messages + self.rows + 1
    }

    fn config(&self) -> String {
        let Simulation { etd_url, ser_url, hec_url, syslog_addr, .. } = &self.simulation;
        let defaults = Options::default();
        let (etd, ser, token) = (defaults.etd, defaults.ser, defaults.hec.token);
        let api_key = etd.api_key.unwrap_or_default();
        let (etd_id, etd_secret) = (etd.client_id, etd.client_secret);
        let (ser_id, ser_secret) = (ser.client_id, ser.client_secret);
        let path = toml::Value::from(self.directory.join("events.jsonl").display().to_string());
        let state = toml::Value::from(self.state().display().to_string());
        format!(
            r#"# Made by `postrider demo`.
[state]
directory = {state}

[admin]
listen = "127.0.0.1:0"

[sources.etd]
type = "cisco_etd"
base_url = "{etd_url}"
client_id = "{etd_id}"
client_secret = "{etd_secret}"
api_key = "{api_key}"
schedule = {{ every = "2s" }}
start = "48h"
lag = "6m"
rate_limit = {{ per_second = 100, burst = 20, per_day = 1000000 }}

[sources.ser]
type = "proofpoint_ser"
base_url = "{ser_url}"
token_url = "{ser_url}/v1/token"
client_id = "{ser_id}"
client_secret = "{ser_secret}"
schedule = {{ every = "5s" }}
start = "48h"
lag = "5m"
rate_limit = {{ per_minute = 6000, burst = 50 }}

# What is compared with the vendors' records at the end; health events would come on top.
[sinks.splunk]
type = "splunk_hec"
endpoints = ["{hec_url}"]
token = "{token}"
index = "email"
streams = ["messages", "summary", "entitlement"]

[sinks.syslog]
type = "syslog"
address = "{syslog_addr}"
transport = "tcp"
max_message = "64KiB"
streams = ["messages", "summary", "entitlement"]

[sinks.file]
type = "file"
path = {path}
streams = ["messages", "summary", "entitlement"]
"#
        )
    }

    fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Starts the daemon.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.daemon = Some(self.postrider(&["run"]).context("cannot start the daemon")?);
        Ok(())
    }

    /// This very program, with what it tells in the log.
    fn postrider(&self, args: &[&str]) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(program);
        command.arg("--config").arg(self.config_file()).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        Ok(command.spawn()?)
    }

    /// Has the vendor change verdicts of mail that was delivered, and begins to ask for it again.
    pub(super) fn change(&mut self) -> anyhow::Result<Child> {
        let range = [self.ends - CHANGED_WITHIN, self.ends];
        let within = |at: Timestamp| range[0] <= at && at < range[1];
        let held = self.simulation.truth().filter(|held| within(held.time));
        let held: Vec<Uuid> = held.map(|held| held.id).collect();
        for id in held.iter().step_by((held.len() / CHANGES).max(1)).take(CHANGES) {
            let retro = Mutation::of(MutationKind::RetroVerdict, *id);
            self.changed.extend(self.simulation.mutate(&retro));
        }
        let [from, to] = range.map(|at| at.to_string());
        let args = ["backfill", "--source", "etd", "--from", &from, "--to", &to, "--yes"];
        self.postrider(&args).context("cannot ask for a backfill")
    }

    /// Whether live collection has come to the end of the vendors' records.
    fn covered(&self) -> bool {
        let ends = [(Stream::Messages, self.ends), (Stream::Summary, self.hours_end)];
        let streams = self.store().and_then(|store| store.streams().ok()).unwrap_or_default();
        ends.iter().all(|(stream, end)| {
            let mut covered = streams.iter().filter(|seen| seen.stream == *stream);
            covered.any(|seen| seen.covered_to.is_some_and(|to| to >= *end))
        })
    }

    /// Events that some sink has not passed.
    pub(super) fn waiting(&self) -> Option<u64> {
        let sinks = self.store()?.sinks().ok()?;
        Some(sinks.iter().map(|sink| sink.waiting).sum())
    }

    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(daemon) = &mut self.daemon {
            daemon.kill().await.context("cannot kill the daemon")?;
            self.kills += 1;
        }
        Ok(())
    }

    /// Ends the daemon as `systemctl stop` would.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut daemon) = self.daemon.take() else { return Ok(()) };
        if let Some(id) = daemon.id() {
            let told = Command::new("kill").arg(id.to_string()).status().await;
            if !told.is_ok_and(|status| status.success()) {
                daemon.start_kill().context("cannot stop the daemon")?;
            }
        }
        daemon.wait().await.map(drop).context("waiting for the daemon")
    }

    /// The daemon's exit status, if it ended by itself.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(daemon) = &mut self.daemon else { return Ok(None) };
        daemon.try_wait().context("cannot look at the daemon")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("postrider.log")
    }

    pub(super) fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    pub(super) fn store(&self) -> Option<Store> {
        Store::open_read_only(&self.state()).ok()
    }

    pub(super) fn progress(&self) -> Progress {
        let stats = self.simulation.stats();
        // Before the daemon has made its store there is nothing.
        let collected = self.store().and_then(|store| store.next_seq().ok()).unwrap_or(1);
        let faults = [&stats.etd, &stats.ser, &stats.hec];
        Progress {
            collected: collected.saturating_sub(1),
            delivered: [
                stats.hec_events.events,
                stats.syslog_events.events,
                self.in_file().unique(),
            ],
            faults: faults.iter().flat_map(|calls| calls.faults.values()).sum(),
        }
    }

    /// What the file holds so far.
    pub(super) fn in_file(&self) -> std::sync::MutexGuard<'_, Tail> {
        let mut tail = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tail.read_on();
        tail
    }
}

fn floor(at: Timestamp) -> Timestamp {
    let seconds = at.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(3600)).unwrap_or(at)
}

/// Where the whole hours end that are due, by the lag of the configuration.
fn hours_end(now: Timestamp) -> Timestamp {
    floor(now - SignedDuration::from_mins(5))
}

/// The SER rows of the whole hours that a start at `now` collects.
fn rows(simulation: &Simulation, from: Timestamp, now: Timestamp) -> u64 {
    let end = hours_end(now);
    let (mut hour, mut rows) = (floor(from), 0);
    while hour < end {
        let next = hour + HOUR;
        rows += simulation.summary([hour, next]).len() as u64;
        hour = next;
    }
    rows
}

/// Reads the delivered file as it grows.
pub(super) struct Tail {
    path: PathBuf,
    at: u64,
    /// Each event once, with the number of its copies and whether they are the same.
    pub(super) events: std::collections::HashMap<String, Seen>,
}

/// An event in the file.
pub(super) struct Seen {
    pub(super) record_id: String,
    pub(super) revision: u32,
    pub(super) copies: u32,
    pub(super) identical: bool,
    hash: blake3::Hash,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    postrider: Marks<'a>,
}

#[derive(Deserialize)]
struct Marks<'a> {
    event_id: &'a str,
    #[serde(borrow)]
    record_id: std::borrow::Cow<'a, str>,
    revision: u32,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self { path, at: 0, events: std::collections::HashMap::new() }
    }

    pub(super) fn unique(&self) -> u64 {
        self.events.len() as u64
    }

    fn read_on(&mut self) {
        let Ok(mut file) = File::open(&self.path) else { return };
        if file.seek(SeekFrom::Start(self.at)).is_err() {
            return;
        }
        let mut lines = BufReader::new(&mut file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            // The last line may still be in the writing.
            if !line.ends_with(b"\n") {
                break;
            }
            self.at += line.len() as u64;
            self.take(&line);
            line.clear();
        }
    }

    fn take(&mut self, line: &[u8]) {
        let Ok(Line { postrider }) = serde_json::from_slice::<Line<'_>>(line) else { return };
        let hash = blake3::hash(line);
        let seen = self.events.entry(postrider.event_id.to_owned()).or_insert_with(|| Seen {
            record_id: postrider.record_id.into_owned(),
            revision: postrider.revision,
            copies: 0,
            identical: true,
            hash,
        });
        seen.copies += 1;
        seen.identical &= seen.hash == hash;
    }
}
