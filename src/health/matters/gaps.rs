//! What is not collected: slices that fail or are gone, and days that differ.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    domain::{name::SourceName, severity::Severity, slice::Interval},
    health::{
        matter::{Kind, Matter},
        state::seconds,
        turns::{Key, Row},
    },
    store::health::{Differing, Gone, Waiting},
};

/// A slice that succeeds within this was no gap worth telling.
const STUMBLE: Duration = Duration::from_secs(30);

/// One matter for each stream and pass of which slices fail. It is over when all that was named
/// is covered, not when the first slice is.
pub(super) fn waiting(
    name: &SourceName,
    waiting: &[Waiting],
    said: &BTreeMap<Key, Row>,
) -> Vec<Matter> {
    let of_source = waiting.iter().filter(|it| it.source == name.as_str());
    let matter = |it: &Waiting| {
        let record_id = format!("gap:{}:{}", it.stream, it.pass);
        let Some(failing) = &it.failing else {
            let row = said.get(&(name.clone(), record_id.clone())).filter(|row| row.open)?;
            let to = row.memo.telling.as_ref()?.details.get("to")?.as_str()?;
            let to: Timestamp = to.parse().ok()?;
            return (it.from < to).then(|| Matter::keep(name, record_id, Kind::Gap));
        };
        let error = failing.error.clone().unwrap_or_default();
        let (from, to) = (failing.within.start(), failing.within.end());
        let message = format!(
            "A gap in the {} of the source {name} ({}) from {from} to {to}: {error}. It is asked \
             for again and again.",
            it.stream, it.pass
        );
        let kind = (Kind::Gap, "failing");
        let matter = Matter::new(name, record_id, kind, Severity::Warning, message).after(STUMBLE);
        let matter = named(matter, &it.stream, it.pass.as_str(), failing.within);
        let matter = matter.with("seconds", failing.seconds).with("slices", failing.slices);
        Some(matter.with("error", error))
    };
    of_source.filter_map(matter).collect()
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
        let matter = named(matter, &it.stream, it.pass.as_str(), it.interval);
        matter.with("seconds", seconds(from, to)).with("error", error)
    };
    of_source.map(matter).collect()
}

fn named(matter: Matter, stream: &str, pass: &str, interval: Interval) -> Matter {
    matter
        .with("stream", stream)
        .with("pass", pass)
        .at("from", Some(interval.start()))
        .at("to", Some(interval.end()))
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
