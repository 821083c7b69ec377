//! How a source is doing: its streams that are collected by themselves, and the worst of them.

use jiff::Timestamp;
use serde::Serialize;

use super::{Health, LogExport};
use crate::{
    collect::budget::Held,
    config,
    domain::{slice::Stream, usage::Usage},
    health::{
        matters::budget::days_left,
        state::{self, Progress, SourceState},
    },
    store::conditions::{Condition, StreamOverview},
};

#[derive(Debug, Serialize)]
pub struct SourceStatus {
    pub source: String,
    #[serde(rename = "type")]
    pub vendor: &'static str,
    /// The first one.
    pub stream: String,
    /// Of the worst stream.
    #[serde(flatten)]
    pub health: Health,
    /// The first instant that is not covered.
    pub covered_to: Option<Timestamp>,
    /// Seconds from there to now.
    pub lag_seconds: Option<i64>,
    /// When live records came last; before any did, when they were first asked for.
    pub last_record_at: Option<Timestamp>,
    /// As configured.
    pub credentials_expire: Option<Timestamp>,
    /// Whole days until then; negative when it has passed.
    pub credentials_days_left: Option<i64>,
    /// Slices that are to be fetched.
    pub open_slices: u64,
    /// Of those, such as failed at the last try.
    pub failing_slices: u64,
    /// Slices that are past the vendor's retention.
    pub lost_slices: u64,
    /// Slices that the vendor cannot give.
    pub refused_slices: u64,
    /// Passes that wait so that live collection has calls left.
    pub held_back: Option<Held>,
    pub calls_today: u64,
    pub calls_per_day: Option<u32>,
    /// What is used of the licence, at the last survey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<Usage>,
    /// Of an account whose log export is read, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_export: Option<LogExport>,
    /// Each stream that is collected by itself. Told where there are several: then what is above is
    /// the worst or the sum of them.
    #[serde(skip_serializing_if = "is_one")]
    pub streams: Vec<StreamStatus>,
}

/// A stream that is collected by itself.
#[derive(Debug, Serialize)]
pub struct StreamStatus {
    pub stream: &'static str,
    #[serde(flatten)]
    pub health: Health,
    pub covered_to: Option<Timestamp>,
    pub lag_seconds: Option<i64>,
    pub last_record_at: Option<Timestamp>,
    pub open_slices: u64,
    pub failing_slices: u64,
    pub lost_slices: u64,
    pub refused_slices: u64,
    #[serde(skip)]
    pub is: SourceState,
}

fn is_one(streams: &[StreamStatus]) -> bool {
    streams.len() <= 1
}

/// How a stream is doing; `source` is as the stream is collected.
pub(super) fn stream(
    (stream, source): (Stream, &config::Source),
    seen: Option<&StreamOverview>,
    condition: Option<Condition>,
    now: Timestamp,
) -> StreamStatus {
    let covered_to = seen.and_then(|stream| stream.covered_to);
    let heard = seen.and_then(|stream| stream.heard);
    let progress = Progress { condition: condition.as_ref(), covered_to, heard };
    let is = state::state(source, progress, now);
    let mut health = Health { state: is.as_str(), ..Health::of(condition, now) };
    let of_slices = || seen.filter(|seen| seen.failing > 0)?.error.clone();
    health.error = health.error.or_else(of_slices);
    StreamStatus {
        stream: stream.as_str(),
        health,
        covered_to,
        lag_seconds: covered_to.map(|to| state::seconds(to, now)),
        last_record_at: heard,
        open_slices: seen.map_or(0, |stream| stream.open),
        failing_slices: seen.map_or(0, |stream| stream.failing),
        lost_slices: seen.map_or(0, |stream| stream.lost),
        refused_slices: seen.map_or(0, |stream| stream.refused),
        is,
    }
}

impl SourceStatus {
    /// How people are told of one of its streams: where there is one, by the source's name.
    pub fn name_of(&self, stream: &StreamStatus) -> String {
        if self.streams.len() > 1 {
            format!("{} {}", self.source, stream.stream)
        } else {
            self.source.clone()
        }
    }

    /// A source by its streams; what is of the source alone is left empty.
    pub(super) fn of(source: &config::Source, streams: Vec<StreamStatus>, now: Timestamp) -> Self {
        let sum = |of: fn(&StreamStatus) -> u64| streams.iter().map(of).sum();
        // Of equals the first.
        let worst = streams.iter().rev().max_by_key(|stream| stream.is.badness());
        // What no stream has covered yet, the source has not.
        let covered_to = streams.iter().map(|stream| stream.covered_to).min().flatten();
        Self {
            source: source.name.to_string(),
            vendor: source.vendor.as_str(),
            stream: streams.first().map(|first| first.stream.to_owned()).unwrap_or_default(),
            health: worst.map_or_else(|| Health::of(None, now), |worst| worst.health.clone()),
            covered_to,
            lag_seconds: covered_to.map(|to| state::seconds(to, now)),
            last_record_at: streams.iter().filter_map(|stream| stream.last_record_at).max(),
            credentials_expire: source.credentials_expire,
            credentials_days_left: source.credentials_expire.map(|at| days_left(at, now)),
            open_slices: sum(|stream| stream.open_slices),
            failing_slices: sum(|stream| stream.failing_slices),
            lost_slices: sum(|stream| stream.lost_slices),
            refused_slices: sum(|stream| stream.refused_slices),
            held_back: None,
            calls_today: 0,
            calls_per_day: source.rate_limit.per_day,
            licence: None,
            log_export: None,
            streams,
        }
    }
}
