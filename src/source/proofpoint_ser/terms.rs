//! What an entitlement grants: how many bytes, from when to when.

use std::borrow::Cow;

use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::value::RawValue;

use super::{names, number};
use crate::{
    domain::{fingerprint, record::Record, slice::Interval},
    source::{
        text::{is_nothing, text_or_json},
        when::When,
    },
};

/// Each part is `None` where it cannot be read for certain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) allowed: Option<i128>,
    pub(super) period: Option<Interval>,
}

impl Terms {
    /// Reads an entitlement's text.
    pub(super) fn read(json: &str) -> Self {
        let raw: Option<&RawValue> = serde_json::from_str(json).ok();
        let members = raw.and_then(fingerprint::object).unwrap_or_default();
        let text = |wanted: &str| -> Option<Cow<'_, str>> {
            let named = members.iter().find(|(name, _)| names::same(name, wanted));
            named.map(|(_, value)| *value).filter(|value| !is_nothing(value)).map(text_or_json)
        };
        let time = |name| When::read(&text(name)?);
        let start = time("license_start").and_then(When::start);
        let end = time("license_end").and_then(When::end);
        Self {
            allowed: text("annual_throughput").and_then(|text| volume(&text)),
            period: start.and_then(|start| {
                // The volume is an annual one: where no end can be read, the period is a year.
                let read = end.and_then(|end| Interval::new(start, end));
                read.or_else(|| Interval::new(start, year_after(start)?))
            }),
        }
    }
}

fn year_after(start: Timestamp) -> Option<Timestamp> {
    Some(start.to_zoned(TimeZone::UTC).checked_add(Span::new().years(1)).ok()?.timestamp())
}

/// The entitlement that counts at `at`: of those whose period has it, else of all, the one that
/// began last.
pub(super) fn choose(
    entitlements: impl Iterator<Item = Record>,
    at: Timestamp,
) -> Option<(Record, Terms)> {
    let read = entitlements.map(|record| {
        let terms = Terms::read(&record.json);
        (record, terms)
    });
    read.max_by_key(|(_, Terms { period, .. })| {
        (period.is_some_and(|period| period.contains(at)), period.map(Interval::start))
    })
}

/// Bytes, with a unit (`500GB`, `1.5 TiB`) or without. The vendor does not tell its unit: a bare
/// number above a billion can only mean bytes, but `500` may be gigabytes as well as terabytes.
fn volume(text: &str) -> Option<i128> {
    const BARE_ABOVE: i128 = 1_000_000_000;
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(number)?.to_ascii_lowercase();
    let (number, shift) = number::decimal(number.trim_end())?;
    let scaled = |unit: i128| {
        let scale = 10_i128.checked_pow(shift.unsigned_abs())?;
        let bytes = number.checked_mul(unit)?;
        if shift < 0 { Some(bytes / scale) } else { bytes.checked_mul(scale) }
    };
    let bytes = match unit.as_str() {
        "" => scaled(1).filter(|bytes| *bytes > BARE_ABOVE),
        "b" | "byte" | "bytes" => scaled(1),
        _ => {
            let (base, letter) = match unit.strip_suffix("ib") {
                Some(letter) => (1024_i128, letter),
                None => (1000, unit.strip_suffix('b')?),
            };
            let powers = ["k", "m", "g", "t", "p", "e"];
            let power = (1..).zip(powers).find_map(|(power, of)| (of == letter).then_some(power));
            scaled(base.pow(power?))
        }
    };
    bytes.filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{
        proofpoint_ser::entitlement,
        testing::{at, sample},
    };
    use proptest::prelude::*;

    fn period(start: &str, end: &str) -> Option<Interval> {
        Interval::new(at(start), at(end))
    }

    #[test]
    fn a_volume_has_a_unit_or_is_plainly_bytes() {
        let table = [
            ("536870912000", Some(536_870_912_000)),
            ("5.36870912E11", Some(536_870_912_000)),
            ("536,870,912,000", Some(536_870_912_000)),
            ("1000000001", Some(1_000_000_001)),
            ("1000000000", None),
            ("500", None),
            ("500GB", Some(500_000_000_000)),
            (" 1.5 TB ", Some(1_500_000_000_000)),
            ("1TiB", Some(1 << 40)),
            ("0.5 gib", Some(1 << 29)),
            ("2 PB", Some(2_000_000_000_000_000)),
            ("1024 bytes", Some(1024)),
            ("1e3B", Some(1000)),
            ("0.0000000001 KB", None),
            ("0GB", None),
            ("-5GB", None),
            ("500G", None),
            ("500 XB", None),
            ("GB", None),
            ("1,5 TB", None),
            ("500 GB per year", None),
            ("unlimited", None),
            ("9e400", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(volume(text), expected, "{text:?}");
        }
    }

    #[test]
    fn terms_are_read_whatever_their_spelling() {
        let allowed = Some(500_000_000_000);
        let year = period("2026-03-01T00:00:00Z", "2027-03-01T00:00:00Z");
        let table = [
            (
                r#"{"annual_throughput":"500GB","license_start":"2026-03-01","license_end":"2027-02-28"}"#,
                Terms { allowed, period: year },
            ),
            (
                r#"{"AnnualThroughput":500000000000,"licenseStart":1772323200,"LICENSE_END":"1803859200000"}"#,
                Terms { allowed, period: year },
            ),
            // No end, and one that lies before its start.
            (r#"{"license_start":"2026-03-01T00:00:00.000+0000"}"#, {
                Terms { allowed: None, period: year }
            }),
            (r#"{"license_start":"2026-03-01","license_end":"2025-03-01"}"#, {
                Terms { allowed: None, period: year }
            }),
            (r#"{"license_start":"2028-02-29"}"#, {
                let period = period("2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z");
                Terms { allowed: None, period }
            }),
            (r#"{"annual_throughput":null,"license_start":"soon","license_end":"2027-02-28"}"#, {
                Terms::default()
            }),
            (r#"{"annual_throughput":{"GB":500},"license_start":[]}"#, Terms::default()),
            ("{}", Terms::default()),
        ];
        for (json, expected) in table {
            assert_eq!(Terms::read(json), expected, "{json}");
        }
    }

    #[test]
    fn of_several_the_one_of_the_day_counts() {
        let entitlements = |starts: &[&str]| {
            let json = starts.iter().map(|start| format!(r#"{{"license_start":"{start}"}}"#));
            let read = json.map(|json| {
                entitlement::read(serde_json::from_str(&json).unwrap(), &mut Vec::new()).unwrap()
            });
            read.collect::<Vec<_>>().into_iter()
        };
        let chosen = |starts: &[&str]| {
            choose(entitlements(starts), at("2026-11-20T12:00:00Z")).map(|(record, _)| record.id)
        };
        let table: [(&[&str], Option<&str>); 6] = [
            (&["2025-03-01", "2026-03-01", "2027-03-01"], Some("2026-03-01")),
            (&["2026-06-01", "2026-03-01"], Some("2026-06-01")),
            (&["2023-03-01", "2024-03-01"], Some("2024-03-01")),
            (&["2024-03-01", "soon"], Some("2024-03-01")),
            (&["soon"], Some("soon")),
            (&[], None),
        ];
        for (starts, expected) in table {
            assert_eq!(chosen(starts).as_deref(), expected, "{starts:?}");
        }
    }

    #[test]
    fn each_sample_has_terms() {
        let read = |file| {
            let json: serde_json::Value = serde_json::from_str(&sample("ser", file)).unwrap();
            Terms::read(&json["entitlement"].to_string())
        };
        let to = "2027-02-28T23:59:59.999Z";
        let normal =
            Terms { allowed: Some(536_870_912_000), period: period("2026-03-01T00:00:00Z", to) };
        assert_eq!(read("summary_entitlement_only.json"), normal);
        let epoch = period("2026-03-01T00:00:00Z", "2027-02-28T23:59:59Z");
        assert_eq!(read("summary_entitlement_epoch.json"), Terms { allowed: None, period: epoch });
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), json in crate::source::testing::any_json()) {
            volume(&text);
            Terms::read(&json.to_string());
        }
    }
}
