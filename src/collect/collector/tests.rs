//! The collector against a scripted source and a real store.

mod backfill;
mod bench;
mod budget;
mod resweeps;
mod rows;
mod twins;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bench::{Bench, Script, fault, ids, message, page};
use rand::SeedableRng;

use super::*;
use crate::{
    clock::ManualClock,
    config::Schedule,
    fault::{Fault, Kind},
    source::{Page, Query},
    store::slices::{Frontier, Setback},
};

#[tokio::test]
async fn pages_follow_each_other_and_the_slice_is_covered() {
    let mut bench = Bench::new(vec![page(&["a", "b"], Some("t1")), page(&["c"], None)]);
    assert_eq!(bench.run().await, Step::Idle);
    let events = bench.events();
    assert_eq!(ids(&events), ["a", "b", "c"]);
    assert_eq!(events[0]["postrider"]["tags"]["tenant"], "acme");
    assert_eq!(events[0]["postrider"]["change"], "new");
    let tokens: Vec<_> = bench.asked().into_iter().map(|query| query.page_token).collect();
    assert_eq!(tokens, [None, Some("t1".into())]);
    assert_eq!(bench.gaps(), (0, 0));
}

#[tokio::test]
async fn what_becomes_due_waits_for_the_next_activation() {
    let mut bench = Bench::new(vec![page(&["a"], None), page(&["b"], None)]);
    assert_eq!(bench.run().await, Step::Idle);
    bench.clock.advance(Duration::from_mins(10));
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(bench.asked().len(), 1, "the schedule has not fired");
    bench.collector.activation.activate();
    bench.collector.activation.activate();
    assert_eq!(bench.run().await, Step::Idle);
    let last = bench.asked()[1].interval;
    assert_eq!(last.to_string(), "2026-11-20T09:00:00Z/2026-11-20T09:10:00Z");
    assert_eq!(bench.asked().len(), 2, "activations coalesce");
}

#[tokio::test]
async fn a_fault_resumes_at_the_page_it_happened_on() {
    let transient = fault(Kind::Transient { retry_after: None });
    let answers = vec![page(&["a"], Some("t1")), transient, page(&["b"], None)];
    let mut bench = Bench::new(answers);
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["a", "b"]);
    assert_eq!(bench.asked()[2].page_token.as_deref(), Some("t1"));
}

#[tokio::test]
async fn a_new_process_resumes_inside_the_slice() {
    let transient = || fault(Kind::Transient { retry_after: Some(Duration::from_secs(5)) });
    let mut bench = Bench::new(vec![page(&["a"], Some("t1")), transient()]);
    while !matches!(bench.collector.step().await.unwrap(), Step::Waiting { .. }) {}
    // What a restart loses: everything but the store.
    bench.collector.memory = Arc::new(Memory::new(StdRng::seed_from_u64(2)));
    bench.collector.source = Arc::new(Script::default());
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(bench.asked()[0].page_token.as_deref(), Some("t1"));
}

#[tokio::test]
async fn a_rejected_page_token_starts_anew_without_duplicates() {
    let answers = vec![
        page(&["a"], Some("t1")),
        fault(Kind::PageTokenRejected),
        page(&["a", "b"], Some("t2")),
        page(&["c"], None),
    ];
    let mut bench = Bench::new(answers);
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["a", "b", "c"]);
    assert_eq!(bench.asked()[2].page_token, None);
}

#[tokio::test]
async fn a_token_that_repeats_and_pages_without_records_are_faults() {
    let empty = |token: &str| page(&[], Some(token));
    let answers = vec![
        page(&["a"], Some("t1")),
        page(&["b"], Some("t1")),
        empty("t1"),
        empty("t2"),
        empty("t3"),
        page(&["a", "b"], None),
    ];
    let mut bench = Bench::new(answers);
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["a", "b"]);
    let tokens: Vec<_> = bench.asked().into_iter().map(|query| query.page_token).collect();
    let t = |token: &str| Some(token.to_owned());
    assert_eq!(tokens, [None, t("t1"), None, t("t1"), t("t2"), None]);
}

#[tokio::test]
async fn the_same_record_with_other_content_is_the_next_revision() {
    let changed = |verdict| Page {
        records: vec![message("a", verdict), message("a", verdict)],
        received: 2,
        next: Some(verdict.into()),
        ..Page::default()
    };
    let answers = vec![page(&["a", "a"], Some("t")), Ok(changed("scam")), page(&["b"], None)];
    let mut bench = Bench::new(answers);
    assert_eq!(bench.run().await, Step::Idle);
    let events = bench.events();
    assert_eq!(ids(&events), ["a", "a", "b"]);
    let second = &events[1]["postrider"];
    assert_eq!(second["revision"], 2);
    assert_eq!(second["change"], "changed");
    assert_eq!(second["changed"], serde_json::json!(["verdict.latestVerdict"]));
    let previous = serde_json::json!({ "verdict.latestVerdict": "neutral" });
    assert_eq!(second["previous"], previous);
}

#[tokio::test]
async fn fewer_records_than_announced_are_read_once_more_and_then_believed() {
    let short = || {
        let mut page = page(&["a"], None)?;
        page.total = Some(2);
        Ok(page)
    };
    let mut bench = Bench::new(vec![short(), short(), page(&["never"], None)]);
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["a"]);
    assert_eq!(bench.asked().len(), 2);
}

#[tokio::test]
async fn too_large_shrinks_the_page_then_splits_the_slice() {
    let mut answers: Vec<_> = (0..7).map(|_| fault(Kind::TooLarge)).collect();
    answers.extend([page(&["a"], None), page(&["b"], None)]);
    let mut bench = Bench::new(answers);
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["a", "b"]);
    let asked = bench.asked();
    let sizes: Vec<u32> = asked.iter().map(|query| query.page_size).collect();
    assert_eq!(sizes, [100, 50, 25, 12, 6, 3, 1, 100, 100]);
    assert_eq!(asked[7].interval.end(), asked[8].interval.start());
    assert_eq!(bench.gaps(), (0, 0));
}

#[tokio::test]
async fn wrong_credentials_hold_the_source_until_a_person_acts() {
    let mut bench = Bench::new(vec![fault(Kind::Auth), page(&["a"], None)]);
    let Step::Waiting { person: true, why, .. } = bench.run().await else { panic!() };
    assert!(why.contains("it failed"), "{why}");
    assert_eq!(bench.asked().len(), 1, "nothing is asked while it is held");
    bench.clock.advance(Duration::from_mins(15));
    bench.run().await;
    assert_eq!(ids(&bench.events()), ["a"]);
}

#[tokio::test]
async fn a_clock_ahead_of_the_vendors_covers_nothing() {
    let early =
        Page { server_time: Some("2026-11-20T08:59:00Z".parse().unwrap()), ..Page::default() };
    let mut bench = Bench::new(vec![Ok(early), page(&["a"], None)]);
    while bench.asked().is_empty() {
        bench.collector.step().await.unwrap();
    }
    assert_eq!(bench.gaps().0, 1);
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["a"]);
}

#[tokio::test]
async fn a_full_spool_pauses_collecting() {
    let mut bench = Bench::new(vec![page(&["a"], Some("t1")), page(&["b"], None)]);
    bench.collector.max_spool = 1;
    for _ in 0..4 {
        bench.collector.step().await.unwrap();
    }
    assert_eq!(bench.asked().len(), 1);
    bench.collector.max_spool = 1 << 30;
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["a", "b"]);
}

#[tokio::test]
async fn the_days_calls_are_a_limit_that_survives_a_restart() {
    let mut bench = Bench::new(vec![page(&["a"], None)]);
    let mut config = (*bench.collector.config).clone();
    config.rate_limit.per_day = Some(5);
    bench.collector.config = Arc::new(config);
    // Five calls of an earlier process.
    for _ in 0..5 {
        bench.collector.pace.take().await;
    }
    let stream = bench.collector.streams().await.unwrap()[&Stream::Messages];
    let now = bench.clock.now();
    let calls = bench.collector.bill(Pass::Live, 5, now);
    let frontier = Frontier { from: now, to: now };
    bench.store().plan_live(stream, frontier, None, Vec::new(), 1).await.unwrap();
    assert_eq!(calls.count, 5);
    let hour = crate::domain::slice::Interval::new(now - Duration::from_hours(1), now).unwrap();
    bench.store().plan_live(stream, frontier, None, vec![hour], 100).await.unwrap();
    let open = bench.store().ready_slices(stream, Pass::Live, now, 1).unwrap();
    let again = Setback::Again { not_before: now, progress: None };
    bench.store().set_back(open[0].id, again, "earlier".into(), calls).await.unwrap();

    let Step::Waiting { until, .. } = bench.run().await else { panic!() };
    assert_eq!(until.to_string(), "2026-11-21T00:00:00Z");
    assert!(bench.asked().is_empty());
    bench.clock.set(until);
    bench.run().await;
    assert_eq!(ids(&bench.events()), ["a"]);
}

#[tokio::test]
async fn a_page_that_cannot_be_stored_is_fetched_again() {
    let mut bench = Bench::new(vec![page(&["a"], None), page(&["a"], None)]);
    let stream = bench.collector.streams().await.unwrap()[&Stream::Messages];
    *locked(&bench.collector.memory.activated) = Some(bench.clock.now());
    bench.collector.plan(stream).await.unwrap();
    bench.store().refuse_writes(true).await;
    let error = bench.collector.step().await.unwrap_err();
    assert!(error.downcast_ref::<StoreError>().is_some_and(StoreError::may_pass), "{error:#}");
    bench.store().refuse_writes(false).await;
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["a"]);
    assert_eq!(bench.asked().len(), 2);
}

#[test]
fn one_slice_is_and_two_are_not_covered() {
    assert_eq!(uncovered(1, "etd"), "1 slice of etd is not covered");
    assert_eq!(uncovered(2, "etd"), "2 slices of etd are not covered");
}

#[tokio::test]
async fn a_line_that_may_quote_a_record_is_marked() {
    let mut odd = page(&["a"], None);
    odd.as_mut().unwrap().warnings.push("not a message: \"subject\"".into());
    let mut bench = Bench::new(vec![odd]);
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Arc::new(log.reopen().unwrap());
    let lines = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
    let guard = tracing::subscriber::set_default(lines);
    assert_eq!(bench.run().await, Step::Idle);
    drop(guard);
    let text = std::fs::read_to_string(log.path()).unwrap();
    let line = text.lines().find(|line| line.contains("subject")).unwrap();
    assert!(line.contains(&format!(" {}: not a message", crate::telemetry::QUOTES)), "{line}");
}
