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

/// A time, or a day that is one only by its beginning and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Instant(Timestamp),
    Day(civil::Date),
}

impl When {
    /// Reads a time however a vendor may write it: as [`parse`] does, as a bare date, or as seconds
    /// or milliseconds since 1970.
    pub(super) fn read(text: &str) -> Option<Self> {
        /// Seconds of the year 5138, milliseconds of 1973: which of the two a number counts.
        const SECONDS_BELOW: i64 = 100_000_000_000;
        let text = text.trim();
        if let Some(at) = parse(text) {
            return Some(Self::Instant(at));
        }
        // First, because `20261120` is no number of seconds.
        if text.len() == 8 || text.contains('-') {
            return text.parse().ok().map(Self::Day);
        }
        let number: i64 = text.parse().ok().filter(|number| *number > 0)?;
        let at = match number {
            ..SECONDS_BELOW => Timestamp::from_second(number),
            _ => Timestamp::from_millisecond(number),
        };
        at.ok().map(Self::Instant)
    }

    /// The instant, or the first one of the day in UTC.
    pub(super) fn start(self) -> Option<Timestamp> {
        match self {
            Self::Instant(at) => Some(at),
            Self::Day(day) => Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp()),
        }
    }

    /// The instant, or the end of the day: who writes a date as an end means to include the day.
    pub(super) fn end(self) -> Option<Timestamp> {
        match self {
            Self::Instant(at) => Some(at),
            Self::Day(day) => Self::Day(day.tomorrow().ok()?).start(),
        }
    }
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
            ("2026-06-30T23:59:60Z", Some("2026-06-30T23:59:59Z")),
            ("2026-06-30T23:59:60.5Z", Some("2026-06-30T23:59:59.5Z")),
            ("2026-07-01T01:59:60+02:00", Some("2026-06-30T23:59:59Z")),
            ("2026-06-30 23:59:60", Some("2026-06-30T23:59:59Z")),
            ("2026-06-30T23:59:61Z", None),
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
    fn dates_and_numbers_are_times_too() {
        let table = [
            ("2026-11-20T08:00:00+0000", Some(("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"))),
            ("2028-02-29", Some(("2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"))),
            ("20261120", Some(("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"))),
            ("1772323200000", Some(("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"))),
            (" 1803859199 ", Some(("2027-02-28T23:59:59Z", "2027-02-28T23:59:59Z"))),
            ("2027-02-29", None),
            ("0", None),
            ("-1772323200", None),
            ("99999999999999999999", None),
            ("99999999999999999", None),
            ("true", None),
            ("", None),
        ];
        for (text, expected) in table {
            let read = When::read(text)
                .map(|when| (when.start().unwrap().to_string(), when.end().unwrap().to_string()));
            let read = read.as_ref().map(|(start, end)| (start.as_str(), end.as_str()));
            assert_eq!(read, expected, "{text}");
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
