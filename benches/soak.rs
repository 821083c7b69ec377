//! All faults at once, for an hour: two worlds beside each other, each with the release binary's
//! `run` between simulated vendors and receivers. In one nothing ends the daemon, so that its memory
//! can be watched; in the other it is killed every minute or two.
//!
//! ```text
//! cargo bench --bench soak -- --minutes 60 [--seed N] [--live 100] [--csv FILE] [--keep DIRECTORY]
//! ```
//!
//! Three in a hundred calls fail in every way there is, page tokens and access tokens expire, records
//! arrive late and change, the SIEM and the vendors are away now and then, the syslog receiver
//! closes connections, one event in 2,000 is poison for the HEC, the configuration is read again, and
//! the spool is small. `--ack` has the HEC demand indexer acknowledgement, and lose batches and
//! acknowledgements. In the end the faults stop, and the receivers' ledgers are compared with the
//! vendors' truth: first what came by itself, then, after a backfill of everything, the contents.

#![allow(clippy::print_stdout, reason = "the figures are the output")]

#[path = "soak/files.rs"]
mod files;
mod support;
#[path = "soak/trouble.rs"]
mod trouble;
#[path = "soak/verdict.rs"]
mod verdict;
#[path = "soak/world.rs"]
mod world;

use std::{collections::BTreeSet, fmt::Write as _, io::Write as _, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal;
use postrider::{
    clock::{Clock, SystemClock},
    simulator::Faults,
};
use serde_json::Value;
use support::{Sample, argument, flag, is_bench, mib};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use trouble::Trouble;
use verdict::{Missing, judge};
use world::{BATCH, CLOSE_EVERY, HEC_IN_FLIGHT, LAG, LAST_RESWEEP, Settings, World};

/// How long it may take until all is well again.
const PATIENCE: Duration = Duration::from_mins(20);

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    if !is_bench() {
        return Ok(());
    }
    let minutes: u64 = argument("minutes", 60)?;
    let seed: u64 = argument("seed", 1)?;
    let live: f64 = argument("live", 100.0)?;
    let csv: String = argument("csv", "soak.csv".to_owned())?;
    let keep: String = argument("keep", String::new())?;
    let temporary = tempfile::tempdir()?;
    let root = if keep.is_empty() { temporary.path().into() } else { PathBuf::from(keep) };
    let settings = Settings { seed, live, acknowledgement: flag("ack") };
    println!("{minutes} minutes, seed {seed}, {live} messages a second in each world");
    std::fs::write(&csv, HEADER)?;
    let mut left = World::start("lives", &root, settings).await?;
    let mut killed = World::start("killed", &root, Settings { seed: seed + 1, ..settings }).await?;
    let (one, other) = tokio::join!(
        soak(&mut left, Trouble::new(seed, false), minutes, &csv),
        soak(&mut killed, Trouble::new(seed + 1, true), minutes, &csv),
    );
    if one? && other? { Ok(()) } else { bail!("something is missing, or came in another form") }
}

/// One world from its troubles to its verdict; whether it is a good one.
async fn soak(
    world: &mut World,
    mut trouble: Trouble,
    minutes: u64,
    csv: &str,
) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rows = Vec::new();
    while begun.elapsed() < Duration::from_secs(minutes * 60) {
        seconds.tick().await;
        trouble.happen(world).await.with_context(|| world.name)?;
        if begun.elapsed().as_secs() / 60 > rows.len() as u64 {
            rows.push(look(world, &trouble, rows.len() + 1, csv)?);
        }
    }
    if (rows.len() as u64) < minutes {
        rows.push(look(world, &trouble, rows.len() + 1, csv)?);
    }
    world.set_faults(&Faults::none());
    let ended = SystemClock.now();
    let ended = Timestamp::from_second(ended.as_second())?;
    let recovered = recover(world, ended).await?;
    // What arrived late is found by the last resweep.
    sleep(LAST_RESWEEP + Duration::from_mins(1)).await;
    recover(world, ended).await?;
    let (held, alone) = judge(world, ended)?;
    world.backfill(ended)?;
    let status = recover(world, ended).await?.1;
    let (_, helped) = judge(world, ended)?;
    let good = report(world, &trouble, &rows, recovered.0, held, [&alone, &helped], &status)?;
    world.signal(Signal::SIGTERM)?;
    Ok(good)
}

const HEADER: &str = "world,minute,memory_mib,anonymous_mib,peak_mib,cpu_seconds,descriptors,sockets,threads,\
    store_mib,hec,siem,archive,hec_twice,siem_twice,archive_twice,kills,outages,reloads\n";

/// What the daemon uses now, also as a line of the CSV.
fn look(
    world: &mut World,
    trouble: &Trouble,
    minute: usize,
    csv: &str,
) -> anyhow::Result<(Sample, u64)> {
    let (sample, store) = (world.sample()?, world.store_bytes());
    let (arrived, twice) = (world.arrived()?, world.duplicates()?);
    let mut line = format!(
        "{},{minute},{:.1},{:.1},{:.1},{:.1},{},{},{},{:.1}",
        world.name,
        mib(sample.memory),
        mib(sample.anonymous),
        mib(sample.peak),
        sample.cpu,
        sample.descriptors,
        sample.sockets,
        sample.threads,
        mib(store),
    );
    for count in arrived.into_iter().chain(twice) {
        write!(line, ",{count}")?;
    }
    writeln!(line, ",{},{},{}", trouble.kills.len(), trouble.outages, trouble.reloads)?;
    std::fs::OpenOptions::new().append(true).open(csv)?.write_all(line.as_bytes())?;
    Ok((sample, store))
}

/// Waits until all that was due by then is collected and delivered: how long that took, and the status.
async fn recover(world: &World, until: Timestamp) -> anyhow::Result<(Duration, Value)> {
    let begun = Instant::now();
    loop {
        sleep(Duration::from_secs(2)).await;
        let status = world.status()?;
        if is_settled(&status, until) {
            return Ok((begun.elapsed(), status));
        }
        if begun.elapsed() > PATIENCE {
            bail!("{}: it does not come to rest: {status:#}", world.name);
        }
    }
}

fn is_settled(status: &Value, until: Timestamp) -> bool {
    let list = |name: &str| status[name].as_array().cloned().unwrap_or_default();
    // Live collection has passed the end; the last slices' own lag is short.
    let lag = SignedDuration::try_from(LAG).unwrap_or_default();
    let now_due = until - lag;
    let covered = |source: &Value| {
        let to: Option<Timestamp> = source["covered_to"].as_str().and_then(|to| to.parse().ok());
        let is_etd = source["type"] == "cisco_etd";
        to.is_some_and(|to| !is_etd || to >= now_due.max(until))
    };
    let sources = list("sources");
    let failing = |source: &Value| source["failing_slices"].as_u64() != Some(0);
    // New messages are always on the way, and some wait for an acknowledgement.
    let on_the_way = 2 * HEC_IN_FLIGHT * BATCH;
    let waits = |sink: &Value| sink["waiting"].as_u64().is_none_or(|waiting| waiting > on_the_way);
    sources.iter().all(covered)
        && !sources.iter().any(failing)
        && !list("sinks").iter().any(waits)
        && status["sources"][0]["open_slices"].as_u64().is_some_and(|open| open <= 3)
}

fn report(
    world: &mut World,
    trouble: &Trouble,
    rows: &[(Sample, u64)],
    recovered: Duration,
    held: u64,
    verdicts: [&[Missing]; 2],
    status: &Value,
) -> anyhow::Result<bool> {
    let dead = |sink: &str| {
        let sinks = status["sinks"].as_array().into_iter().flatten();
        let found = sinks.clone().find(|it| it["sink"] == sink);
        found.and_then(|it| it["dead_letters"].as_u64()).unwrap_or(0)
    };
    let stats = world.simulation.stats();
    println!("\n{}: {held} messages held by the vendor", world.name);
    let at = |minute: usize| rows.get(minute.min(rows.len()) - 1).copied().unwrap_or_default();
    for minute in BTreeSet::from([1, 5.min(rows.len()), rows.len()]) {
        let (sample, store) = at(minute);
        println!(
            "  minute {minute:3}: {:6.1} MiB (at most {:.1}), {} descriptors, {} threads, store {:.1} MiB",
            mib(sample.memory),
            mib(sample.peak),
            sample.descriptors,
            sample.threads,
            mib(store)
        );
    }
    let most = rows.iter().map(|(_, store)| *store).max().unwrap_or_default();
    println!(
        "  store at most {:.1} MiB; the spool was full {} times",
        mib(most),
        world.spool_full()?
    );
    println!(
        "  {} outages, {} times read again, {} kills; all well again {:.0} s after the last fault",
        trouble.outages,
        trouble.reloads,
        trouble.kills.len(),
        recovered.as_secs_f64()
    );
    for (name, calls) in [("etd", &stats.etd), ("ser", &stats.ser), ("hec", &stats.hec)] {
        let faults: Vec<_> =
            calls.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let calls: u64 = calls.calls.values().sum();
        println!("  {name}: {calls} calls, faults: {}", faults.join(", "));
    }
    let (arrived, twice) = (world.arrived()?, world.duplicates()?);
    let mut good = world.file.torn == 0;
    println!("  sink      events   twice   never came   by resweeps   in the end   dead letters");
    for (number, (alone, helped)) in verdicts[0].iter().zip(verdicts[1]).enumerate() {
        let dead = dead(helped.sink);
        println!(
            "  {:8} {:7} {:7}   {:10}   {:11}   {:10}   {dead:12}",
            helped.sink,
            arrived[number],
            twice[number],
            alone.messages,
            alone.outdated,
            helped.messages + helped.outdated + helped.rows,
        );
        for example in &alone.examples {
            println!("    never came: {example}");
        }
        good &= helped.different == 0;
        if helped.sink == "siem" {
            // Its peer's TCP had them when its process closed the connection: nobody can know.
            let most = (arrived[number] + twice[number]) / CLOSE_EVERY * BATCH;
            good &= alone.messages <= most;
        } else {
            good &= alone.messages <= dead && helped.messages + helped.outdated <= dead;
            good &= helped.rows == 0 || dead > 0;
        }
    }
    println!("  lines of the file that are no event: {}", world.file.torn);
    let in_flight = [HEC_IN_FLIGHT * BATCH, BATCH, BATCH];
    for (sink, name) in ["splunk", "siem", "archive"].into_iter().enumerate() {
        let doubled: Vec<u64> = trouble.kills.iter().map(|kill| kill[sink]).collect();
        if let Some(most) = doubled.iter().max() {
            let sum: u64 = doubled.iter().sum();
            println!(
                "  kills doubled at {name}: {sum} in all, {} on average, {most} at most, of {} in flight",
                sum / doubled.len() as u64,
                in_flight[sink]
            );
        }
    }
    Ok(good)
}
