//! The whole pipeline: the release binary's `once` against `postrider simulate` in another
//! process, faults off, one HEC sink with gzip.
//!
//! ```text
//! cargo bench --bench pipeline                               # 10,000 messages, median of 5
//! cargo bench --bench pipeline -- --messages 1000000 --repeat 1
//! cargo bench --bench pipeline -- --idle                     # the daemon after a collection
//! ```

#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod support;

use std::time::Duration;

use anyhow::{Context, ensure};
use support::{Daemon, Simulator, Usage, argument, calls, flag, is_bench, median, mib};

fn main() -> anyhow::Result<()> {
    if support::is_measuring()? || !is_bench() {
        return Ok(());
    }
    let messages: u64 = argument("messages", 10_000)?;
    let messages_text = messages.to_string();
    let simulator = Simulator::start(&["--messages", &messages_text, "--now-margin", "0"])?;
    if flag("idle") { idle(&simulator, messages) } else { pipeline(&simulator, messages) }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn pipeline(simulator: &Simulator, messages: u64) -> anyhow::Result<()> {
    let repeat: usize = argument("repeat", 5)?;
    // The simulator's last message is as old as the simulator: let it become due.
    wait(Duration::from_secs(3))?;
    println!("{messages} messages, {repeat} runs");
    println!("  run  messages/s  CPU s/10,000  (user  system)  peak MiB  searches  needed");
    let (mut rates, mut seconds, mut searched) = (Vec::new(), Vec::new(), 0);
    for run in 1..=repeat {
        let config = simulator.configuration("etd-sim", &format!("run-{run}"), up_to_now)?;
        let used = Usage::of(&["--config", config.to_str().context("not UTF-8")?, "once"])?;
        let stats = simulator.etd_stats()?;
        let (all, needed) = (calls(&stats, "search"), stats["fewest_search_calls"].clone());
        let per_10_000 = |seconds: f64| seconds * 10_000.0 / messages as f64;
        let rate = messages as f64 / used.wall.as_secs_f64();
        println!(
            "  {run:3}  {rate:10.0}  {:12.3}  ({:.3}  {:.3})   {:8.1}  {:8}  {needed:>6}",
            per_10_000(used.cpu()),
            per_10_000(used.user),
            per_10_000(used.system),
            used.peak_mib(),
            all - searched,
        );
        rates.push(rate);
        seconds.push(per_10_000(used.cpu()));
        searched = all;
    }
    let stats = simulator.hec_stats()?;
    let (events, copies) = (&stats["events"], &stats["received"]);
    ensure!(events.as_u64() == Some(messages), "not all arrived: {events}");
    let most = messages * repeat as u64;
    ensure!(copies.as_u64().is_some_and(|copies| copies <= most), "some came twice: {copies}");
    println!(
        "  median: {:.0} messages/s, {:.3} CPU seconds for 10,000",
        median(rates),
        median(seconds)
    );
    Ok(())
}

/// All messages are to be collected; they end with the simulator's start.
fn up_to_now(source: &mut toml::Table) {
    source.insert("lag".into(), "1s".into());
}

/// The daemon's memory once all is collected and delivered, over a minute.
fn idle(simulator: &Simulator, messages: u64) -> anyhow::Result<()> {
    let config = simulator.configuration("etd-sim", "idle", |source| {
        up_to_now(source);
        let every = toml::Table::from_iter([("every".to_owned(), "1m".into())]);
        source.insert("schedule".into(), every.into());
    })?;
    let daemon = Daemon::start(&config)?;
    let mut tries = 0;
    while simulator.hec_stats()?["events"].as_u64().context("no count")? < messages {
        tries += 1;
        ensure!(tries < 600, "the daemon does not come to an end");
        wait(Duration::from_secs(1))?;
    }
    for seconds in [5, 15, 40] {
        wait(Duration::from_secs(seconds))?;
        let (now, peak) = daemon.memory()?;
        println!("{messages} messages: {:.1} MiB, at most {:.1} MiB", mib(now), mib(peak));
    }
    Ok(())
}

fn wait(time: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async { tokio::time::sleep(time).await });
    Ok(())
}
