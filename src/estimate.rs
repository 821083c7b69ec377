//! What collecting costs in calls, before anything is asked: pure.

use std::time::Duration;

use serde::Serialize;

use crate::{config, domain::slice::Interval};

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

/// What it costs to fetch `range` once, at so many records a day.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub fn range(source: &config::Source, range: Interval, records_per_day: u64) -> Estimate {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let length = range.end().duration_since(range.start()).unsigned_abs();
    let slices = millis(length).div_ceil(millis(source.slice).max(1));
    let page = match &source.vendor {
        config::Vendor::CiscoEtd(etd) => u64::from(etd.page_size),
        config::Vendor::ProofpointSer(_) => u64::MAX,
    };
    let records = records_per_day.saturating_mul(millis(length)) / 86_400_000;
    let calls = slices + records / page;
    let limit = source.rate_limit;
    let seconds_at_limit = calls * millis(limit.window) / 1_000 / u64::from(limit.calls.max(1));
    let share_of_day = limit.per_day.map(|most| calls as f64 / f64::from(most.max(1)));
    Estimate { slices, calls, seconds_at_limit, share_of_day }
}
