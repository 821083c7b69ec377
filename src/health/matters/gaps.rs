//! What is not collected: slices that fail or are gone, and days that differ.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    config,
    domain::{
        name::SourceName,
        severity::Severity,
        slice::{Pass, Stream},
    },
    health::{
        matter::{Kind, Matter},
        state::{Progress, expected, seconds},
        turns::{Key, Row},
    },
    store::{
        conditions::{Condition, State},
        health::{Differing, Facts, Gone, Waiting},
    },
};

/// A slice that succeeds within this was no gap worth telling.
const STUMBLE: Duration = Duration::from_secs(30);

/// One matter for each stream and pass of which slices fail. It is over when all that was named
/// is covered, not when the first slice is.
pub(super) fn waiting(
    (source, stream): (&config::Source, Stream),
    facts: &Facts,
    progress: Progress<'_>,
    said: &BTreeMap<Key, Row>,
    now: Timestamp,
) -> Vec<Matter> {
    let name = &source.name;
    let named_to = |record_id: &str| {
        let row = said.get(&(name.clone(), record_id.to_owned())).filter(|row| row.open)?;
        Some((named_time(row, "from")?, named_time(row, "to")?, row))
    };
    // Nothing at all comes, not only some slices.
    let nothing = |it: &Condition| it.state != State::Ok && it.until.is_some();
    let outage = |pass| pass == Pass::Live && progress.condition.is_some_and(nothing);
    let matter = |it: &Waiting| {
        let record_id = format!("gap:{}:{}", it.stream, it.pass);
        let named = named_to(&record_id);
        let Some(failing) = &it.failing else {
            let (_, to, _) = named?;
            return (it.from < to).then(|| Matter::keep(name, record_id, Kind::Gap));
        };
        let (mut from, mut to, mut missing) =
            (failing.within.start(), failing.within.end(), failing.seconds);
        if outage(it.pass) {
            let due = whole_minute(expected(source, now));
            missing += seconds(to, due);
            to = to.max(due);
        }
        // What was named stays so until all of it is covered.
        if let Some((first, last, row)) = named {
            (from, to) = (from.min(first), to.max(last));
            let before = row.memo.telling.as_ref().and_then(|it| it.details.get("seconds"));
            missing = missing.max(before.and_then(Value::as_i64).unwrap_or_default());
        }
        let error = failing.error.clone().unwrap_or_default();
        let grows = if outage(it.pass) { ", and growing" } else { "" };
        let message = format!(
            "A gap in the {} of the source {name} ({}) from {from} to {to}{grows}: {error}. It is \
             asked for again and again.",
            it.stream, it.pass
        );
        let kind = (Kind::Gap, "failing");
        let matter = Matter::new(name, record_id, kind, Severity::Warning, message).after(STUMBLE);
        let matter = bounds(matter, &it.stream, it.pass.as_str(), from, to);
        let matter = matter.with("seconds", missing).with("slices", failing.slices);
        Some(matter.with("error", error))
    };
    let of_stream = facts
        .waiting
        .iter()
        .filter(|it| it.source == name.as_str() && it.stream == stream.as_str());
    let mut matters: Vec<Matter> = of_stream.filter_map(matter).collect();
    // After an outage, the rest of it may not even be planned.
    let record_id = format!("gap:{stream}:{}", Pass::Live);
    let missing = named_to(&record_id)
        .is_some_and(|(_, to, _)| progress.covered_to.is_some_and(|covered| covered < to));
    if missing && !matters.iter().any(|matter| matter.record_id == record_id) {
        matters.push(Matter::keep(name, record_id, Kind::Gap));
    }
    matters
}

fn named_time(row: &Row, name: &str) -> Option<Timestamp> {
    row.memo.telling.as_ref()?.details.get(name)?.as_str()?.parse().ok()
}

/// What grows with time is not written down each second.
fn whole_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() - at.as_second().rem_euclid(60)).unwrap_or(at)
}

/// Slices that cannot be had, one matter each.
pub(super) fn gone(name: &SourceName, gone: &[Gone]) -> Vec<Matter> {
    let of_source = gone.iter().filter(|it| it.source == name.as_str());
    let matter = |it: &Gone| {
        let (from, to) = (it.interval.start(), it.interval.end());
        let record_id = format!("gap:{}:{}:{}:{}", it.stream, it.pass, it.state, it.interval);
        let error = it.error.clone().unwrap_or_default();
        let what = if it.state == "lost" {
            "is lost"
        } else {
            "cannot be had: the vendor refuses it even second by second"
        };
        let message = format!(
            "A range of the {} of the source {name} ({}) from {from} to {to} {what}: {error}.",
            it.stream, it.pass
        );
        let kind = (Kind::Gap, it.state.as_str());
        let matter = Matter::new(name, record_id, kind, Severity::Error, message);
        let matter = bounds(matter, &it.stream, it.pass.as_str(), from, to);
        matter.with("seconds", seconds(from, to)).with("error", error)
    };
    of_source.map(matter).collect()
}

fn bounds(matter: Matter, stream: &str, pass: &str, from: Timestamp, to: Timestamp) -> Matter {
    matter.with("stream", stream).with("pass", pass).at("from", Some(from)).at("to", Some(to))
}

/// Days whose messages differ from the vendor's count also after a second look.
pub(super) fn differing(name: &SourceName, differing: &[Differing]) -> Vec<Matter> {
    let of_source = differing.iter().filter(|it| it.source == name.as_str());
    let matter = |it: &Differing| {
        let day = &it.day;
        let message = format!(
            "The messages of {day} collected from the source {name} are not as many as the vendor \
             counts, also after a second look. `postrider coverage` shows both; `postrider \
             backfill` asks for the day again."
        );
        let record_id = format!("reconciliation:{day}");
        let kind = (Kind::Reconciliation, "differs");
        let matter = Matter::new(name, record_id, kind, Severity::Warning, message);
        let counts: Value = serde_json::from_str(&it.counts).unwrap_or_default();
        matter.with("day", day.as_str()).with("counts", counts)
    };
    of_source.map(matter).collect()
}
