use proptest::prelude::*;

use super::*;
use crate::config::{
    Resweep, Schedule, Source,
    testing::{etd, minutes, ser},
};

const NOON: &str = "2026-11-20T12:00:00Z";

fn noon() -> Timestamp {
    NOON.parse().unwrap()
}

fn cron(text: &str) -> Schedule {
    Schedule::Cron(text.into())
}

#[test]
fn the_default_of_etd() {
    let plan = day(&etd(), 20_000, noon());
    // Each minute a slice, and one more where an hour ends between.
    assert_eq!(plan.of(What::Live), (1440 + 24, 1440 + 24));
    // 833 messages an hour: nine pages nearly always.
    let (slices, calls) = plan.of(What::Resweep);
    assert_eq!(slices, 3 * 24);
    assert!((3 * 24 * 85..=3 * 24 * 90).contains(&(calls * 10)), "{calls}");
    assert_eq!(plan.of(What::Tokens).1, 26, "one in 54 minutes");
    assert_eq!(plan.of(What::Reconciliation).1, 1);
    assert!(plan.fits, "{plan:?}");
    assert_eq!(plan.seconds_at_limit, plan.calls / 2);
}

#[test]
fn the_default_of_ser() {
    let plan = day(&ser(), 5_000_000, noon());
    assert_eq!(plan.of(What::Live), (24, 24), "an answer has no pages");
    assert_eq!(plan.of(What::Resweep), (5 * 24, 5 * 24));
    assert_eq!(plan.of(What::Tokens).1, 2);
    assert_eq!(plan.of(What::Survey).1, 28);
    assert_eq!(plan.share_of_day, None);
    assert!(plan.fits);
}

#[test]
fn schedules() {
    let live = |schedule, lag| {
        let source = Source { schedule, lag, resweep: Vec::new(), ..etd() };
        day(&source, 0, noon()).of(What::Live)
    };
    let every = |seconds| Schedule::Every(Duration::from_secs(seconds));
    // Cron fires where the lag makes slices end at full hours, or does not.
    assert_eq!(live(cron("0 */5 * * * *"), minutes(5)).0, 288);
    assert_eq!(live(cron("0 */5 * * * *"), minutes(6)).0, 288 + 24);
    assert_eq!(live(cron("0 30 23 * * *"), minutes(6)).0, 25);
    assert_eq!(live(cron("0 30 23 * * MON"), minutes(6)).0, 0, "not on a Friday");
    assert_eq!(live(every(1), minutes(6)).0, 86_400);
    assert_eq!(live(every(3 * 3600), minutes(6)).0, 24 + 8);
    assert_eq!(live(every(48 * 3600), minutes(6)).0, 25, "49 each other day");
}

#[test]
fn what_is_read_late_is_not_read_again_for_the_ages_that_have_passed() {
    let source = Source { schedule: cron("0 30 23 * * *"), ..etd() };
    let plan = day(&source, 0, noon());
    let slices: Vec<u64> =
        plan.lines.iter().filter(|l| l.what == What::Resweep).map(|l| l.slices).collect();
    // The hour that is read in two parts is read again in two parts.
    assert_eq!(slices, [2, 25, 25]);
}

#[test]
fn resweeps_are_due_for_windows_not_for_their_parts() {
    let resweeps = |after: u64, slice| {
        let resweep = vec![Resweep { after: minutes(after), verdicts: Vec::new() }];
        let source = Source { resweep, slice: minutes(slice), ..etd() };
        day(&source, 100_000, noon()).of(What::Resweep)
    };
    assert_eq!(resweeps(60, 60).0, 24);
    assert_eq!(resweeps(60, 15).0, 96);
    // Due before the window's next part is read: each part on its own.
    assert_eq!(resweeps(1, 60).0, 1464);
    // One window in ten days.
    let (slices, calls) = resweeps(24 * 60, 10 * 24 * 60);
    assert_eq!(slices, 0, "a tenth");
    assert!((990..=1010).contains(&calls), "{calls}");
}

#[test]
fn narrowed_resweeps_read_an_assumed_share() {
    let mut source = etd();
    source.resweep[2].verdicts = vec!["phishing".into()];
    let plan = day(&source, 200_000, noon());
    let calls: Vec<u64> =
        plan.lines.iter().filter(|l| l.what == What::Resweep).map(|l| l.calls).collect();
    assert!(plan.lines[3].narrowed && !plan.lines[2].narrowed);
    assert!(calls[2] * 15 < calls[1], "{calls:?}");
}

#[test]
fn a_day_that_does_not_fit_comes_with_changes_that_make_it_fit() {
    let plan = day(&etd(), 250_000, noon());
    assert!(!plan.fits);
    let changes = advice(&etd(), &plan, noon());
    let said: Vec<_> = changes.iter().map(|change| change.change.as_str()).collect();
    assert_eq!(
        said,
        [
            r#"resweep = [ { after = "1d" }, { after = "7d" } ]"#,
            r#"resweep = [ { after = "1h", verdicts = ["malicious", "phishing", "bec", "scam"] }, { after = "1d", verdicts = ["malicious", "phishing", "bec", "scam"] }, { after = "7d", verdicts = ["malicious", "phishing", "bec", "scam"] } ]"#,
        ]
    );
    assert!(changes.iter().all(|change| change.calls <= 10_000));

    let often = Source { schedule: Schedule::Every(Duration::from_secs(5)), ..etd() };
    let plan = day(&often, 20_000, noon());
    let changes = advice(&often, &plan, noon());
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].change, r#"schedule = { every = "2m" }"#);
    assert_eq!(advice(&etd(), &day(&etd(), 20_000, noon()), noon()), []);
}

#[test]
fn a_range() {
    let at = |text: &str| text.parse().unwrap();
    let interval = Interval::new(at("2026-11-01T00:00:00Z"), at("2026-11-11T00:30:00Z")).unwrap();
    let found = range(&etd(), interval, 20_000);
    assert_eq!(found.slices, 241);
    assert!((2_100..=2_170).contains(&found.calls), "{found:?}");
    assert_eq!(found.seconds_at_limit, found.calls / 2);
    assert!((found.share_of_day.unwrap() - float(found.calls) / 1e4).abs() < 1e-9);
    assert_eq!(range(&ser(), interval, 20_000).calls, 241);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn more_costs_no_less(records in 0..500_000_u64, every in 60..7200_u64, slice in 10..3000_u64) {
        let source = Source {
            schedule: Schedule::Every(Duration::from_secs(every)),
            slice: minutes(slice),
            ..etd()
        };
        let (fewer, more) = (day(&source, records, noon()), day(&source, records * 2, noon()));
        prop_assert!(fewer.calls <= more.calls);
        let without = Source { resweep: Vec::new(), ..source };
        let without = day(&without, records, noon());
        prop_assert!(without.calls <= fewer.calls);
        prop_assert_eq!(without.live(), fewer.live());
    }
}

/// Calls a day with and without the log export, by messages a day.
#[test]
fn a_log_export_saves_two_of_three_resweeps() {
    let with = |log_export| {
        let mut source = etd();
        if let config::Vendor::CiscoEtd(etd) = &mut source.vendor {
            etd.log_export = log_export;
        }
        source
    };
    let mut table = Vec::new();
    for records in [10_000, 100_000, 250_000] {
        let [without, with] = [false, true].map(|on| day(&with(on), records, noon()));
        assert_eq!(without.calls - with.calls, with.spared_calls - with.of(What::LogExport).1);
        assert_eq!((without.spared_calls, with.of(What::Resweep).0), (0, 24));
        table.push(format!(
            "{records}: {} without, {} with, {} spared; fits {} {}",
            without.calls, with.calls, with.spared_calls, without.fits, with.fits
        ));
    }
    insta::assert_snapshot!(table.join("\n"));
}
