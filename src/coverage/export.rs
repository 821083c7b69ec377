//! What `coverage` tells of a log export.

use jiff::Timestamp;
use serde::Serialize;

use super::report::Span;
use crate::{
    collect::export::Healthy,
    domain::slice::Interval,
    store::{Store, StoreError, slices::StreamId},
};

#[derive(Debug, Serialize)]
pub struct ExportReport {
    /// The hours that were asked for, from the first to the last.
    pub asked: Option<Span>,
    /// Since when it has told of every change; none while something stands in the way.
    pub complete_since: Option<Timestamp>,
    /// What stands in the way.
    pub trouble: Option<String>,
    /// Where files or lines may be missing.
    pub gaps: Vec<ExportGap>,
    /// Messages of the hours shown that it told of, and those that searches found in the same hours;
    /// of hours that were compared.
    pub told: u64,
    pub found: u64,
    /// Hours in which searches found fewer, also after one more reading.
    pub fewer: Vec<Fewer>,
}

#[derive(Debug, Serialize)]
pub struct ExportGap {
    pub from: Timestamp,
    pub to: Timestamp,
    pub reason: String,
}

/// An hour of deliveries.
#[derive(Debug, Serialize)]
pub struct Fewer {
    pub hour: Timestamp,
    pub told: u64,
    pub found: u64,
}

/// The hour of so many hours since 1970.
fn hour(number: i64) -> Option<Interval> {
    let at = |number: i64| Timestamp::from_second(number.checked_mul(3600)?).ok();
    Interval::new(at(number)?, at(number.checked_add(1)?)?)
}

/// Reads it from the store; gaps and counts are those that touch what is shown.
pub(super) fn gather(
    store: &Store,
    stream: StreamId,
    shown: Span,
    now: Timestamp,
) -> Result<ExportReport, StoreError> {
    let hours = store.export_hours(stream)?;
    let ends = hours.keys().next().zip(hours.keys().next_back());
    let asked =
        ends.and_then(|(first, last)| Some(Span([hour(*first)?.start(), hour(*last)?.end()])));
    let Healthy(complete_since) = Healthy::of(&hours, now);
    let mut gaps: Vec<ExportGap> = Vec::new();
    for (number, asked) in hours {
        let (Some(within), Some(reason)) = (hour(number), asked.gap) else { continue };
        let (from, to) = (within.start(), within.end());
        match gaps.last_mut() {
            Some(last) if last.to == from && last.reason == reason => last.to = to,
            _ => gaps.push(ExportGap { from, to, reason }),
        }
    }
    gaps.retain(|gap| shown.touches(Span([gap.from, gap.to])));
    let (mut told, mut found, mut fewer) = (0, 0, Vec::new());
    for created in store.created(stream, shown.0[0].as_second().div_euclid(3600))? {
        let (Some(within), Some(collected)) = (hour(created.hour), created.collected) else {
            continue;
        };
        if !shown.touches(Span([within.start(), within.end()])) {
            continue;
        }
        told += created.creates;
        found += collected;
        if collected < created.creates {
            fewer.push(Fewer { hour: within.start(), told: created.creates, found: collected });
        }
    }
    let trouble = store.export_trouble(stream)?.map(|(text, _)| text);
    Ok(ExportReport { asked, complete_since, trouble, gaps, told, found, fewer })
}
