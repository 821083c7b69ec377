use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn days_before(to: Timestamp, days: i64) -> Timestamp {
    Timestamp::from_second(to.as_second() - days * DAY).unwrap()
}

/// A year's licence of 1,000 bytes, 100 days old, of which two applications used 500.
fn reading() -> Reading {
    let to = at("2026-06-09T00:00:00Z");
    let window = |days| Interval::new(days_before(to, days), to).unwrap();
    Reading {
        allowed: Some(1_000),
        period: Interval::new(at("2026-03-01T00:00:00Z"), at("2027-03-01T00:00:00Z")),
        to,
        applications: [("SAP".to_owned(), 375), ("-".to_owned(), 125)].into(),
        recent: vec![(window(7), 70), (window(30), 150)],
        hours: vec![(days_before(to, 1), 3), (at("2026-06-08T01:00:00Z"), 7)],
    }
}

fn with(change: impl FnOnce(&mut Reading)) -> Usage {
    let mut reading = reading();
    change(&mut reading);
    usage(&reading)
}

fn uses(used: i128, allowed: i128) -> Usage {
    with(|reading| {
        reading.allowed = Some(allowed);
        reading.applications = [("SAP".to_owned(), used)].into();
    })
}

#[test]
fn a_usage_tells_all_there_is_and_can_be_read_again() {
    let usage = usage(&reading());
    let json = serde_json::to_string(&usage).unwrap();
    insta::assert_snapshot!(json, @r#"{"used_bytes":500,"as_of":"2026-06-09T00:00:00Z","allowed_bytes":1000,"license_start":"2026-03-01T00:00:00Z","license_end":"2027-03-01T00:00:00Z","share":0.5,"burn_rate_7d":10,"burn_rate_30d":5,"exhausted_on":"2026-07-29","exhausted_before_end":true,"peak_hour":{"start":"2026-06-08T01:00:00Z","bytes":7},"applications":[{"application":"SAP","bytes":375,"share":0.75},{"application":"-","bytes":125,"share":0.25}]}"#);
    assert_eq!(serde_json::from_str::<Usage>(&json).unwrap(), usage);
}

#[test]
fn shares_are_cut_and_levels_are_exact() {
    let table = [
        (0, 1_000, 0.0, None),
        (8_125, 10_000, 0.8125, Some(80)),
        (799_999, 1_000_000, 0.7999, None),
        (800_000, 1_000_000, 0.8, Some(80)),
        (899_999, 1_000_000, 0.8999, Some(80)),
        (900_000, 1_000_000, 0.9, Some(90)),
        (999_999, 1_000_000, 0.9999, Some(90)),
        (1_000_000, 1_000_000, 1.0, Some(100)),
        (2_500_000, 1_000_000, 2.5, Some(100)),
        (1, 3, 0.3333, None),
        // Of 11 bytes, 80 percent are 8.8.
        (8, 11, 0.7272, None),
        (9, 11, 0.8181, Some(80)),
        (i128::MAX, i128::MAX, 1.0, Some(100)),
        (i128::MAX - 1, i128::MAX, 0.9999, Some(90)),
        (i128::MAX, 1, 429_496.729_5, Some(100)),
        (-5, 1_000, 0.0, None),
    ];
    for (used, allowed, share, expected) in table {
        let usage = uses(used, allowed);
        assert_eq!(usage.share, Some(share), "{used} of {allowed}");
        assert_eq!(level(&usage), expected, "{used} of {allowed}");
    }
}

#[test]
fn the_day_comes_from_the_larger_rate() {
    let table = [
        // used, of 1,000; bytes of 7 and of 30 days; the day; whether it is before the end
        (500, [70, 150], Some("2026-07-29"), true),
        (500, [7, 150], Some("2026-09-17"), true),
        (500, [0, 30], Some("2027-10-22"), false),
        (735, [0, 30], Some("2027-03-01"), false),
        (736, [0, 30], Some("2027-02-28"), true),
        // Less than a byte a day, and no use at all.
        (500, [6, 29], None, false),
        (0, [0, 0], None, false),
        (999, [7_000_000, 0], Some("2026-06-09"), true),
        (1_000, [0, 0], Some("2026-06-09"), true),
        (3_000, [70, 150], Some("2026-06-09"), true),
    ];
    for (used, recent, day, before_end) in table {
        let usage = with(|reading| {
            reading.applications = [("SAP".to_owned(), used)].into();
            for ((_, bytes), given) in reading.recent.iter_mut().zip(recent) {
                *bytes = given;
            }
        });
        let day = day.map(|day| day.parse::<Date>().unwrap());
        assert_eq!(usage.exhausted_on, day, "{used} {recent:?}");
        assert_eq!(usage.exhausted_before_end, before_end, "{used} {recent:?}");
    }
}

#[test]
fn a_leap_day_is_a_day() {
    let exhausted = |to: &str, left: i128| {
        let to = at(to);
        let usage = with(|reading| {
            reading.to = to;
            reading.applications = [("SAP".to_owned(), 1_000 - left)].into();
            reading.recent = vec![(Interval::new(days_before(to, 7), to).unwrap(), 7)];
        });
        usage.exhausted_on.unwrap().to_string()
    };
    assert_eq!(exhausted("2028-02-28T12:00:00Z", 1), "2028-02-29");
    assert_eq!(exhausted("2028-02-28T12:00:00Z", 2), "2028-03-01");
    assert_eq!(exhausted("2027-02-28T12:00:00Z", 1), "2027-03-01");
}

#[test]
fn a_young_licence_burns_by_its_own_age() {
    let usage = with(|reading| {
        let start = days_before(reading.to, 2);
        let window = Interval::new(start, reading.to).unwrap();
        reading.period = Interval::new(start, at("2027-06-07T00:00:00Z"));
        reading.recent = vec![(window, 500), (window, 500)];
    });
    assert_eq!((usage.burn_rate_7d, usage.burn_rate_30d), (Some(250), Some(250)));
    assert_eq!(usage.exhausted_on, Some("2026-06-11".parse().unwrap()));

    // So young that nothing of it has passed.
    let usage = with(|reading| {
        reading.period = Interval::new(reading.to, at("2027-06-09T00:00:00Z"));
        reading.applications.clear();
        reading.recent.clear();
    });
    assert_eq!((usage.used_bytes, usage.burn_rate_7d, usage.burn_rate_30d), (Some(0), None, None));
    assert_eq!((usage.share, usage.exhausted_on), (Some(0.0), None));
}

#[test]
fn a_licence_that_has_ended_is_not_exhausted_before_its_end() {
    for used in [500, 1_500] {
        let usage = with(|reading| {
            reading.period = Interval::new(at("2025-03-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
            reading.applications = [("SAP".to_owned(), used)].into();
        });
        assert!(usage.exhausted_on.is_some() && !usage.exhausted_before_end, "{used}");
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let unit_unknown = with(|reading| reading.allowed = None);
    assert_eq!((unit_unknown.used_bytes, unit_unknown.burn_rate_7d), (Some(500), Some(10)));
    let no_dates = with(|reading| {
        reading.period = None;
        reading.applications.clear();
    });
    assert_eq!((no_dates.used_bytes, no_dates.allowed_bytes), (None, Some(1_000)));
    let nothing_allowed = with(|reading| reading.allowed = Some(0));
    for usage in [unit_unknown, no_dates, nothing_allowed] {
        assert_eq!((usage.share, usage.exhausted_on), (None, None));
        assert!(!usage.exhausted_before_end);
        assert_eq!(level(&usage), None);
        let json = serde_json::to_string(&usage).unwrap();
        assert!(!json.contains("null") && !json.contains("exhausted_on"), "{json}");
        assert_eq!(serde_json::from_str::<Usage>(&json).unwrap(), usage);
    }
}

#[test]
fn sums_go_beyond_64_bits() {
    let large = i128::from(i64::MAX);
    let usage = with(|reading| {
        reading.allowed = Some(large * 8);
        reading.applications = ["a", "b", "c"].map(|name| (name.to_owned(), large)).into();
        for (_, bytes) in &mut reading.recent {
            *bytes = large * 7;
        }
    });
    assert_eq!((usage.used_bytes, usage.share), (Some(large * 3), Some(0.375)));
    assert_eq!(usage.burn_rate_7d, Some(large));
    assert_eq!(usage.exhausted_on, Some("2026-06-14".parse().unwrap()));
    let names: Vec<_> = usage.applications.iter().map(|of| of.application.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"], "equals by name");
    let json = serde_json::to_string(&usage).unwrap();
    assert!(json.contains("27670116110564327421"), "{json}");
    assert_eq!(serde_json::from_str::<Usage>(&json).unwrap(), usage);
}

#[test]
fn the_peak_is_the_first_of_the_busiest_hours() {
    let hours = |bytes: [i128; 3]| {
        let peak = with(|reading| {
            let start = |hour: i64| Timestamp::from_second(hour * 3_600).unwrap();
            reading.hours = (0..).map(start).zip(bytes).collect();
        });
        peak.peak_hour.map(|peak| (peak.start.as_second() / 3_600, peak.bytes))
    };
    assert_eq!(hours([1, 5, 5]), Some((1, 5)));
    assert_eq!(hours([0, 0, 0]), None);
    assert_eq!(with(|reading| reading.hours.clear()).peak_hour, None);
}

proptest! {
    #[test]
    fn shares_add_up_to_one(sizes in proptest::collection::vec(0_i128..1 << 100, 1..20)) {
        prop_assume!(sizes.iter().any(|bytes| *bytes > 0));
        let count = sizes.len();
        let usage = with(|reading| {
            let sizes = sizes.into_iter().enumerate();
            reading.applications = sizes.map(|(at, bytes)| (at.to_string(), bytes)).collect();
        });
        let sum: f64 = usage.applications.iter().map(|of| of.share).sum();
        let cut = f64::from(u32::try_from(count).unwrap()) / 10_000.0;
        prop_assert!(sum <= 1.0 + 1e-9 && sum >= 1.0 - cut - 1e-9, "{sum}");
        prop_assert!(usage.applications.is_sorted_by(|a, b| a.bytes >= b.bytes));
        let total: i128 = usage.applications.iter().map(|of| of.bytes).sum();
        prop_assert_eq!(usage.used_bytes, Some(total));
    }

    #[test]
    fn more_use_never_means_a_later_day(
        allowed in 1_i128..1 << 90,
        used in [0_i128..1 << 90, 0_i128..1 << 90],
        recent in [[0_i128..1 << 90, 0_i128..1 << 90], [0_i128..1 << 90, 0_i128..1 << 90]],
    ) {
        let day = |used: i128, recent: [i128; 2]| {
            let usage = with(|reading| {
                reading.allowed = Some(allowed);
                reading.applications = [("SAP".to_owned(), used)].into();
                for ((_, bytes), given) in reading.recent.iter_mut().zip(recent) {
                    *bytes = given;
                }
            });
            (usage.exhausted_on.unwrap_or(Date::MAX), usage.exhausted_before_end)
        };
        let less = (used[0].min(used[1]), [0, 1].map(|at| recent[0][at].min(recent[1][at])));
        let more = (used[0].max(used[1]), [0, 1].map(|at| recent[0][at].max(recent[1][at])));
        let (less, more) = (day(less.0, less.1), day(more.0, more.1));
        prop_assert!(more.0 <= less.0 && more.1 >= less.1, "{more:?} {less:?}");
    }

    #[test]
    fn a_level_is_reached_exactly(allowed in 1_i128..1 << 100, percent in 0_i128..150) {
        let bytes = allowed * percent / 100;
        let expected = [100, 90, 80].into_iter().find(|level| bytes * 100 >= allowed * level);
        prop_assert_eq!(level(&uses(bytes, allowed)).map(i128::from), expected);
    }

    #[test]
    fn no_numbers_panic(
        [allowed, used, week, month] in any::<[i128; 4]>(),
        seconds in -377_705_023_201_i64..253_402_207_200,
    ) {
        let usage = with(|reading| {
            reading.allowed = Some(allowed);
            reading.to = Timestamp::from_second(seconds).unwrap();
            reading.applications = ["a", "b"].map(|name| (name.to_owned(), used)).into();
            reading.recent[0].1 = week;
            reading.recent[1].1 = month;
        });
        level(&usage);
    }
}
