use super::*;
use crate::health::testing::{at, condition, etd, ser};

const LONG_AGO: &str = "2026-11-20T00:00:00Z";

fn cron(text: &str) -> Schedule {
    Schedule::Cron(text.into())
}

#[test]
fn what_must_be_covered_follows_from_the_schedule_and_the_lag() {
    let hourly = config::Source { schedule: cron("0 0 * * * *"), ..etd() };
    let daily = config::Source { schedule: cron("0 30 6 * * *"), ..etd() };
    let aligned_cron = config::Source { schedule: cron("0 20 * * * *"), ..ser() };
    for (source, now, expected_to) in [
        // A minute of schedule, two of grace, six of lag.
        (etd(), "2026-11-21T10:00:00.700Z", "2026-11-21T09:51:00Z"),
        // The tick of 10:00 has had time enough from 10:02 on.
        (hourly.clone(), "2026-11-21T10:01:59Z", "2026-11-21T08:54:00Z"),
        (hourly, "2026-11-21T10:02:00Z", "2026-11-21T09:54:00Z"),
        (daily.clone(), "2026-11-21T06:31:00Z", "2026-11-20T06:24:00Z"),
        (daily, "2026-11-21T06:32:00Z", "2026-11-21T06:24:00Z"),
        // The hour up to 09:00 is due at 09:15, asked for by 09:20, there by 09:22.
        (ser(), "2026-11-21T09:21:59Z", "2026-11-21T08:00:00Z"),
        (ser(), "2026-11-21T09:22:00Z", "2026-11-21T09:00:00Z"),
        (aligned_cron.clone(), "2026-11-21T09:21:59Z", "2026-11-21T08:00:00Z"),
        (aligned_cron, "2026-11-21T09:22:00Z", "2026-11-21T09:00:00Z"),
    ] {
        assert_eq!(expected(&source, at(now)), at(expected_to), "{:?} {now}", source.schedule);
    }
}

#[test]
fn a_source_is_in_exactly_one_state() {
    use Stored::{AuthFailed, Failing, Ok, QuotaSpent, SpoolFull, Throttled};
    let now = at("2026-11-21T10:00:00Z");
    let on_time = Some("2026-11-21T09:51:00Z");
    let late = Some("2026-11-21T09:50:59Z");
    let heard = Some("2026-11-21T09:00:00Z");
    let quiet = Some("2026-11-20T09:50:59Z");
    for (stored, covered_to, heard, is) in [
        (Some(Ok), on_time, heard, SourceState::Collecting),
        (Some(Ok), late, heard, SourceState::Behind),
        (Some(Ok), late, quiet, SourceState::Behind),
        (Some(Ok), on_time, quiet, SourceState::Quiet),
        (None, on_time, heard, SourceState::Collecting),
        (None, None, None, SourceState::Behind),
        (Some(Failing), on_time, quiet, SourceState::Failing),
        (Some(AuthFailed), late, heard, SourceState::AuthFailed),
        (Some(Throttled), late, heard, SourceState::Throttled),
        (Some(QuotaSpent), late, heard, SourceState::Throttled),
        (Some(SpoolFull), on_time, heard, SourceState::Behind),
    ] {
        let condition = stored.map(|stored| condition(stored, LONG_AGO, None));
        let (covered_to, heard) = (covered_to.map(at), heard.map(at));
        let progress = Progress { condition: condition.as_ref(), covered_to, heard };
        assert_eq!(state(&etd(), progress, now), is, "{progress:?}");
    }
}

#[test]
fn a_start_that_is_to_come_leaves_nothing_behind() {
    let progress = Progress { condition: None, covered_to: None, heard: None };
    let start = Start::At(at("2026-11-22T00:00:00Z"));
    let source = config::Source { start, ..etd() };
    let begins = |now| state(&source, progress, at(now));
    assert_eq!(begins("2026-11-22T00:09:00Z"), SourceState::Collecting);
    assert_eq!(begins("2026-11-22T00:09:01Z"), SourceState::Behind);
}

#[test]
fn only_what_was_asked_for_is_silence() {
    let now = at("2026-11-21T10:00:00Z");
    let source = config::Source { expect_records_within: Some(Duration::from_hours(2)), ..etd() };
    let progress = |covered_to| Progress {
        condition: None,
        covered_to: Some(at(covered_to)),
        heard: Some(at("2026-11-21T07:00:00Z")),
    };
    // Covered to the minute: asked for all of the three hours.
    let all = silent(&source, progress("2026-11-21T09:54:00Z"), now);
    assert_eq!(all, Some(Duration::from_hours(3)));
    // The vendor could not be asked since eight.
    let some = silent(&source, progress("2026-11-21T07:54:00Z"), now);
    assert_eq!(some, Some(Duration::from_hours(1)));
    // What came last may be younger than what is covered.
    assert_eq!(silent(&source, progress("2026-11-21T06:00:00Z"), now), Some(Duration::ZERO));
    assert_eq!(state(&source, progress("2026-11-21T09:54:00Z"), now), SourceState::Quiet);
}

#[test]
fn lengths_in_words() {
    for (secs, text) in
        [(1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7200, "2 hours")]
    {
        assert_eq!(words(Duration::from_secs(secs)), text);
    }
    assert_eq!(words(Duration::from_hours(72)), "3 days");
}
