//! `postrider simulate`: the vendors and SIEMs alone, to try things against.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use jiff::Span;
use tokio::{
    io::AsyncWriteExt as _,
    signal::unix::{SignalKind, signal},
};

use crate::{
    clock::{Clock, SystemClock},
    simulator::{
        EtdOptions, FaultKind, Faults, Limits, Listen, Options, Quirks, Rate, SerOptions, Shape,
        Simulation,
    },
};

mod configuration;
mod hec;
mod log_export;

/// Bytes a year that the licence has for an application user: a third more than it sends.
pub(super) const THROUGHPUT_OF_A_USER: u64 = 80 << 30;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command line")]
pub struct Args {
    /// Same seed, same data and faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// ETD messages in the range
    #[arg(long, default_value_t = 10_000)]
    messages: u64,
    /// How many hours the messages' range goes back from now
    #[arg(long, default_value_t = 24, conflicts_with = "days")]
    hours: u32,
    /// The same in days
    #[arg(long)]
    days: Option<u32>,
    /// New ETD messages a second, from now on
    #[arg(long, default_value_t = 0.0)]
    live: f64,
    /// SER application users
    #[arg(long, default_value_t = 12)]
    users: u32,
    /// How the SER summary is written: normal, flat, wrapped, keyed, …
    #[arg(long, default_value = "normal")]
    ser_shape: Shape,
    /// No quirks: vendors as their guides describe them
    #[arg(long)]
    plain: bool,
    /// Oldest messages first (newest first otherwise)
    #[arg(long)]
    oldest_first: bool,
    /// ETD answers 502 when more than so many messages are asked for
    #[arg(long, value_name = "PAGE_SIZE")]
    too_large_above: Option<u32>,
    /// ETD asks for no x-api-key, as in 2023
    #[arg(long)]
    no_api_key: bool,
    /// How near to now an ETD search may end, in seconds
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    now_margin: u64,
    /// The share of calls that fail, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    faults: f64,
    /// Which faults; by default all that pass by themselves (not `quota_spent` and `forbidden`)
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    fault_kinds: Vec<FaultKind>,
    /// What Retry-After says, in seconds
    #[arg(long, default_value_t = 1, value_name = "SECONDS")]
    retry_after: u64,
    /// Vendors keep their real limits: ETD 2 a second (burst 4), 10,000 a day; SER 1,000 a minute
    #[arg(long)]
    limits: bool,
    /// ETD calls a second; implies a limit
    #[arg(long, value_name = "CALLS")]
    etd_per_second: Option<f64>,
    /// ETD calls at once
    #[arg(long, default_value_t = 4, value_name = "CALLS")]
    etd_burst: u32,
    /// ETD calls a UTC day; implies a limit
    #[arg(long, value_name = "CALLS")]
    etd_per_day: Option<u32>,
    /// SER calls in any minute; implies a limit
    #[arg(long, value_name = "CALLS")]
    ser_per_minute: Option<u32>,
    #[command(flatten)]
    hec: hec::HecArgs,
    #[command(flatten)]
    log_export: log_export::LogExportArgs,
    /// The configuration reads SER's Admin API, too
    #[arg(long)]
    ser_admin: bool,
    /// The syslog receiver closes a connection after N messages
    #[arg(long, default_value_t = 0, value_name = "N")]
    syslog_close_every: u64,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Port of the ETD simulator; 0 is any free one
    #[arg(long, default_value_t = 0)]
    etd_port: u16,
    /// Port of the SER simulator
    #[arg(long, default_value_t = 0)]
    ser_port: u16,
    /// Port of the HEC simulator
    #[arg(long, default_value_t = 0)]
    hec_port: u16,
    /// Port of the syslog receiver (TCP)
    #[arg(long, default_value_t = 0)]
    syslog_port: u16,
    /// Writes a configuration for these servers to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,
    /// The state directory that the configuration names
    #[arg(long, default_value = "postrider-state", value_name = "DIRECTORY")]
    state: PathBuf,
    /// The configuration also sends to the syslog receiver
    #[arg(long)]
    with_syslog: bool,
    /// The configuration also writes to this file
    #[arg(long, value_name = "FILE")]
    with_file: Option<PathBuf>,
}

/// Serves until Ctrl-C or SIGTERM: the first process of a container ignores what it does not handle.
#[expect(clippy::print_stdout, reason = "the addresses and the configuration are the output")]
pub async fn run(args: Args) -> anyhow::Result<()> {
    let simulation = Simulation::start(args.options()).await.context("starting the simulators")?;
    let admin = free_address().context("looking for a free port")?;
    let config = args.config(&simulation, admin)?;
    println!("# ETD      {}", simulation.etd_url);
    println!("# SER      {}", simulation.ser_url);
    println!("# HEC      {}", simulation.hec_url);
    println!("# syslog   {} (tcp)", simulation.syslog_addr);
    println!("# page     http://{admin} (of `postrider run` with the configuration)");
    println!("# questions: GET /sim/stats, /sim/truth, /sim/received, /sim/faults");
    match &args.write_config {
        None => println!("{config}"),
        Some(path) => {
            write(path, &config).await.with_context(|| format!("writing {}", path.display()))?;
            println!("# configuration in {}", path.display());
        }
    }
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended.context("waiting for Ctrl-C")?,
        _ = term.recv() => {}
    }
    simulation.stop().await;
    Ok(())
}

/// Where the daemon may listen: a port of its own, so that whoever tries it finds its page.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Writes for the owner only, since there are secrets in it, and all at once, since a script may
/// wait for the file.
async fn write(path: &Path, config: &str) -> io::Result<()> {
    let mut unfinished = path.to_owned().into_os_string();
    unfinished.push(".new");
    let mut options = tokio::fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished).await?;
    file.write_all(config.as_bytes()).await?;
    file.sync_all().await?;
    tokio::fs::rename(&unfinished, path).await
}

impl Args {
    fn options(&self) -> Options {
        let clock = SystemClock;
        let now = clock.now();
        let hours = self.days.map_or(self.hours, |days| days.saturating_mul(24));
        let from = now.checked_sub(Span::new().hours(hours.max(1))).unwrap_or(now);
        let mut quirks = if self.plain { Quirks::plain() } else { Quirks::default() };
        quirks.newest_first &= !self.oldest_first;
        quirks.too_large_above = self.too_large_above;
        let defaults = EtdOptions::default();
        let kinds = match self.fault_kinds.as_slice() {
            [] => FaultKind::PASSING.to_vec(),
            kinds => kinds.to_vec(),
        };
        let per_second = self.etd_per_second.or(self.limits.then_some(2.0));
        let etd_limits = Limits {
            per_second: per_second.map(|rate| Rate { rate, burst: self.etd_burst }),
            per_day: self.etd_per_day.or(self.limits.then_some(10_000)),
            per_minute: None,
        };
        let per_minute = self.ser_per_minute.or(self.limits.then_some(1_000));
        Options {
            seed: self.seed,
            clock: Arc::new(clock),
            faults: Faults {
                rate: self.faults,
                kinds,
                retry_after: Duration::from_secs(self.retry_after),
                ..Faults::default()
            },
            etd: EtdOptions {
                messages: self.messages,
                range: Some([from, now]),
                live_per_second: self.live,
                api_key: defaults.api_key.clone().filter(|_| !self.no_api_key),
                now_margin: Duration::from_secs(self.now_margin),
                limits: etd_limits,
                quirks,
                log_export: self.log_export.options(),
                ..defaults
            },
            ser: SerOptions {
                users: self.users,
                shape: self.ser_shape,
                shuffle: !self.plain,
                annual_throughput: u64::from(self.users) * THROUGHPUT_OF_A_USER,
                limits: Limits { per_minute, ..Limits::default() },
                ..SerOptions::default()
            },
            hec: self.hec.options(),
            syslog_close_every: self.syslog_close_every,
            listen: Listen {
                ip: self.listen,
                etd: self.etd_port,
                ser: self.ser_port,
                hec: self.hec_port,
                syslog: self.syslog_port,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(of: &[&str]) -> Args {
        let program = std::iter::once("simulate");
        Command::try_parse_from(program.chain(of.iter().copied())).unwrap().args
    }

    #[tokio::test]
    async fn the_configuration_names_the_servers() {
        let args = args(&[
            "--with-syslog",
            "--with-file",
            "out \"x\".jsonl",
            "--hec-ack",
            "--limits",
            "--log-export",
            "--ser-admin",
            "--fault-kinds",
            "reset,html",
            "--faults",
            "0.1",
            "--messages",
            "10",
        ]);
        let simulation = Simulation::start(args.options()).await.unwrap();
        let admin = free_address().unwrap();
        assert_ne!(admin.port(), 0);
        let config: toml::Table = args.config(&simulation, admin).unwrap().parse().unwrap();
        assert_eq!(config["admin"]["listen"].as_str(), Some(&*admin.to_string()));
        assert_eq!(config["sources"]["etd-sim"]["base_url"].as_str(), Some(&*simulation.etd_url));
        assert_eq!(
            config["sources"]["etd-sim"]["rate_limit"]["per_day"].as_integer(),
            Some(10_000)
        );
        assert_eq!(config["sources"]["etd-sim"]["log_export"].as_bool(), Some(true));
        let ser_admin = &config["sources"]["ser-admin-sim"];
        assert_eq!(ser_admin["reporting_url"].as_str(), Some(&*simulation.ser_url));
        assert_eq!(config["sinks"]["file-sim"]["path"].as_str(), Some("out \"x\".jsonl"));
        let syslog = simulation.syslog_addr.to_string();
        assert_eq!(config["sinks"]["syslog-sim"]["address"].as_str(), Some(&*syslog));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("simulated.toml");
        write(&path, &args.config(&simulation, admin).unwrap()).await.unwrap();
        let loaded = crate::config::load(Some(&path), [], SystemClock.now());
        let warnings = loaded.map(|loaded| loaded.warnings.len()).map_err(|e| e.to_string());
        assert_eq!(warnings, Ok(0));
        let faults = args.options().faults;
        assert_eq!(faults.kinds, [FaultKind::Reset, FaultKind::Html]);
    }

    #[test]
    fn unknown_words_are_refused() {
        for bad in [["--fault-kinds", "rain"], ["--ser-shape", "round"]] {
            let program = ["simulate"].into_iter().chain(bad);
            assert!(Command::try_parse_from(program).is_err());
        }
    }
}
