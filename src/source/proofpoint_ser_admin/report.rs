//! A report's rows as records: which report, which day, which relay user, and the counters.

use serde_json::value::RawValue;

use super::ask::{Days, UserId};
use crate::{
    domain::{
        record::{Facts, Record, RelayUser},
        row::{Identity, KnownRow},
        slice::Stream,
    },
    source::text::excerpt,
};

mod row;

use row::Row;

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

/// Where rows belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) report: Report,
    /// What was asked for.
    pub(super) days: Days,
    /// Of whom, where the report is about one relay user.
    pub(super) user: Option<&'a RelayUser>,
}

/// What the rows of one page are.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) records: Vec<Record>,
    /// Rows that could not be read.
    pub(super) unread: u64,
}

/// Reads the rows of one page. Oddities go to `warnings`.
pub(super) fn read(rows: &[&RawValue], place: Place<'_>, warnings: &mut Vec<String>) -> Rows {
    let (mut read, mut unread) = (Vec::with_capacity(rows.len()), 0);
    for raw in rows {
        match row::read(raw, place, warnings) {
            Some(Ok(row)) => read.push(row),
            // Another day's, which is asked for by itself.
            Some(Err(_)) => {}
            None => {
                unread += 1;
                let (name, text) = (place.report.name(), excerpt(raw.get()));
                warnings.push(format!("not a row of {name} and not collected: {text}"));
            }
        }
    }
    row::number_twins(&mut read, warnings);
    Rows { records: read.into_iter().map(|row| record(row, place)).collect(), unread }
}

fn record(row: Row, place: Place<'_>) -> Record {
    let (id, name) = (row::id(&row, place.report), place.report.name());
    let Row { window, user, json, names, counters, flags, content, .. } = row;
    // The overview is what is so now: no answer has it again, and it is not gone for that.
    let identity = (place.report != Report::Overview)
        .then(|| Identity::new(id.clone(), window, names).of_report(name, user.clone()));
    Record {
        stream: place.report.stream(),
        id,
        json,
        time: Some(window.start()),
        fingerprint: content.finish(),
        watched: KnownRow::new(counters.clone(), identity).text(),
        stamps: Vec::new(),
        verdict: None,
        facts: Facts::Report { report: name, window, user, counters, flags },
    }
}

/// The reports to ask for of a failing relay user: those of whose kinds it has any, or may have any
/// because its row does not say.
pub(super) fn follow_ups(record: &Record) -> Option<(UserId, Vec<Report>)> {
    let Facts::Report { user: Some(user), counters, .. } = &record.facts else { return None };
    let count = |name: &str| counters.status.get(name).copied();
    let failed = count("totalFailedMessages").is_none_or(|failed| failed > 0);
    let any =
        |names: &[&str]| names.iter().any(|name| count(name).map_or(failed, |count| count > 0));
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
