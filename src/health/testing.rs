//! Configurations for tests of what health makes of them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    matter::Matter,
    turns::{Event, Key, Row, read, turns},
};
use crate::{
    config::{
        Admin, CiscoEtd, Config, File, Http, Log, LogFormat, ProofpointSer, RateLimit, Route,
        Schedule, Secret, Sink, SinkKind, Source, Start, State, Vendor,
    },
    domain::filter::Filter,
    store::{
        conditions::{Condition, State as Stored},
        health::Note,
    },
};

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Each minute, with a lag of six.
pub(crate) fn etd() -> Source {
    let etd = CiscoEtd {
        base_url: "http://127.0.0.1:1".into(),
        client_id: "id".into(),
        client_secret: Secret::plain("secret"),
        api_key: None,
        page_size: 100,
        filter: Filter::default(),
        reconcile: false,
    };
    Source {
        name: "etd".parse().unwrap(),
        schedule: Schedule::Every(Duration::from_mins(1)),
        start: Start::Back(Duration::from_hours(24)),
        lag: Duration::from_mins(6),
        slice: Duration::from_hours(1),
        max_in_flight: 4,
        resweep: Vec::new(),
        rate_limit: RateLimit {
            calls: 2,
            window: Duration::from_secs(1),
            burst: 4,
            per_day: Some(1000),
        },
        tags: BTreeMap::new(),
        expect_records_within: None,
        credentials_expire: None,
        http: Http::default(),
        vendor: Vendor::CiscoEtd(etd),
    }
}

/// Each five minutes, with a lag of fifteen, by the whole hour.
pub(super) fn ser() -> Source {
    let ser = ProofpointSer {
        base_url: "http://127.0.0.1:1".into(),
        token_url: "http://127.0.0.1:1/token".into(),
        summary_path: "/summary".into(),
        client_id: "id".into(),
        client_secret: Secret::plain("secret"),
    };
    Source {
        name: "ser".parse().unwrap(),
        schedule: Schedule::Every(Duration::from_mins(5)),
        lag: Duration::from_mins(15),
        vendor: Vendor::ProofpointSer(ser),
        ..etd()
    }
}

/// These sources and a sink `archive`.
pub(crate) fn config(sources: impl IntoIterator<Item = Source>) -> Config {
    let file = File { path: "/tmp/events.jsonl".into(), daily: false, keep: None };
    let batch = crate::config::BatchLimits { max_events: 1, max_bytes: 1, max_age: Duration::ZERO };
    let sink = Sink {
        name: "archive".parse().unwrap(),
        route: Route::default(),
        batch,
        max_in_flight: 1,
        schema: crate::config::Schema::default(),
        privacy: None,
        kind: SinkKind::File(file),
    };
    Config {
        state: State { directory: "/tmp".into(), max_spool: 1 << 30 },
        admin: Admin {
            listen: "127.0.0.1:0".parse().unwrap(),
            token: None,
            allow_unauthenticated: false,
        },
        log: Log { format: LogFormat::Text, level: "info".into() },
        sources: sources.into_iter().map(|source| (source.name.clone(), source)).collect(),
        sinks: [(sink.name.clone(), sink)].into(),
    }
}

pub(super) fn condition(state: Stored, since: &str, until: Option<&str>) -> Condition {
    let error = (state != Stored::Ok).then(|| "POST /search answered 503".to_owned());
    Condition { state, since: at(since), until: until.map(at), error, ok: None }
}

/// What is known, as the store keeps it from one look to the next.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) rows: BTreeMap<Key, Row>,
    pub(super) events: Vec<(Key, Event)>,
}

impl Memory {
    pub(super) fn look(&mut self, now: Timestamp, matters: Vec<Matter>) -> usize {
        let turns = turns(&self.rows, matters, now);
        let before = self.events.len();
        for turn in turns {
            match turn.note() {
                Note::Keep(said) => self.rows.extend(read(vec![said])),
                Note::Drop { .. } => drop(self.rows.remove(&turn.key)),
            }
            if let Some(event) = turn.event {
                self.events.push((turn.key, event));
            }
        }
        self.events.len() - before
    }

    pub(super) fn last(&self) -> &Event {
        &self.events.last().unwrap().1
    }

    /// Each opening has one end, revisions count up, and nothing is left open or noticed.
    pub(super) fn assert_all_closed(&self) {
        assert!(self.rows.values().all(|row| !row.open && row.memo.noticed.is_none()));
        let mut of: BTreeMap<&Key, Vec<&Event>> = BTreeMap::new();
        for (key, event) in &self.events {
            of.entry(key).or_default().push(event);
        }
        for (key, events) in of {
            let mut open = false;
            for (revision, event) in (1..).zip(events) {
                assert_eq!(event.revision, revision, "{key:?}");
                assert!(open || event.open, "only what is open is closed: {key:?}");
                open = event.open;
            }
            assert!(!open, "all that opened is closed in the end: {key:?}");
        }
    }
}
