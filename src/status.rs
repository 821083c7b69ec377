//! How everything is doing, from the store: what `postrider status`, the status page and
//! `/api/v1/status` show.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    collect::budget::{self, Expected},
    config::Config,
    domain::severity::Severity,
    health::{
        matter::{Kind, Telling},
        turns,
    },
    store::{
        Store,
        budget::day,
        conditions::{Party, State, StreamOverview},
        dead_letters::Pile,
        spool,
    },
};

mod entitlement;
mod health;
mod log_export;
mod source;

pub use self::{
    entitlement::Entitlement,
    health::Health,
    log_export::LogExport,
    source::{SourceStatus, StreamStatus},
};

/// What `status` shows.
#[derive(Debug, Serialize)]
pub struct Status {
    pub at: Timestamp,
    /// Whether a daemon holds the store.
    pub running: bool,
    pub sources: Vec<SourceStatus>,
    /// Whether SER's two APIs agree, of each customer of whom both are configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<Entitlement>,
    pub sinks: Vec<SinkStatus>,
    /// Nobody delivers these; they can be dropped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unconfigured: Vec<Left>,
    pub spool: spool::Size,
    /// Bytes at which collecting pauses.
    pub max_spool: u64,
    /// Whether a source waits for room. Room is kept free, so sizes do not tell.
    #[serde(skip)]
    pub spool_full: bool,
    /// When the oldest event of the spool was made.
    pub oldest_spooled_at: Option<Timestamp>,
    /// What needs attention, the worst first: the matters that the stream `health` has told and
    /// that go on.
    pub health: Vec<Open>,
}

/// A matter that goes on, in the numbers of the watch's last look.
#[derive(Debug, Serialize)]
pub struct Open {
    pub source: String,
    pub record_id: String,
    pub kind: Kind,
    pub condition: String,
    pub severity: Severity,
    pub since: Timestamp,
    pub message: String,
    pub details: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Serialize)]
pub struct SinkStatus {
    pub sink: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(flatten)]
    pub health: Health,
    pub delivered: u64,
    /// Events in the spool that it has not passed.
    pub waiting: u64,
    /// Events that it refused for good; they are kept until replayed or dropped.
    pub dead_letters: u64,
    /// The newest of these refusals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<Refusal>,
}

/// Why a sink refused an event, and when.
#[derive(Debug, Serialize)]
pub struct Refusal {
    pub at: Timestamp,
    pub reason: String,
}

/// Dead letters of a sink that is no longer configured.
#[derive(Debug, Serialize)]
pub struct Left {
    pub sink: String,
    pub dead_letters: u64,
}

/// Reads the status of what is configured.
pub fn gather(
    config: &Config,
    store: &Store,
    running: bool,
    now: Timestamp,
) -> anyhow::Result<Status> {
    let streams = store.streams()?;
    let mut usages = store.usages()?;
    let (mut sources, mut spool_full) = (Vec::new(), false);
    for (name, source) in &config.sources {
        let mut found = Vec::new();
        for (stream, as_collected) in source.sliced() {
            let condition = store.condition(Party::of(source, stream))?;
            spool_full |= condition.as_ref().is_some_and(|it| it.state == State::SpoolFull);
            let of_stream =
                |it: &&StreamOverview| it.source == name.as_str() && it.stream == stream;
            let seen = streams.iter().find(of_stream);
            found.push(source::stream((stream, as_collected.as_ref()), seen, condition, now));
        }
        let held_back = budget::held(store, source, &Expected::default(), now)?;
        let calls_today = store.calls(name, &day(now))?;
        let licence = usages.remove(name.as_str());
        let log_export = log_export::gather(source, store)?;
        let found = SourceStatus::of(source, found, now);
        sources.push(SourceStatus { held_back, calls_today, licence, log_export, ..found });
    }
    let entitlements = entitlement::compared(config, &sources);
    let known = store.sinks()?;
    let mut piles = store.dead_letters()?;
    let mut sinks = Vec::new();
    for (name, sink) in &config.sinks {
        let seen = known.iter().find(|sink| sink.name == name.as_str());
        let condition = store.condition(Party::Sink(name.as_str()))?;
        let pile = piles.extract_if(.., |pile| pile.sink == name.as_str()).next();
        sinks.push(SinkStatus {
            sink: name.to_string(),
            kind: sink.kind.as_str(),
            health: Health::of(condition, now),
            delivered: seen.map_or(0, |sink| sink.delivered),
            waiting: seen.map_or(0, |sink| sink.waiting),
            dead_letters: pile.as_ref().map_or(0, |pile| pile.letters),
            last_refusal: pile.map(|Pile { at, reason, .. }| Refusal { at, reason }),
        });
    }
    let (spool, max_spool) = (store.spool_size()?, config.state.max_spool);
    let oldest_spooled_at = oldest(store)?;
    let health = open(store)?;
    let left = |Pile { sink, letters, .. }| Left { sink, dead_letters: letters };
    let unconfigured = piles.into_iter().map(left).collect();
    Ok(Status {
        at: now,
        running,
        sources,
        entitlements,
        sinks,
        unconfigured,
        spool,
        max_spool,
        spool_full,
        oldest_spooled_at,
        health,
    })
}

/// When the first event of the spool was made, by its own word.
fn oldest(store: &Store) -> anyhow::Result<Option<Timestamp>> {
    #[derive(serde::Deserialize)]
    struct Event {
        postrider: Header,
    }
    #[derive(serde::Deserialize)]
    struct Header {
        collected_at: Timestamp,
    }
    let chunk = store.oldest_chunk()?;
    let first = chunk.as_ref().and_then(|chunk| chunk.first());
    let event = first.and_then(|first| serde_json::from_str::<Event>(&first.json).ok());
    Ok(event.map(|event| event.postrider.collected_at))
}

/// The matters that go on, the worst first.
fn open(store: &Store) -> anyhow::Result<Vec<Open>> {
    let told = turns::read(store.said()?).into_iter().filter(|(_, row)| row.open);
    let open = |((source, record_id), row): (turns::Key, turns::Row)| {
        let Telling { kind, condition, severity, message, details } = row.memo.telling?;
        let (source, since) = (source.to_string(), row.since);
        Some(Open { source, record_id, kind, condition, severity, since, message, details })
    };
    let mut open: Vec<Open> = told.filter_map(open).collect();
    open.sort_by_key(|open| std::cmp::Reverse(open.severity));
    Ok(open)
}
