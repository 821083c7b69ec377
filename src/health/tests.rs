//! The watch on a real store: what is spooled, and that it is spooled once.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    testing::{at, config, etd},
    *,
};
use crate::{
    clock::ManualClock,
    domain::slice::{Interval, Pass},
    store::{
        budget::Calls,
        conditions::{Party, State},
        slices::{Frontier, OpenSlice, PageCommit, Progress, Setback, Then},
    },
};

struct Bench {
    watch: Watch,
    clock: Arc<ManualClock>,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let clock = Arc::new(ManualClock::at(at("2026-11-21T10:00:00Z")));
        let mut source = etd();
        source.tags = [("tenant".to_owned(), "acme".to_owned())].into();
        let config = Arc::new(config([source]));
        let watch = Watch::new(config, store, clock.clone());
        Self { watch, clock, directory }
    }

    /// Another process on the same store.
    fn restart(&mut self) {
        // The lock lives as long as the store is open.
        let elsewhere = tempfile::tempdir().unwrap();
        self.watch.store = Store::open(elsewhere.path()).unwrap();
        self.watch.store = Store::open(self.directory.path()).unwrap();
    }

    fn events(&self) -> Vec<Value> {
        let (mut events, mut seq) = (Vec::new(), 1);
        while let Some(chunk) = self.watch.store.chunk(seq).unwrap() {
            events.extend(chunk.iter().map(|event| serde_json::from_str(&event.json).unwrap()));
            seq = chunk.last().unwrap().seq + 1;
        }
        events
    }

    fn texts(&self) -> Vec<String> {
        let (mut texts, mut seq) = (Vec::new(), 1);
        while let Some(chunk) = self.watch.store.chunk(seq).unwrap() {
            texts.extend(chunk.iter().map(|event| event.json.to_string()));
            seq = chunk.last().unwrap().seq + 1;
        }
        texts
    }

    async fn set(&self, party: Party<'_>, state: State) {
        let error = (state != State::Ok).then(|| "a password is wrong".to_owned());
        let now = self.clock.now();
        self.watch.store.set_condition(party, state, None, error, now).await.unwrap();
    }

    async fn look(&self) -> usize {
        self.watch.look().await.unwrap()
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Collected up to now.
    async fn collect(&self) {
        let store = &self.watch.store;
        let stream = store.stream(&"etd".parse().unwrap(), Stream::Messages).await.unwrap();
        let frontier = Frontier { from: at("2026-11-21T00:00:00Z"), to: self.clock.now() };
        store.plan_live(stream, frontier, None, vec![], 100).await.unwrap();
    }
}

fn calls() -> Calls {
    let source = "etd".parse().unwrap();
    Calls { source, day: "2026-11-21".into(), pass: Pass::Live, count: 1 }
}

#[tokio::test]
async fn a_sink_and_a_source_that_fail_and_are_well_again_are_told_once_each() {
    let mut bench = Bench::new();
    bench.collect().await;
    bench.set(Party::Source("etd"), State::Ok).await;
    assert_eq!(bench.look().await, 0);
    bench.set(Party::Source("etd"), State::AuthFailed).await;
    bench.set(Party::Sink("archive"), State::Failing).await;
    assert_eq!(bench.look().await, 1, "the sink may have stumbled only");
    bench.advance(30);
    let first = bench.watch.store.next_seq().unwrap();
    let mut spooled = bench.watch.store.spooled();
    assert_eq!(bench.look().await, 1);
    assert_eq!(spooled.look(), first + 1, "deliverers are told");
    bench.restart();
    assert_eq!(bench.look().await, 0);
    bench.advance(90);
    bench.set(Party::Source("etd"), State::Ok).await;
    bench.set(Party::Sink("archive"), State::Ok).await;
    assert_eq!(bench.look().await, 2);
    assert_eq!(bench.look().await, 0);
    insta::assert_snapshot!(bench.texts().join("\n"));
}

#[tokio::test]
async fn a_gap_is_told_and_closed_when_it_is_covered_and_what_is_lost_once() {
    let bench = Bench::new();
    let store = bench.watch.store.clone();
    bench.set(Party::Source("etd"), State::Ok).await;
    let stream = store.stream(&"etd".parse().unwrap(), Stream::Messages).await.unwrap();
    let time = |text: &str| -> Timestamp { at(&format!("2026-11-21T{text}Z")) };
    let interval = |from, to| Interval::new(time(from), time(to)).unwrap();
    let frontier = Frontier { from: time("00:00:00"), to: time("09:54:00") };
    let lost = Some(interval("00:00:00", "01:00:00"));
    let slices = vec![
        interval("01:00:00", "02:00:00"),
        interval("02:00:00", "02:00:01"),
        interval("02:00:01", "09:54:00"),
    ];
    store.plan_live(stream, frontier, lost, slices, 100).await.unwrap();
    let slice = |from: &str| -> OpenSlice {
        let ready = store.ready_slices(stream, Pass::Live, Timestamp::MAX, 9).unwrap();
        ready.into_iter().find(|slice| slice.interval.start() == time(from)).unwrap()
    };
    assert_eq!(bench.look().await, 1);
    for _ in 0..3 {
        let setback = Setback::Again { not_before: time("00:00:00"), progress: None };
        store.set_back(slice("01:00:00").id, setback, "503".into(), calls()).await.unwrap();
    }
    let refused = slice("02:00:00").id;
    store.set_back(refused, Setback::Refused, "too large".into(), calls()).await.unwrap();
    assert_eq!(bench.look().await, 1);
    bench.advance(30);
    assert_eq!(bench.look().await, 1);
    let cover = async |from: &str| {
        let then = Then::Covered(Progress::anew(100));
        store.commit_page(PageCommit::new(slice(from).id, then, calls())).await.unwrap();
    };
    cover("02:00:01").await;
    assert_eq!(bench.look().await, 0);
    cover("01:00:00").await;
    bench.advance(30);
    assert_eq!(bench.look().await, 1);
    bench.advance(86_400);
    bench.collect().await;
    assert_eq!(bench.look().await, 0);
    let told: Vec<String> = bench
        .events()
        .iter()
        .map(|event| {
            let head = &event["postrider"];
            format!(
                "{} {} {} {} {}",
                head["record_id"],
                head["revision"],
                event["condition"],
                event["state"],
                event["message"]
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}
