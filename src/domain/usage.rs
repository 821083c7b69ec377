//! What is used of a licence, and how long it lasts: pure.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::slice::Interval;

/// What the vendor says of a licence and its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Bytes that may be used in the period; `None` where the vendor's unit is not certain.
    pub allowed: Option<i128>,
    /// The licence's period; `None` where the vendor gives no readable dates.
    pub period: Option<Interval>,
    /// What the sums below end at.
    pub to: Timestamp,
    /// Bytes used since the period began, by application.
    pub applications: BTreeMap<String, i128>,
    /// Bytes used in the intervals of 7 and 30 days that end at `to`, or since the period began.
    pub recent: Vec<(Interval, i128)>,
    /// Bytes used in each hour of the last whole day.
    pub hours: Vec<(Timestamp, i128)>,
}

/// What is made of it, as events and `status` tell it; what is not known is left out. Shares are
/// cut to four decimals, not rounded: 0.8 stands only where it has been reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Since the licence's start; `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_bytes: Option<i128>,
    pub as_of: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_bytes: Option<i128>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_end: Option<Timestamp>,
    /// Of what is allowed; 1 when all is used, more beyond it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Bytes a day in the last 7 days, or since the licence's start where that is later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_rate_7d: Option<i128>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_rate_30d: Option<i128>,
    /// The UTC day on which nothing is left if use goes on at the larger of the two rates. The
    /// larger, because a warning that comes early does less harm than one that comes late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted_on: Option<Date>,
    pub exhausted_before_end: bool,
    /// The busiest hour of the last whole UTC day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_hour: Option<Hour>,
    /// The largest first.
    pub applications: Vec<Application>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    pub start: Timestamp,
    pub bytes: i128,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Application {
    pub application: String,
    pub bytes: i128,
    /// Of what is used.
    pub share: f64,
}

const DAY_MS: i128 = 86_400_000;

/// What a vendor tells of it in sum; what is not known is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Bytes since the period began.
    pub used: Option<i128>,
    pub allowed: Option<i128>,
    pub period: Option<Interval>,
    /// When it was so.
    pub to: Timestamp,
    /// Bytes a day in the last 7 and 30 days.
    pub burn_rates: [Option<i128>; 2],
}

pub fn usage(reading: &Reading) -> Usage {
    let Reading { period, to, allowed, .. } = *reading;
    let sum = || reading.applications.values().fold(0, |sum: i128, of| sum.saturating_add(*of));
    let used = period.map(|_| sum());
    let mut rates = reading.recent.iter().map(|(interval, bytes)| rate(*interval, *bytes));
    let burn_rates = [rates.next(), rates.next()];
    Usage {
        peak_hour: peak(&reading.hours),
        applications: applications(&reading.applications, used.unwrap_or(0)),
        ..told(Told { used, allowed, period, to, burn_rates })
    }
}

/// The same without what only a survey knows.
pub fn told(told: Told) -> Usage {
    let Told { used, period, to, burn_rates: [burn_rate_7d, burn_rate_30d], .. } = told;
    let allowed = told.allowed.filter(|allowed| *allowed > 0);
    let both = used.zip(allowed);
    let exhausted = both.and_then(|(used, allowed)| {
        let rate = burn_rate_7d.max(burn_rate_30d).unwrap_or(0);
        exhausted_at(to, allowed.saturating_sub(used), rate)
    });
    Usage {
        used_bytes: used,
        as_of: to,
        allowed_bytes: allowed,
        license_start: period.map(Interval::start),
        license_end: period.map(Interval::end),
        share: both.map(|(used, allowed)| share(used, allowed)),
        burn_rate_7d,
        burn_rate_30d,
        exhausted_on: exhausted.map(|at| at.to_zoned(TimeZone::UTC).date()),
        exhausted_before_end: exhausted.zip(period).is_some_and(|(at, period)| at < period.end()),
        peak_hour: None,
        applications: Vec::new(),
    }
}

/// The highest of 80, 90 and 100 percent that the use has reached. From the bytes: a share was cut.
pub fn level(usage: &Usage) -> Option<u8> {
    let (used, allowed) = usage.used_bytes.zip(usage.allowed_bytes)?;
    // The bytes that are as many percent, rounded up.
    let bytes = |percent: u8| {
        let percent = i128::from(percent);
        allowed / 100 * percent + (allowed % 100 * percent + 99) / 100
    };
    [100, 90, 80].into_iter().find(|percent| allowed > 0 && used >= bytes(*percent))
}

/// Bytes a day by the interval's real length.
fn rate(interval: Interval, bytes: i128) -> i128 {
    let length = interval.end().as_millisecond() - interval.start().as_millisecond();
    mul_div(bytes.max(0), DAY_MS, i128::from(length.max(1)))
}

/// When `left` bytes are used at `rate` bytes a day: at once where nothing is left, never at no
/// rate, nor beyond the calendar.
fn exhausted_at(from: Timestamp, left: i128, rate: i128) -> Option<Timestamp> {
    if left <= 0 {
        return Some(from);
    }
    let millis = (rate > 0).then(|| mul_div(left, DAY_MS, rate))?;
    let at = i128::from(from.as_millisecond()).checked_add(millis)?;
    Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()
}

/// `part` of `whole`, cut to four decimals.
fn share(part: i128, whole: i128) -> f64 {
    let parts = if whole > 0 { mul_div(part.max(0), 10_000, whole) } else { 0 };
    // Beyond 400,000 times of what is allowed it does not matter how far.
    f64::from(u32::try_from(parts).unwrap_or(u32::MAX)) / 10_000.0
}

/// `a * b / c` for numbers from 0 and a `c` from 1, cut; as large as can be where it is larger.
fn mul_div(a: i128, b: i128, c: i128) -> i128 {
    let whole = (a / c).saturating_mul(b);
    let rest = a % c;
    // Where even that product is too large, `c` is so large that its last digits do not count.
    let rest = rest.checked_mul(b).map_or_else(|| rest / (c / b + 1), |product| product / c);
    whole.saturating_add(rest)
}

/// The hour with the most bytes, the first of equals; `None` where there were none.
fn peak(hours: &[(Timestamp, i128)]) -> Option<Hour> {
    let most = hours.iter().map(|(_, bytes)| *bytes).max().filter(|most| *most > 0)?;
    let (start, bytes) = *hours.iter().find(|(_, bytes)| *bytes == most)?;
    Some(Hour { start, bytes })
}

fn applications(sizes: &BTreeMap<String, i128>, used: i128) -> Vec<Application> {
    let with_share = sizes.iter().map(|(application, bytes)| Application {
        application: application.clone(),
        bytes: *bytes,
        share: share(*bytes, used),
    });
    let mut applications: Vec<_> = with_share.collect();
    // Stable, so that equals stay in order of their names.
    applications.sort_by_key(|application| std::cmp::Reverse(application.bytes));
    applications
}

#[cfg(test)]
mod tests;
