//! What came of many seeds, as a table.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use crate::seed::Report;

#[derive(Default)]
pub(crate) struct Total {
    seeds: u64,
    lived: Duration,
    events: u64,
    duplicates: u64,
    crashes: u64,
    stops: u64,
    requests: u64,
    /// By crash and sink: events accepted and not marked.
    repeats: Vec<u64>,
    /// The most events and batches that any seed's settings allow in flight.
    in_flight: (u64, u64),
    troubles: BTreeMap<String, u64>,
    pub failed: Vec<(u64, String)>,
}

impl Total {
    pub(crate) fn add(&mut self, seed: u64, report: Report, differs: bool) {
        self.seeds += 1;
        self.lived += report.lived;
        self.events += report.events;
        self.duplicates += report.duplicates;
        self.crashes += report.tally.crashes;
        self.stops += report.tally.stops;
        self.requests += report.tally.requests;
        self.repeats.extend(report.tally.repeats);
        self.in_flight = self.in_flight.max(report.in_flight);
        for (name, count) in report.tally.troubles {
            *self.troubles.entry(name).or_default() += count;
        }
        if differs {
            self.failed.push((seed, "it is another history each time".into()));
        }
        self.failed.extend(report.wrong.map(|why| (seed, why)));
        self.failed.sort();
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn table(&self, took: Duration) -> String {
        let mut out = String::new();
        let repeats: u64 = self.repeats.iter().sum();
        let mean = repeats as f64 / (self.crashes.max(1)) as f64;
        let most = self.repeats.iter().max().copied().unwrap_or_default();
        let days = self.lived.as_secs_f64() / 86_400.0;
        let (batches, events) = self.in_flight;
        let rows = [
            ("seeds", self.seeds.to_string()),
            ("failed", self.failed.len().to_string()),
            ("simulated days", format!("{days:.0}")),
            ("requests", self.requests.to_string()),
            ("events at the SIEMs", self.events.to_string()),
            ("crashes", self.crashes.to_string()),
            ("restarts", self.stops.to_string()),
            ("duplicates", self.duplicates.to_string()),
            ("accepted and not marked, a crash: mean", format!("{mean:.2}")),
            ("accepted and not marked, a crash: most", most.to_string()),
            ("in flight at most", format!("{batches} batches, {events} events")),
            ("time", format!("{:.1} s", took.as_secs_f64())),
            (
                "time a seed",
                format!("{:.1} ms", took.as_secs_f64() * 1e3 / self.seeds.max(1) as f64),
            ),
        ];
        for (name, value) in rows {
            writeln!(out, "{name:40} {value:>24}").ok();
        }
        for (name, count) in &self.troubles {
            writeln!(out, "  {name:38} {count:>24}").ok();
        }
        out
    }
}
