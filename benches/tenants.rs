//! A thousand tenants in one process: the release binary's `run` against simulated vendors, both
//! kinds, schedules by interval and by cron, a share of all calls failing, and some tenants that
//! fail altogether.
//!
//! ```text
//! cargo bench --bench tenants -- --sources 1000 --minutes 10
//! cargo bench --bench tenants -- --sources 1000 --minutes 10 --ill 0     # to compare with
//! ```
//!
//! `--ill` so many tenants fail altogether (one in twenty), `--faults` is the share of the others'
//! calls that fail (0.05), `--keep DIRECTORY` keeps the configuration, the log and the store.

#![allow(clippy::print_stdout, reason = "the figures are the output")]

#[path = "tenants/delays.rs"]
mod delays;
mod support;
#[path = "tenants/tenant.rs"]
mod tenant;

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::ensure;
use delays::{Delays, Log, quantile};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use postrider::{
    clock::{Clock, SystemClock},
    simulator::{EtdOptions, FaultKind, Faults, HecOptions, Options, SerOptions, Simulation},
};
use support::{Daemon, Sample, argument, is_bench, mib, run};
use tenant::{Tenant, Vendors};
use tokio::net::TcpListener;

/// The first round is a burst of its own.
const WARM: Duration = Duration::from_secs(120);
/// What becomes due within this of the end may be served after it.
const MARGIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(2);

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    if !is_bench() {
        return Ok(());
    }
    let sources: usize = argument("sources", 1_000)?;
    let ill: usize = argument("ill", sources / 20)?;
    let minutes: f64 = argument("minutes", 10.0)?;
    let faults: f64 = argument("faults", 0.05)?;
    let keep: String = argument("keep", String::new())?;
    let temporary = tempfile::tempdir()?;
    let directory = if keep.is_empty() { temporary.path().into() } else { PathBuf::from(keep) };
    std::fs::create_dir_all(&directory)?;

    let tenants = Tenant::all(sources, ill);
    let well = simulate(Faults::at_rate(faults)).await?;
    let always = |kind| Faults { kinds: vec![kind], ..Faults::at_rate(1.0) };
    let unavailable = simulate(always(FaultKind::Unavailable)).await?;
    let throttled = simulate(always(FaultKind::Throttled)).await?;
    let hanging = TcpListener::bind("127.0.0.1:0").await?;
    let urls = |simulation: &Simulation| [simulation.etd_url.clone(), simulation.ser_url.clone()];
    let vendors = Vendors {
        well: urls(&well),
        unavailable: urls(&unavailable),
        throttled: urls(&throttled),
        hanging: hanging.local_addr()?,
        hec: well.hec_url.clone(),
    };
    well.set_hec_faults(Faults::at_rate(faults));
    let config = write(&directory, &tenant::configuration(&tenants, &vendors, &directory))?;
    let mut held = tokio::task::JoinSet::new();
    held.spawn(hold(hanging));

    println!("{sources} sources, {ill} of which fail altogether; {faults} of all calls fail");
    let log = directory.join("log");
    let mut daemon = Daemon::start_logging(&config, &log)?;
    let begun = SystemClock.now();
    let samples = watch(&mut daemon, Duration::from_secs_f64(minutes * 60.0)).await?;
    let ended = SystemClock.now();
    let commands = commands(&config)?;
    daemon.signal(Signal::SIGTERM)?;
    let stopping = Instant::now();
    let status = tokio::task::spawn_blocking(move || daemon.wait()).await??;
    ensure!(status.success(), "the daemon ended with {status}");
    let stopped = stopping.elapsed();

    let log = Log::read(&log)?;
    let window = [begun + WARM, ended - MARGIN];
    let delays = Delays::of(&log, &tenants, window);
    report_delays(&log, &delays, &tenants, begun);
    report_use(&log, &samples, ended.duration_since(begun).as_secs_f64());
    println!("  SIGTERM to exit             {:8.2} s", stopped.as_secs_f64());
    print!("{commands}");
    let stats = well.stats();
    println!(
        "  delivered {} events, {} twice; calls ETD {}, SER {}, HEC {}",
        stats.hec_events.events,
        stats.hec_events.duplicates,
        stats.etd.calls.values().sum::<u64>(),
        stats.ser.calls.values().sum::<u64>(),
        stats.hec.calls.values().sum::<u64>(),
    );
    Ok(())
}

/// Vendors with a tenant's usual traffic: 17,000 messages and as many SER rows a day.
async fn simulate(faults: Faults) -> anyhow::Result<Simulation> {
    let mut options = Options { faults, ..Options::default() };
    let now = SystemClock.now();
    options.etd = EtdOptions {
        messages: 720,
        range: Some([now - Duration::from_secs(3_600), now]),
        live_per_second: 0.2,
        ..EtdOptions::default()
    };
    options.ser = SerOptions::default();
    options.hec = HecOptions { content: false, ..HecOptions::default() };
    Simulation::start(options).await
}

/// Accepts connections and says nothing.
async fn hold(listener: TcpListener) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(stream);
        // Those that the client gave up are closed, too.
        if held.len() > 256 {
            held.drain(..128);
        }
    }
}

fn write(directory: &Path, text: &str) -> anyhow::Result<PathBuf> {
    let path = directory.join("postrider.toml");
    let mut options = OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

/// Looks at the daemon again and again.
async fn watch(daemon: &mut Daemon, time: Duration) -> anyhow::Result<Vec<Sample>> {
    let begun = Instant::now();
    let mut samples = Vec::new();
    let mut ticks = tokio::time::interval(LOOK);
    while begun.elapsed() < time {
        ticks.tick().await;
        ensure!(daemon.ended()?.is_none(), "the daemon ended by itself");
        samples.push(daemon.sample()?);
    }
    Ok(samples)
}

/// What the commands take beside the running daemon.
fn commands(config: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    for arguments in [&["status"][..], &["status", "--output", "json"], &["coverage"]] {
        let (printed, took) = run(config, arguments)?;
        let (name, lines) = (arguments.join(" "), printed.lines().count());
        writeln!(text, "  {name:26}  {:8.2} s  {lines:6} lines", took.as_secs_f64())?;
    }
    Ok(text)
}

fn report_delays(log: &Log, delays: &Delays, tenants: &[Tenant], begun: Timestamp) {
    let since =
        |at: Option<Timestamp>| at.map_or(f64::NAN, |at| at.duration_since(begun).as_secs_f64());
    println!("  start to `postrider runs`   {:8.2} s", since(log.runs));
    println!("  start to all well served    {:8.2} s", since(log.first_round(tenants)));
    println!(
        "\n  of the {} tenants that are well: {} activations, {} missed, {} not served",
        delays.tenants, delays.activations, delays.missed, delays.unserved
    );
    println!("                                p50      p90      p99    p99.9      max   seconds");
    for (name, values) in
        [("activated after its time", &delays.late), ("due to stored", &delays.served)]
    {
        let [p50, p90, p99, p999, max] =
            [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| quantile(values, share));
        println!("  {name:26} {p50:8.3} {p90:8.3} {p99:8.3} {p999:8.3} {max:8.3}");
    }
    for (delay, name, due) in delays.worst.iter().take(3) {
        println!("    {delay:8.3} s: {name}, due {due:.0}");
    }
    println!();
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn report_use(log: &Log, samples: &[Sample], seconds: f64) {
    let memory = |share: f64| {
        let mut all: Vec<f64> = samples.iter().map(|sample| mib(sample.memory)).collect();
        all.sort_by(f64::total_cmp);
        quantile(&all, share)
    };
    let last = samples.last().copied().unwrap_or_default();
    let after_warm = samples.get(samples.len() / 5).copied().unwrap_or_default();
    let most = |of: fn(&Sample) -> usize| samples.iter().map(of).max().unwrap_or_default();
    println!("  memory, half of the time    {:8.1} MiB", memory(0.5));
    println!("  memory, at most             {:8.1} MiB", mib(last.peak));
    println!("  memory, in the end          {:8.1} MiB", mib(last.memory));
    println!("  processor, all of the time  {:8.1} % of a core", last.cpu / seconds * 100.0);
    let rest = (last.cpu - after_warm.cpu) / (seconds * 0.8) * 100.0;
    println!("  processor, last four fifths {rest:8.1} % of a core");
    println!("  file descriptors, at most   {:8}", most(|sample| sample.descriptors));
    println!("  of these, sockets           {:8}", most(|sample| sample.sockets));
    println!("  threads                     {:8}", last.threads);
    println!("  the writer's longest line   {:8}", log.longest_line.unwrap_or_default());
    let rate = log.transactions.unwrap_or_default() as f64 / seconds;
    println!("  transactions                {rate:8.1} a second");
    let (lines, bytes) = (log.lines as f64 / seconds, log.bytes as f64 / seconds);
    println!("  log                         {lines:8.1} lines, {:.1} KiB a second", bytes / 1024.0);
}
