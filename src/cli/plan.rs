//! `postrider plan`: what a day, or a backfill, costs in calls and whether that fits, before
//! anything is asked. Needs neither a store nor a network.

use std::{path::Path, time::Duration};

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use super::{Exit, Output, complain, print, setup};
use crate::{
    collect::{
        self,
        budget::{self, Expected, Held},
    },
    config::{Config, Need, Source, Start, Vendor, units},
    domain::slice::Interval,
    estimate::{self, Change, DayPlan, Estimate, Volume},
    store::{Store, StoreError},
};

mod text;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Messages a day (of the SER Admin API rows of reports), instead of what the store has seen.
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

#[derive(Debug, Serialize)]
struct Plan {
    source: String,
    /// What the source's records are called.
    #[serde(skip)]
    records_are: &'static str,
    /// Where the number of records comes from.
    records_from: RecordsFrom,
    #[serde(flatten)]
    day: DayPlan,
    /// Single changes that make the day fit, where it does not.
    changes: Vec<Change>,
    /// What waits today, where there is a store.
    held: Option<Held>,
    /// What is due already: everything since `start`, or since the last run.
    due: Option<Estimate>,
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
    let loaded = match setup::configuration_or_exit(Need::NoSecrets, file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let range = match (args.from, args.to) {
        (Some(from), Some(to)) => match Interval::new(from, to) {
            Some(range) => Some(range),
            None => return Ok(wrong("--to must be later than --from")),
        },
        _ => None,
    };
    let config = loaded.config;
    let named = |source: &&Source| args.source.as_ref().is_none_or(|n| *n == source.name.as_str());
    let sources: Vec<&Source> = config.sources.values().filter(named).collect();
    if let Some(name) = args.source.as_ref().filter(|_| sources.is_empty()) {
        let names: Vec<_> = config.sources.keys().map(ToString::to_string).collect();
        let names = names.join(", ");
        return Ok(wrong(&format!("there is no source {name}; configured: {names}")));
    }
    let (store, now) = (store(&config), setup::clock().now());
    let plan = |source: &Source| plan(source, store.as_ref(), args, range, now);
    let plans = sources.into_iter().map(plan).collect::<Result<Vec<_>, _>>();
    let plans = plans.context("reading what the store has seen")?;
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&plans)?)?,
        Output::Table => print(&text::table(&plans))?,
    }
    let fits =
        |plan: &Plan| plan.day.fits && plan.backfill.as_ref().is_none_or(|b| b.days.is_some());
    Ok(if plans.iter().all(fits) { Exit::Done } else { Exit::Failed })
}

fn wrong(what: &str) -> Exit {
    complain(what);
    Exit::Wrong
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
    let seen = store.map(|store| budget::seen(store, source)).transpose()?.flatten();
    let given = args.records_per_day;
    let (volume, records_from) = match (&source.vendor, given, seen) {
        (Vendor::ProofpointSer(_), given, seen) => {
            let records = given.or(seen.map(|seen| seen.records)).unwrap_or_default();
            (records.into(), RecordsFrom::Irrelevant)
        }
        (_, Some(records), seen) => {
            let volume = seen.unwrap_or_else(|| Volume::assumed(source));
            (Volume { records, ..volume }, RecordsFrom::CommandLine)
        }
        (_, None, Some(seen)) => (seen, RecordsFrom::Store),
        (_, None, None) => (Volume::assumed(source), RecordsFrom::Assumed),
    };
    let records = volume.records;
    let day = estimate::day(source, volume, now);
    let changes = estimate::advice(source, &day, now);
    let held = match store {
        Some(store) => budget::held(store, source, &Expected::default(), now)?,
        None => None,
    };
    let due = due(source, store, now)?.map(|due| estimate::range(source, due, records));
    let due = match (due, is_first_run(store, source)?) {
        (Some(due), true) => Some(estimate::with_relay_users(source, &due, &day)),
        (due, _) => due,
    };
    let backfill = range.map(|range| {
        let estimate = estimate::range(source, range, records);
        let days = days(&day, &estimate);
        Backfill { from: range.start(), to: range.end(), estimate, days }
    });
    let records_are = match &source.vendor {
        Vendor::ProofpointSerAdmin(_) => "rows of reports",
        Vendor::CiscoEtd(_) | Vendor::ProofpointSer(_) => "messages",
    };
    let source = source.name.to_string();
    Ok(Plan { source, records_are, records_from, day, changes, held, due, backfill })
}

/// What live collection would begin with, where that is more than usual.
fn due(
    source: &Source,
    store: Option<&Store>,
    now: Timestamp,
) -> Result<Option<Interval>, StoreError> {
    let streams = store.map_or_else(|| Ok(Vec::new()), Store::streams)?;
    let stream = source.vendor.streams().first().copied();
    let seen =
        streams.into_iter().find(|s| s.source == source.name.as_str() && Some(s.stream) == stream);
    let start = match source.start {
        Start::Back(back) => now.checked_sub(back).unwrap_or(now),
        Start::At(at) => at,
    };
    let aligned = !matches!(&source.vendor, Vendor::CiscoEtd(_));
    let whole = |lag, at| collect::plan::due(lag, source.slice, aligned, at);
    let from = seen.and_then(|stream| stream.covered_to);
    let from = from.unwrap_or_else(|| whole(Duration::ZERO, start));
    let to = whole(source.lag, now);
    let due = Interval::new(from, to);
    Ok(due.filter(|due| due.end().duration_since(due.start()).unsigned_abs() > 2 * source.slice))
}

/// Whether nothing was ever collected of the source.
fn is_first_run(store: Option<&Store>, source: &Source) -> Result<bool, StoreError> {
    let streams = store.map_or_else(|| Ok(Vec::new()), Store::streams)?;
    let of = |name: &str| name == source.name.as_str();
    Ok(!streams.iter().any(|stream| of(&stream.source) && stream.covered_to.is_some()))
}

/// Days that a backfill takes beside what is collected daily, by the quota and the rate limit.
fn days(day: &DayPlan, backfill: &Estimate) -> Option<u64> {
    let by_rate = 86_400_u64.checked_sub(day.seconds_at_limit).filter(|left| *left > 0);
    let by_rate = backfill.seconds_at_limit.div_ceil(by_rate?);
    let Some(per_day) = day.per_day else { return Some(by_rate.max(1)) };
    let left = u64::from(per_day).checked_sub(day.calls).filter(|left| *left > 0)?;
    Some(backfill.calls.div_ceil(left).max(by_rate).max(1))
}
