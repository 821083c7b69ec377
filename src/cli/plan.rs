//! `postrider plan`: what a day, or a backfill, costs in calls and whether that fits, before
//! anything is asked. Needs neither a store nor a network.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use super::{Exit, Output, complain, print, setup, status::grid};
use crate::{
    collect::budget::{self, Held},
    config::{Config, Source, Vendor, units},
    domain::slice::Interval,
    estimate::{self, Change, DayPlan, Estimate},
    store::{Store, StoreError},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Messages a day, instead of what the store has seen.
    #[arg(long, value_name = "N")]
    records_per_day: Option<u64>,
    /// What a backfill from this time on would cost (RFC 3339).
    #[arg(long, requires = "to", value_parser = units::time, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Where that backfill would end.
    #[arg(long, requires = "from", value_parser = units::time, value_name = "TIME")]
    to: Option<Timestamp>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Taken for a tenant whose messages nobody has counted.
const MESSAGES: u64 = 20_000;

#[derive(Debug, Serialize)]
struct Plan {
    source: String,
    /// Where the number of records comes from.
    records_from: RecordsFrom,
    #[serde(flatten)]
    day: DayPlan,
    /// Single changes that make the day fit, where it does not.
    changes: Vec<Change>,
    /// What waits today, where there is a store.
    held: Option<Held>,
    backfill: Option<Backfill>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum RecordsFrom {
    /// Nobody has counted.
    Assumed,
    CommandLine,
    /// What live collection received.
    Store,
    /// An answer has no pages.
    Irrelevant,
}

#[derive(Debug, Serialize)]
struct Backfill {
    from: Timestamp,
    to: Timestamp,
    #[serde(flatten)]
    estimate: Estimate,
    /// Days that it takes beside the daily calls; `None` where those leave nothing.
    days: Option<u64>,
}

pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration_or_exit(file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let range = match (args.from, args.to) {
        (Some(from), Some(to)) => match Interval::new(from, to) {
            Some(range) => Some(range),
            None => return wrong("--to must be later than --from"),
        },
        _ => None,
    };
    let config = loaded.config;
    let named = |source: &&Source| args.source.as_ref().is_none_or(|n| *n == source.name.as_str());
    let sources: Vec<&Source> = config.sources.values().filter(named).collect();
    if let Some(name) = args.source.as_ref().filter(|_| sources.is_empty()) {
        let names: Vec<_> = config.sources.keys().map(ToString::to_string).collect();
        return wrong(&format!("there is no source {name}; configured: {}", names.join(", ")));
    }
    let (store, now) = (store(&config), setup::clock().now());
    let plan = |source: &Source| plan(source, store.as_ref(), args, range, now);
    let plans = sources.into_iter().map(plan).collect::<Result<Vec<_>, _>>();
    let plans = plans.context("reading what the store has seen")?;
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&plans)?)?,
        Output::Table => print(&table(&plans))?,
    }
    let fits =
        |plan: &Plan| plan.day.fits && plan.backfill.as_ref().is_none_or(|b| b.days.is_some());
    Ok(if plans.iter().all(fits) { Exit::Done } else { Exit::Failed })
}

fn wrong(what: &str) -> anyhow::Result<Exit> {
    complain(what);
    Ok(Exit::Wrong)
}

/// The store, if there is one that can be read: without it the plan is only less certain.
fn store(config: &Config) -> Option<Store> {
    match Store::open_read_only(&config.state.directory) {
        Ok(store) => Some(store),
        Err(StoreError::Missing(_)) => None,
        Err(error) => {
            complain(&format!("{error}; planning without it"));
            None
        }
    }
}

fn plan(
    source: &Source,
    store: Option<&Store>,
    args: &Args,
    range: Option<Interval>,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let stream = source.vendor.streams().first().copied();
    let seen = match store.zip(stream) {
        Some((store, stream)) => store.records_a_day(&source.name, stream)?,
        None => None,
    };
    let (records, records_from) = match (&source.vendor, args.records_per_day, seen) {
        (Vendor::ProofpointSer(_), given, seen) => {
            (given.or(seen).unwrap_or_default(), RecordsFrom::Irrelevant)
        }
        (_, Some(given), _) => (given, RecordsFrom::CommandLine),
        (_, None, Some(seen)) => (seen, RecordsFrom::Store),
        (_, None, None) => (MESSAGES, RecordsFrom::Assumed),
    };
    let day = estimate::day(source, records, now);
    let changes = estimate::advice(source, &day, now);
    let held = match store {
        Some(store) => budget::held(store, source, now)?,
        None => None,
    };
    let backfill = range.map(|range| {
        let estimate = estimate::range(source, range, records);
        let days = days(&day, &estimate);
        Backfill { from: range.start(), to: range.end(), estimate, days }
    });
    Ok(Plan { source: source.name.to_string(), records_from, day, changes, held, backfill })
}

/// Days that a backfill takes beside what is collected daily, by the quota and the rate limit.
fn days(day: &DayPlan, backfill: &Estimate) -> Option<u64> {
    let by_rate = 86_400_u64.checked_sub(day.seconds_at_limit).filter(|left| *left > 0);
    let by_rate = backfill.seconds_at_limit.div_ceil(by_rate?);
    let Some(per_day) = day.per_day else { return Some(by_rate.max(1)) };
    let left = u64::from(per_day).checked_sub(day.calls).filter(|left| *left > 0)?;
    Some(backfill.calls.div_ceil(left).max(by_rate).max(1))
}

fn table(plans: &[Plan]) -> String {
    let mut table = grid(&["source", "calls for", "slices", "calls", "share of the day's calls"]);
    for plan in plans {
        let share = |calls: u64| percent(calls, plan.day.per_day);
        for line in &plan.day.lines {
            let mut what = line.what.as_str().to_owned();
            if let Some(after) = &line.after {
                what.extend([" after ", after, if line.narrowed { ", narrowed" } else { "" }]);
            }
            let slices = if line.slices > 0 { line.slices.to_string() } else { "-".into() };
            let calls = line.calls;
            table.add_row([&plan.source, &what, &slices, &calls.to_string(), &share(calls)]);
        }
        let calls = plan.day.calls;
        let all = format!("a day of {}", plan.source);
        table.add_row(["", &all, "", &calls.to_string(), &share(calls)]);
    }
    let mut text = table.trim_fmt();
    for plan in plans {
        for sentence in sentences(plan) {
            text.extend(["\n", &plan.source, ": ", &sentence]);
        }
    }
    text
}

fn sentences(plan: &Plan) -> Vec<String> {
    let Plan { records_from, day, changes, held, backfill, .. } = plan;
    let mut all = Vec::new();
    let at_limit = duration(day.seconds_at_limit);
    let quota = day.per_day.map(|most| format!(" of {most}")).unwrap_or_default();
    let verdict = if day.fits { "it fits" } else { "it does NOT fit" };
    all.push(format!("{}{quota} calls a day, {at_limit} at the rate limit: {verdict}", day.calls));
    let records = day.records_per_day;
    all.push(match records_from {
        RecordsFrom::Assumed => {
            format!("{records} messages a day are assumed; --records-per-day N says otherwise")
        }
        RecordsFrom::CommandLine => format!("for {records} messages a day, as given"),
        RecordsFrom::Store => format!("for {records} messages a day, as collected so far"),
        RecordsFrom::Irrelevant => "an answer has no pages: rows do not matter".into(),
    });
    if day.lines.iter().any(|line| line.narrowed) {
        let share = estimate::NARROWED * 100.0;
        all.push(format!("a narrowed resweep is assumed to read {share:.0} % of the messages"));
    }
    if !day.fits {
        if changes.is_empty() {
            all.push(
                "no single change is enough: combine a longer `every` with fewer resweeps, or ask \
                 the vendor for more calls"
                    .into(),
            );
        } else {
            all.push(
                "live collection goes first, and what does not fit waits; each of these alone \
                 makes it fit:"
                    .into(),
            );
        }
        all.extend(changes.iter().map(|c| format!("  {} ({} calls)", c.change, c.calls)));
    }
    all.extend(held.as_ref().map(|held| format!("today {held}")));
    if let Some(Backfill { from, to, estimate, days }) = backfill {
        let Estimate { slices, calls, seconds_at_limit, .. } = estimate;
        let at_limit = duration(*seconds_at_limit);
        let share = match day.per_day {
            Some(_) => format!(", {} of a day's", percent(*calls, day.per_day)),
            None => String::new(),
        };
        let beside = match days {
            Some(1) => "within a day beside the daily calls".to_owned(),
            Some(days) => format!("{days} days beside the daily calls"),
            None => "it would never end, since the daily calls leave nothing".to_owned(),
        };
        all.push(format!(
            "a backfill from {from} to {to}: {slices} slices, {calls} calls{share}, {at_limit} at \
             the rate limit; {beside}"
        ));
    }
    all
}

fn percent(calls: u64, per_day: Option<u32>) -> String {
    let Some(most) = per_day else { return "no limit".into() };
    let tenths = calls.saturating_mul(1000).div_ceil(u64::from(most.max(1)));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
