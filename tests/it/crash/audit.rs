//! What the sinks have, against what the vendors have and what is promised.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use postrider::simulator::{MessageTruth, Received, Simulation, content};
use serde_json::Value;

use crate::harness::{Home, until};

/// What each sink received: HEC, syslog, the file.
pub(super) type Arrived = [Vec<Received>; 3];

/// What is wrong, in sentences; and how often events came again, by sink.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) lost: u64,
    pub(super) wrong: Vec<String>,
    pub(super) copies: [u64; 3],
    /// Events that came in several forms, where that is not wrong.
    pub(super) other_forms: u64,
    /// What a lying disk forgot was collected again, at another time.
    pub(super) disk_lies: bool,
}

impl Audit {
    pub(super) fn fail_unless(&mut self, good: bool, why: impl FnOnce() -> String) {
        if !good {
            self.wrong.push(why());
        }
    }

    /// Every event is at every sink, but for `dead` ones at HEC; each came in one form.
    pub(super) fn sinks(&mut self, arrived: &Arrived, dead: u64) {
        let all: BTreeSet<&str> = arrived.iter().flatten().map(|e| e.event_id.as_str()).collect();
        for (number, sink) in arrived.iter().enumerate() {
            let there: BTreeSet<&str> = sink.iter().map(|event| event.event_id.as_str()).collect();
            let missing = (all.len() - there.len()) as u64;
            let refused = if number == 0 { dead } else { 0 };
            self.lost += missing.saturating_sub(refused);
            self.fail_unless(missing == refused, || {
                format!("sink {number} lacks {missing} events, of which {refused} are dead letters")
            });
            self.copies[number] = sink.iter().map(|event| u64::from(event.times) - 1).sum();
            for event in sink.iter().filter(|event| !event.identical) {
                if self.disk_lies {
                    self.other_forms += 1;
                    continue;
                }
                self.wrong.push(format!("sink {number}: {} in two forms", event.event_id));
            }
        }
    }

    /// Each record's revisions count from 1 without a gap and differ from one another; only what
    /// `may_change` has several.
    pub(super) fn revisions(&mut self, sink: &[Received], may_change: impl Fn(&str) -> bool) {
        let mut records: BTreeMap<(&str, &str), BTreeMap<u32, &Received>> = BTreeMap::new();
        for event in sink {
            let record = records.entry((&event.stream, &event.record_id)).or_default();
            let other = record.insert(event.revision, event);
            self.fail_unless(other.is_none(), || format!("two events are one revision: {event:?}"));
        }
        for ((stream, id), revisions) in records {
            let count = u32::try_from(revisions.len()).unwrap();
            self.fail_unless(revisions.keys().copied().eq(1..=count), || {
                format!("{stream} {id} has the revisions {:?}", revisions.keys())
            });
            if stream != "messages" {
                continue;
            }
            self.fail_unless(count == 1 || may_change(id), || {
                format!("{id} has {count} revisions and did not change")
            });
            let contents: Vec<_> = revisions.values().map(|event| &event.content).collect();
            self.fail_unless(contents.windows(2).all(|pair| pair[0] != pair[1]), || {
                format!("{id}: a revision changes nothing")
            });
        }
    }

    /// Every message of the vendor's arrived, and no other; what is older than `settled` as it is now.
    pub(super) fn messages(
        &mut self,
        truth: &[MessageTruth],
        sink: &[Received],
        settled: Timestamp,
    ) {
        let mut newest: BTreeMap<&str, &Received> = BTreeMap::new();
        for event in sink.iter().filter(|event| event.stream == "messages") {
            let kept = newest.entry(&event.record_id).or_insert(event);
            if event.revision > kept.revision {
                *kept = event;
            }
        }
        for message in truth {
            let id = message.id.to_string();
            let Some(event) = newest.remove(id.as_str()) else {
                self.lost += 1;
                self.wrong.push(format!("{id} of {} never arrived", message.time));
                continue;
            };
            let same = event.content == message.content || message.time > settled;
            self.fail_unless(same, || {
                format!("the last revision of {id} is not what the vendor has")
            });
        }
        let foreign: Vec<_> = newest.keys().collect();
        self.fail_unless(foreign.is_empty(), || format!("the vendor has no {foreign:?}"));
    }

    /// Nothing is open, lost or undelivered; the number of dead letters.
    pub(super) fn settled(&mut self, status: &Value) -> u64 {
        let mut dead = 0;
        for source in status["sources"].as_array().unwrap() {
            for count in ["open_slices", "failing_slices", "lost_slices", "refused_slices"] {
                self.fail_unless(source[count] == 0, || format!("{count}: {source}"));
            }
        }
        for sink in status["sinks"].as_array().unwrap() {
            self.fail_unless(sink["waiting"] == 0, || format!("undelivered: {sink}"));
            dead += sink["dead_letters"].as_u64().unwrap();
        }
        self.fail_unless(status["spool"]["events"] == 0, || format!("{}", status["spool"]));
        dead
    }

    /// Live collection and backfills have all up to then, by stream; no pass lacks what cannot be
    /// had.
    pub(super) fn covered(&mut self, coverage: &Value, to: impl Fn(&str) -> Timestamp) {
        for stream in coverage["sources"].as_array().unwrap() {
            let to = to(stream["stream"].as_str().unwrap());
            let none = |of: &Value| of.as_f64() == Some(0.0);
            for gap in stream["missing"].as_array().unwrap() {
                let from: Timestamp = gap["from"].as_str().unwrap().parse().unwrap();
                self.fail_unless(from >= to, || format!("before {to}: {gap}"));
            }
            for pass in stream["passes"].as_array().unwrap() {
                for state in ["failing_seconds", "refused_seconds", "lost_seconds"] {
                    self.fail_unless(none(&pass[state]), || format!("{state}: {pass}"));
                }
            }
        }
    }
}

/// The events in the file sink's file.
pub(super) fn in_file(home: &Home) -> Vec<Received> {
    let text = home.read("events.jsonl");
    assert!(text.is_empty() || text.ends_with('\n'), "a torn last line");
    let mut events: BTreeMap<String, (&str, Received)> = BTreeMap::new();
    for line in text.lines() {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let marks = &json["postrider"];
        let word = |name: &str| marks[name].as_str().unwrap_or_default().to_owned();
        if let Some((first, event)) = events.get_mut(&word("event_id")) {
            event.times += 1;
            event.identical &= *first == line;
            continue;
        }
        let event = Received {
            event_id: word("event_id"),
            record_id: word("record_id"),
            stream: word("stream"),
            revision: u32::try_from(marks["revision"].as_u64().unwrap()).unwrap(),
            times: 1,
            identical: true,
            content: content(line),
        };
        events.insert(event.event_id.clone(), (line, event));
    }
    events.into_values().map(|(_, event)| event).collect()
}

/// Waits for what the kernel has taken for the receivers and they have not read yet: to syslog over
/// TCP it counts as delivered.
pub(super) async fn drained(siem: &Simulation) {
    let port = siem.syslog_addr.port();
    let (mut before, mut quiet) = (0, 0);
    until("silence", || {
        let stats = siem.stats();
        let now = stats.syslog_events.received + stats.hec_events.received;
        quiet = if now == before && !is_queued(port) { quiet + 1 } else { 0 };
        before = now;
        (quiet > 10).then_some(())
    })
    .await;
}

/// Whether bytes wait on a connection to that port on this machine, at either end.
fn is_queued(port: u16) -> bool {
    let port = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, queues, ..] = fields[..] else { return false };
        let ours = local.ends_with(&port) || remote.ends_with(&port);
        let listens = state == "0A";
        ours && !listens && queues != "00000000:00000000"
    })
}

/// The messages that were delivered before `to`.
pub(super) fn before(
    truth: impl Iterator<Item = MessageTruth>,
    to: Timestamp,
) -> Vec<MessageTruth> {
    truth.filter(|message| message.time < to).collect()
}
