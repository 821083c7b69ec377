//! What the whole-process benches share: the simulator and the release binary as child processes,
//! and what they used.

#![allow(dead_code, reason = "each bench uses its part")]

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        signal::{Signal, kill},
    },
    unistd::Pid,
};

pub(crate) use self::process::Sample;

mod process;

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");
/// As an argument: run the rest as a child and say what it used. A process of its own, because
/// the largest memory of all children is all that the system tells.
const MEASURE: &str = "measure-child";

/// The value behind `--name`, or else `default`.
pub(crate) fn argument<T: std::str::FromStr>(name: &str, default: T) -> anyhow::Result<T> {
    let mut args = std::env::args().skip_while(|arg| arg.strip_prefix("--") != Some(name)).skip(1);
    match args.next() {
        None => Ok(default),
        Some(text) => text.parse().ok().with_context(|| format!("--{name} {text}")),
    }
}

pub(crate) fn flag(name: &str) -> bool {
    std::env::args().any(|arg| arg.strip_prefix("--") == Some(name))
}

/// Whether this is `cargo bench`, not a test run, which has no time for it.
pub(crate) fn is_bench() -> bool {
    flag("bench")
}

/// What a finished process used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// Bytes.
    pub(crate) peak_memory: u64,
}

impl Usage {
    pub(crate) fn cpu(&self) -> f64 {
        self.user + self.system
    }

    pub(crate) fn peak_mib(&self) -> f64 {
        mib(self.peak_memory)
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// Where [`Usage::of`] was called, does its measuring and ends true; else false.
pub(crate) fn is_measuring() -> anyhow::Result<bool> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some(MEASURE) {
        return Ok(false);
    }
    let program = args.next().context("no program")?;
    let begun = Instant::now();
    let status = Command::new(program).args(args).status()?;
    let wall = begun.elapsed();
    ensure!(status.success(), "{status}");
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let (user, system) = (micros(used.user_time()), micros(used.system_time()));
    println!("{} {user} {system} {}", wall.as_micros(), used.max_rss());
    Ok(true)
}

impl Usage {
    /// Runs postrider to its end.
    pub(crate) fn of(arguments: &[&str]) -> anyhow::Result<Self> {
        let measure = Command::new(std::env::current_exe()?)
            .args([MEASURE, POSTRIDER])
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(measure.status.success(), "postrider failed");
        let told = String::from_utf8(measure.stdout)?;
        let numbers: Vec<u64> =
            told.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let [wall, user, system, kib] = numbers[..] else { bail!("not a measurement: {told}") };
        let seconds = |micros| Duration::from_micros(micros).as_secs_f64();
        Ok(Self {
            wall: Duration::from_micros(wall),
            user: seconds(user),
            system: seconds(system),
            peak_memory: kib * 1024,
        })
    }
}

/// `postrider simulate`, and a directory with a configuration for it.
pub(crate) struct Simulator {
    child: Child,
    directory: tempfile::TempDir,
    config: toml::Table,
}

impl Simulator {
    pub(crate) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let written = directory.path().join("simulator.toml");
        let mut child = Command::new(POSTRIDER)
            .args(["simulate", "--plain", "--hec-no-content", "--write-config"])
            .arg(&written)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        lines
            .map_while(Result::ok)
            .find(|line| line.starts_with("# configuration in"))
            .context("the simulator did not start")?;
        let config = std::fs::read_to_string(written)?.parse()?;
        Ok(Self { child, directory, config })
    }

    /// Writes a configuration with one of the simulator's sources, its HEC, and an empty store.
    pub(crate) fn configuration(
        &self,
        source: &str,
        name: &str,
        change: impl FnOnce(&mut toml::Table),
    ) -> anyhow::Result<PathBuf> {
        let mut config = self.config.clone();
        let directory = self.path().join(name);
        let sources = config["sources"].as_table_mut().context("no sources")?;
        sources.retain(|name, _| name == source);
        change(sources[source].as_table_mut().context("no source")?);
        let state = toml::Table::from_iter([(
            "directory".to_owned(),
            toml::Value::from(directory.display().to_string()),
        )]);
        config.insert("state".into(), state.into());
        let log = toml::Table::from_iter([("level".to_owned(), toml::Value::from("warn"))]);
        config.insert("log".into(), log.into());
        let path = self.path().join(format!("{name}.toml"));
        let mut options = OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(&path)?;
        file.write_all(config.to_string().as_bytes())?;
        Ok(path)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn etd_stats(&self) -> anyhow::Result<serde_json::Value> {
        stats(self.config["sources"]["etd-sim"]["base_url"].as_str())
    }

    pub(crate) fn ser_stats(&self) -> anyhow::Result<serde_json::Value> {
        stats(self.config["sources"]["ser-sim"]["base_url"].as_str())
    }

    pub(crate) fn hec_stats(&self) -> anyhow::Result<serde_json::Value> {
        stats(self.config["sinks"]["splunk-sim"]["endpoints"][0].as_str())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It keeps nothing; if it cannot be killed, it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A running daemon.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn start(config: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(POSTRIDER);
        Ok(Self(command.arg("--config").arg(config).arg("run").spawn()?))
    }

    /// The same, with what it says added to `log`.
    pub(crate) fn start_logging(config: &Path, log: &Path) -> anyhow::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(POSTRIDER);
        command.arg("--config").arg(config).arg("run").stdin(Stdio::null()).stderr(log);
        Ok(Self(command.spawn()?))
    }

    /// Bytes of memory: now, and at most so far.
    pub(crate) fn memory(&self) -> anyhow::Result<(u64, u64)> {
        self.sample().map(|sample| (sample.memory, sample.peak))
    }

    pub(crate) fn sample(&self) -> anyhow::Result<Sample> {
        Sample::of(self.0.id())
    }

    /// Its exit status, if it ended.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.0.id())?), signal)?)
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.0.wait()?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs a command of postrider to its end: what it printed, and how long it took.
pub(crate) fn run(config: &Path, arguments: &[&str]) -> anyhow::Result<(String, Duration)> {
    let begun = Instant::now();
    let mut command = Command::new(POSTRIDER);
    let output = command.arg("--config").arg(config).args(arguments).output()?;
    let took = begun.elapsed();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {}: {complaint}", output.status);
    Ok((String::from_utf8(output.stdout)?, took))
}

fn stats(url: Option<&str>) -> anyhow::Result<serde_json::Value> {
    let host = url.and_then(|url| url.strip_prefix("http://")).context("no address")?;
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET /sim/stats HTTP/1.0\r\nhost: {host}\r\nuser-agent: bench\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(serde_json::from_str(body)?)
}

/// The calls to an endpoint, whatever their answer.
pub(crate) fn calls(stats: &serde_json::Value, endpoint: &str) -> u64 {
    let calls = stats["calls"].as_object();
    let calls = calls.into_iter().flatten().filter(|(name, _)| name.contains(endpoint));
    calls.filter_map(|(_, count)| count.as_u64()).sum()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
