//! The status as tables, and what needs attention.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use jiff::{SignedDuration, Timestamp};

use super::{Health, Open, SourceStatus, Status};
use crate::health::state::words;

/// Open matters that the table names; JSON has all.
const NAMED: usize = 20;

pub(super) fn table(status: &Status) -> String {
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
            state_words(&source.health),
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
            state_words(&sink.health),
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
    for source in &status.sources {
        text.push_str(&reason(source, status.at));
    }
    text.push_str(&attention(&status.health));
    text
}

/// Why a source is in its state, where no error says so.
fn reason(source: &SourceStatus, now: Timestamp) -> String {
    let name = &source.source;
    let ago = |at: Timestamp| words(now.duration_since(at).unsigned_abs());
    match (source.health.state, source.last_record_at, source.covered_to) {
        ("quiet", Some(heard), _) => format!("\n{name}: no record for {}", ago(heard)),
        ("behind", _, None) => format!("\n{name}: nothing was collected yet"),
        ("behind", _, Some(to)) if source.health.error.is_none() => {
            format!("\n{name}: behind its schedule, {} before now", ago(to))
        }
        _ => String::new(),
    }
}

/// A short list of what needs attention.
fn attention(open: &[Open]) -> String {
    if open.is_empty() {
        return String::new();
    }
    let mut text = "\n\nneeds attention:".to_owned();
    for open in open.iter().take(NAMED) {
        text.extend(["\n  ", open.severity.as_str(), ": ", &open.message]);
    }
    if open.len() > NAMED {
        let more = format!("\n  and {} more; `--output json` has all", open.len() - NAMED);
        text.push_str(&more);
    }
    text
}

/// An empty table with these columns.
pub(in crate::cli) fn grid(columns: &[&str]) -> Table {
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

fn state_words(health: &Health) -> String {
    let state = health.state.replace('_', " ");
    match health.paused_until {
        Some(until) => format!("{state}, next try {until:.0}"),
        None => state,
    }
}

pub(in crate::cli) fn duration(seconds: i64) -> String {
    let whole = SignedDuration::from_secs(seconds);
    match (whole.as_hours(), whole.as_mins()) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, _) if hours < 72 => format!("{hours} h {} min", whole.as_mins() % 60),
        (hours, _) => format!("{} d", hours / 24),
    }
}
