//! How late each tenant was served, from the daemon's log.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::tenant::{Schedule, Tenant};

/// What the log tells of one tenant, in order.
#[derive(Default)]
struct Story {
    activated: Vec<Timestamp>,
    /// When live slices were covered, and their ends in seconds.
    covered: Vec<(Timestamp, i64)>,
}

/// The log of one run.
pub(super) struct Log {
    stories: BTreeMap<String, Story>,
    /// Transactions that waited for the store's writer at most, and transactions in all.
    pub(super) longest_line: Option<u64>,
    pub(super) transactions: Option<u64>,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// When it said "postrider runs".
    pub(super) runs: Option<Timestamp>,
}

impl Log {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let mut log = Self {
            stories: BTreeMap::new(),
            longest_line: None,
            transactions: None,
            lines: 0,
            bytes: text.len() as u64,
            runs: None,
        };
        for line in text.lines() {
            log.lines += 1;
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            log.take(&line).with_context(|| line.to_string())?;
        }
        Ok(log)
    }

    fn take(&mut self, line: &Value) -> anyhow::Result<()> {
        let at = || Ok::<_, anyhow::Error>(line["timestamp"].as_str().context("no time")?.parse()?);
        match line["message"].as_str().unwrap_or_default() {
            "activated" => self.story(&line["source"]).activated.push(at()?),
            "slice covered" if line["span"]["pass"] == "live" => {
                let slice = line["span"]["slice"].as_str().context("no slice")?;
                let (_, end) = slice.split_once('/').context("no end")?;
                let end: Timestamp = end.parse()?;
                self.story(&line["span"]["source"]).covered.push((at()?, end.as_second()));
            }
            "the store's work" => {
                self.longest_line = line["longest_line"].as_u64();
                self.transactions = line["transactions"].as_u64();
            }
            "postrider runs" => self.runs = Some(at()?),
            _ => {}
        }
        Ok(())
    }

    fn story(&mut self, source: &Value) -> &mut Story {
        self.stories.entry(source.as_str().unwrap_or_default().to_owned()).or_default()
    }

    /// When each tenant that is well was covered for the first time; `None` where one never was.
    pub(super) fn first_round(&self, tenants: &[Tenant]) -> Option<Timestamp> {
        let well = tenants.iter().filter(|tenant| tenant.ill.is_none());
        let first = |tenant: &Tenant| {
            self.stories.get(&tenant.name)?.covered.first().map(|(covered, _)| *covered)
        };
        well.map(first).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// How the tenants that are well were served, in seconds.
#[derive(Default)]
pub(super) struct Delays {
    /// From the schedule's tick to the activation.
    pub(super) late: Vec<f64>,
    /// From there to all that was due then being in the store.
    pub(super) served: Vec<f64>,
    pub(super) tenants: usize,
    pub(super) activations: usize,
    /// Activations that never were.
    pub(super) missed: i64,
    /// Activations whose records were not there in the end.
    pub(super) unserved: usize,
    /// The worst, by name.
    pub(super) worst: Vec<(f64, String, Timestamp)>,
}

impl Delays {
    /// Of the tenants that are well, for what became due in the window.
    pub(super) fn of(log: &Log, tenants: &[Tenant], window: [Timestamp; 2]) -> Self {
        let mut delays = Self::default();
        for tenant in tenants.iter().filter(|tenant| tenant.ill.is_none()) {
            delays.tenants += 1;
            if let Some(story) = log.stories.get(&tenant.name) {
                delays.add(tenant, story, window);
            }
        }
        delays.late.sort_by(f64::total_cmp);
        delays.served.sort_by(f64::total_cmp);
        delays.worst.sort_by(|one, other| other.0.total_cmp(&one.0));
        delays
    }

    fn add(&mut self, tenant: &Tenant, story: &Story, [from, to]: [Timestamp; 2]) {
        let period = tenant.schedule.period();
        let within: Vec<Timestamp> =
            story.activated.iter().copied().filter(|at| (from..to).contains(at)).collect();
        let expected = to.duration_since(from).as_secs() / period;
        self.activations += within.len();
        self.missed += (expected - i64::try_from(within.len()).unwrap_or(0) - 1).max(0);
        if let Schedule::Every(period) = tenant.schedule {
            for pair in within.windows(2) {
                let late = pair[1].duration_since(pair[0]) - SignedDuration::from_secs(period);
                self.late.push(late.as_secs_f64());
            }
        }
        let mut reached = i64::MIN;
        let mut covered = story.covered.iter().peekable();
        for activated in within {
            let due = tenant.schedule.tick(activated).unwrap_or(activated);
            if due != activated {
                self.late.push(activated.duration_since(due).as_secs_f64());
            }
            let target = tenant.target(due);
            while let Some((_, end)) = covered.next_if(|(at, _)| *at <= activated) {
                reached = reached.max(*end);
            }
            if reached >= target {
                // A SER slice that was due before.
                continue;
            }
            let later = covered.clone().find(|(_, end)| *end >= target);
            let Some((at, _)) = later else {
                self.unserved += 1;
                continue;
            };
            let delay = at.duration_since(due).as_secs_f64();
            self.served.push(delay);
            self.worst.push((delay, tenant.name.clone(), due));
        }
    }
}

/// The value below which a share of the sorted values lies.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count"
    )]
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
