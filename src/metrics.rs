//! What this process has done since it started, counted where it happens, for Prometheus. How
//! things *are* is not counted here: the admin listener reads that from the store.
//!
//! One registry a process, as one process is scraped. Its labels are names from the configuration
//! and words of the code, so that their number is bounded.

use std::{sync::LazyLock, time::Duration};

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, proto::MetricFamily};

use crate::{
    domain::{
        event::Change,
        name::{SinkName, SourceName},
        slice::{Pass, Stream},
    },
    sink::Outcome,
};

/// Seconds of a batch on its way: from a receiver in the same rack to indexers that acknowledge.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

struct Counters {
    registry: Registry,
    requests: IntCounterVec,
    records: IntCounterVec,
    events: IntCounterVec,
    batches: IntCounterVec,
    seconds: HistogramVec,
}

static COUNTERS: LazyLock<Option<Counters>> = LazyLock::new(|| Counters::new().ok());

impl Counters {
    fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<_> {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let requests = counter(
            "postrider_http_requests_total",
            "HTTP requests to vendors and SIEMs by what came of them.",
            &["role", "name", "outcome"],
        )?;
        let records = counter(
            "postrider_source_records_total",
            "Records that vendors returned, those that were known included.",
            &["source", "stream", "pass"],
        )?;
        let events = counter(
            "postrider_source_events_total",
            "Events made of records that were new or had changed; `changed` are later revisions.",
            &["source", "stream", "change"],
        )?;
        let batches = counter(
            "postrider_sink_batches_total",
            "Batches sent to sinks by what came of them.",
            &["sink", "outcome"],
        )?;
        let opts = HistogramOpts::new(
            "postrider_sink_send_seconds",
            "Time from sending a batch to the sink's word on it, indexers' acknowledgement included.",
        );
        let seconds = HistogramVec::new(opts.buckets(SECONDS.to_vec()), &["sink"])?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { registry, requests, records, events, batches, seconds })
    }
}

/// All that was counted.
pub fn families() -> Vec<MetricFamily> {
    COUNTERS.as_ref().map(|counters| counters.registry.gather()).unwrap_or_default()
}

/// Whose requests a client makes.
#[derive(Debug, Clone)]
pub struct Requests {
    role: &'static str,
    name: String,
}

impl Requests {
    pub fn of_source(name: &SourceName) -> Self {
        Self { role: "source", name: name.to_string() }
    }

    pub fn of_sink(name: &SinkName) -> Self {
        Self { role: "sink", name: name.to_string() }
    }

    /// Counts a request by its answer's status; `None` where no answer came.
    pub fn count(&self, status: Option<u16>) {
        let Some(counters) = &*COUNTERS else { return };
        counters.requests.with_label_values(&[self.role, &self.name, outcome(status)]).inc();
    }
}

fn outcome(status: Option<u16>) -> &'static str {
    match status {
        None => "no_answer",
        Some(200..300) => "ok",
        Some(401 | 403) => "unauthorized",
        Some(429) => "throttled",
        Some(400..500) => "refused",
        Some(_) => "failed",
    }
}

/// A page of a slice came, with so many records.
pub fn page(source: &SourceName, stream: Stream, pass: Pass, records: u64) {
    let Some(counters) = &*COUNTERS else { return };
    let labels = [source.as_str(), stream.as_str(), pass.as_str()];
    counters.records.with_label_values(&labels).inc_by(records);
}

/// An event was made and stored.
pub fn event(source: &SourceName, stream: Stream, change: Change) {
    let Some(counters) = &*COUNTERS else { return };
    counters.events.with_label_values(&[source.as_str(), stream.as_str(), change.as_str()]).inc();
}

/// A sink had its word on a batch after so long.
pub fn batch(sink: &SinkName, outcome: &Outcome, took: Duration) {
    let Some(counters) = &*COUNTERS else { return };
    let word = match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Poison { .. } | Outcome::SomePoison { .. } => "poison",
        Outcome::TooLarge { .. } => "too_large",
        Outcome::Failed(_) => "failed",
    };
    counters.batches.with_label_values(&[sink.as_str(), word]).inc();
    counters.seconds.with_label_values(&[sink.as_str()]).observe(took.as_secs_f64());
}
