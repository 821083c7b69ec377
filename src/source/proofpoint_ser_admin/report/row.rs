//! One row of a report: its day, key and counters, and how it differs from rows of the same key.

use std::{borrow::Cow, cmp::Reverse, collections::HashMap};

use jiff::{civil::Date, tz::TimeZone};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Place, Report};
use crate::{
    domain::{
        counters::Counters,
        fingerprint::{self, Builder},
        record::RelayUser,
        row::{TWIN, twin},
        slice::Interval,
    },
    source::{
        proofpoint_ser::{
            names,
            number::{Count, count},
        },
        proofpoint_ser_admin::{ask, credentials},
        text::{is_nothing, member, one_line, renamed, text_or_json},
        when::When,
    },
};

/// The counters of all reports: messages, or bytes where the name ends in `Throughput`. The vendor
/// writes counts as numbers and bytes as texts; either is taken for each.
const COUNTERS: [&str; 27] = [
    "totalMessages",
    "requestedMessages",
    "acceptedMessages",
    "sentMessages",
    "deliveredMessages",
    "undeliveredMessages",
    "rejectedMessages",
    "blockedMessages",
    "quarantinedMessages",
    "unauthorizedSenderMessages",
    "messagingLimitsMessages",
    "suppressedMessages",
    "filteredMessages",
    "deliveryFailureMessages",
    "policyViolationMessages",
    "failedMessages",
    "totalRequestedMessages",
    "totalFailedMessages",
    "count",
    "requestedThroughput",
    "acceptedThroughput",
    "sentThroughput",
    "throughput",
    "throughputLimit",
    "remainingThroughput",
    "throughputForecast",
    "avgAcceptedMessageSize",
];

/// A counter in the one spelling that is compared: the vendor writes `blockedMessage`, too.
fn counter(name: &str) -> Option<&'static str> {
    let known = names::canonical(name, &COUNTERS);
    known.or_else(|| names::same(name, "blockedMessage").then_some("blockedMessages"))
}

/// A row; its place among rows of the same key is told by [`number_twins`].
pub(super) struct Row {
    key: Vec<Option<String>>,
    day: Date,
    pub(super) window: Interval,
    pub(super) user: Option<RelayUser>,
    ordinal: u32,
    pub(super) json: String,
    /// The members of its key, as they came: one object.
    pub(super) names: Box<RawValue>,
    pub(super) counters: Counters,
    pub(super) flags: Vec<String>,
    pub(super) content: Builder,
}

/// Reads a row; the error is the day of one that was not asked for, `None` is what is no row.
pub(super) fn read(
    raw: &RawValue,
    place: Place<'_>,
    warnings: &mut Vec<String>,
) -> Option<Result<Row, Date>> {
    let mut left_out = Vec::new();
    let cleaned = credentials::without(raw, &mut left_out);
    let line = one_line(cleaned.as_deref().unwrap_or(raw.get())).into_owned();
    let raw: &RawValue = serde_json::from_str(&line).ok()?;
    let mut members = fingerprint::object(raw)?;
    let ours = renamed(&mut members);
    let day = member(&members, "date").and_then(|date| When::read(&text_or_json(date)));
    let day = day.map_or(place.days.first, |when| match when {
        When::Day(day) => day,
        When::Instant(at) => ask::day(at),
    });
    if !place.days.contains(day) {
        warnings.push(format!("a row of {} is of {day}, which was not asked", place.report.name()));
        return Some(Err(day));
    }
    let (mut content, mut counters) = (Builder::default(), Counters::default());
    let mut flags: Vec<String> = left_out.into_iter().map(|it| format!("left_out:{it}")).collect();
    for (name, value) in &members {
        // The overview's are not of the day: sums of them say nothing.
        let counts = place.report != Report::Overview;
        let Some(known) = counter(name).filter(|_| counts) else {
            match name.as_ref() {
                // A share, as a number or a text, worked out from counters.
                "totalFailureRate" => content.nested(&[name], &text_or_json(value)),
                name => content.member(name, value),
            }
            continue;
        };
        match count(value) {
            Count::Given(number) => {
                content.nested(&[known], &number.to_string());
                counters.status.entry(known.to_owned()).or_insert(number);
            }
            Count::Nothing => {}
            Count::Unreadable => {
                flags.push(format!("unreadable:{known}"));
                content.member(known, value);
            }
        }
    }
    let keys = place.report.keys();
    let text = |name: &&str| {
        let value = member(&members, name).filter(|value| !is_nothing(value))?;
        Some(text_or_json(value).into_owned())
    };
    let user = match place.report {
        Report::FailingUsers => {
            let id = text(&"relayUserId");
            id.map(|id| RelayUser { id, name: text(&"name") })
        }
        _ => place.user.cloned(),
    };
    let named = keys.iter().filter_map(|name| Some((*name, member(&members, name)?.get())));
    let named: Vec<String> = named.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Some(Ok(Row {
        key: keys.iter().map(text).collect(),
        day,
        window: window(day)?,
        user,
        ordinal: 1,
        names: RawValue::from_string(format!("{{{}}}", named.join(","))).ok()?,
        json: ours.map(|(json, _)| json).unwrap_or(line.clone()),
        counters,
        flags,
        content,
    }))
}

/// The UTC day as an interval.
fn window(day: Date) -> Option<Interval> {
    let midnight = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    Interval::new(midnight(day)?, midnight(day.tomorrow().ok()?)?)
}

/// Nothing says that keys are unique: rows of one key are told apart by an ordinal, busy ones
/// first, because their order is not promised.
pub(super) fn number_twins(rows: &mut [Row], warnings: &mut Vec<String>) {
    let mut places: HashMap<(Date, Vec<Option<String>>), Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        places.entry((row.day, row.key.clone())).or_default().push(at);
    }
    for same in places.values_mut().filter(|same| same.len() > 1) {
        warnings.push(format!("{} rows of one key; all are kept", same.len()));
        same.sort_by_cached_key(|at| {
            (Reverse(rows[*at].counters.status.clone()), rows[*at].json.clone())
        });
        for (ordinal, at) in (1..).zip(same.iter()) {
            rows[*at].ordinal = ordinal;
            rows[*at].flags.push(TWIN.to_owned());
        }
    }
}

/// What has no key of its own is named by report and day; the rest by a function of report, day,
/// relay user and key: the same row has the same id at each fetch. Further rows of one key are named
/// after the one before.
pub(super) fn id(row: &Row, report: Report) -> String {
    (1..row.ordinal).fold(first_id(row, report), |id, _| twin(&id))
}

fn first_id(row: &Row, report: Report) -> String {
    if report.keys().is_empty() {
        return format!("{}/{}", report.name(), row.day);
    }
    let mut hasher = blake3::Hasher::new();
    let (day, user) = (row.day.to_string(), row.user.as_ref().map(|user| user.id.as_str()));
    let fixed: [Option<Cow<'_, str>>; 3] =
        [Some(report.name().into()), Some(day.into()), user.map(Cow::from)];
    let key = row.key.iter().map(|part| part.as_deref().map(Cow::from));
    for part in fixed.into_iter().chain(key) {
        // Missing is not empty, and no two keys give the same bytes.
        let text = part.as_deref().unwrap_or_default();
        hasher.update(&[u8::from(part.is_some())]);
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    // The first of its key.
    hasher.update(&1_u32.to_le_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    Uuid::new_v8(bytes).to_string()
}
