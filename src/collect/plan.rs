//! What to fetch next: pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    config,
    domain::{filter::Filter, slice::Interval},
    source::Limits,
    store::slices::{Frontier, Resweep},
};

/// Slices planned at once at most; the rest follows when these are done.
const BATCH: usize = 512;

/// What live collection is to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The range that is planned once this plan is carried out.
    pub frontier: Frontier,
    /// What the vendor no longer keeps: never to be had.
    pub lost: Option<Interval>,
    /// Oldest first, without gaps.
    pub slices: Vec<Interval>,
    /// Whether more is due than this plan holds.
    pub more: bool,
}

/// When and how a stream's time is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub start: config::Start,
    pub lag: Duration,
    pub slice: Duration,
    pub limits: Limits,
}

impl Policy {
    pub fn of(source: &config::Source, limits: Limits) -> Self {
        Self { start: source.start, lag: source.lag, slice: source.slice, limits }
    }
}

/// The slices between what is planned and `now - lag`; `None` when nothing is due.
///
/// Slices end at multiples of their length, so that they stay the same whenever they are planned;
/// only the newest of an unaligned stream is shorter.
pub fn live(policy: &Policy, frontier: Option<Frontier>, now: Timestamp) -> Option<Plan> {
    at_most(policy, frontier, now, BATCH)
}

/// The first of them alone, and nothing lost: while only this machine says what time it is, one
/// answer is needed before more is believed.
pub fn first(policy: &Policy, frontier: Option<Frontier>, now: Timestamp) -> Option<Plan> {
    let limits = Limits { retention: None, ..policy.limits };
    at_most(&Policy { limits, ..*policy }, frontier, now, 1)
}

fn at_most(
    policy: &Policy,
    frontier: Option<Frontier>,
    now: Timestamp,
    most: usize,
) -> Option<Plan> {
    let length = millis(policy.slice);
    let due = due(policy.lag, policy.slice, policy.limits.aligned, now).as_millisecond();
    let from = frontier.map_or_else(
        || {
            let start = match policy.start {
                config::Start::Back(back) => before(now, back),
                config::Start::At(at) => at,
            };
            let start = whole_second(start.as_millisecond());
            if policy.limits.aligned { start - start.rem_euclid(length) } else { start }
        },
        |frontier| frontier.from.as_millisecond(),
    );
    let mut at = frontier.map_or(from, |frontier| frontier.to.as_millisecond());
    let mut lost = None;
    if let Some(retention) = policy.limits.retention {
        let oldest = whole_second(before(now, retention).as_millisecond());
        if at < oldest.min(due) {
            lost = interval(at, oldest.min(due));
            at = oldest.min(due);
        }
    }
    let (slices, at) = cut(at, due, policy.slice, most);
    if slices.is_empty() && lost.is_none() {
        return None;
    }
    let time = |ms| Timestamp::from_millisecond(ms).ok();
    let frontier = Frontier { from: time(from)?, to: time(at)? };
    Some(Plan { frontier, lost, slices, more: at < due })
}

/// What live collection is asked for ends here: `lag` before now, at a whole second; at a multiple
/// of `slice` where slices are aligned.
pub fn due(lag: Duration, slice: Duration, aligned: bool, now: Timestamp) -> Timestamp {
    let due = whole_second(before(now, lag).as_millisecond());
    let length = millis(slice);
    let due = if aligned { due - due.rem_euclid(length) } else { due };
    Timestamp::from_millisecond(due).unwrap_or(now)
}

/// Cuts `[at, to)` at multiples of `length`, oldest first, into `most` slices at most; tells how
/// far they reach, too.
pub(super) fn cut(mut at: i64, to: i64, length: Duration, most: usize) -> (Vec<Interval>, i64) {
    let length = millis(length);
    let mut slices = Vec::new();
    while at < to && slices.len() < most {
        let end = (at - at.rem_euclid(length)).saturating_add(length).min(to);
        slices.extend(interval(at, end));
        at = end;
    }
    (slices, at)
}

pub(super) fn whole_second(ms: i64) -> i64 {
    ms - ms.rem_euclid(1000)
}

/// At least one.
pub(super) fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// The configured ages, each once, and what is read again then: where an age is named several
/// times, all that any of them asks for.
pub fn steps(configured: &[config::Resweep]) -> Vec<(Duration, Filter)> {
    let mut steps: Vec<(Duration, Filter)> = Vec::with_capacity(configured.len());
    for config::Resweep { after, verdicts } in configured {
        match steps.iter_mut().find(|(step, _)| step == after) {
            None => {
                let narrow = Filter { verdicts: verdicts.clone(), ..Filter::default() };
                steps.push((*after, narrow));
            }
            // No verdicts are all verdicts.
            Some((_, narrow)) if verdicts.is_empty() => narrow.verdicts.clear(),
            Some((_, narrow)) if narrow.verdicts.is_empty() => {}
            Some((_, narrow)) => {
                let others = verdicts.iter().filter(|verdict| !narrow.verdicts.contains(verdict));
                let others: Vec<String> = others.cloned().collect();
                narrow.verdicts.extend(others);
            }
        }
    }
    steps
}

/// When to read a slice again that was covered at `now`.
///
/// Slices of an unaligned stream are read again together, in windows as long as a slice may be.
/// An age that was passed long before the slice was read needs no second look: what changed until
/// then was seen. A reading that is late by no more than the schedule makes it is not long.
pub fn resweeps(
    source: &config::Source,
    policy: &Policy,
    slice: Interval,
    now: Timestamp,
) -> Vec<Resweep> {
    let every = match source.schedule {
        config::Schedule::Every(every) => every,
        config::Schedule::Cron(_) => CRON,
    };
    let tolerated = policy.lag + every;
    let window = if policy.limits.aligned { slice } else { window(slice, policy.slice) };
    let page_size = policy.limits.page_size;
    let planned = steps(&source.resweep).into_iter().filter_map(|(after, narrow)| {
        let due = slice.end().checked_add(after).ok()?;
        let late = due.checked_add(tolerated).is_ok_and(|late| late <= now);
        (!late).then_some(Resweep { after, narrow, window, due, page_size })
    });
    planned.collect()
}

/// Taken for the time between a cron schedule's ticks.
const CRON: Duration = Duration::from_mins(5);

/// The multiple of `length` that a slice begins in.
fn window(slice: Interval, length: Duration) -> Interval {
    let length = millis(length);
    let start = slice.start().as_millisecond();
    let start = start - start.rem_euclid(length);
    interval(start, start.saturating_add(length)).unwrap_or(slice)
}

pub(super) fn interval(start: i64, end: i64) -> Option<Interval> {
    Interval::new(Timestamp::from_millisecond(start).ok()?, Timestamp::from_millisecond(end).ok()?)
}

pub(super) fn before(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn policy(slice: u64, aligned: bool) -> Policy {
        Policy {
            start: config::Start::Back(Duration::from_hours(24)),
            lag: Duration::from_mins(6),
            slice: Duration::from_secs(slice),
            limits: Limits {
                retention: Some(Duration::from_hours(90 * 24 - 1)),
                aligned,
                page_size: 100,
            },
        }
    }

    #[test]
    fn a_first_run_begins_at_start_and_ends_before_the_lag() {
        let plan = live(&policy(3600, false), None, at("2026-11-20T08:30:30Z")).unwrap();
        assert_eq!(plan.slices.len(), 25);
        assert_eq!(plan.slices[0].to_string(), "2026-11-19T08:30:30Z/2026-11-19T09:00:00Z");
        assert_eq!(plan.slices[24].to_string(), "2026-11-20T08:00:00Z/2026-11-20T08:24:30Z");
        assert_eq!(plan.lost, None);
    }

    #[test]
    fn an_aligned_stream_waits_for_whole_slices() {
        let plan = live(&policy(3600, true), None, at("2026-11-20T09:05:59Z")).unwrap();
        assert_eq!(plan.frontier.to, at("2026-11-20T08:00:00Z"));
        assert_eq!(
            live(&policy(3600, true), Some(plan.frontier), at("2026-11-20T09:05:59Z")),
            None
        );
        let later = live(&policy(3600, true), Some(plan.frontier), at("2026-11-20T09:06:00Z"));
        assert_eq!(
            later.unwrap().slices[0].to_string(),
            "2026-11-20T08:00:00Z/2026-11-20T09:00:00Z"
        );
    }

    #[test]
    fn what_is_past_retention_is_lost_and_said() {
        let frontier =
            Frontier { from: at("2026-01-01T00:00:00Z"), to: at("2026-01-02T00:00:00Z") };
        let plan = live(&policy(3600, false), Some(frontier), at("2026-11-20T08:00:00Z")).unwrap();
        assert_eq!(plan.lost.unwrap().to_string(), "2026-01-02T00:00:00Z/2026-08-22T09:00:00Z");
        assert_eq!(plan.slices[0].start(), plan.lost.unwrap().end());
        assert!(plan.more);
    }

    #[test]
    fn a_clock_that_steps_back_plans_nothing_twice() {
        let plan = live(&policy(3600, false), None, at("2026-11-20T08:30:00Z")).unwrap();
        assert_eq!(
            live(&policy(3600, false), Some(plan.frontier), at("2026-11-20T07:00:00Z")),
            None
        );
    }

    fn source(ages: &[(u64, &[&str])], every: u64) -> config::Source {
        let text = "[sources.etd]\ntype = \"cisco_etd\"\nregion = \"us\"\nclient_id = \"i\"\n\
            client_secret = \"s\"\napi_key = \"k\"\n[sinks.out]\ntype = \"stdout\"\n";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("postrider.toml");
        std::fs::write(&path, text).unwrap();
        let loaded = config::load(Some(&path), [], at("2026-11-20T08:00:00Z")).unwrap();
        let mut source = loaded.config.sources.into_values().next().unwrap();
        let resweep = |(minutes, verdicts): &(u64, &[&str])| config::Resweep {
            after: Duration::from_mins(*minutes),
            verdicts: verdicts.iter().map(|verdict| (*verdict).to_owned()).collect(),
        };
        source.resweep = ages.iter().map(resweep).collect();
        source.schedule = config::Schedule::Every(Duration::from_mins(every));
        source
    }

    fn slice(from: &str, to: &str) -> Interval {
        let day = |time: &str| at(&format!("2026-11-20T{time}Z"));
        Interval::new(day(from), day(to)).unwrap()
    }

    #[test]
    fn a_slice_is_read_again_with_its_window_at_each_age_that_is_not_over() {
        let source = source(&[(60, &[]), (1440, &["scam"])], 10);
        let slice = slice("08:20:00", "08:30:00");
        // The lag of 6 minutes and the schedule's 10 make a reading at 9:46 no late one.
        for (now, ages) in [("08:36:00Z", 2), ("09:45:59Z", 2), ("09:46:00Z", 1)] {
            let now = at(&format!("2026-11-20T{now}"));
            let planned = resweeps(&source, &policy(3600, false), slice, now);
            assert_eq!(planned.len(), ages, "{now}");
            let last = planned.last().unwrap();
            assert_eq!(last.window.to_string(), "2026-11-20T08:00:00Z/2026-11-20T09:00:00Z");
            assert_eq!(last.due, at("2026-11-21T08:30:00Z"));
            assert_eq!(last.narrow.verdicts, ["scam"]);
            assert_eq!(last.page_size, 100);
        }
        let long_after = at("2026-11-22T08:00:00Z");
        assert_eq!(resweeps(&source, &policy(3600, false), slice, long_after), []);
    }

    #[test]
    fn an_aligned_slice_is_its_own_window() {
        let source = source(&[(60, &[])], 1);
        let slice = slice("08:00:00", "08:30:00");
        let planned = resweeps(&source, &policy(1800, true), slice, at("2026-11-20T08:40:00Z"));
        assert_eq!(planned[0].window, slice);
    }

    #[test]
    fn an_age_that_is_named_several_times_is_one_reading_of_all_that_is_asked_for() {
        let named: [(u64, &[&str]); 5] =
            [(60, &["scam"]), (60, &["spam", "scam"]), (90, &["bec"]), (90, &[]), (90, &["scam"])];
        let steps = steps(&source(&named, 1).resweep);
        let steps: Vec<_> =
            steps.iter().map(|(after, all)| (after.as_secs() / 60, &all.verdicts[..])).collect();
        assert_eq!(steps, [(60, &["scam".to_owned(), "spam".to_owned()][..]), (90, &[])]);
    }

    proptest! {
        #[test]
        fn slices_tile_the_planned_range(
            slice in 1..200_000_u64, aligned: bool, steps in prop::collection::vec(-4000..90_000_i64, 1..12),
        ) {
            let policy = policy(slice, aligned);
            let mut now = at("2026-11-20T08:30:30Z");
            let (mut frontier, mut reached) = (None::<Frontier>, None::<Timestamp>);
            for step in steps {
                now = now.checked_add(jiff::SignedDuration::from_secs(step)).unwrap();
                while let Some(plan) = live(&policy, frontier, now) {
                    for interval in plan.lost.into_iter().chain(plan.slices) {
                        prop_assert_eq!(interval.start(), reached.unwrap_or(plan.frontier.from));
                        prop_assert!(interval.end() <= now);
                        reached = Some(interval.end());
                    }
                    prop_assert_eq!(Some(plan.frontier.to), reached);
                    frontier = Some(plan.frontier);
                    if !plan.more { break; }
                }
            }
        }
    }
}
