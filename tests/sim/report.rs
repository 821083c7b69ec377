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
    /// By crash and SIEM: events accepted and not marked, of so many in flight at most.
    repeats: Vec<(u64, u64)>,
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
        let all = self.repeats.len().max(1) as f64;
        let mean =
            |of: fn(&(u64, u64)) -> u64| self.repeats.iter().map(of).sum::<u64>() as f64 / all;
        let most = self.repeats.iter().copied().max().unwrap_or_default();
        let share = |(count, most): &(u64, u64)| *count as f64 / (*most).max(1) as f64;
        let fullest = self.repeats.iter().map(share).fold(0.0, f64::max);
        let days = self.lived.as_secs_f64() / 86_400.0;
        let rows = [
            ("seeds", self.seeds.to_string()),
            ("failed", self.failed.len().to_string()),
            ("simulated days", format!("{days:.0}")),
            ("requests", self.requests.to_string()),
            ("events at the SIEMs", self.events.to_string()),
            ("crashes", self.crashes.to_string()),
            ("restarts", self.stops.to_string()),
            ("duplicates", self.duplicates.to_string()),
            ("sent again after a crash, each SIEM: mean", format!("{:.2}", mean(|one| one.0))),
            ("  of events in flight at most: mean", format!("{:.1}", mean(|one| one.1))),
            ("  most", format!("{} of {}", most.0, most.1)),
            ("  most, as a share", format!("{:.0} %", fullest * 100.0)),
            ("time", format!("{:.1} s", took.as_secs_f64())),
            (
                "time a seed",
                format!("{:.1} ms", took.as_secs_f64() * 1e3 / self.seeds.max(1) as f64),
            ),
        ];
        for (name, value) in rows {
            writeln!(out, "{name:44} {value:>24}").ok();
        }
        for (name, count) in &self.troubles {
            writeln!(out, "  {name:42} {count:>24}").ok();
        }
        out
    }
}
