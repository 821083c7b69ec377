//! The vendors' times.

use jiff::{Timestamp, Unit, civil, tz::TimeZone};

/// Reads RFC 3339 with 0 to 9 fractional digits (further ones are cut off) and any offset, with or
/// without its colon. Without an offset it is UTC: both vendors say that all their times are.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    if let Some(shorter) = nine_digits(text) {
        return shorter.parse().ok();
    }
    // A bare date is not a time.
    text.contains(['T', 't', ' ']).then_some(())?;
    let local: civil::DateTime = text.parse().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// As the vendors take it: UTC with exactly three fractional digits and `Z`.
pub(super) fn milliseconds(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The millisecond at or after `at`.
pub(super) fn ceil(at: Timestamp) -> Timestamp {
    let whole = jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Ceil);
    at.round(whole).unwrap_or(at)
}

/// The whole multiple of `unit` at or before `at`.
pub(super) fn floor(at: Timestamp, unit: Unit) -> Timestamp {
    let whole = jiff::TimestampRound::new().smallest(unit).mode(jiff::RoundMode::Floor);
    at.round(whole).unwrap_or(at)
}

/// `text` with its fraction cut to nine digits; `None` where it has no more than that.
fn nine_digits(text: &str) -> Option<String> {
    let (whole, rest) = text.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at_checked(end)?;
    (fraction.len() > 9).then(|| format!("{whole}.{}{zone}", fraction.get(..9).unwrap_or("0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_seen_and_feared_are_read() {
        let table = [
            ("2026-11-20T08:00:00Z", Some("2026-11-20T08:00:00Z")),
            ("2026-11-20T08:59:59.9996Z", Some("2026-11-20T08:59:59.9996Z")),
            ("2026-11-20T08:59:59.999999999Z", Some("2026-11-20T08:59:59.999999999Z")),
            ("2026-11-20T08:59:59.9999999999Z", Some("2026-11-20T08:59:59.999999999Z")),
            ("2026-11-20T10:30:00+01:00", Some("2026-11-20T09:30:00Z")),
            ("2026-11-20T10:30:00+0100", Some("2026-11-20T09:30:00Z")),
            ("2026-11-20T10:30:00.5", Some("2026-11-20T10:30:00.5Z")),
            (" 2026-11-20 10:30:00 ", Some("2026-11-20T10:30:00Z")),
            ("2026-11-20", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(|at| at.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn requests_carry_milliseconds() {
        let at: Timestamp = "2026-11-20T08:00:00.0001Z".parse().unwrap();
        assert_eq!(milliseconds(at), "2026-11-20T08:00:00.000Z");
        assert_eq!(milliseconds(ceil(at)), "2026-11-20T08:00:00.001Z");
        assert_eq!(floor(at, Unit::Hour).to_string(), "2026-11-20T08:00:00Z");
    }
}
