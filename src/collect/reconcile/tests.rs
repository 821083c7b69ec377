//! Days compared with a vendor that counts as it is told.

use jiff::Timestamp;

use super::{
    super::testing::{Bench, Message},
    *,
};
use crate::clock::Clock;

/// A source that has collected all of the 20th; `counts` are the vendor's answers.
async fn bench(counts: Vec<Result<Option<BTreeMap<String, u64>>, Kind>>) -> Bench {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let message = |id: &str, time: &str, appears: &str| Message {
        id: id.into(),
        at: at(time),
        appears: at(appears),
        changes: Vec::new(),
    };
    let messages = vec![
        message("a", "2026-11-20T03:00:00Z", "2026-11-20T03:00:00Z"),
        message("b", "2026-11-20T23:30:00Z", "2026-11-20T23:30:00Z"),
        message("late", "2026-11-20T12:00:00Z", "2026-11-21T02:01:00Z"),
        message("next", "2026-11-21T00:10:00Z", "2026-11-21T00:10:00Z"),
    ];
    let mut bench = Bench::new(at("2026-11-20T01:00:00Z"), messages, 1).await;
    bench.mood().counts = counts.into();
    bench.tick(Duration::ZERO).await;
    for _ in 0..4 {
        bench.tick(Duration::from_hours(6)).await;
    }
    assert_eq!(bench.mood().counted, [], "the day is not over for two hours");
    bench
}

#[expect(clippy::unnecessary_wraps, reason = "answers are counts or faults")]
fn incoming(messages: u64) -> Result<Option<BTreeMap<String, u64>>, Kind> {
    Ok(Some(BTreeMap::from([("Incoming".to_owned(), messages)])))
}

fn verdicts(bench: &Bench) -> Vec<(String, Verdict, u64, u64)> {
    let recorded = bench.store().recorded(bench.stream, bench.clock.now(), Timestamp::MIN).unwrap();
    let days = recorded.reconciled.into_iter().map(|day| {
        let count = day.counts["incoming"];
        (day.day, day.verdict, count.vendor, count.collected)
    });
    days.collect()
}

#[tokio::test]
async fn a_day_that_is_over_and_covered_is_compared_once() {
    let mut bench = bench(vec![incoming(2)]).await;
    for _ in 0..3 {
        bench.tick(Duration::from_mins(61)).await;
    }
    assert_eq!(verdicts(&bench), [("2026-11-20".into(), Verdict::Equal, 2, 2)]);
    let asked: Vec<String> = bench.mood().counted.iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["2026-11-20T00:00:00Z/2026-11-21T00:00:00Z"]);
}

#[tokio::test]
async fn a_difference_has_the_day_read_once_more_and_heals_with_what_was_late() {
    let mut bench = bench(vec![incoming(3), incoming(3)]).await;
    bench.tick(Duration::from_mins(61)).await;
    assert_eq!(verdicts(&bench), [("2026-11-20".into(), Verdict::Equal, 3, 3)]);
    assert_eq!(bench.mood().counted.len(), 2);
    let late = bench.events().into_iter().filter(|event| event["id"] == "late");
    let passes: Vec<_> = late.map(|event| event["postrider"]["pass"].clone()).collect();
    assert_eq!(passes, ["resweep"]);
}

#[tokio::test]
async fn what_differs_after_one_more_reading_stays_so() {
    let mut bench = bench(vec![incoming(7), incoming(7), incoming(7)]).await;
    for _ in 0..3 {
        bench.tick(Duration::from_mins(61)).await;
    }
    assert_eq!(verdicts(&bench), [("2026-11-20".into(), Verdict::Differs, 7, 3)]);
    assert_eq!(bench.mood().counted.len(), 2);
}

#[tokio::test]
async fn a_fault_waits_an_hour_and_a_refusal_a_day() {
    let fault = || Err(Kind::Transient { retry_after: None });
    let mut bench = bench(vec![fault(), Err(Kind::Refused), incoming(2)]).await;
    let mut asked = Vec::new();
    for minutes in [61, 5, 61, 120, 60 * 24] {
        bench.tick(Duration::from_mins(minutes)).await;
        asked.push(bench.mood().counted.len());
    }
    assert_eq!(asked[..4], [1, 1, 2, 2]);
    assert!(asked[4] > 2);
    assert_eq!(bench.store().waiting_slices(bench.stream, Pass::Backfill).unwrap(), None);
}

#[tokio::test]
async fn a_filter_that_the_counts_do_not_know_makes_them_useless() {
    let mut bench = bench(vec![incoming(2)]).await;
    let mut config = (*bench.collector.config).clone();
    let Vendor::CiscoEtd(etd) = &mut config.vendor else { panic!() };
    etd.filter.verdicts = vec!["scam".into()];
    bench.collector.config = std::sync::Arc::new(config);
    bench.tick(Duration::from_hours(3)).await;
    assert_eq!(bench.mood().counted, []);
}

#[test]
fn only_directions_that_the_filter_lets_through_are_compared() {
    let map = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
    };
    let vendor = map(&[("Incoming", 3), ("outgoing", 2)]);
    let collected = map(&[("incoming", 3), ("internal", 1), ("none", 4)]);
    let compared = |directions: &[&str]| {
        let directions: Vec<String> = directions.iter().map(|word| (*word).to_owned()).collect();
        let counts = counts(&vendor, &collected, &directions);
        counts.into_iter().map(|(word, c)| (word, c.vendor, c.collected)).collect::<Vec<_>>()
    };
    let row = |word: &str, vendor, collected| (word.to_owned(), vendor, collected);
    let all = [row("incoming", 3, 3), row("internal", 0, 1), row("outgoing", 2, 0)];
    assert_eq!(compared(&[]), all);
    assert_eq!(compared(&["incoming"]), all[..1]);
    let directions = vec!["incoming".to_owned()];
    assert!(comparable(&Filter { directions, ..Filter::default() }));
    assert!(!comparable(&Filter { subject: "re".into(), ..Filter::default() }));
}

#[test]
fn days_are_whole_and_over() {
    let now: Timestamp = "2026-11-22T01:59:59Z".parse().unwrap();
    let shown = |now: Timestamp| {
        let days = days(now, SETTLED);
        days.last().map(|(back, day)| (*back, day.to_string())).unwrap()
    };
    assert_eq!(shown(now), (1, "2026-11-20T00:00:00Z/2026-11-21T00:00:00Z".to_owned()));
    let later = now.checked_add(SignedDuration::from_secs(1)).unwrap();
    assert_eq!(shown(later), (1, "2026-11-21T00:00:00Z/2026-11-22T00:00:00Z".to_owned()));
}

#[test]
fn a_day_is_cut_into_slices_that_tile_it() {
    let day = days("2026-11-22T02:00:00Z".parse().unwrap(), SETTLED).pop().unwrap().1;
    for (hours, slices) in [(1, 24), (5, 5), (24, 1), (48, 1)] {
        let cut = cut(day, Duration::from_hours(hours));
        assert_eq!(cut.len(), slices);
        assert_eq!(crate::coverage::union(cut), [day]);
    }
}
