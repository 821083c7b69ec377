//! When a schedule fires.

use std::time::Duration;

use croner::{
    Cron, Direction,
    parser::{CronParser, Seconds},
};
use jiff::{Timestamp, tz::TimeZone};

use super::{memo::Memo, millis};
use crate::{collect::plan::Policy, config::Schedule};

/// How often a schedule fires from `from` to `to`; of `every`, whose ticks may fall anywhere, the
/// most that is possible.
pub fn activations(schedule: &Schedule, from: Timestamp, to: Timestamp) -> u64 {
    match schedule {
        Schedule::Every(every) => {
            let length = to.duration_since(from).as_millis();
            u64::try_from(length).unwrap_or(0).div_ceil(millis(*every).max(1))
        }
        Schedule::Cron(text) => {
            static KNOWN: Memo<(String, Timestamp, Timestamp), u64> = Memo::new();
            KNOWN.of((text.clone(), from, to), || {
                let Some(cron) = cron(text) else { return 0 };
                let ticks = cron.iter_from(from.to_zoned(TimeZone::UTC), Direction::Forward);
                ticks.take_while(|tick| tick.timestamp() < to).count() as u64
            })
        }
    }
}

/// The times at which a schedule fires, from the last one before `from` on.
///
/// Those of `every` count from when the process started, which is anywhere: between the ends of
/// slices, then, as nearly always.
pub(super) fn from(
    schedule: &Schedule,
    policy: &Policy,
    from: Timestamp,
) -> Box<dyn Iterator<Item = Timestamp>> {
    match schedule {
        Schedule::Every(every) => {
            let every = millis(*every).max(1);
            let between = common_divisor(every, millis(policy.slice).max(1)) / 2;
            let phase = signed(between).saturating_add(duration(policy.lag));
            let every = signed(every);
            let from = from.as_millisecond();
            let first = from - from.saturating_sub(phase).rem_euclid(every);
            let ticks = std::iter::successors(Some(first), move |at| at.checked_add(every));
            Box::new(ticks.map_while(|at| Timestamp::from_millisecond(at).ok()))
        }
        Schedule::Cron(text) => {
            let Some(cron) = cron(text) else { return Box::new(std::iter::empty()) };
            let zoned = from.to_zoned(TimeZone::UTC);
            let first = cron.find_previous_occurrence(&zoned, true).unwrap_or(zoned);
            Box::new(cron.iter_from(first, Direction::Forward).map(|tick| tick.timestamp()))
        }
    }
}

/// As the configuration has checked it.
fn cron(text: &str) -> Option<Cron> {
    CronParser::builder().seconds(Seconds::Required).build().parse(text).ok()
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn duration(of: Duration) -> i64 {
    signed(millis(of))
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn ticks_are_counted() {
        let every = |seconds| Schedule::Every(Duration::from_secs(seconds));
        let cron = |text: &str| Schedule::Cron(text.into());
        let (day, next) = (at("2026-11-20T00:00:00Z"), at("2026-11-21T00:00:00Z"));
        let table = [
            (every(60), 1440),
            (every(7 * 3600), 4),
            (every(48 * 3600), 1),
            (cron("0 */5 * * * *"), 288),
            (cron("0 0 3 * * *"), 1),
            (cron("0 0 3 * * MON"), 0), // a Friday
        ];
        for (schedule, count) in table {
            assert_eq!(activations(&schedule, day, next), count, "{schedule:?}");
            assert_eq!(activations(&schedule, next, day), 0, "{schedule:?}");
        }
        let late = at("2026-11-20T23:57:00Z");
        assert_eq!(activations(&cron("0 */5 * * * *"), late, next), 0);
        assert_eq!(activations(&every(300), late, next), 1, "it may fall anywhere");
    }
}
