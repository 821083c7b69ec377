//! What looking costs: the daemon's share of a core while nobody looks, while Prometheus scrapes it
//! once a second, while ten status pages a second are asked for, and with both. By turns in one
//! run, so that other work on the machine falls on all of them. Then the same beside real work: a
//! daemon that collects and delivers 200 messages a second, which is what a vendor allows.
//!
//! ```text
//! cargo bench --bench overhead
//! cargo bench --bench overhead -- --seconds 20 --rounds 3 --messages 40000
//! ```

#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod support;

use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use postrider::{
    clock::{Clock, SystemClock},
    simulator::{EtdOptions, HecOptions, Options, Simulation},
};
use support::{Daemon, argument, is_bench, median};

/// Who looks, how often in a second.
#[derive(Clone, Copy)]
struct Looks {
    name: &'static str,
    scrapes: u32,
    pages: u32,
}

const KINDS: [Looks; 4] = [
    Looks { name: "nobody looks", scrapes: 0, pages: 0 },
    Looks { name: "1 scrape a second", scrapes: 1, pages: 0 },
    Looks { name: "10 pages a second", scrapes: 0, pages: 10 },
    Looks { name: "both", scrapes: 1, pages: 10 },
];

/// Messages a second of the daemon that works.
const LIVE: u32 = 200;
/// What was behind is collected, and the rest of the start is over.
const SETTLED: Duration = Duration::from_secs(20);

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    if !is_bench() {
        return Ok(());
    }
    let seconds: u64 = argument("seconds", 20)?;
    let rounds: usize = argument("rounds", 3)?;
    let messages: u64 = argument("messages", 40_000)?;
    let each = Duration::from_secs(seconds);
    println!("  {messages} messages of a week in the store, 2 sources, 2 sinks, one of them down");
    println!("  {rounds} rounds of {seconds} s each\n");
    println!("                              CPU, % of a core   of these   asked  answer, ms");
    println!("                               median (all)      over idle   a s   median, slowest");

    let idle = Scene::start(messages, 0).await?;
    let quiet = idle.rounds(rounds, each)?;
    drop(idle);
    let working = Scene::start(messages, LIVE).await?;
    let busy = working.rounds(rounds, each)?;
    let (nothing, work) = (quiet[0].share(), busy[0].share());
    println!("\n  a daemon at work takes {:.1} times what an idle one takes", work / nothing);
    for (looks, quiet, busy) in
        KINDS.iter().zip(&quiet).zip(&busy).map(|((looks, quiet), busy)| (looks, quiet, busy))
    {
        println!(
            "  {:20} idle {:6.2} times idle, {:5.2} of work; at work {:5.2} times work alone",
            looks.name,
            quiet.share() / nothing,
            quiet.share() / work,
            busy.share() / work,
        );
    }
    Ok(())
}

/// A daemon with its vendors and receivers.
struct Scene {
    name: &'static str,
    daemon: Daemon,
    address: SocketAddr,
    _simulation: Simulation,
    _directory: tempfile::TempDir,
}

impl Scene {
    /// Collects all there is, and waits until nothing more is to be done at once.
    async fn start(messages: u64, live: u32) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let now = SystemClock.now();
        let mut options = Options::plain();
        options.etd = EtdOptions {
            messages,
            range: Some([now - Duration::from_hours(7 * 24), now]),
            live_per_second: live.into(),
            now_margin: Duration::ZERO,
            quirks: options.etd.quirks,
            ..EtdOptions::default()
        };
        options.hec = HecOptions { content: false, ..HecOptions::default() };
        let simulation = Simulation::start(options).await?;
        let address = free()?;
        let config = configuration(directory.path(), &simulation, address, free()?)?;
        let daemon = Daemon::start_logging(&config, &directory.path().join("log"))?;
        let begun = Instant::now();
        while simulation.stats().hec_events.events < messages {
            ensure!(begun.elapsed() < Duration::from_mins(10), "it does not collect all of it");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        tokio::time::sleep(SETTLED).await;
        let name = if live == 0 { "idle" } else { "at work" };
        let scene = Self { name, daemon, address, _simulation: simulation, _directory: directory };
        Ok(scene)
    }

    /// Each kind of looking by turns, and what it was.
    fn rounds(&self, rounds: usize, each: Duration) -> anyhow::Result<Vec<Found>> {
        let mut found: Vec<Found> = KINDS.iter().map(|_| Found::default()).collect();
        for _ in 0..rounds {
            for (looks, found) in KINDS.iter().zip(&mut found) {
                let before = self.daemon.sample()?.cpu;
                let begun = Instant::now();
                found.answers.extend(look(self.address, *looks, each)?);
                let seconds = begun.elapsed().as_secs_f64();
                found.shares.push((self.daemon.sample()?.cpu - before) / seconds * 100.0);
                found.seconds += seconds;
            }
        }
        let nothing = found[0].share();
        for (looks, found) in KINDS.iter().zip(&found) {
            let mut all = String::new();
            for share in &found.shares {
                write!(all, " {share:.2}")?;
            }
            let (share, over) = (found.share(), found.share() - nothing);
            let asked = f64::from(u32::try_from(found.answers.len())?) / found.seconds;
            let name = format!("{}, {}", self.name, looks.name);
            print!("  {name:28} {share:6.2} ({}) {over:8.2} {asked:8.1}", all.trim());
            let slowest = found.answers.iter().copied().fold(0.0, f64::max);
            println!("   {:8.1} {slowest:8.1}", median(found.answers.clone()));
        }
        Ok(found)
    }
}

/// Of one kind of looking.
#[derive(Default)]
struct Found {
    /// Percent of a core, a round each.
    shares: Vec<f64>,
    /// Milliseconds, an answer each.
    answers: Vec<f64>,
    seconds: f64,
}

impl Found {
    fn share(&self) -> f64 {
        median(self.shares.clone())
    }
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn configuration(
    directory: &Path,
    simulation: &Simulation,
    admin: SocketAddr,
    nobody: SocketAddr,
) -> anyhow::Result<PathBuf> {
    let (etd, ser, hec) = (&simulation.etd_url, &simulation.ser_url, &simulation.hec_url);
    let text = format!(
        "[state]\ndirectory = \"{state}\"\n[admin]\nlisten = \"{admin}\"\n[log]\nlevel = \"warn\"\n\
         [sources.etd]\ntype = \"cisco_etd\"\nbase_url = \"{etd}\"\nclient_id = \"sim-client\"\n\
         client_secret = \"sim-secret\"\napi_key = \"sim-api-key\"\n\
         schedule = {{ every = \"5s\" }}\nlag = \"1s\"\nstart = \"170h\"\nresweep = []\n\
         rate_limit = {{ per_second = 1000, burst = 100, per_day = 1000000 }}\n\
         [sources.ser]\ntype = \"proofpoint_ser\"\nbase_url = \"{ser}\"\n\
         token_url = \"{ser}/v1/token\"\nclient_id = \"sim-client\"\n\
         client_secret = \"sim-secret\"\nstart = \"7d\"\nresweep = []\n\
         [sinks.splunk]\ntype = \"splunk_hec\"\nendpoints = [\"{hec}\"]\n\
         token = \"11111111-2222-3333-4444-555555555555\"\n\
         [sinks.down]\ntype = \"syslog\"\naddress = \"{nobody}\"\ntransport = \"tcp\"\n",
        state = directory.join("state").display(),
    );
    let path = directory.join("postrider.toml");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create_new(true).write(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

/// Looks for so long; how many milliseconds each answer took.
#[expect(clippy::disallowed_methods, reason = "threads of its own; the simulator has others")]
fn look(address: SocketAddr, looks: Looks, time: Duration) -> anyhow::Result<Vec<f64>> {
    let ask = |path: &'static str, a_second: u32| {
        thread::spawn(move || -> anyhow::Result<Vec<f64>> {
            let (mut took, begun) = (Vec::new(), Instant::now());
            let every = Duration::from_secs(1).checked_div(a_second);
            let Some(every) = every else { return Ok(took) };
            for number in 0.. {
                let due = every * number;
                if due >= time {
                    break;
                }
                thread::sleep(due.saturating_sub(begun.elapsed()));
                took.push(get(address, path)?);
            }
            Ok(took)
        })
    };
    let asking = [ask("/metrics", looks.scrapes), ask("/", looks.pages)];
    thread::sleep(time);
    let mut took = Vec::new();
    for asking in asking {
        took.extend(asking.join().ok().context("a thread panicked")??);
    }
    Ok(took)
}

/// A connection of its own, as a person's who has just come.
fn get(address: SocketAddr, path: &str) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}
