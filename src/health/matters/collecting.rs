//! Whether a source is failing, held up, behind or silent.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    config,
    domain::{severity::Severity, slice::Stream},
    health::{
        matter::{Due, Kind, Matter},
        state::{self, Progress, SourceState, expected, seconds, state, words},
    },
    store::conditions::State as Stored,
};

/// A vendor that stumbles for less is no news.
const STUMBLE: Duration = Duration::from_secs(30);
/// A 429 now and then is how a rate limit works.
const THROTTLED: Duration = Duration::from_mins(5);
/// A source that catches up faster was hardly behind.
const BEHIND: Duration = Duration::from_mins(15);

const STATE: &str = "source";
const LAG: &str = "behind";

/// The matters of a source are those of the stream that is worst off, which they name where there
/// are several.
pub(super) fn worst(
    streams: &[(Stream, &config::Source, Progress<'_>)],
    now: Timestamp,
) -> Vec<Matter> {
    let badness = |(_, config, progress): &&(Stream, &config::Source, Progress<'_>)| {
        state(config, *progress, now).badness()
    };
    // Of equals the first.
    let worst = streams.iter().rev().max_by_key(badness);
    let Some((stream, config, progress)) = worst else { return Vec::new() };
    let several = (streams.len() > 1).then(|| stream.as_str());
    let matters = matters(config, *progress, several, now).into_iter();
    matters.map(|matter| matter.with("stream", several)).collect()
}

fn matters(
    config: &config::Source,
    progress: Progress<'_>,
    stream: Option<&str>,
    now: Timestamp,
) -> Vec<Matter> {
    let name = &config.name;
    // The others go on.
    let which = match stream {
        Some(stream) => format!("stream {stream} of the source {name}"),
        None => format!("source {name}"),
    };
    let condition = progress.condition;
    let error = condition.and_then(|condition| condition.error.clone()).unwrap_or_default();
    let until = condition.and_then(|condition| condition.until).filter(|until| *until > now);
    let matter = |word: SourceState, severity, message| {
        let matter = Matter::new(name, STATE, (Kind::Source, word.as_str()), severity, message);
        let matter = condition.iter().fold(matter, |matter, it| matter.since(it.since));
        matter.with("error", error.clone()).at("until", until)
    };
    // Whether it is behind shows again when it is asked again.
    let lag = Matter::keep(name, LAG, Kind::Source);
    let is = state(config, progress, now);
    match is {
        SourceState::Collecting | SourceState::Quiet => Vec::new(),
        SourceState::Behind => vec![behind(config, progress, &which, now)],
        SourceState::Failing => {
            let message = format!(
                "The {which} is failing: {error}. It is asked again and again; what the \
                 vendor still keeps is not lost."
            );
            vec![matter(is, Severity::Warning, message).after(STUMBLE), lag]
        }
        SourceState::AuthFailed => {
            let message = format!(
                "The {which} collects nothing, because the vendor refuses its credentials \
                 or rights: {error}. Mend that; no restart is needed where the secret is a file."
            );
            vec![matter(is, Severity::Error, message), lag]
        }
        // A spent quota is a matter of its own.
        SourceState::Throttled if condition.is_some_and(|it| it.state == Stored::QuotaSpent) => {
            vec![Matter::keep(name, STATE, Kind::Source), lag]
        }
        SourceState::Throttled => {
            let message = format!(
                "The vendor slows the source {name} down: {error}. Lower its rate_limit, or look \
                 what else uses the same credentials."
            );
            vec![matter(is, Severity::Warning, message).after(THROTTLED), lag]
        }
    }
}

fn behind(config: &config::Source, progress: Progress<'_>, which: &str, now: Timestamp) -> Matter {
    let name = &config.name;
    let kind = (Kind::Source, SourceState::Behind.as_str());
    if let Some(full) = progress.condition.filter(|it| it.state == Stored::SpoolFull) {
        let message = format!(
            "The source {name} is not collected, because the spool is full: a sink does not keep \
             up. Mend the sink, or raise state.max_spool; the vendor keeps the data meanwhile."
        );
        let matter = Matter::new(name, LAG, kind, Severity::Error, message);
        let matter = matter.since(full.since).after(STUMBLE).with("spool_full", true);
        return matter.at("covered_to", progress.covered_to);
    }
    let Some(covered_to) = progress.covered_to else {
        let message = format!(
            "Nothing was collected from the {which} yet. The log of `postrider run` says \
             why."
        );
        return Matter::new(name, LAG, kind, Severity::Warning, message).after(BEHIND);
    };
    let late = seconds(covered_to, expected(config, now));
    let message = format!(
        "The {which} is behind: it is collected up to {covered_to}, {} less than its \
         schedule asks for. If this goes on, raise its rate_limit or max_in_flight.",
        words(Duration::from_secs(late.unsigned_abs()))
    );
    Matter::new(name, LAG, kind, Severity::Warning, message)
        .after(BEHIND)
        .at("covered_to", Some(covered_to))
        .with("lag_seconds", whole_minutes(seconds(covered_to, now)))
}

/// No records for longer than is expected. A source that is not asked keeps what was said.
pub(super) fn silence(
    config: &config::Source,
    progress: Progress<'_>,
    now: Timestamp,
) -> Option<Matter> {
    let name = &config.name;
    let expected = config.expect_records_within?;
    let silent = state::silent(config, progress, now)?;
    if silent <= expected {
        return None;
    }
    let heard = progress.heard?;
    let message = format!(
        "The source {name} has given no record since {heard:.0}, for longer than the {} of its \
         expect_records_within. Look whether the vendor still gets its e-mail: journaling, \
         connectors, and the account that is asked.",
        words(expected)
    );
    let matter =
        Matter::new(name, "silence", (Kind::Silence, "silent"), Severity::Warning, message)
            .since(heard)
            .at("last_record_at", Some(heard))
            .with("seconds", whole_minutes(i64::try_from(silent.as_secs()).unwrap_or(i64::MAX)))
            .with("expected_within_seconds", expected.as_secs());
    Some(Matter { due: Due::NOW, ..matter })
}

/// What grows with time is not written down each second.
fn whole_minutes(seconds: i64) -> i64 {
    seconds - seconds.rem_euclid(60)
}
