//! Durations, sizes and cron expressions: strict, so that a typing error is found and not
//! interpreted.

use std::time::Duration;

use croner::parser::{CronParser, Seconds};
use jiff::{Timestamp, tz::TimeZone};

const SECOND: u64 = 1000;

/// `250ms`, `30s`, `5m`, `1h`, `7d`: one integer and one unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    let millis = scaled(
        text,
        &[
            ("ms", 1),
            ("s", SECOND),
            ("m", 60 * SECOND),
            ("h", 3600 * SECOND),
            ("d", 86_400 * SECOND),
        ],
    )
    .ok_or_else(|| {
        format!(
            "{text:?} is not a duration; write one whole number and one unit (s, m, h or d), \
             such as \"30s\", \"5m\", \"1h\" or \"7d\""
        )
    })?;
    // Longer ones would overflow the arithmetic with times, and mean nothing.
    if millis > 36_500 * 86_400 * SECOND {
        return Err(format!("{text:?} is longer than a hundred years; write a shorter duration"));
    }
    Ok(Duration::from_millis(millis))
}

/// `512B`, `64KiB`, `2MiB`, `2GiB`: bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    scaled(text, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]).ok_or_else(
        || {
            format!(
                "{text:?} is not a size; write one whole number and one unit (B, KiB, MiB or \
                 GiB), such as \"64KiB\" or \"2GiB\""
            )
        },
    )
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// An RFC 3339 time.
pub fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        format!(
            "{text:?} is not a time; write an RFC 3339 time with its offset, such as \
             2027-03-01T00:00:00Z"
        )
    })
}

/// A cron expression of six fields that fires after `now`.
pub(super) fn cron(text: &str, now: Timestamp) -> Result<(), String> {
    let fields = text.split_whitespace().count();
    if fields == 5 {
        return Err(format!(
            "the cron expression {text:?} has five fields; put the seconds first, as in \"0 {}\"",
            text.trim()
        ));
    }
    if fields != 6 {
        return Err(format!(
            "the cron expression {text:?} has {fields} field{}; write six (second, minute, hour, \
             day of the month, month, day of the week), such as \"0 */5 * * * *\"",
            if fields == 1 { "" } else { "s" }
        ));
    }
    let cron =
        CronParser::builder().seconds(Seconds::Required).build().parse(text).map_err(|error| {
            format!(
                "the cron expression {text:?} cannot be read ({}); write six fields, such as \
                 \"0 */5 * * * *\"",
                error.to_string().trim_end_matches('.')
            )
        })?;
    let now = now.to_zoned(TimeZone::UTC);
    cron.find_next_occurrence(&now, false).map(drop).map_err(|_| {
        format!(
            "the cron expression {text:?} never fires; choose a day that its months have, such \
             as \"0 0 0 28 2 *\""
        )
    })
}

/// The duration in the largest unit that divides it.
pub fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60)] {
        if seconds >= length && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("250ms", 250),
            ("1s", 1000),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("0s", 0),
            ("007s", 7000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "m",
            "5 m",
            " 5m",
            "5m ",
            "1h30m",
            "-5m",
            "+5m",
            "5M",
            "5min",
            "1.5h",
            "P1D",
            "1 hour",
            "5µs",
            "٥m",
            "99999999999999999999s",
            "9999999999999999d",
            "40000d",
            "∞",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("512B", 512), ("64KiB", 65_536), ("1MiB", 1_048_576), ("2GiB", 2_147_483_648)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "64", "KiB", "64 KiB", "64KB", "64kib", "64K", "2g", "1.5GiB", "99999999999GiB"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        for text in ["2027-03-01T00:00:00Z", "2027-03-01T01:00:00+01:00", "2027-03-01 00:00:00Z"] {
            assert_eq!(time(text).map(|t| t.to_string()), Ok("2027-03-01T00:00:00Z".to_owned()));
        }
        for text in ["", "2027-03-01", "2027-03-01T00:00:00", "tomorrow", "2027-02-30T00:00:00Z"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cron_expressions() {
        let now = "2026-11-22T02:07:00Z".parse().unwrap();
        for text in ["0 */5 * * * *", "*/10 * * * * *", "0 0 3 * * MON-FRI", "0 0 0 29 2 *"] {
            assert_eq!(cron(text, now), Ok(()), "{text}");
        }
        for text in [
            "",
            "* * * * *",
            "0 0 0 30 2 *",
            "0 0 0 31 4 *",
            "60 * * * * *",
            "@daily",
            "0 0 0 1 1 * 2030",
            "a b c d e f",
        ] {
            assert!(cron(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_spoken_as_they_are_written() {
        for text in ["1s", "90s", "5m", "1h", "7d"] {
            assert_eq!(spoken(duration(text).unwrap()), text);
        }
    }
}
