//! The status as tables, and what needs attention.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    cli::{
        layout::{count, drawn, duration, grid, time, width, wrapped},
        paint,
    },
    health::state::{seconds, words},
    status::{Health, Left, Open, Refusal, SourceStatus, Status, StreamStatus},
};

/// Open matters that the table names; JSON has all.
const NAMED: usize = 20;
/// Where there are more sources, those that are well are only counted; JSON has all.
const SOURCES: usize = 40;

/// For people.
pub fn table(status: &Status) -> String {
    let mut sources =
        grid(&["source", "state", "covered to", "lag", "open", "lost", "calls today"]);
    let (shown, rest) = shown(&status.sources);
    for source in &shown {
        let mut calls = match source.calls_per_day {
            Some(most) => format!("{} of {most}", source.calls_today),
            None => source.calls_today.to_string(),
        };
        for stream in &source.streams {
            let open = match stream.failing_slices {
                0 => stream.open_slices.to_string(),
                failing => format!("{} ({failing} failing)", stream.open_slices),
            };
            sources.add_row([
                format!("{} {}", source.source, stream.stream),
                state_words(&stream.health),
                stream.covered_to.map_or_else(|| "-".into(), time),
                stream.lag_seconds.map_or_else(|| "-".into(), duration),
                open,
                (stream.lost_slices + stream.refused_slices).to_string(),
                // Of all streams together.
                std::mem::take(&mut calls),
            ]);
        }
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
        "spool: {}, {} of {}",
        count(status.spool.events, "event"),
        mib(status.spool.on_disk),
        mib(status.max_spool)
    );
    let sources = format!("{}{}", paint::states(&drawn(sources)), counted(&rest));
    let mut text = format!("{sources}\n\n{}\n\n{spool}", paint::states(&drawn(sinks)));
    let streams = shown.iter().flat_map(|source| {
        source.streams.iter().map(|stream| (source.name_of(stream), &stream.health))
    });
    let sinks = status.sinks.iter().map(|sink| (sink.sink.clone(), &sink.health));
    for (name, health) in streams.chain(sinks) {
        if let Some(error) = &health.error {
            text.extend(["\n", &wrapped(&format!("{name}: {error}"), 2, width())]);
        }
    }
    for source in &shown {
        for stream in &source.streams {
            text.push_str(&reason(&source.name_of(stream), stream, status.at));
        }
        text.push_str(&licence(source));
        text.push_str(&log_export(source));
    }
    for entitlement in &status.entitlements {
        text.extend(["\n", &wrapped(&entitlement.message, 2, width())]);
    }
    text.push_str(&dead_letters(status));
    text.push_str(&attention(&status.health, status.at));
    text
}

/// What stands in the way of a log export.
fn log_export(source: &SourceStatus) -> String {
    let told = source.log_export.as_ref().and_then(|export| {
        let line = format!("{}: {}", source.source, export.trouble.as_ref()?);
        Some(format!("\n{}", wrapped(&line, 2, width())))
    });
    told.unwrap_or_default()
}

/// What sinks refused, and what to do about it.
fn dead_letters(status: &Status) -> String {
    let mut text = String::new();
    for sink in &status.sinks {
        let (name, letters) = (&sink.sink, sink.dead_letters);
        let Some(Refusal { at, reason }) = &sink.last_refusal else { continue };
        let line = format!(
            "{name}: {}, the last refused {}: {reason} (`postrider dead-letters list --sink {name}`)",
            count(letters, "dead letter"),
            time(*at)
        );
        text.extend(["\n", &wrapped(&line, 2, width())]);
    }
    for Left { sink, dead_letters } in &status.unconfigured {
        let line = format!(
            "{sink} is no longer configured and has {}: configure it again, or `postrider \
             dead-letters drop --sink {sink}`",
            count(*dead_letters, "dead letter")
        );
        text.extend(["\n", &wrapped(&line, 2, width())]);
    }
    text
}

/// The sources to show one by one, and those only to be counted.
fn shown(sources: &[SourceStatus]) -> (Vec<&SourceStatus>, Vec<&SourceStatus>) {
    if sources.len() <= SOURCES {
        return (sources.iter().collect(), Vec::new());
    }
    let is_well = |source: &&SourceStatus| source.health.state == "collecting";
    let (well, mut unwell): (Vec<_>, Vec<_>) = sources.iter().partition(is_well);
    let more = unwell.split_off(unwell.len().min(SOURCES));
    (unwell, more.into_iter().chain(well).collect())
}

/// One line for the sources that are not shown.
fn counted(rest: &[&SourceStatus]) -> String {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for source in rest {
        *states.entry(source.health.state.replace('_', " ")).or_default() += 1;
    }
    let states: Vec<_> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let lag = rest.iter().filter_map(|source| source.lag_seconds).max();
    let lag = lag.map_or_else(String::new, |lag| format!(", the last by {}", duration(lag)));
    match states.as_slice() {
        [] => String::new(),
        states => format!("\nand {}{lag}; `--output json` has all", states.join(", ")),
    }
}

/// Why a source, or a stream of one, is in its state, where no error says so.
fn reason(name: &str, source: &StreamStatus, now: Timestamp) -> String {
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

/// How much of the licence is used, and how long it lasts.
fn licence(source: &SourceStatus) -> String {
    let Some(usage) = &source.licence else { return String::new() };
    let Some(share) = usage.share else { return String::new() };
    let until = usage.license_end.map_or_else(String::new, |end| format!(" until {}", time(end)));
    let lasts = match usage.exhausted_on {
        Some(day) if usage.exhausted_before_end => format!("used up on {day} if it goes on so"),
        _ => "it lasts".to_owned(),
    };
    format!("\n{}: {:.1} % of the licence{until} is used; {lasts}", source.source, share * 100.0)
}

/// The worst of what needs attention, in a line of the terminal.
pub(super) fn attention_first(status: &Status) -> Option<String> {
    let worst = status.health.first()?;
    let count = status.health.len();
    let verb = if count == 1 { "matter needs" } else { "matters need" };
    let line = format!("{count} {verb} attention, the worst: {}", worst.message);
    let line = match width() {
        Some(width) if line.chars().count() > width => {
            line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        }
        _ => line,
    };
    Some(console::style(line).bold().to_string())
}

/// A short list of what needs attention.
fn attention(open: &[Open], now: Timestamp) -> String {
    if open.is_empty() {
        return String::new();
    }
    let mut table = grid(&["needs attention", "for", "what"]);
    for open in open.iter().take(NAMED) {
        let long = duration(seconds(open.since, now));
        table.add_row([open.severity.as_str(), &long, &open.message]);
    }
    let mut text = format!("\n\n{}", paint::states(&drawn(table)));
    if open.len() > NAMED {
        let more = format!("\nand {} more; `--output json` has all", open.len() - NAMED);
        text.push_str(&more);
    }
    text
}

fn state_words(health: &Health) -> String {
    // One word where there is little room.
    let state = health.state.replace('_', paint::TOGETHER);
    match health.paused_until {
        Some(until) => format!("{state}, next try {}", time(until)),
        None => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        health::testing,
        status,
        store::{Store, spool::Size},
    };

    fn source(number: usize, state: &'static str) -> SourceStatus {
        let health = Health { state, since: None, paused_until: None, last_ok: None, error: None };
        SourceStatus {
            source: format!("tenant-{number}"),
            vendor: "cisco_etd",
            stream: "messages".into(),
            health,
            covered_to: None,
            lag_seconds: i64::try_from(number).ok(),
            last_record_at: None,
            credentials_expire: None,
            credentials_days_left: None,
            open_slices: 0,
            failing_slices: 0,
            lost_slices: 0,
            refused_slices: 0,
            held_back: None,
            calls_today: 0,
            calls_per_day: None,
            licence: None,
            log_export: None,
            streams: Vec::new(),
        }
    }

    #[test]
    fn the_spool_is_what_max_spool_limits() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let config = testing::config([testing::etd()]);
        let mut status = status::gather(&config, &store, true, Timestamp::UNIX_EPOCH).unwrap();
        status.spool = Size { bytes: 1 << 20, events: 7, on_disk: 3 << 20 };
        assert!(table(&status).contains("spool: 7 events, 3.0 MiB of 1024.0 MiB"));
        status.spool.events = 1;
        assert!(table(&status).contains("spool: 1 event, "));
    }

    #[test]
    fn of_many_sources_those_that_are_well_are_counted() {
        let state = |number| if number % 200 == 1 { "auth_failed" } else { "collecting" };
        let many: Vec<_> = (0..1_000).map(|number| source(number, state(number))).collect();
        let (one_by_one, rest) = shown(&many);
        let names: Vec<_> = one_by_one.iter().map(|source| source.source.as_str()).collect();
        assert_eq!(names, ["tenant-1", "tenant-201", "tenant-401", "tenant-601", "tenant-801"]);
        let line = "\nand 995 collecting, the last by 16 min; `--output json` has all";
        assert_eq!(counted(&rest), line);
        let (few, rest) = shown(&many[..SOURCES]);
        assert_eq!((few.len(), rest.len()), (SOURCES, 0));
        let ill: Vec<_> = (0..60).map(|number| source(number, "failing")).collect();
        let (some, rest) = shown(&ill);
        assert_eq!((some.len(), counted(&rest).contains("20 failing")), (SOURCES, true));
    }
}
