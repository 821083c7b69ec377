//! What the overview says of the licence: the vendor's own sums.

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::{
    domain::{
        fingerprint,
        slice::Interval,
        usage::{Told, Usage, told},
    },
    source::{
        proofpoint_ser::number::{Count, count},
        text::{member, text_or_json},
        when::When,
    },
};

/// Bytes; more is no volume, and sums of it would not be either.
const MOST: i128 = 1 << 80;

/// Reads an overview; `None` where it tells neither what is allowed nor what is used. All volumes
/// are bytes, as texts or numbers.
pub(super) fn read(row: &RawValue, now: Timestamp) -> Option<Usage> {
    let members = fingerprint::object(row)?;
    let bytes = |name| match count(member(&members, name)?) {
        Count::Given(bytes) => Some(bytes).filter(|bytes| (0..MOST).contains(bytes)),
        Count::Nothing | Count::Unreadable => None,
    };
    let when = |name| When::read(&text_or_json(member(&members, name)?));
    let (used, allowed) = (bytes("acceptedThroughput"), bytes("throughputLimit"));
    used.or(allowed)?;
    let start = when("licenseStartDate").and_then(When::start);
    let end = when("licenseEndDate").and_then(When::end);
    Some(told(Told {
        used,
        allowed,
        period: start.zip(end).and_then(|(start, end)| Interval::new(start, end)),
        to: when("lastUpdated").and_then(When::start).unwrap_or(now),
        burn_rates: [bytes("average7DayThroughput"), bytes("average30DayThroughput")],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{
        proofpoint_ser_admin::envelope,
        testing::{at, sample},
    };

    #[test]
    fn the_sample_tells_what_is_used_and_how_long_it_lasts() {
        let text = sample("ser_admin", "overview_v2.json");
        let row = envelope::open(&text).unwrap().rows[0];
        let usage = read(row, at("2026-11-21T00:00:00Z")).unwrap();
        assert_eq!(usage.used_bytes, Some(211_106_232_532));
        assert_eq!((usage.allowed_bytes, usage.share), (Some(536_870_912_000), Some(0.3932)));
        assert_eq!(usage.license_start, Some(at("2026-03-01T00:00:00Z")));
        assert_eq!(usage.license_end, Some(at("2027-03-01T00:00:00Z")), "the day is included");
        assert_eq!(usage.as_of, at("2026-11-20T06:00:00Z"));
        assert_eq!((usage.burn_rate_7d, usage.exhausted_before_end), (Some(810_000_000), false));
    }

    #[test]
    fn what_tells_nothing_is_no_usage() {
        let row = |json| serde_json::from_str::<&RawValue>(json).unwrap();
        let now = at("2026-11-21T00:00:00Z");
        for json in ["7", "{}", r#"{"throughputLimit":"much"}"#, r#"{"acceptedThroughput":-1}"#] {
            assert!(read(row(json), now).is_none(), "{json}");
        }
        let usage = read(row(r#"{"throughputLimit":1000,"lastUpdated":"soon"}"#), now).unwrap();
        assert_eq!((usage.used_bytes, usage.share, usage.as_of), (None, None, now));
    }
}
