//! The deliverer against a scripted sink and a real store.

mod isolation;
mod letters;

use std::{collections::BTreeSet, ops::Range, sync::Mutex};

use bytes::Bytes;
use rand::SeedableRng;

use super::*;
use crate::{
    clock::ManualClock,
    config::{BatchLimits, Route, SinkKind},
    domain::{
        event::{Change, Event, EventId},
        name::SinkName,
        slice::{Interval, Pass, Stream},
    },
    sink::Unfit,
    store::{
        budget::Calls,
        slices::{Frontier, PageCommit, Progress, Then},
        spool::NewEvent,
    },
};

type Answer = Box<dyn Fn(&[&str]) -> Outcome + Send>;

/// Takes one event a line; answers in order, then refuses what is bad, without saying which, and
/// accepts the rest.
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    bad: Mutex<BTreeSet<String>>,
    limits: BatchLimits,
    max_in_flight: usize,
    sent: Mutex<Vec<Vec<String>>>,
    /// First events of the batches on their way, at each send.
    beside: Mutex<Vec<Vec<String>>>,
    on_the_way: Mutex<Vec<String>>,
    /// Answers never.
    hangs: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
            bad: Mutex::default(),
            limits: BatchLimits { max_events: 4, max_bytes: 1 << 20, max_age: Duration::ZERO },
            max_in_flight: 1,
            sent: Mutex::default(),
            beside: Mutex::default(),
            on_the_way: Mutex::default(),
            hangs: false,
        }
    }
}

impl Sink for Script {
    fn batch_limits(&self) -> BatchLimits {
        self.limits
    }

    fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit> {
        if event.json.contains("huge") {
            return Err(Unfit("too large for this sink".into()));
        }
        out.extend_from_slice(event.json.as_bytes());
        Ok(())
    }

    async fn send(&self, body: Bytes, frames: &[Range<usize>]) -> Outcome {
        let texts: Vec<&str> =
            frames.iter().map(|frame| std::str::from_utf8(&body[frame.clone()]).unwrap()).collect();
        self.sent.lock().unwrap().push(texts.iter().map(|text| (*text).to_owned()).collect());
        let first = texts[0].to_owned();
        {
            let mut on_the_way = self.on_the_way.lock().unwrap();
            on_the_way.push(first.clone());
            self.beside.lock().unwrap().push(on_the_way.clone());
        }
        if self.hangs {
            std::future::pending::<()>().await;
        }
        // Lets the other batches begin.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.on_the_way.lock().unwrap().retain(|other| *other != first);
        if let Some(answer) = self.answers.lock().unwrap().pop_front() {
            return answer(&texts);
        }
        let bad = self.bad.lock().unwrap();
        if texts.iter().any(|text| bad.contains(*text)) {
            Outcome::SomePoison { reason: "something is bad".into() }
        } else {
            Outcome::Accepted
        }
    }

    async fn probe(&self) -> Result<String, Fault> {
        Ok(String::new())
    }
}

struct Bench {
    store: Store,
    clock: Arc<ManualClock>,
    sink: Arc<Script>,
    _directory: tempfile::TempDir,
}

fn name() -> SinkName {
    "splunk".parse().unwrap()
}

impl Bench {
    async fn new(answers: Vec<Answer>) -> Self {
        Self::with(Script { answers: Mutex::new(answers.into()), ..Script::default() }).await
    }

    async fn with(sink: Script) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.set_sinks(vec![name()]).await.unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-20T09:00:00Z".parse().unwrap()));
        Self { store, clock, sink: Arc::new(sink), _directory: directory }
    }

    /// Puts events into the spool, as one page of a source.
    async fn spool(&self, texts: &[&str]) {
        let source = "etd".parse().unwrap();
        let stream = self.store.stream(&source, Stream::Messages).await.unwrap();
        let from = "2026-11-20T08:00:00Z".parse().unwrap();
        let hour = Interval::new(from, self.clock.now()).unwrap();
        let frontier = Frontier { from, to: hour.end() };
        self.store.plan_live(stream, frontier, None, vec![hour], 100).await.unwrap();
        let slice = self.store.ready_slices(stream, Pass::Live, self.clock.now(), 1).unwrap()[0].id;
        let event = |text: &&str| NewEvent {
            id: EventId::new(&source, Stream::Messages, text, 1),
            revision: 1,
            change: Change::New,
            time_ms: 0,
            verdict: None,
            json: (*text).to_owned(),
        };
        let events: Vec<NewEvent> = texts.iter().map(event).collect();
        let chunk = self.store.pack(stream, &std::collections::BTreeMap::new(), &events).unwrap();
        let calls =
            Calls { source: source.clone(), day: "2026-11-20".into(), pass: Pass::Live, count: 1 };
        let (chunks, then) = (vec![chunk], Then::Covered(Progress::anew(100)));
        let page = PageCommit { chunks, events: 1, ..PageCommit::new(slice, then, calls) };
        self.store.commit_page(page).await.unwrap();
    }

    fn deliverer(&self) -> Deliverer<Script> {
        let config = config::Sink {
            name: name(),
            route: Route::default(),
            batch: self.sink.batch_limits(),
            max_in_flight: self.sink.max_in_flight,
            schema: config::Schema::default(),
            privacy: None,
            kind: SinkKind::Stdout,
        };
        Deliverer::new(
            Arc::new(config),
            self.sink.clone(),
            self.store.clone(),
            self.clock.clone(),
            CancellationToken::new(),
            Flush::new(),
            StdRng::seed_from_u64(1),
        )
    }

    /// Steps a deliverer until it is idle, moving the clock over its waits.
    async fn run(&self, deliverer: &mut Deliverer<Script>) {
        for _ in 0..1000 {
            match deliverer.step().await.unwrap() {
                Step::Worked => {}
                Step::Waiting { until, .. } => self.clock.set(until),
                Step::Idle => return,
            }
        }
        panic!("it never ends");
    }

    fn sent(&self) -> Vec<String> {
        self.sink.sent.lock().unwrap().iter().map(|batch| batch.join("")).collect()
    }

    /// Delivered, waiting, dead letters.
    fn counts(&self) -> (u64, u64, u64) {
        let sink = self.store.sinks().unwrap().remove(0);
        (sink.delivered, sink.waiting, sink.dead_letters)
    }
}

fn failed(kind: Kind) -> Answer {
    Box::new(move |_| Outcome::Failed(Fault::new(kind, "no")))
}

#[test]
fn a_sink_is_never_asked_again_at_once() {
    let mut rng = StdRng::seed_from_u64(1);
    for retry_after in [None, Some(Duration::ZERO)] {
        for kind in [Kind::Transient { retry_after }, Kind::Throttled { retry_after }, Kind::Auth] {
            let wait = wait_after(&Fault::new(kind, "refused"), 1, &mut rng);
            assert!(wait >= FIRST / 2, "{kind:?}: {wait:?}");
        }
    }
}

#[tokio::test]
async fn batches_go_in_order_and_free_the_spool() {
    let bench = Bench::new(Vec::new()).await;
    bench.spool(&["a", "b", "c", "d", "e", "f"]).await;
    assert!(bench.store.spool_size().unwrap().bytes > 0);
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["abcd", "ef"]);
    assert_eq!(bench.counts(), (6, 0, 0));
    assert_eq!(bench.store.spool_size().unwrap().bytes, 0);
}

#[tokio::test]
async fn nothing_is_marked_before_the_sink_accepted_it() {
    let bench = Bench::new(vec![failed(Kind::Transient { retry_after: None })]).await;
    bench.spool(&["a", "b"]).await;
    let mut first = bench.deliverer();
    assert!(matches!(first.step().await.unwrap(), Step::Waiting { person: false, .. }));
    assert_eq!(bench.counts(), (0, 2, 0));
    // A crash here: another deliverer sends the same bytes.
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["ab", "ab"]);
    assert_eq!(bench.counts(), (2, 0, 0));
}

#[tokio::test]
async fn a_failed_batch_goes_again_with_the_same_bytes_when_the_sink_wished() {
    let wish = Kind::Throttled { retry_after: Some(Duration::from_secs(77)) };
    let bench = Bench::new(vec![failed(wish)]).await;
    bench.spool(&["a", "b"]).await;
    let mut deliverer = bench.deliverer();
    let Step::Waiting { until, .. } = deliverer.step().await.unwrap() else { panic!() };
    assert_eq!(until.duration_since(bench.clock.now()).as_secs(), 77);
    bench.spool(&["c"]).await;
    bench.run(&mut deliverer).await;
    assert_eq!(bench.sent(), ["ab", "ab", "c"]);
}

#[tokio::test]
async fn wrong_credentials_hold_and_drop_nothing() {
    let bench = Bench::new((0..5).map(|_| failed(Kind::Auth)).collect()).await;
    bench.spool(&["a"]).await;
    let mut deliverer = bench.deliverer();
    assert!(matches!(deliverer.step().await.unwrap(), Step::Waiting { person: true, .. }));
    let condition = bench.store.condition(Party::Sink("splunk")).unwrap().unwrap();
    assert_eq!(condition.state, State::AuthFailed);
    bench.run(&mut deliverer).await;
    assert_eq!(bench.sent(), ["a"; 6]);
    assert_eq!(bench.counts(), (1, 0, 0));
    let condition = bench.store.condition(Party::Sink("splunk")).unwrap().unwrap();
    assert_eq!(condition.state, State::Ok);
}

#[tokio::test]
async fn a_poison_event_that_is_named_becomes_a_dead_letter_and_the_rest_goes_on() {
    let poison = |_: &[&str]| Outcome::Poison { index: 1, reason: "bad".into() };
    let bench = Bench::new(vec![Box::new(poison)]).await;
    bench.spool(&["a", "B", "c", "d"]).await;
    bench.run(&mut bench.deliverer()).await;
    // What came before it is accepted and not sent again.
    assert_eq!(bench.sent(), ["aBcd", "cd"]);
    assert_eq!(bench.counts(), (3, 0, 1));
}

#[tokio::test]
async fn a_poison_event_that_is_not_named_is_found_by_halving() {
    let bisect = || -> Answer {
        Box::new(|texts: &[&str]| {
            if texts.contains(&"B") {
                Outcome::SomePoison { reason: "something is bad".into() }
            } else {
                Outcome::Accepted
            }
        })
    };
    let bench = Bench::new((0..9).map(|_| bisect()).collect()).await;
    bench.spool(&["a", "B", "c", "d"]).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["aBcd", "aB", "a", "B", "cd"]);
    assert_eq!(bench.counts(), (3, 0, 1));
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_halved_down_to_one_event() {
    let small = || -> Answer {
        Box::new(|texts: &[&str]| {
            let large = texts.concat().len() > 2;
            if large { Outcome::TooLarge { reason: "413".into() } } else { Outcome::Accepted }
        })
    };
    let bench = Bench::new((0..9).map(|_| small()).collect()).await;
    bench.spool(&["a", "b", "c", "ddd"]).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["abcddd", "ab", "cddd", "c", "ddd"]);
    assert_eq!(bench.counts(), (3, 0, 1));
}

#[tokio::test]
async fn an_event_that_the_sink_can_never_take_is_a_dead_letter_at_once() {
    let bench = Bench::new(Vec::new()).await;
    bench.spool(&["a", "huge", "c"]).await;
    bench.spool(&["huge too"]).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent().concat(), "ac");
    assert_eq!(bench.counts(), (2, 0, 2));
}

#[tokio::test]
async fn a_restart_sends_only_what_was_not_marked() {
    let bench = Bench::new(Vec::new()).await;
    bench.spool(&["a", "b", "c", "d", "e"]).await;
    let now = bench.clock.now();
    // Batches that overtook the first one before the crash.
    bench.store.mark(&name(), 2..4, 2, Vec::new(), now).await.unwrap();
    assert_eq!(bench.counts(), (2, 5, 0));
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["a", "de"]);
    assert_eq!(bench.counts(), (5, 0, 0));
}

#[tokio::test]
async fn what_does_not_go_to_the_sink_is_passed_over() {
    let bench = Bench::new(Vec::new()).await;
    bench.spool(&["a", "b"]).await;
    let mut deliverer = bench.deliverer();
    let mut config = (*deliverer.config).clone();
    config.route.sources = Some(vec!["another".into()]);
    deliverer.config = Arc::new(config);
    bench.run(&mut deliverer).await;
    assert!(bench.sent().is_empty());
    assert_eq!(bench.counts(), (0, 0, 0));
    assert_eq!(bench.store.spool_size().unwrap().bytes, 0);
}

#[tokio::test]
async fn what_cannot_be_marked_is_not_sent_again() {
    let bench = Bench::new(Vec::new()).await;
    bench.spool(&["a", "b", "c", "d", "e"]).await;
    bench.store.refuse_writes(true).await;
    let mut deliverer = bench.deliverer();
    for _ in 0..4 {
        if let Step::Waiting { until, .. } = deliverer.step().await.unwrap() {
            bench.clock.set(until);
        }
    }
    assert_eq!(bench.sent(), ["abcd"], "neither again nor more");
    bench.store.refuse_writes(false).await;
    bench.run(&mut deliverer).await;
    assert_eq!(bench.sent(), ["abcd", "e"]);
    assert_eq!(bench.counts(), (5, 0, 0));
}

#[tokio::test]
async fn who_is_stopped_waits_for_what_is_on_the_way_without_spinning() {
    let limits = BatchLimits { max_events: 2, max_bytes: 1 << 20, max_age: Duration::from_secs(1) };
    let sink = Script { limits, max_in_flight: 3, hangs: true, ..Script::default() };
    let bench = Bench::with(sink).await;
    bench.spool(&["a", "b", "c"]).await;
    tokio::time::pause();
    let mut deliverer = bench.deliverer();
    let stop = deliverer.stop.clone();
    let mut step = std::pin::pin!(deliverer.step());
    let (mut polls, mut stopped) = (0, false);
    let counted = std::future::poll_fn(|context| {
        polls += 1;
        assert!(polls < 50, "an event that is old enough, and must not go, wakes it without end");
        let polled = step.as_mut().poll(context);
        if !std::mem::replace(&mut stopped, true) {
            stop.cancel();
        }
        polled
    });
    assert!(tokio::time::timeout(Duration::from_mins(1), counted).await.is_err());
    assert_eq!(bench.sent(), ["ab"]);
}
