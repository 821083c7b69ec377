//! When each simulated message was delivered, and which id it has: arithmetic on its index, so that
//! a million messages need no memory and a search is a binary search over a function.

use jiff::Timestamp;
use uuid::Uuid;

use super::dice::mix;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// So many neighbours share one timestamp when they share one at all.
const TIE: u64 = 4;
const LIVE_LIMIT: u64 = 1 << 40;
const MASK: u64 = (1 << 60) - 1;
/// Odd, so that multiplying by it can be undone modulo a power of two.
const SPREAD: u64 = 0x0B4F_2C6D_91A7_E35B;

/// Nanoseconds since the epoch; times outside the years 1678 to 2262 are clamped.
pub(super) fn nanos(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(if at < Timestamp::UNIX_EPOCH {
        i64::MIN
    } else {
        i64::MAX
    })
}

pub(super) fn timestamp(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX)
}

#[derive(Debug, Clone)]
pub(super) struct Timeline {
    seed: u64,
    from: i64,
    to: i64,
    count: u64,
    /// Nanoseconds between messages after `to`; `None` when nothing comes after it.
    live_period: Option<i64>,
    total: u64,
}

impl Timeline {
    pub(super) fn new(
        seed: u64,
        [from, to]: [Timestamp; 2],
        count: u64,
        live_per_second: f64,
    ) -> Self {
        let (from, to) = (nanos(from), nanos(to));
        #[expect(clippy::cast_possible_truncation, reason = "the result is clamped to at least 1")]
        let live_period = (live_per_second > 0.0).then(|| ((1e9 / live_per_second) as i64).max(1));
        let total = match live_period {
            Some(period) => {
                let room = u64::try_from((i64::MAX - to.max(0)) / period).unwrap_or(0);
                count + room.saturating_sub(2).min(LIVE_LIMIT)
            }
            None => count,
        };
        Self { seed, from, to, count, live_period, total }
    }

    fn slot_start(&self, index: u64) -> i64 {
        if index < self.count {
            let span = i128::from(self.to) - i128::from(self.from);
            let offset = span * i128::from(index) / i128::from(self.count.max(1));
            self.from + i64::try_from(offset).unwrap_or(0)
        } else {
            let after = i64::try_from(index - self.count).unwrap_or(i64::MAX);
            self.to.saturating_add(self.live_period.unwrap_or(0).saturating_mul(after))
        }
    }

    /// Never falls as the index rises. Every second is hit often, every full hour at least once
    /// where messages are dense: boundaries are where collectors go wrong.
    pub(super) fn time(&self, index: u64) -> i64 {
        let group = index / TIE;
        let tied = mix(self.seed ^ 0x71E, group).is_multiple_of(16);
        let lead = if tied { group * TIE } else { index };
        let (start, end) = (self.slot_start(lead), self.slot_start(lead + 1));
        let chance = mix(self.seed ^ 0x71ED, lead);
        let hour = start.div_euclid(HOUR) * HOUR;
        let hour = if hour < start { hour + HOUR } else { hour };
        if hour < end && (end - start <= 60 * SECOND || chance.is_multiple_of(8)) {
            return hour;
        }
        let width = u64::try_from(end - start).unwrap_or(0).max(1);
        let raw = start + i64::try_from(mix(chance, 1) % width).unwrap_or(0);
        let unit = match chance % 10 {
            0..=6 => SECOND,
            7 | 8 => 1_000_000,
            _ => 1,
        };
        (raw.div_euclid(unit) * unit).max(start)
    }

    /// The first index whose message was delivered at or after `time`.
    pub(super) fn first_from(&self, time: i64) -> u64 {
        let (mut low, mut high) = (0, self.total);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.time(middle) < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

/// The id of the message with this index: a UUID from which the index can be had again.
pub(super) fn id(seed: u64, index: u64) -> Uuid {
    let mixed = index.wrapping_mul(SPREAD).wrapping_add(seed) & MASK;
    let mixed = mixed ^ (mixed >> 30);
    let high = ((mixed >> 12) << 16) | 0x5000 | (mixed & 0xFFF);
    let low = (mix(seed ^ 0x1D, index) >> 2) | (1 << 63);
    Uuid::from_u64_pair(high, low)
}

/// The index behind an id that [`id`] made with the same seed.
pub(super) fn index(seed: u64, of: Uuid) -> Option<u64> {
    let (high, _) = of.as_u64_pair();
    let mixed = ((high >> 16) << 12) | (high & 0xFFF);
    let mixed = mixed ^ (mixed >> 30);
    // Newton's iteration doubles the correct low bits: 3, 6, 12, 24, 48, 96.
    let inverse = (0..5).fold(SPREAD, |inverse, _| {
        inverse.wrapping_mul(2_u64.wrapping_sub(SPREAD.wrapping_mul(inverse)))
    });
    let index = (mixed.wrapping_sub(seed)).wrapping_mul(inverse) & MASK;
    (id(seed, index) == of).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(count: u64, live: f64) -> Timeline {
        let range =
            ["2026-11-20T00:00:00Z".parse().unwrap(), "2026-11-21T00:00:00Z".parse().unwrap()];
        Timeline::new(7, range, count, live)
    }

    #[test]
    fn times_stay_in_order_and_range() {
        for (count, live) in [(1, 0.0), (24, 0.0), (5_000, 2.0), (100_000, 0.0)] {
            let line = day(count, live);
            let mut before = line.from;
            for index in 0..(count + 100).min(line.total()) {
                let time = line.time(index);
                assert!(time >= before, "{index} of {count}");
                assert!(index >= count || time < line.to);
                before = time;
            }
        }
    }

    #[test]
    fn full_hours_and_ties_occur() {
        let line = day(5_000, 0.0);
        let times: Vec<i64> = (0..5_000).map(|index| line.time(index)).collect();
        let hours = times.iter().filter(|time| **time % HOUR == 0).count();
        assert!(hours >= 23, "{hours}");
        assert!(times.windows(2).filter(|pair| pair[0] == pair[1]).count() > 100);
    }

    #[test]
    fn a_time_finds_the_first_message_from_it_on() {
        let line = day(5_000, 1.0);
        for index in [0_u64, 1, 17, 4_999, 5_000, 9_000] {
            let first = line.first_from(line.time(index));
            assert!(first <= index && line.time(first) == line.time(index));
            assert!(first == 0 || line.time(first - 1) < line.time(index));
        }
    }

    #[test]
    fn an_id_gives_its_index_back() {
        for at in [0, 1, 2, 999_999, 1 << 40, (1 << 50) + 3] {
            assert_eq!(index(42, id(42, at)), Some(at));
        }
        assert_eq!(index(42, id(43, 5)), None);
        assert_eq!(id(42, 9).get_version_num(), 5);
    }
}
