//! What is asked of the SER Admin API, as a closed list: whoever holds an [`Ask`] can only read.
//!
//! The same paths take writes (create, update, renewal of credentials, whose answers hold secrets).
//! So a request is made from one of these variants and from nothing else; ids that come from the
//! vendor's answers go into paths only when they can be nothing but one segment.

use std::fmt;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use crate::domain::slice::Interval;

/// Whole days, both inclusive, as the API takes them. Its time zone is not documented: UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) first: Date,
    pub(super) last: Date,
}

impl Days {
    /// The days that a slice touches.
    pub(super) fn of(slice: Interval) -> Self {
        // The end is exclusive.
        let last = Timestamp::from_nanosecond(slice.end().as_nanosecond() - 1);
        Self { first: day(slice.start()), last: day(last.unwrap_or(slice.end())) }
    }

    pub(super) fn contains(self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }
}

/// The UTC day of an instant.
pub(super) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// A page: the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) number: u64,
    pub(super) size: u32,
}

/// A relay user's id, fit to be one segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserId(String);

impl UserId {
    /// Ids are UUIDs today; `None` for what could be more than a segment.
    pub(super) fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        // A word could be the name of another endpoint, `search` or `names`.
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic());
        (fits && !is_word).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that is ever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    TrafficSummary(Days),
    MessageTrend(Days),
    DataTrend(Days),
    /// The licence, with the vendor's own forecast.
    Overview,
    FailingUsers(Days, Sheet),
    Recipients(UserId, Days, Sheet),
    Violations(UserId, Days, Sheet),
    Filtered(UserId, Days, Sheet),
    /// All relay users, or those that were changed on these days.
    RelayUsers(Option<Days>, Sheet),
    RelayUser(UserId),
    /// Its row in the list, where it is in it.
    ListedRelayUser(UserId),
}

/// Which of the API's servers answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Reporting,
    RelayConfig,
}

/// The two ways of reading that the API has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// GET with these parameters, whose names are in snake case.
    Get(Vec<(&'static str, String)>),
    /// POST of a report's terms, whose names are in camel case.
    Report(Value),
}

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) host: Host,
    pub(super) path: String,
    pub(super) reading: Reading,
}

impl Ask {
    pub(super) fn request(&self) -> Request {
        let users = "/v1/failures/relay-users";
        match self {
            Self::TrafficSummary(days) => {
                Request::get("/v1/usage/traffic-summary", dates(*days).to_vec())
            }
            Self::MessageTrend(days) => Request::report("/v1/usage/message-trend", trend(*days)),
            Self::DataTrend(days) => Request::report("/v1/usage/data-trend", trend(*days)),
            Self::Overview => Request::get("/v2/usage/overview", Vec::new()),
            Self::FailingUsers(days, sheet) => Request::report(users, report(*days, *sheet)),
            Self::Recipients(user, days, sheet) => {
                let path = format!("{users}/{user}/delivery-failures/recipient");
                Request::report(path, report(*days, *sheet))
            }
            Self::Violations(user, days, sheet) => {
                let path = format!("{users}/{user}/policy-violations");
                Request::get(path, [dates(*days), paging(*sheet)].concat())
            }
            Self::Filtered(user, days, sheet) => {
                Request::report(format!("{users}/{user}/message-filtering"), report(*days, *sheet))
            }
            Self::RelayUsers(updated, sheet) => {
                let updated = updated.map_or_else(Vec::new, |days| {
                    vec![
                        ("updated_date[gte]", days.first.to_string()),
                        ("updated_date[lte]", days.last.to_string()),
                    ]
                });
                // So that a user who is changed meanwhile moves to no other page.
                let order = [("order_by", "creation_date".into()), ("order_dir", "asc".into())];
                let query = [updated, paging(*sheet).to_vec(), order.to_vec()].concat();
                Request { host: Host::RelayConfig, ..Request::get("/v1/relay-users", query) }
            }
            Self::ListedRelayUser(user) => {
                let only = [("relay_user_id", user.to_string())];
                let query = [&only[..], &paging(Sheet { number: 1, size: 1 })].concat();
                Request { host: Host::RelayConfig, ..Request::get("/v1/relay-users", query) }
            }
            Self::RelayUser(user) => {
                let path = format!("/v1/relay-users/{user}");
                Request { host: Host::RelayConfig, ..Request::get(path, Vec::new()) }
            }
        }
    }
}

impl Request {
    fn get(path: impl Into<String>, query: Vec<(&'static str, String)>) -> Self {
        Self { host: Host::Reporting, path: path.into(), reading: Reading::Get(query) }
    }

    fn report(path: impl Into<String>, terms: Value) -> Self {
        Self { host: Host::Reporting, path: path.into(), reading: Reading::Report(terms) }
    }

    /// How a fault names it.
    pub(super) fn name(&self) -> String {
        let method = match self.reading {
            Reading::Get(_) => "GET",
            Reading::Report(_) => "POST",
        };
        format!("{method} {}", self.path)
    }
}

fn dates(days: Days) -> [(&'static str, String); 2] {
    [("dates[gte]", days.first.to_string()), ("dates[lte]", days.last.to_string())]
}

fn paging(sheet: Sheet) -> [(&'static str, String); 2] {
    [("page_num", sheet.number.to_string()), ("page_size", sheet.size.to_string())]
}

fn span(days: Days) -> Value {
    json!({ "gte": days.first.to_string(), "lte": days.last.to_string() })
}

fn trend(days: Days) -> Value {
    json!({ "dates": span(days), "interval": "day" })
}

fn report(days: Days, sheet: Sheet) -> Value {
    json!({ "dates": span(days), "pageNum": sheet.number, "pageSize": sheet.size })
}

#[cfg(test)]
mod tests;
