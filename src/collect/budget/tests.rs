use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{
    RateLimit, Schedule, Source,
    testing::{etd, minutes},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn limited(per_day: u32) -> Source {
    let source = etd();
    Source { rate_limit: RateLimit { per_day: Some(per_day), ..source.rate_limit }, ..source }
}

/// A day of 20,000 messages.
fn outlook_of(source: &Source, spending: &Spending, now: &str) -> Outlook {
    let now = at(now);
    let expected = estimate::day(source, 20_000, hour(now));
    outlook(source, spending, &expected, source.rate_limit.per_day.unwrap(), now)
}

#[test]
fn live_collection_keeps_what_it_will_need() {
    let busy = Spending { resweeps_waiting: 1, backfills: true, ..Spending::default() };
    let table = [
        // Live needs some 1,490 calls a day, resweeps 640.
        (10_000, Spending { live: 60, ..busy.clone() }, "01:00", Pass::Backfill),
        (2_200, Spending { live: 60, ..busy.clone() }, "01:00", Pass::Resweep),
        (1_600, Spending { live: 60, ..busy.clone() }, "01:00", Pass::Live),
        // In the evening less is needed.
        (1_540, Spending { live: 1_370, ..busy.clone() }, "22:00", Pass::Resweep),
        (1_700, Spending { live: 1_370, ..busy.clone() }, "22:00", Pass::Backfill),
        (1_600, Spending { live: 1_370, backfill: 200, ..busy.clone() }, "22:00", Pass::Live),
        // What live needed yesterday, and needs today, counts where it is more.
        (3_000, Spending { live_yesterday: 2_900, ..busy.clone() }, "00:10", Pass::Live),
        (3_500, Spending { live: 900, ..busy.clone() }, "01:59", Pass::Live),
        (3_500, Spending { live: 900, ..busy.clone() }, "13:00", Pass::Backfill),
        // But a day of catching up is no measure.
        (10_000, Spending { live_yesterday: 9_500, ..busy.clone() }, "00:10", Pass::Backfill),
        // What is still open.
        (10_000, Spending { live_open: 9_500, ..busy.clone() }, "12:00", Pass::Live),
        // A day of many resweeps leaves nothing for backfills.
        (10_000, Spending { resweeps_today: 1_200, ..busy.clone() }, "12:00", Pass::Resweep),
        (10_000, Spending { live: 10_000, ..busy.clone() }, "12:00", Pass::Live),
    ];
    for (per_day, spending, time, last) in table {
        let source = limited(per_day);
        let now = format!("2026-11-20T{time}:00Z");
        let outlook = outlook_of(&source, &spending, &now);
        assert_eq!(outlook.last_pass(), last, "{per_day} at {time}: {outlook:?}");
        let held = outlook.held().map(|held| held.passes).unwrap_or_default();
        let expected: Vec<Pass> = Pass::IN_ORDER.into_iter().filter(|pass| *pass > last).collect();
        assert_eq!(held, expected, "{per_day} at {time}");
    }
}

#[test]
fn only_what_waits_is_held_back() {
    let spending = Spending { live: 9_000, ..Spending::default() };
    assert_eq!(outlook_of(&limited(9_100), &spending, "2026-11-20T12:00:00Z").held(), None);
    let spending = Spending { backfills: true, ..spending };
    let held = outlook_of(&limited(9_100), &spending, "2026-11-20T12:00:00Z").held().unwrap();
    assert_eq!(
        held.to_string(),
        "backfill waits until 2026-11-21T00:00:00Z: what is left of the day's calls is kept for \
         live collection"
    );
}

#[test]
fn a_cron_schedule_keeps_calls_for_the_ticks_to_come() {
    let source = |cron: &str| Source { schedule: Schedule::Cron(cron.into()), ..limited(320) };
    let spending = Spending { live_yesterday: 300, resweeps_waiting: 1, ..Spending::default() };
    let last = |cron, now| outlook_of(&source(cron), &spending, now).last_pass();
    assert_eq!(last("0 30 23 * * *", "2026-11-20T22:59:00Z"), Pass::Live);
    assert_eq!(last("0 30 3 * * *", "2026-11-20T22:59:00Z"), Pass::Backfill);
}

#[test]
fn fetches_side_by_side_leave_room_for_new_tokens() {
    assert!(live_fits(10, 6, 0));
    assert!(!live_fits(10, 7, 0));
    assert!(live_fits(10, 0, 3));
    assert!(!live_fits(10, 1, 3));
    assert!(live_fits(1, 0, 0) && !live_fits(1, 1, 0) && !live_fits(0, 0, 0));
}

/// A day as calls are asked for: live collection hour by hour, the others all they can.
struct Played {
    live_denied: u64,
    total: u64,
    last: Vec<Pass>,
}

fn play(source: &Source, live: &[u64], yesterday: u64, spendthrift: Pass) -> Played {
    let per_day = source.rate_limit.per_day.unwrap();
    let mut spending =
        Spending { live_yesterday: yesterday, backfills: true, ..Spending::default() };
    let (mut live_denied, mut last) = (0, Vec::new());
    let midnight = at("2026-11-20T00:00:00Z");
    let expected = estimate::day(source, 0, midnight);
    for (hour, calls) in live.iter().enumerate() {
        for part in 0..4_u64 {
            let minutes = 15 * (4 * u64::try_from(hour).unwrap() + part);
            let now = midnight + Duration::from_secs(60 * minutes);
            let look = |spending: &Spending| outlook(source, spending, &expected, per_day, now);
            for _ in 0..calls / 4 + u64::from(part < calls % 4) {
                if look(&spending).allows(Pass::Live, 0) {
                    spending.live += 1;
                } else {
                    live_denied += 1;
                }
            }
            last.push(look(&spending).last_pass());
            while look(&spending).allows(spendthrift, 0) && spending.backfill < 20_000 {
                spending.backfill += 1;
            }
        }
    }
    Played { live_denied, total: spending.total(), last }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the others do, live collection has the calls that it is expected to need.
    #[test]
    fn live_never_starves(
        per_day in 400..3_000_u32,
        live in prop::collection::vec(0..=24_u64, 24),
        early in 0..400_u64,
        backfill: bool,
    ) {
        // Each five minutes: 312 slices and some tokens a day.
        let schedule = Schedule::Every(minutes(5));
        let source = Source { schedule, resweep: Vec::new(), ..limited(per_day) };
        let yesterday = 24 * 24;
        let mut live = live;
        live[0] += early;
        let pass = if backfill { Pass::Backfill } else { Pass::Resweep };
        let played = play(&source, &live, yesterday, pass);
        prop_assert!(played.total <= u64::from(per_day));
        let demand: u64 = live.iter().sum();
        let alone = (demand + TOKENS + REPEATED).saturating_sub(u64::from(per_day));
        prop_assert!(played.live_denied <= alone, "{} of {demand} denied", played.live_denied);
    }

    /// More spent, more open or less quota never lets a further pass spend.
    #[test]
    fn it_is_monotone(
        per_day in 1..20_000_u32,
        live in 0..20_000_u64,
        resweep in 0..5_000_u64,
        more in 0..5_000_u64,
        minute in 0..1_440_u64,
    ) {
        let now = at("2026-11-20T00:00:00Z") + Duration::from_secs(60 * minute);
        let source = limited(per_day);
        let expected = estimate::day(&source, 0, hour(now));
        let base = Spending { live, resweep, ..Spending::default() };
        let last = |spending: &Spending, per_day| {
            outlook(&source, spending, &expected, per_day, now).last_pass()
        };
        let before = last(&base, per_day);
        for worse in [
            Spending { live: live + more, ..base.clone() },
            Spending { resweep: resweep + more, ..base.clone() },
            Spending { backfill: more, ..base.clone() },
            Spending { live_open: more, ..base.clone() },
            Spending { live_yesterday: more, ..base.clone() },
            Spending { resweeps_today: more, ..base.clone() },
        ] {
            prop_assert!(last(&worse, per_day) <= before, "{worse:?}");
        }
        prop_assert!(last(&base, per_day + 1_000) >= before);
    }

    /// Within an hour no pass goes on that has stopped.
    #[test]
    fn what_has_stopped_stays_stopped_for_the_hour(
        per_day in 400..3_000_u32,
        live in prop::collection::vec(0..=60_u64, 24),
    ) {
        let schedule = Schedule::Every(minutes(5));
        let source = Source { schedule, resweep: Vec::new(), ..limited(per_day) };
        let played = play(&source, &live, 400, Pass::Backfill);
        for hour in played.last.chunks(4) {
            prop_assert!(hour.is_sorted_by(|a, b| a >= b), "{hour:?}");
        }
    }
}
