//! Whether SER's two APIs agree on the licence of one customer: pure.

use serde::Serialize;

use super::SourceStatus;
use crate::{
    config::{Config, Source, Vendor},
    domain::usage::Usage,
};

/// Both tell sums of their own times: what is used may differ by so many days' use,
const DAYS: i128 = 2;
/// or by one part in so many, whichever is more.
const PARTS: i128 = 50;

/// What a `proofpoint_ser` and a `proofpoint_ser_admin` source say of one licence.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Entitlement {
    pub sources: [String; 2],
    /// `None` before both were asked.
    pub agree: Option<bool>,
    /// A sentence for people.
    pub message: String,
}

/// One for each customer of whom both are configured.
pub(super) fn compared(config: &Config, status: &[SourceStatus]) -> Vec<Entitlement> {
    let of = |wanted: fn(&Vendor) -> bool| -> Vec<&Source> {
        config.sources.values().filter(|source| wanted(&source.vendor)).collect()
    };
    let summaries = of(|vendor| matches!(vendor, Vendor::ProofpointSer(_)));
    let admins = of(|vendor| matches!(vendor, Vendor::ProofpointSerAdmin(_)));
    let is_alone = summaries.len() == 1 && admins.len() == 1;
    let licence = |source: &Source| {
        let status = status.iter().find(|it| it.source == source.name.as_str());
        status.and_then(|status| status.licence.as_ref())
    };
    let mut all = Vec::new();
    for admin in admins {
        for summary in summaries.iter().filter(|it| is_alone || same_customer(it, admin)) {
            let sources = [&summary.name, &admin.name].map(ToString::to_string);
            all.push(compare(sources, [licence(summary), licence(admin)]));
        }
    }
    all
}

/// Neither API tells whose it is: the same key, or the same tags.
fn same_customer(one: &Source, other: &Source) -> bool {
    let key = |source: &Source| match &source.vendor {
        Vendor::ProofpointSer(ser) => Some(ser.client_id.clone()),
        Vendor::ProofpointSerAdmin(admin) => Some(admin.client_id.clone()),
        Vendor::CiscoEtd(_) => None,
    };
    key(one) == key(other) || (!one.tags.is_empty() && one.tags == other.tags)
}

fn compare(sources: [String; 2], licences: [Option<&Usage>; 2]) -> Entitlement {
    let [one, other] = &sources;
    let both = format!("{one} and {other}");
    let [Some(a), Some(b)] = licences else {
        let missing: Vec<&str> = sources
            .iter()
            .zip(licences)
            .filter(|(_, licence)| licence.is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        let message =
            format!("{both}: {} told no entitlement yet to compare", missing.join(" and "));
        return Entitlement { sources, agree: None, message };
    };
    let mut differences = Vec::new();
    if a.allowed_bytes != b.allowed_bytes {
        differences.push(format!(
            "{} bytes allowed against {}",
            known(a.allowed_bytes),
            known(b.allowed_bytes)
        ));
    }
    let day = |at: Option<jiff::Timestamp>| at.map(|at| at.strftime("%Y-%m-%d").to_string());
    let period = |usage: &Usage| (day(usage.license_start), day(usage.license_end));
    if period(a) != period(b) {
        let words = |usage: &Usage| {
            let (start, end) = period(usage);
            format!("{} to {}", known(start), known(end))
        };
        differences.push(format!("{} against {}", words(a), words(b)));
    }
    if let (Some(used), Some(others)) = (a.used_bytes, b.used_bytes)
        && (used - others).abs() > tolerance(a, b)
    {
        differences.push(format!("{used} bytes used against {others}"));
    }
    let agree = differences.is_empty();
    let share = |usage: &Usage| {
        usage.share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    let message = if agree {
        format!("{both} agree on the entitlement: {} and {} used", share(a), share(b))
    } else {
        format!("{both} differ on the entitlement: {}", differences.join("; "))
    };
    Entitlement { sources, agree: Some(agree), message }
}

fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "an unknown number".to_owned(), |value| value.to_string())
}

/// Bytes by which two sums of the same may differ.
fn tolerance(a: &Usage, b: &Usage) -> i128 {
    let rates = [a.burn_rate_7d, a.burn_rate_30d, b.burn_rate_7d, b.burn_rate_30d];
    let rate = rates.into_iter().flatten().max().unwrap_or(0);
    let most = a.used_bytes.max(b.used_bytes).unwrap_or(0);
    rate.saturating_mul(DAYS).max(most / PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        slice::Interval,
        usage::{Told, told},
    };

    fn usage(used: i128, allowed: Option<i128>, end: &str) -> Usage {
        let at = |text: &str| text.parse().unwrap();
        let period = Interval::new(at("2026-03-01T00:00:00Z"), at(end));
        let to = at("2026-11-21T00:00:00Z");
        told(Told { used: Some(used), allowed, period, to, burn_rates: [Some(10), None] })
    }

    #[test]
    fn two_tellings_are_compared_in_words() {
        let end = "2027-03-01T00:00:00Z";
        let names = || ["ser", "admin"].map(str::to_owned);
        let base = usage(500, Some(1_000), end);
        let table = [
            (Some(usage(520, Some(1_000), end)), Some(true), "50.0 % and 52.0 % used"),
            (Some(usage(521, Some(1_000), end)), Some(false), "500 bytes used against 521"),
            (Some(usage(500, Some(2_000), end)), Some(false), "1000 bytes allowed against 2000"),
            (Some(usage(500, None, end)), Some(false), "1000 bytes allowed against an unknown"),
            (
                Some(usage(500, Some(1_000), "2027-02-01T00:00:00Z")),
                Some(false),
                "2026-03-01 to 2027-03-01 against 2026-03-01 to 2027-02-01",
            ),
            (None, None, "ser and admin: admin told no entitlement yet to compare"),
        ];
        for (other, agree, words) in table {
            let found = compare(names(), [Some(&base), other.as_ref()]);
            assert_eq!(found.agree, agree, "{}", found.message);
            assert!(found.message.contains(words), "{}", found.message);
        }
    }
}
