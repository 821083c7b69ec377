//! What the demo showed, counted.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use jiff::SignedDuration;
use serde::Serialize;

use super::{
    super::{
        coverage,
        layout::{drawn, grid},
        setup,
    },
    scene::{SINKS, Scene},
};
use crate::{config::Need, status};

/// The demo's lag for ETD, as its configuration says.
const LAG: SignedDuration = SignedDuration::from_mins(6);

/// The result of a demo.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Messages that the ETD simulator holds.
    etd_messages: u64,
    /// Rows that the SER simulator holds in the hours that are due.
    ser_rows: u64,
    /// Messages whose verdict changed after they were delivered.
    changed: u64,
    /// Events in the store's count.
    collected: u64,
    sinks: Vec<Delivered>,
    /// Slices that are not covered.
    gaps: u64,
    dead_letters: u64,
    /// ETD searches that were made.
    searches: u64,
    /// ETD searches that it takes to read everything once.
    fewest_searches: u64,
    /// Calls that failed, by kind.
    faults: BTreeMap<String, u64>,
    kills: u32,
    seconds: f64,
    #[serde(skip)]
    strips: String,
}

#[derive(Debug, Serialize)]
struct Delivered {
    sink: &'static str,
    /// Different events.
    events: u64,
    /// ETD messages of the vendor that it does not have.
    missing_messages: u64,
    /// Of the changed ones, those whose change it does not have.
    missing_changes: u64,
    /// Events fewer than the vendors hold in all, with changes.
    missing: u64,
    /// Copies beyond the first.
    duplicates: u64,
    /// Of these, copies that were not the same bytes.
    different: u64,
}

impl Report {
    pub(super) fn make(scene: &Scene, took: Duration) -> anyhow::Result<Self> {
        let stats = scene.simulation.stats();
        let mut faults = BTreeMap::new();
        for (server, calls) in [("ETD", &stats.etd), ("SER", &stats.ser), ("HEC", &stats.hec)] {
            for (kind, count) in &calls.faults {
                faults.insert(format!("{server} {kind}"), *count);
            }
        }
        let search = |(call, _): &(&String, &u64)| call.starts_with("POST /v1/messages/search");
        let searches = stats.etd.calls.iter().filter(search).map(|(_, count)| count).sum();
        let config = setup::configuration(
            Need::NoSecrets,
            Some(&scene.config_file()),
            setup::clock().now(),
        )?
        .config;
        let (mut gaps, mut dead_letters, mut collected) = (0, 0, 0);
        let mut strips = String::new();
        if let Some(store) = scene.store() {
            collected = store.next_seq()?.saturating_sub(1);
            let status = status::gather(&config, &store, false, setup::clock().now())?;
            gaps = status
                .sources
                .iter()
                .map(|s| s.open_slices + s.lost_slices + s.refused_slices)
                .sum();
            // As at the last message: what is younger is being collected.
            strips = coverage::strips(&config, &store, scene.ends + LAG)?;
            dead_letters = status.sinks.iter().map(|sink| sink.dead_letters).sum();
        }
        Ok(Self {
            etd_messages: scene.messages,
            ser_rows: scene.rows,
            changed: scene.changed.len() as u64,
            collected,
            sinks: delivered(scene),
            gaps,
            dead_letters,
            searches,
            fewest_searches: stats.fewest_searches,
            faults,
            kills: scene.kills,
            strips,
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
        })
    }

    /// Whether everything is where it should be, and every copy the same.
    pub(super) fn well(&self) -> bool {
        self.gaps == 0
            && self.dead_letters == 0
            && self.sinks.iter().all(|sink| sink.lacks() == 0 && sink.different == 0)
    }

    pub(super) fn table(&self) -> String {
        let mut table = grid(&["", "count", "what it means"]);
        let mut row = |what: &str, count: String, meaning: &str| {
            table.add_row([what.to_owned(), count, meaning.to_owned()]);
        };
        let held = self.etd_messages + self.ser_rows + 1;
        row(
            "held by the vendors",
            held.to_string(),
            &format!(
                "{} ETD messages, {} SER rows, 1 SER licence",
                self.etd_messages, self.ser_rows
            ),
        );
        let delivered = self.sinks.iter().map(|sink| sink.events).max().unwrap_or_default();
        let meaning = match self.collected.saturating_sub(delivered) {
            0 => "events made and safely stored".to_owned(),
            own => format!("events made and safely stored; {own} of the collector's own health"),
        };
        row("collected", self.collected.to_string(), &meaning);
        for sink in &self.sinks {
            let meaning = match sink.lacks() {
                0 => "all of it, checked id by id".to_owned(),
                lacks => format!("{lacks} MISSING"),
            };
            row(&format!("delivered to {}", sink.sink), sink.events.to_string(), &meaning);
        }
        let unseen = self.sinks.iter().map(|sink| sink.missing_changes).max().unwrap_or_default();
        row(
            "changes seen",
            format!("{} of {}", self.changed - unseen, self.changed),
            &match delivered.saturating_sub(held + self.changed) {
                0 => "verdicts that changed after delivery came again, as revision 2".to_owned(),
                more => format!(
                    "verdicts that changed after delivery came again, as revision 2; {more} more \
                     events tell of other changes"
                ),
            },
        );
        let duplicates: u64 = self.sinks.iter().map(|sink| sink.duplicates).sum();
        let different: u64 = self.sinks.iter().map(|sink| sink.different).sum();
        let meaning = match (duplicates, different) {
            (0, _) => "no event came twice".to_owned(),
            (_, 0) => "lost replies and the kill; same bytes, same event_id".to_owned(),
            _ => format!("{different} of them with OTHER BYTES"),
        };
        row("duplicates", duplicates.to_string(), &meaning);
        row("gaps", self.gaps.to_string(), "slices of time that are not covered");
        row("dead letters", self.dead_letters.to_string(), "events that a sink refused for good");
        let over = self.searches.saturating_sub(self.fewest_searches);
        row(
            "ETD searches made",
            self.searches.to_string(),
            &format!(
                "{} is the least for one pass; {over} more for faults, hours, the kill and the changes",
                self.fewest_searches
            ),
        );
        let faults: u64 = self.faults.values().sum();
        let kinds = self.faults.len();
        row(
            "faults survived",
            faults.to_string(),
            &format!("of {kinds} kinds: 429s, resets, cut bodies, …"),
        );
        row("kill -9 survived", self.kills.to_string(), "the daemon went on where it was");
        let verdict = if self.well() {
            format!("Everything arrived, in {} s.", self.seconds)
        } else {
            format!("NOT everything arrived, in {} s.", self.seconds)
        };
        format!("{}\n\n{}\n\n{verdict}", drawn(table), self.strips)
    }
}

impl Delivered {
    fn lacks(&self) -> u64 {
        self.missing.max(self.missing_messages).max(self.missing_changes)
    }
}

/// Compares what each sink got with what the vendors hold.
fn delivered(scene: &Scene) -> Vec<Delivered> {
    let hec = scene.simulation.received().into_iter();
    let hec = hec.map(|event| (event.record_id, event.revision, event.times, event.identical));
    let syslog = scene.simulation.received_by_syslog().into_iter();
    let syslog =
        syslog.map(|event| (event.record_id, event.revision, event.times, event.identical));
    let tail = scene.in_file();
    let file = tail.events.values();
    let file =
        file.map(|seen| (seen.record_id.clone(), seen.revision, seen.copies, seen.identical));
    // Messages that came live, with `--stay`, may still be on their way.
    let settled = usize::try_from(scene.messages).unwrap_or(usize::MAX);
    let truth: Vec<String> =
        scene.simulation.truth().take(settled).map(|held| held.id.to_string()).collect();
    vec![
        compare(SINKS[0], scene, &truth, hec),
        compare(SINKS[1], scene, &truth, syslog),
        compare(SINKS[2], scene, &truth, file),
    ]
}

fn compare(
    sink: &'static str,
    scene: &Scene,
    truth: &[String],
    got: impl Iterator<Item = (String, u32, u32, bool)>,
) -> Delivered {
    let (mut events, mut duplicates, mut different) = (0, 0, 0);
    let (mut records, mut changed) = (HashSet::new(), HashSet::new());
    for (record, revision, times, identical) in got {
        events += 1;
        duplicates += u64::from(times.saturating_sub(1));
        different += u64::from(!identical);
        if revision > 1 {
            changed.insert(record.clone());
        }
        records.insert(record);
    }
    let missing_messages = truth.iter().filter(|id| !records.contains(*id)).count();
    let missing_changes = scene.changed.iter().filter(|id| !changed.contains(&id.to_string()));
    Delivered {
        sink,
        events,
        missing_messages: missing_messages as u64,
        missing_changes: missing_changes.count() as u64,
        missing: (scene.held() + scene.changed.len() as u64).saturating_sub(events),
        duplicates,
        different,
    }
}
