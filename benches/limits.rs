//! The vendors' limits: how much of what they allow is used while there is work, and whether they
//! ever say 429. Takes three minutes of waiting.
//!
//! ```text
//! cargo bench --bench limits
//! cargo bench --bench limits -- --seconds 120        # of ETD's limit
//! ```

#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod support;

use anyhow::Context;
use support::{Simulator, Usage, argument, calls, is_bench};

fn main() -> anyhow::Result<()> {
    if support::is_measuring()? || !is_bench() {
        return Ok(());
    }
    println!("  limit                    seconds  calls  allowed  used   429  most in a minute");
    // A token bucket: what it holds at first, and two a second.
    let seconds: u32 = argument("seconds", 60)?;
    let messages = (seconds * 2 + 4 - 25) * 100;
    let etd = Simulator::start(&["--limits", "--messages", &messages.to_string()])?;
    let wall = run(&etd, "etd-sim")?;
    row("ETD 2/s, burst 4", wall, 4.0 + 2.0 * wall, &etd.etd_stats()?);
    // A window of a minute: one call an hour of the range.
    let ser = Simulator::start(&["--limits", "--days", "82", "--users", "1", "--messages", "1"])?;
    let wall = run(&ser, "ser-sim")?;
    row("SER 1,000 a minute", wall, 1000.0 / 60.0 * wall, &ser.ser_stats()?);
    Ok(())
}

fn run(simulator: &Simulator, source: &str) -> anyhow::Result<f64> {
    let config = simulator.configuration(source, source, |_| {})?;
    let used = Usage::of(&["--config", config.to_str().context("not UTF-8")?, "once"])?;
    Ok(used.wall.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn row(name: &str, seconds: f64, allowed: f64, stats: &serde_json::Value) {
    let calls = calls(stats, "");
    let used = calls as f64 / allowed;
    let (limited, most) = (&stats["limited"], &stats["most_calls_in_a_minute"]);
    println!(
        "  {name:22}  {seconds:8.1}  {calls:5}  {allowed:7.0}  {used:.3}  {limited:>3}  {most:>16}"
    );
}
