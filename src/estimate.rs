//! What collecting costs in calls, before anything is asked: pure.
//!
//! `ticks` tells when a schedule fires, `slices` makes the slices of a day by the collector's own
//! planner, `pages` tells what a slice costs, `advice` which change makes a day fit.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use self::slices::Lengths;
use crate::{config, domain::slice::Interval};

mod admin;
mod advice;
mod memo;
mod pages;
mod slices;
mod ticks;

pub use advice::{Change, advice};
pub use ticks::activations;

/// Of a day's messages, those that a narrowed resweep reads: an assumption, since only the vendor
/// knows. Where more messages are threats, more calls are made.
pub const NARROWED: f64 = 0.05;
/// Of the licence, of 7 and 30 days and of the whole period, and one for each hour of a day.
const SURVEY: u64 = 4 + 24;
/// Each hour is asked for when its files should be there, and hourly until late ones are: two calls.
const LOG_EXPORT: u64 = 48;
/// The vendor counts all directions of a day in one answer.
const RECONCILIATION: u64 = 1;

/// What a day brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Messages, or rows of all reports of a day.
    pub records: u64,
    /// Of SER, as they are configured.
    pub relay_users: u64,
}

/// Taken for a customer whose relay users nobody has counted.
const RELAY_USERS: u64 = 100;

impl Volume {
    /// Taken for an account of which nobody has counted anything.
    pub fn assumed(source: &config::Source) -> Self {
        let records = match &source.vendor {
            config::Vendor::ProofpointSerAdmin(_) => 200,
            config::Vendor::CiscoEtd(_) | config::Vendor::ProofpointSer(_) => 20_000,
        };
        records.into()
    }
}

impl From<u64> for Volume {
    fn from(records: u64) -> Self {
        Self { records, relay_users: RELAY_USERS }
    }
}

/// What a range costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    pub slices: u64,
    pub calls: u64,
    /// How long the calls take at the rate limit, seconds.
    pub seconds_at_limit: u64,
    /// Of the day's quota, where there is one; may be above 1.
    pub share_of_day: Option<f64>,
}

/// What 24 hours cost when everything runs as planned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayPlan {
    pub records_per_day: u64,
    /// Where such are collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_users: Option<u64>,
    /// How often the schedule fires.
    pub activations: f64,
    pub lines: Vec<Line>,
    pub calls: u64,
    /// How long the calls take at the rate limit, seconds.
    pub seconds_at_limit: u64,
    pub per_day: Option<u32>,
    /// Of the day's quota, where there is one; may be above 1.
    pub share_of_day: Option<f64>,
    /// Calls of resweeps that are left out while the log export tells of every change.
    pub spared_calls: u64,
    /// Whether the quota and the rate limit permit it.
    pub fits: bool,
}

/// What the calls are for; all but the resweeps are made as pass `live`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Live,
    Resweep,
    /// Access tokens.
    Tokens,
    /// Comparing a day with the vendor's own count.
    Reconciliation,
    /// Asking what is used of the licence.
    Survey,
    /// Asking for the links of a log export.
    #[serde(rename = "log_export")]
    LogExport,
    /// Reading how relay users are configured.
    #[serde(rename = "relay_users")]
    RelayUsers,
}

impl What {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Resweep => "resweep",
            Self::Tokens => "tokens",
            Self::Reconciliation => "reconciliation",
            Self::Survey => "survey",
            Self::LogExport => "log export",
            Self::RelayUsers => "relay users",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    #[serde(rename = "pass")]
    pub what: What,
    /// Of a resweep: which, by its age, such as `1d`.
    pub after: Option<String>,
    /// Of a resweep: whether it reads some verdicts only, of which [`NARROWED`] is assumed.
    pub narrowed: bool,
    /// Of a resweep: whether the log export makes it needless. Its calls do not count.
    pub spared: bool,
    pub slices: u64,
    pub calls: u64,
}

impl DayPlan {
    /// Slices and calls of one kind, those spared left out.
    pub fn of(&self, what: What) -> (u64, u64) {
        let lines = self.lines.iter().filter(|line| line.what == what && !line.spared);
        lines.fold((0, 0), |(slices, calls), line| (slices + line.slices, calls + line.calls))
    }

    /// Calls that are made as pass `live`: all but the resweeps.
    pub fn live(&self) -> u64 {
        self.calls - self.of(What::Resweep).1
    }

    /// What it was made for.
    pub fn volume(&self) -> Volume {
        let relay_users = self.relay_users.unwrap_or(RELAY_USERS);
        Volume { records: self.records_per_day, relay_users }
    }
}

/// What the 24 hours from `from` cost at so much a day, evenly spread, with everything collected
/// until then.
pub fn day(source: &config::Source, volume: impl Into<Volume>, from: Timestamp) -> DayPlan {
    let volume = volume.into();
    let records_per_day = volume.records;
    let mut relay_users = None;
    let made = slices::run(source, from);
    let a_day = |count: f64| whole(count / made.days);
    let line = |what, lengths: &Lengths, share: f64| {
        let (slices, calls) = cost(source, lengths, per_milli(records_per_day) * share);
        let (slices, calls) = (a_day(slices), a_day(calls));
        Line { what, after: None, narrowed: false, spared: false, slices, calls }
    };
    let single =
        |what, calls| Line { what, after: None, narrowed: false, spared: false, slices: 0, calls };
    let exports = source.has_log_export();
    let last = source.resweep.iter().map(|resweep| resweep.after).max();
    let mut lines = vec![line(What::Live, &made.live, 1.0)];
    if let config::Vendor::ProofpointSerAdmin(_) = &source.vendor {
        lines[0].calls += lines[0].slices * admin::OVERVIEW;
    }
    for (resweep, lengths) in source.resweep.iter().zip(&made.resweeps) {
        let narrowed = !resweep.verdicts.is_empty();
        let share = if narrowed { NARROWED } else { 1.0 };
        let after = Some(config::units::spoken(resweep.after));
        let spared = exports && Some(resweep.after) < last;
        lines.push(Line { after, narrowed, spared, ..line(What::Resweep, lengths, share) });
    }
    if exports {
        lines.push(single(What::LogExport, LOG_EXPORT));
    }
    lines.push(single(What::Tokens, a_day(made.tokens)));
    match &source.vendor {
        config::Vendor::CiscoEtd(etd) if etd.reconcile => {
            lines.push(single(What::Reconciliation, RECONCILIATION));
        }
        config::Vendor::ProofpointSerAdmin(admin) if admin.relay_users => {
            let (slices, calls) = admin::relay_users(volume.relay_users);
            lines.push(Line { slices, ..single(What::RelayUsers, calls) });
            relay_users = Some(volume.relay_users);
        }
        config::Vendor::CiscoEtd(_) | config::Vendor::ProofpointSerAdmin(_) => {}
        config::Vendor::ProofpointSer(_) => lines.push(single(What::Survey, SURVEY)),
    }
    let (spared, made_calls): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.spared);
    let calls_of = |lines: &[&Line]| lines.iter().map(|line| line.calls).sum();
    let (calls, spared_calls) = (calls_of(&made_calls), calls_of(&spared));
    let seconds_at_limit = seconds_at_limit(source, calls);
    let share_of_day = share_of_day(source, calls);
    DayPlan {
        records_per_day,
        relay_users,
        activations: made.activations / made.days,
        lines,
        calls,
        seconds_at_limit,
        per_day: source.rate_limit.per_day,
        share_of_day,
        spared_calls,
        fits: share_of_day.is_none_or(|share| share <= 1.0) && seconds_at_limit <= 86_400,
    }
}

/// What it costs to fetch `range` once, at so many records a day.
pub fn range(source: &config::Source, range: Interval, records_per_day: u64) -> Estimate {
    let lengths = slices::cut(range, source.slice);
    let (slices, calls) = cost(source, &lengths, per_milli(records_per_day));
    let (slices, calls) = (whole(slices), whole(calls));
    let seconds_at_limit = seconds_at_limit(source, calls);
    Estimate { slices, calls, seconds_at_limit, share_of_day: share_of_day(source, calls) }
}

/// What is due at first, with the relay users' first day, where the day has such.
pub fn with_relay_users(source: &config::Source, due: &Estimate, day: &DayPlan) -> Estimate {
    let (slices, calls) = day.of(What::RelayUsers);
    let (slices, calls) = (due.slices + slices, due.calls + calls);
    let seconds_at_limit = seconds_at_limit(source, calls);
    Estimate { slices, calls, seconds_at_limit, share_of_day: share_of_day(source, calls) }
}

/// Slices and calls.
fn cost(source: &config::Source, lengths: &Lengths, records_per_milli: f64) -> (f64, f64) {
    lengths.iter().fold((0.0, 0.0), |(slices, calls), (millis, count)| {
        let (count, records) = (float(*count), float(*millis) * records_per_milli);
        (slices + count, calls + count * calls_of(source, records))
    })
}

/// The calls of a slice with so many records.
fn calls_of(source: &config::Source, records: f64) -> f64 {
    match &source.vendor {
        config::Vendor::CiscoEtd(etd) => pages::expected(records, etd.page_size),
        // An answer has no pages.
        config::Vendor::ProofpointSer(_) => 1.0,
        config::Vendor::ProofpointSerAdmin(config) => admin::day(records, config.failures),
    }
}

fn seconds_at_limit(source: &config::Source, calls: u64) -> u64 {
    let limit = source.rate_limit;
    calls.saturating_mul(millis(limit.window)) / 1_000 / u64::from(limit.calls.max(1))
}

fn share_of_day(source: &config::Source, calls: u64) -> Option<f64> {
    source.rate_limit.per_day.map(|most| float(calls) / f64::from(most.max(1)))
}

fn per_milli(per_day: u64) -> f64 {
    float(per_day) / 86_400_000.0
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
fn floor(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests;
