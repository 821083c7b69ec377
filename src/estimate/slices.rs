//! The slices of a day: made by the collector's own planner, as if its clock ran through the day.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{float, memo::Memo, millis, ticks};
use crate::{
    collect::plan::{self, Policy},
    config::{Resweep as Resweeping, Schedule, Source, Vendor},
    domain::slice::Interval,
    source::Limits,
    store::slices::{Frontier, Resweep},
};

/// Slices by their length in milliseconds.
pub(super) type Lengths = BTreeMap<u64, u64>;

const DAY: Duration = Duration::from_hours(24);
/// Longer periods are not looked at.
const MOST_DAYS: u64 = 366;

/// What falls into some days.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) days: f64,
    pub(super) activations: f64,
    pub(super) live: Lengths,
    /// By step of the configuration.
    pub(super) resweeps: Vec<Lengths>,
    pub(super) tokens: f64,
}

/// Runs the schedule from `from` on, for a day or as long as its longest period is.
///
/// It begins a slice earlier and ends a slice later, so that windows that are read again are
/// complete whenever they begin.
pub(super) fn run(source: &Source, from: Timestamp) -> Arc<Made> {
    static KNOWN: Memo<(Shape, Timestamp), Arc<Made>> = Memo::new();
    KNOWN.of((Shape::of(source), from), || Arc::new(run_anew(source, from)))
}

/// All of a source that its slices depend on.
#[derive(PartialEq)]
struct Shape {
    schedule: Schedule,
    lag: Duration,
    slice: Duration,
    resweep: Vec<Resweeping>,
    vendor: &'static str,
}

impl Shape {
    fn of(source: &Source) -> Self {
        let Source { schedule, lag, slice, resweep, vendor, .. } = source;
        Self {
            schedule: schedule.clone(),
            lag: *lag,
            slice: *slice,
            resweep: resweep.clone(),
            vendor: vendor.as_str(),
        }
    }
}

fn run_anew(source: &Source, from: Timestamp) -> Made {
    let every = match source.schedule {
        Schedule::Every(every) => every,
        Schedule::Cron(_) => Duration::ZERO,
    };
    let longest = source.slice.max(every);
    let days = millis(longest).div_ceil(millis(DAY)).clamp(1, MOST_DAYS);
    let until = after(from, DAY * u32::try_from(days).unwrap_or(1));
    let policy = policy(source);
    let mut made = Made { days: float(days), ..Made::default() };
    let mut windows = Windows::default();
    let mut token_until = Timestamp::MIN;
    let begin = from.checked_sub(source.slice).unwrap_or(from);
    let mut ticks = ticks::from(&source.schedule, &policy, begin);
    // The first activation only tells where the next one goes on.
    let mut frontier = ticks.next().map(|now| collected_to(&policy, now));
    for now in ticks.take_while(|now| *now < after(until, longest)) {
        let counts = from <= now && now < until;
        made.activations += f64::from(u8::from(counts));
        let mut asked = false;
        while let Some(plan) = plan::live(&policy, frontier, now) {
            frontier = Some(plan.frontier);
            asked |= !plan.slices.is_empty();
            for slice in plan.slices {
                if counts {
                    *made.live.entry(length(slice)).or_default() += 1;
                }
                for resweep in plan::resweeps(source, &policy, slice, now) {
                    windows.add(slice, &resweep, now, counts);
                }
            }
            if !plan.more {
                break;
            }
        }
        if asked && now >= token_until {
            made.tokens += f64::from(u8::from(counts));
            token_until = after(now, token_life(source));
        }
    }
    made.resweeps = source.resweep.iter().map(|step| windows.lengths(step.after)).collect();
    made
}

/// The slices that a range is cut into: they end at multiples of `slice`.
pub(super) fn cut(range: Interval, slice: Duration) -> Lengths {
    let length = i64::try_from(slice.as_millis()).unwrap_or(i64::MAX).max(1);
    let (start, end) = (range.start().as_millisecond(), range.end().as_millisecond());
    let first = start.saturating_add((-start).rem_euclid(length)).min(end);
    let last = (end - end.rem_euclid(length)).max(first);
    let mut lengths = Lengths::new();
    for (millis, count) in [(first - start, 1), (length, (last - first) / length), (end - last, 1)]
    {
        if millis > 0 && count > 0 {
            *lengths.entry(millis.unsigned_abs()).or_default() += count.unsigned_abs();
        }
    }
    lengths
}

/// Resweeps as the store plans them: slices of one window grow together until they are due.
#[derive(Default)]
struct Windows {
    planned: Vec<Window>,
    newest: BTreeMap<(Duration, Timestamp), usize>,
}

struct Window {
    after: Duration,
    start: Timestamp,
    end: Timestamp,
    due: Timestamp,
    /// Whether it was planned on a day that counts.
    counts: bool,
}

impl Windows {
    fn add(&mut self, slice: Interval, resweep: &Resweep, now: Timestamp, counts: bool) {
        let key = (resweep.after, resweep.window.start());
        let newest = self.newest.get(&key).and_then(|index| self.planned.get_mut(*index));
        // What is due was opened before more is planned, and grows no more.
        if let Some(window) = newest.filter(|window| window.due > now) {
            window.start = window.start.min(slice.start());
            window.end = window.end.max(slice.end());
            window.due = window.due.max(resweep.due);
            return;
        }
        self.newest.insert(key, self.planned.len());
        let (start, end) = (slice.start(), slice.end());
        self.planned.push(Window { after: resweep.after, start, end, due: resweep.due, counts });
    }

    fn lengths(&self, after: Duration) -> Lengths {
        let mut lengths = Lengths::new();
        for window in self.planned.iter().filter(|window| window.counts && window.after == after) {
            let length = window.end.duration_since(window.start).unsigned_abs();
            *lengths.entry(millis(length)).or_default() += 1;
        }
        lengths
    }
}

/// What the planner must know of the vendor.
fn policy(source: &Source) -> Policy {
    let (aligned, page_size) = match &source.vendor {
        Vendor::CiscoEtd(etd) => (false, etd.page_size),
        Vendor::ProofpointSer(_) => (true, 1),
        Vendor::ProofpointSerAdmin(_) => (true, 100),
    };
    let limits = Limits { retention: None, aligned, page_size };
    Policy { start: source.start, lag: source.lag, slice: source.slice, limits }
}

/// How long a token is used: tokens of ETD live an hour, those of SER twelve (vendors' guides), and
/// are renewed at 90 % of that.
fn token_life(source: &Source) -> Duration {
    match &source.vendor {
        Vendor::CiscoEtd(_) => Duration::from_secs(3_240),
        Vendor::ProofpointSer(_) | Vendor::ProofpointSerAdmin(_) => Duration::from_secs(38_880),
    }
}

/// Up to where an activation at `now` has collected.
fn collected_to(policy: &Policy, now: Timestamp) -> Frontier {
    let unit = if policy.limits.aligned { policy.slice } else { Duration::from_secs(1) };
    let unit = i64::try_from(unit.as_millis()).unwrap_or(i64::MAX).max(1);
    let at = now.checked_sub(policy.lag).unwrap_or(now).as_millisecond();
    let to = Timestamp::from_millisecond(at - at.rem_euclid(unit)).unwrap_or(now);
    Frontier { from: to, to }
}

fn length(slice: Interval) -> u64 {
    millis(slice.end().duration_since(slice.start()).unsigned_abs())
}

fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn interval(start: i64, end: i64) -> Interval {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        Interval::new(at(start), at(end)).unwrap()
    }

    #[test]
    fn ranges_are_cut_at_multiples() {
        let hour = Duration::from_hours(1);
        let h = 3_600_000;
        let lengths = |start, end| cut(interval(start, end), hour).into_iter().collect::<Vec<_>>();
        assert_eq!(lengths(0, 3 * h), [(3_600_000, 3)]);
        assert_eq!(lengths(h / 2, h), [(1_800_000, 1)]);
        assert_eq!(lengths(h / 2, h / 2 + 5), [(5, 1)]);
        assert_eq!(lengths(h - 1, 2 * h + 2), [(1, 1), (2, 1), (3_600_000, 1)]);
    }

    proptest! {
        #[test]
        fn a_cut_adds_up(start in -9_000..9_000_i64, length in 1..9_000_i64, slice in 1..3_000_u64) {
            let lengths = cut(interval(start, start + length), Duration::from_millis(slice));
            let sum: u64 = lengths.iter().map(|(millis, count)| millis * count).sum();
            prop_assert_eq!(sum, length.unsigned_abs());
            prop_assert!(lengths.keys().all(|millis| *millis <= slice));
        }
    }
}
