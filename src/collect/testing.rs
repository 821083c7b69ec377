//! A vendor of messages that come late, change, and cannot always be had; and a collector on it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Collector, Memory, backfill::Scope};
use crate::{
    clock::{Clock, ManualClock},
    config::{self, CiscoEtd, Http, RateLimit, Schedule, Secret, Start},
    domain::{
        filter::Filter,
        fingerprint::{self, Builder},
        record::{Facts, Record},
        slice::{Interval, Stream},
    },
    fault::{Fault, Kind},
    source::{Limits, Page, Query, Source, pace::Pace},
    store::{Store, slices::StreamId},
    supervisor::{Step, Task},
};

pub(super) const LAG: Duration = Duration::from_mins(6);
/// The vendor keeps messages so long.
const RETENTION: SignedDuration = SignedDuration::from_hours(30);

/// A message of the vendor.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: String,
    /// When it was delivered.
    pub(super) at: Timestamp,
    /// From when on the vendor's search has it.
    pub(super) appears: Timestamp,
    /// When it changes.
    pub(super) changes: Vec<Timestamp>,
}

impl Message {
    pub(super) fn version(&self, now: Timestamp) -> usize {
        1 + self.changes.iter().filter(|at| **at <= now).count()
    }

    fn record(&self, now: Timestamp) -> Record {
        let (id, version) = (&self.id, self.version(now));
        let json = format!(r#"{{"id":"{id}","verdict":{{"version":{version}}}}}"#);
        let raw: &RawValue = serde_json::from_str(&json).unwrap();
        let mut fingerprint = Builder::default();
        for (name, value) in fingerprint::object(raw).unwrap() {
            fingerprint.member(&name, value);
        }
        Record {
            stream: Stream::Messages,
            id: id.clone(),
            time: Some(self.at),
            fingerprint: fingerprint.finish(),
            watched: format!(r#"{{"verdict":{{"version":{version}}}}}"#),
            stamps: Vec::new(),
            verdict: None,
            facts: Facts::Message { direction: Some("incoming".into()) },
            json,
        }
    }
}

/// What the vendor does with the next requests.
#[derive(Debug, Default)]
pub(super) struct Mood {
    pub(super) faults: VecDeque<Kind>,
    /// Requests fail before.
    pub(super) down_until: Option<Timestamp>,
    /// An answer is too large with more messages.
    pub(super) most: Option<usize>,
    /// What has this instant is too large for ever.
    pub(super) poison: Option<Timestamp>,
    /// After so many requests there is no answer, and the process is killed.
    pub(super) hangs_after: Option<usize>,
    /// What it counts of a day, and how often it was asked.
    pub(super) counts: VecDeque<Result<Option<BTreeMap<String, u64>>, Kind>>,
    pub(super) counted: Vec<Interval>,
}

pub(super) struct Vendor {
    clock: Arc<ManualClock>,
    pub(super) messages: Mutex<Vec<Message>>,
    pub(super) mood: Mutex<Mood>,
    pub(super) hangs: Notify,
}

impl Vendor {
    /// A page: of the messages that the search found when it began, as they are now.
    fn answer(&self, query: &Query) -> Option<Result<Page, Fault>> {
        let (now, mut mood) = (self.clock.now(), self.mood.lock().unwrap());
        if let Some(left) = mood.hangs_after.as_mut() {
            if *left == 0 {
                mood.hangs_after = None;
                return None;
            }
            *left -= 1;
        }
        let fault = |kind| Some(Err(Fault::new(kind, "it failed")));
        if mood.down_until.is_some_and(|until| now < until) {
            return fault(Kind::Transient { retry_after: None });
        }
        if let Some(kind) = mood.faults.pop_front() {
            return fault(kind);
        }
        if query.interval.start() < now.checked_sub(RETENTION).unwrap() {
            return fault(Kind::PastRetention);
        }
        let (begun, offset) = match query.page_token.as_deref().and_then(|t| t.split_once('/')) {
            Some((begun, offset)) => (begun.parse().unwrap(), offset.parse().unwrap()),
            None => (now, 0),
        };
        let messages = self.messages.lock().unwrap();
        let found = messages.iter().filter(|m| query.interval.contains(m.at) && m.appears <= begun);
        let found: Vec<&Message> = found.collect();
        if mood.poison.is_some_and(|at| query.interval.contains(at))
            || mood.most.is_some_and(|most| found.len() > most)
        {
            return fault(Kind::TooLarge);
        }
        let end = found.len().min(offset + query.page_size as usize);
        let records: Vec<Record> = found[offset..end].iter().map(|m| m.record(now)).collect();
        let next = (end < found.len()).then(|| format!("{begun}/{end}"));
        let (received, total) = (records.len() as u64, Some(found.len() as u64));
        let server_time = Timestamp::from_second(now.as_second()).ok();
        Some(Ok(Page { records, received, total, next, server_time, ..Page::default() }))
    }
}

impl Source for Vendor {
    fn vendor(&self) -> &'static str {
        "cisco_etd"
    }

    fn stream(&self) -> Stream {
        Stream::Messages
    }

    fn limits(&self) -> Limits {
        let retention = Duration::try_from(RETENTION).ok();
        Limits { retention, aligned: false, page_size: 3 }
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        if let Some(answer) = self.answer(query) {
            return answer;
        }
        self.hangs.notify_one();
        std::future::pending().await
    }

    async fn count(&self, day: Interval) -> Result<Option<BTreeMap<String, u64>>, Fault> {
        let mut mood = self.mood.lock().unwrap();
        mood.counted.push(day);
        let answer = mood.counts.pop_front().unwrap_or(Ok(None));
        answer.map_err(|kind| Fault::new(kind, "no count"))
    }

    async fn probe(&self, _: Timestamp) -> Result<String, Fault> {
        Ok(String::new())
    }
}

/// A collector on such a vendor, with a store and a clock of its own.
pub(super) struct Bench {
    pub(super) collector: Collector<Vendor>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) stream: StreamId,
    seed: u64,
    directory: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new(now: Timestamp, messages: Vec<Message>, seed: u64) -> Self {
        // In memory where there is such a place: thousands of commits need not reach a disk.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = Store::open(directory.path()).unwrap();
        let clock = Arc::new(ManualClock::at(now));
        let config = source();
        let vendor = Vendor {
            clock: clock.clone(),
            messages: Mutex::new(messages),
            mood: Mutex::default(),
            hangs: Notify::new(),
        };
        let stream = store.stream(&config.name, Stream::Messages).await.unwrap();
        let collector = Collector {
            pace: Arc::new(Pace::new(config.rate_limit)),
            config: Arc::new(config),
            source: Arc::new(vendor),
            store,
            clock: clock.clone(),
            max_spool: 1 << 30,
            scope: Scope::default(),
            activation: Arc::default(),
            stop: CancellationToken::new(),
            memory: Arc::new(Memory::new(StdRng::seed_from_u64(seed))),
        };
        Self { collector, clock, stream, seed, directory }
    }

    pub(super) fn store(&self) -> &Store {
        &self.collector.store
    }

    pub(super) fn vendor(&self) -> &Vendor {
        &self.collector.source
    }

    pub(super) fn mood(&self) -> std::sync::MutexGuard<'_, Mood> {
        self.collector.source.mood.lock().unwrap()
    }

    /// Moves the clock, and does what is due then; starts anew where the vendor hangs.
    pub(super) async fn tick(&mut self, by: Duration) {
        self.clock.advance(by);
        self.collector.activation.activate();
        let vendor = self.collector.source.clone();
        for _ in 0..10_000 {
            let step = tokio::select! {
                biased;
                step = self.collector.step() => Some(step.unwrap()),
                () = vendor.hangs.notified() => None,
            };
            match step {
                Some(Step::Worked) => {}
                Some(_) => return,
                None => {
                    self.restart();
                    self.collector.activation.activate();
                }
            }
        }
        panic!("it never ends");
    }

    /// Loses all but the store's file.
    pub(super) fn restart(&mut self) {
        self.seed += 1;
        self.collector.memory = Arc::new(Memory::new(StdRng::seed_from_u64(self.seed)));
        self.collector.pace = Arc::new(Pace::new(self.collector.config.rate_limit));
        // A placeholder, so that the file is closed before it is opened again.
        let elsewhere = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        self.collector.store = Store::open(elsewhere.path()).unwrap();
        self.collector.store = Store::open(self.directory.path()).unwrap();
    }

    /// The events in the spool, oldest first.
    pub(super) fn events(&self) -> Vec<serde_json::Value> {
        let (mut events, mut seq) = (Vec::new(), 1);
        while let Some(chunk) = self.store().chunk(seq).unwrap() {
            events.extend(chunk.iter().map(|event| serde_json::from_str(&event.json).unwrap()));
            seq = chunk.last().unwrap().seq + 1;
        }
        events
    }
}

fn source() -> config::Source {
    let etd = CiscoEtd {
        base_url: "http://127.0.0.1:1".into(),
        client_id: "id".into(),
        client_secret: Secret::plain("secret"),
        api_key: None,
        page_size: 3,
        filter: Filter::default(),
        reconcile: true,
        log_export: false,
    };
    let resweep =
        |hours| config::Resweep { after: Duration::from_hours(hours), verdicts: Vec::new() };
    config::Source {
        name: "etd".parse().unwrap(),
        schedule: Schedule::Every(Duration::from_mins(1)),
        start: Start::Back(Duration::from_hours(5)),
        lag: LAG,
        slice: Duration::from_hours(1),
        max_in_flight: 2,
        resweep: vec![resweep(1), resweep(20)],
        rate_limit: RateLimit {
            calls: 1_000_000,
            window: Duration::from_secs(1),
            burst: 1_000_000,
            per_day: None,
        },
        tags: BTreeMap::new(),
        expect_records_within: None,
        credentials_expire: None,
        http: Http::default(),
        vendor: config::Vendor::CiscoEtd(etd),
    }
}

/// Messages of some days: a fifth of them come late, and a quarter change.
pub(super) fn messages(from: Timestamp, hours: i64, rng: &mut StdRng) -> Vec<Message> {
    let seconds = SignedDuration::from_secs;
    let mut at = from;
    let end = from.checked_add(SignedDuration::from_hours(hours)).unwrap();
    let mut messages = Vec::new();
    while at < end {
        let late = if rng.random_bool(0.2) { rng.random_range(60..80_000) } else { 0 };
        let appears = at.checked_add(seconds(late)).unwrap();
        let mut changes = Vec::new();
        if rng.random_bool(0.25) {
            changes.push(appears.checked_add(seconds(rng.random_range(60..80_000))).unwrap());
        }
        messages.push(Message { id: format!("m{}", messages.len()), at, appears, changes });
        at = at.checked_add(seconds(rng.random_range(0..2_400))).unwrap();
    }
    messages
}
