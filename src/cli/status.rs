//! `postrider status`: how everything is doing, from the store, with or without a running daemon.

use std::path::Path;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Exit, Output, complain, print, setup};
use crate::{
    config::Config,
    store::{
        Store,
        budget::day,
        conditions::{Condition, Party, State},
        spool,
    },
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What `status` shows.
#[derive(Debug, Serialize)]
pub struct Status {
    pub at: Timestamp,
    /// Whether a daemon holds the store.
    pub running: bool,
    pub sources: Vec<SourceStatus>,
    pub sinks: Vec<SinkStatus>,
    pub spool: spool::Size,
    /// Bytes at which collecting pauses.
    pub max_spool: u64,
}

#[derive(Debug, Serialize)]
pub struct SourceStatus {
    pub source: String,
    #[serde(rename = "type")]
    pub vendor: &'static str,
    pub stream: String,
    #[serde(flatten)]
    pub health: Health,
    /// The first instant that is not covered.
    pub covered_to: Option<Timestamp>,
    /// Seconds from there to now.
    pub lag_seconds: Option<i64>,
    /// Slices that are to be fetched.
    pub open_slices: u64,
    /// Of those, such as failed at the last try.
    pub failing_slices: u64,
    /// Slices that are past the vendor's retention.
    pub lost_slices: u64,
    /// Slices that the vendor cannot give.
    pub refused_slices: u64,
    pub calls_today: u64,
    pub calls_per_day: Option<u32>,
}

#[derive(Debug, Serialize)]
pub struct SinkStatus {
    pub sink: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(flatten)]
    pub health: Health,
    pub delivered: u64,
    /// Events in the spool that it has not passed.
    pub waiting: u64,
    pub dead_letters: u64,
}

/// A stored condition, in words.
#[derive(Debug, Serialize)]
pub struct Health {
    /// `new` before the first try.
    pub state: &'static str,
    pub since: Option<Timestamp>,
    /// Nothing is tried before.
    pub paused_until: Option<Timestamp>,
    pub last_ok: Option<Timestamp>,
    pub error: Option<String>,
}

pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration_or_exit(file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let directory = &loaded.config.state.directory;
    let store = Store::open_read_only(directory)?;
    let running = Store::is_in_use(directory);
    let status = gather(&loaded.config, &store, running, setup::clock().now())?;
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&status)?)?,
        Output::Table => print(&table(&status))?,
    }
    if !running && args.output == Output::Table {
        complain("no daemon runs on this store; start one with `postrider run`");
    }
    Ok(Exit::Done)
}

/// Reads the status of what is configured.
pub fn gather(
    config: &Config,
    store: &Store,
    running: bool,
    now: Timestamp,
) -> anyhow::Result<Status> {
    let streams = store.streams()?;
    let mut sources = Vec::new();
    for (name, source) in &config.sources {
        let sliced = source.vendor.streams().first().copied();
        let seen = streams.iter().find(|s| s.source == name.as_str() && Some(s.stream) == sliced);
        let condition = store.condition(Party::Source(name.as_str()))?;
        let covered_to = seen.and_then(|stream| stream.covered_to);
        let mut health = Health::of(condition, now);
        health.error = health
            .error
            .or_else(|| seen?.error.clone().filter(|_| seen.is_some_and(|s| s.failing > 0)));
        sources.push(SourceStatus {
            source: name.to_string(),
            vendor: source.vendor.as_str(),
            stream: sliced.map(|stream| stream.to_string()).unwrap_or_default(),
            health,
            covered_to,
            lag_seconds: covered_to.map(|to| now.duration_since(to).as_secs().max(0)),
            open_slices: seen.map_or(0, |stream| stream.open),
            failing_slices: seen.map_or(0, |stream| stream.failing),
            lost_slices: seen.map_or(0, |stream| stream.lost),
            refused_slices: seen.map_or(0, |stream| stream.refused),
            calls_today: store.calls(name, &day(now))?,
            calls_per_day: source.rate_limit.per_day,
        });
    }
    let known = store.sinks()?;
    let mut sinks = Vec::new();
    for (name, sink) in &config.sinks {
        let seen = known.iter().find(|sink| sink.name == name.as_str());
        let condition = store.condition(Party::Sink(name.as_str()))?;
        sinks.push(SinkStatus {
            sink: name.to_string(),
            kind: sink.kind.as_str(),
            health: Health::of(condition, now),
            delivered: seen.map_or(0, |sink| sink.delivered),
            waiting: seen.map_or(0, |sink| sink.waiting),
            dead_letters: seen.map_or(0, |sink| sink.dead_letters),
        });
    }
    let (spool, max_spool) = (store.spool_size()?, config.state.max_spool);
    Ok(Status { at: now, running, sources, sinks, spool, max_spool })
}

impl Health {
    fn of(condition: Option<Condition>, now: Timestamp) -> Self {
        let Some(condition) = condition else {
            return Self {
                state: "new",
                since: None,
                paused_until: None,
                last_ok: None,
                error: None,
            };
        };
        Self {
            state: condition.state.as_str(),
            since: Some(condition.since),
            paused_until: condition.until.filter(|until| *until > now),
            last_ok: condition.ok,
            error: condition.error.filter(|_| condition.state != State::Ok),
        }
    }
}

fn table(status: &Status) -> String {
    let mut sources =
        grid(&["source", "state", "covered to", "lag", "open", "lost", "calls today"]);
    for source in &status.sources {
        let calls = match source.calls_per_day {
            Some(most) => format!("{} of {most}", source.calls_today),
            None => source.calls_today.to_string(),
        };
        let open = match source.failing_slices {
            0 => source.open_slices.to_string(),
            failing => format!("{} ({failing} failing)", source.open_slices),
        };
        sources.add_row([
            format!("{} {}", source.source, source.stream),
            words(&source.health),
            source.covered_to.map_or_else(|| "-".into(), |at| at.to_string()),
            source.lag_seconds.map_or_else(|| "-".into(), duration),
            open,
            (source.lost_slices + source.refused_slices).to_string(),
            calls,
        ]);
    }
    let mut sinks = grid(&["sink", "type", "state", "delivered", "waiting", "dead letters"]);
    for sink in &status.sinks {
        sinks.add_row([
            sink.sink.clone(),
            sink.kind.into(),
            words(&sink.health),
            sink.delivered.to_string(),
            sink.waiting.to_string(),
            sink.dead_letters.to_string(),
        ]);
    }
    let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes >> 10) % 1024) * 10 / 1024);
    let spool = format!(
        "spool: {} events, {} of {}",
        status.spool.events,
        mib(status.spool.bytes),
        mib(status.max_spool)
    );
    let mut text = format!("{}\n\n{}\n\n{spool}", sources.trim_fmt(), sinks.trim_fmt());
    let named = status.sources.iter().map(|source| (&source.source, &source.health));
    for (name, health) in named.chain(status.sinks.iter().map(|sink| (&sink.sink, &sink.health))) {
        if let Some(error) = &health.error {
            text.extend(["\n", name, ": ", error]);
        }
    }
    text
}

/// An empty table with these columns.
pub(super) fn grid(columns: &[&str]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(line));
    table.set_header(columns.iter().copied());
    // Into a pipe or a file lines may be as long as they are.
    if let Some((_, width)) = console::Term::stdout().size_checked() {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

fn words(health: &Health) -> String {
    let state = health.state.replace('_', " ");
    match health.paused_until {
        Some(until) => format!("{state}, until {until:.0}"),
        None => state,
    }
}

pub(super) fn duration(seconds: i64) -> String {
    let whole = SignedDuration::from_secs(seconds);
    match (whole.as_hours(), whole.as_mins()) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, _) if hours < 72 => format!("{hours} h {} min", whole.as_mins() % 60),
        (hours, _) => format!("{} d", hours / 24),
    }
}
