//! A collector to be stepped, its source as scripted.

use std::collections::VecDeque;
use std::time::Duration;

use rand::SeedableRng;
use serde_json::value::RawValue;

use super::super::*;
use crate::{
    clock::ManualClock,
    config::{RateLimit, Start, Vendor},
    domain::{
        fingerprint::{self, Builder},
        record::{Facts, Record},
    },
    fault::{Fault, Kind},
    source::{Limits, Page, Query},
};

/// Answers in order, and remembers what it was asked.
#[derive(Default)]
pub(super) struct Script {
    pub(super) answers: Mutex<VecDeque<Result<Page, Fault>>>,
    pub(super) asked: Mutex<Vec<Query>>,
    /// Rung while it is asked next.
    pub(super) ring: Mutex<Option<Arc<Activation>>>,
    /// Takes its calls from here, each fetch as many as come next, or one.
    pub(super) pace: Option<(Arc<Pace>, Mutex<VecDeque<u32>>)>,
}

impl Source for Script {
    fn vendor(&self) -> &'static str {
        "cisco_etd"
    }

    fn stream(&self) -> Stream {
        Stream::Messages
    }

    fn limits(&self) -> Limits {
        Limits { retention: None, aligned: false, page_size: 100 }
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

pub(super) const NOW: &str = "2026-11-20T09:00:00Z";

pub(super) struct Bench<S = Script> {
    pub(super) collector: Collector<S>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) directory: tempfile::TempDir,
}

impl Bench {
    /// A source with one slice of an hour due.
    pub(super) fn new(answers: Vec<Result<Page, Fault>>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let clock = Arc::new(ManualClock::at(NOW.parse().unwrap()));
        let rate_limit =
            RateLimit { calls: 1000, window: Duration::from_secs(1), burst: 1000, per_day: None };
        let mut config = config::Source {
            start: Start::Back(Duration::from_hours(1)),
            lag: Duration::ZERO,
            max_in_flight: 1,
            resweep: Vec::new(),
            rate_limit,
            tags: [("tenant".to_owned(), "acme".to_owned())].into(),
            ..config::testing::etd()
        };
        let Vendor::CiscoEtd(etd) = &mut config.vendor else { unreachable!() };
        etd.reconcile = false;
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
        Self { collector, clock, directory }
    }

    pub(super) fn asked(&self) -> Vec<Query> {
        self.collector.source.asked.lock().unwrap().clone()
    }
}

impl<S: Source> Bench<S> {
    /// Steps until the collector is idle or waits, moving the clock over waits of less than a
    /// minute.
    pub(super) async fn run(&mut self) -> Step {
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

    pub(super) fn store(&self) -> &Store {
        &self.collector.store
    }

    pub(super) fn events(&self) -> Vec<serde_json::Value> {
        let (mut events, mut seq) = (Vec::new(), 1);
        while let Some(chunk) = self.store().chunk(seq).unwrap() {
            events.extend(chunk.iter().map(|event| serde_json::from_str(&event.json).unwrap()));
            seq = chunk.last().unwrap().seq + 1;
        }
        events
    }

    pub(super) fn gaps(&self) -> (u64, u64) {
        let streams = self.store().streams().unwrap();
        let stream = streams.iter().find(|stream| stream.stream == Stream::Messages).unwrap();
        (stream.open, stream.refused)
    }
}

pub(super) fn message(id: &str, verdict: &str) -> Record {
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
pub(super) fn page(ids: &[&str], next: Option<&str>) -> Result<Page, Fault> {
    let records: Vec<Record> = ids.iter().map(|id| message(id, "neutral")).collect();
    let received = records.len() as u64;
    Ok(Page { records, received, next: next.map(Into::into), ..Page::default() })
}

pub(super) fn fault(kind: Kind) -> Result<Page, Fault> {
    Err(Fault::new(kind, "it failed"))
}

pub(super) fn ids(events: &[serde_json::Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}
