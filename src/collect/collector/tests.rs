//! The collector against a scripted source and a real store.

use std::{collections::VecDeque, time::Duration};

use rand::SeedableRng;
use serde_json::value::RawValue;

mod resweeps;
mod rows;

use super::*;
use crate::{
    clock::ManualClock,
    config::{CiscoEtd, Http, RateLimit, Schedule, Secret, Start, Vendor},
    domain::{
        filter::Filter,
        fingerprint::{self, Builder},
        record::{Facts, Record},
    },
    fault::{Fault, Kind},
    source::{Limits, Page, Query},
    store::slices::{Frontier, Setback},
};

mod backfill;

/// Answers in order, and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Page, Fault>>>,
    asked: Mutex<Vec<Query>>,
    /// Rung while it is asked next.
    ring: Mutex<Option<Arc<Activation>>>,
    /// Takes its calls from here, each fetch as many as come next, or one.
    pace: Option<(Arc<Pace>, Mutex<VecDeque<u32>>)>,
}

impl Source for Script {
    fn vendor(&self) -> &'static str {
        "cisco_etd"
    }

    fn stream(&self) -> Stream {
        Stream::Messages
    }

    fn limits(&self) -> Limits {
        Limits { retention: None, aligned: false, whole: false, page_size: 100 }
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        self.asked.lock().unwrap().push(query.clone());
        if let Some(activation) = self.ring.lock().unwrap().take() {
            activation.activate();
        }
        if let Some((pace, costs)) = &self.pace {
            // Meanwhile the others ask, too.
            tokio::task::yield_now().await;
            let calls = costs.lock().unwrap().pop_front().unwrap_or(1);
            for _ in 0..calls {
                pace.take().await;
            }
        }
        self.answers.lock().unwrap().pop_front().unwrap_or_else(|| Ok(Page::default()))
    }

    async fn probe(&self, _: Timestamp) -> Result<String, Fault> {
        Ok(String::new())
    }
}

mod budget;

const NOW: &str = "2026-11-20T09:00:00Z";

struct Bench<S = Script> {
    collector: Collector<S>,
    clock: Arc<ManualClock>,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// A source with one slice of an hour due.
    fn new(answers: Vec<Result<Page, Fault>>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let clock = Arc::new(ManualClock::at(NOW.parse().unwrap()));
        let rate_limit =
            RateLimit { calls: 1000, window: Duration::from_secs(1), burst: 1000, per_day: None };
        let etd = CiscoEtd {
            base_url: "http://127.0.0.1:1".into(),
            client_id: "id".into(),
            client_secret: Secret::plain("secret"),
            api_key: None,
            page_size: 100,
            filter: Filter::default(),
            reconcile: false,
        };
        let config = config::Source {
            name: "etd".parse().unwrap(),
            schedule: Schedule::Every(Duration::from_mins(1)),
            start: Start::Back(Duration::from_hours(1)),
            lag: Duration::ZERO,
            slice: Duration::from_hours(1),
            max_in_flight: 1,
            resweep: Vec::new(),
            rate_limit,
            tags: [("tenant".to_owned(), "acme".to_owned())].into(),
            expect_records_within: None,
            credentials_expire: None,
            http: Http::default(),
            vendor: Vendor::CiscoEtd(etd),
        };
        let script = Script { answers: Mutex::new(answers.into()), ..Script::default() };
        let collector = Collector {
            config: Arc::new(config),
            source: Arc::new(script),
            pace: Arc::new(Pace::new(rate_limit)),
            store,
            clock: clock.clone(),
            max_spool: 1 << 30,
            scope: Scope::Everything,
            activation: Arc::default(),
            stop: CancellationToken::new(),
            memory: Arc::new(Memory::new(StdRng::seed_from_u64(1))),
        };
        collector.activation.activate();
        Self { collector, clock, _directory: directory }
    }

    fn asked(&self) -> Vec<Query> {
        self.collector.source.asked.lock().unwrap().clone()
    }
}

impl<S: Source> Bench<S> {
    /// Steps until the collector is idle or waits, moving the clock over waits of less than a
    /// minute.
    async fn run(&mut self) -> Step {
        for _ in 0..100 {
            match self.collector.step().await.unwrap() {
                Step::Worked => {}
                Step::Waiting { until, person: false, .. }
                    if until.duration_since(self.clock.now()).as_secs() < 60 =>
                {
                    self.clock.set(until);
                }
                end => return end,
            }
        }
        panic!("it never ends");
    }

    fn store(&self) -> &Store {
        &self.collector.store
    }

    fn events(&self) -> Vec<serde_json::Value> {
        let (mut events, mut seq) = (Vec::new(), 1);
        while let Some(chunk) = self.store().chunk(seq).unwrap() {
            events.extend(chunk.iter().map(|event| serde_json::from_str(&event.json).unwrap()));
            seq = chunk.last().unwrap().seq + 1;
        }
        events
    }

    fn gaps(&self) -> (u64, u64) {
        let streams = self.store().streams().unwrap();
        let stream = streams.iter().find(|stream| stream.stream == Stream::Messages).unwrap();
        (stream.open, stream.refused)
    }
}

fn message(id: &str, verdict: &str) -> Record {
    let json = format!(r#"{{"id":"{id}","n":1.50,"verdict":{{"latestVerdict":"{verdict}"}}}}"#);
    let raw: &RawValue = serde_json::from_str(&json).unwrap();
    let mut fingerprint = Builder::default();
    for (name, value) in fingerprint::object(raw).unwrap() {
        fingerprint.member(&name, value);
    }
    Record {
        stream: Stream::Messages,
        id: id.into(),
        time: Some("2026-11-20T08:30:00Z".parse().unwrap()),
        fingerprint: fingerprint.finish(),
        watched: format!(r#"{{"verdict":{{"latestVerdict":"{verdict}"}}}}"#),
        stamps: Vec::new(),
        verdict: Some(verdict.into()),
        facts: Facts::Message { direction: None },
        json,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "answers are pages or faults")]
fn page(ids: &[&str], next: Option<&str>) -> Result<Page, Fault> {
    let records: Vec<Record> = ids.iter().map(|id| message(id, "neutral")).collect();
    let received = records.len() as u64;
    Ok(Page { records, received, next: next.map(Into::into), ..Page::default() })
}

fn fault(kind: Kind) -> Result<Page, Fault> {
    Err(Fault::new(kind, "it failed"))
}

fn ids(events: &[serde_json::Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

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
