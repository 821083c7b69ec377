//! A report's rows as records: which report, which day, which relay user, and the counters.

use std::{borrow::Cow, cmp::Reverse, collections::HashMap};

use jiff::{civil::Date, tz::TimeZone};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    ask::{Days, UserId},
    credentials,
};
use crate::{
    domain::{
        counters::Counters,
        fingerprint::{self, Builder},
        record::{Facts, Record, RelayUser},
        row::{Identity, KnownRow},
        slice::{Interval, Stream},
    },
    source::{
        proofpoint_ser::{
            names,
            number::{Count, count},
        },
        text::{excerpt, is_nothing, member, one_line, renamed, text_or_json},
        when::When,
    },
};

/// Which report a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Report {
    TrafficSummary,
    MessageTrend,
    DataTrend,
    Overview,
    FailingUsers,
    Recipients,
    Violations,
    Filtered,
}

impl Report {
    /// What events call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TrafficSummary => "traffic_summary",
            Self::MessageTrend => "message_trend",
            Self::DataTrend => "data_trend",
            Self::Overview => "overview",
            Self::FailingUsers => "relay_user",
            Self::Recipients => "delivery_failures",
            Self::Violations => "policy_violations",
            Self::Filtered => "message_filtering",
        }
    }

    pub(super) fn stream(self) -> Stream {
        match self {
            Self::TrafficSummary | Self::MessageTrend | Self::DataTrend | Self::Overview => {
                Stream::Usage
            }
            Self::FailingUsers | Self::Recipients | Self::Violations | Self::Filtered => {
                Stream::Failures
            }
        }
    }

    /// The members that tell a row from the others of the same report, day and relay user.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::TrafficSummary | Self::MessageTrend | Self::DataTrend | Self::Overview => &[],
            Self::FailingUsers => &["relayUserId"],
            Self::Recipients => &["recipient", "dsnCode", "details"],
            Self::Violations => &["policyType", "reason"],
            Self::Filtered => &["finalAction", "finalRule"],
        }
    }
}

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

/// Where rows belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) report: Report,
    /// What was asked for.
    pub(super) days: Days,
    /// Of whom, where the report is about one relay user.
    pub(super) user: Option<&'a RelayUser>,
}

/// Reads the rows of one page. Oddities go to `warnings`.
pub(super) fn read(
    rows: &[&RawValue],
    place: Place<'_>,
    warnings: &mut Vec<String>,
) -> Vec<Record> {
    let mut read = Vec::with_capacity(rows.len());
    for raw in rows {
        match row(raw, place, warnings) {
            Some(Ok(row)) => read.push(row),
            // Another day's, which is asked for by itself.
            Some(Err(_)) => {}
            None => {
                let (name, text) = (place.report.name(), excerpt(raw.get()));
                warnings.push(format!("not a row of {name} and not collected: {text}"));
            }
        }
    }
    number_twins(&mut read, warnings);
    read.into_iter().map(|row| record(row, place)).collect()
}

/// A row without its place among rows of the same key.
struct Row {
    key: Vec<Option<String>>,
    day: Date,
    window: Interval,
    user: Option<RelayUser>,
    ordinal: u32,
    json: String,
    names: Box<RawValue>,
    counters: Counters,
    flags: Vec<String>,
    content: Builder,
}

/// The error is the day of a row that was not asked for.
fn row(raw: &RawValue, place: Place<'_>, warnings: &mut Vec<String>) -> Option<Result<Row, Date>> {
    let mut left_out = Vec::new();
    let cleaned = credentials::without(raw, &mut left_out);
    let line = one_line(cleaned.as_deref().unwrap_or(raw.get())).into_owned();
    let raw: &RawValue = serde_json::from_str(&line).ok()?;
    let mut members = fingerprint::object(raw)?;
    let ours = renamed(&mut members);
    let day = member(&members, "date").and_then(|date| When::read(&text_or_json(date)));
    let day = day.map_or(place.days.first, |when| match when {
        When::Day(day) => day,
        When::Instant(at) => super::ask::day(at),
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
fn number_twins(rows: &mut [Row], warnings: &mut Vec<String>) {
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
            rows[*at].flags.push("duplicate_key".to_owned());
        }
    }
}

fn record(row: Row, place: Place<'_>) -> Record {
    let id = id(&row, place.report);
    let Row { window, user, json, names, counters, flags, content, .. } = row;
    let identity = Identity::new(id.clone(), window, names);
    Record {
        stream: place.report.stream(),
        id,
        json,
        time: Some(window.start()),
        fingerprint: content.finish(),
        watched: KnownRow::new(counters.clone(), Some(identity)).text(),
        stamps: Vec::new(),
        verdict: None,
        facts: Facts::Report { report: place.report.name(), window, user, counters, flags },
    }
}

/// What has no key of its own is named by report and day; the rest by a function of report, day,
/// relay user, key and ordinal: the same row has the same id at each fetch.
fn id(row: &Row, report: Report) -> String {
    if report.keys().is_empty() && row.ordinal == 1 {
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
    hasher.update(&row.ordinal.to_le_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    Uuid::new_v8(bytes).to_string()
}

/// The reports to ask for of a failing relay user: those of whose kinds it has any.
pub(super) fn follow_ups(record: &Record) -> Option<(UserId, Vec<Report>)> {
    let Facts::Report { user: Some(user), counters, .. } = &record.facts else { return None };
    let any = |names: &[&str]| {
        names.iter().any(|name| counters.status.get(*name).is_some_and(|count| *count > 0))
    };
    let wanted = [
        (Report::Recipients, any(&["deliveryFailureMessages"])),
        (Report::Violations, any(&["policyViolationMessages"])),
        (Report::Filtered, any(&["filteredMessages", "quarantinedMessages"])),
    ];
    let wanted = wanted.into_iter().filter(|(_, any)| *any).map(|(report, _)| report).collect();
    Some((UserId::new(&user.id)?, wanted))
}

/// The name of the relay user that a row is about.
pub(super) fn user_name(record: &Record) -> Option<String> {
    match &record.facts {
        Facts::Report { user: Some(user), .. } => user.name.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
