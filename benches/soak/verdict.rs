//! Whether all arrived: the receivers' ledgers against the vendors' truth.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use postrider::simulator::Received;

use super::world::World;

/// What one sink has.
#[derive(Default)]
pub(super) struct Arrived {
    /// The newest revision of each message, and its content.
    messages: HashMap<String, (u32, Option<String>)>,
    pub(super) rows: HashSet<String>,
    /// Copies that were not the same as the first.
    pub(super) different: u64,
}

impl Arrived {
    fn take(&mut self, stream: &str, record: String, revision: u32, content: Option<String>) {
        match stream {
            "messages" => {
                let newest = self.messages.entry(record).or_default();
                if revision > newest.0 {
                    *newest = (revision, content);
                }
            }
            "summary" => drop(self.rows.insert(record)),
            _ => {}
        }
    }

    fn of(received: Vec<Received>) -> Self {
        let mut arrived = Self::default();
        for Received { record_id, stream, revision, identical, content, .. } in received {
            arrived.different += u64::from(!identical);
            arrived.take(&stream, record_id, revision, content);
        }
        arrived
    }
}

/// What is missing at one sink.
#[derive(Debug, Default)]
pub(super) struct Missing {
    pub(super) sink: &'static str,
    /// Messages of which no revision came.
    pub(super) messages: u64,
    /// Messages whose newest revision is not what the vendor has.
    pub(super) outdated: u64,
    pub(super) rows: u64,
    pub(super) different: u64,
    pub(super) examples: Vec<String>,
}

/// Compares what the vendors hold until then with each sink.
pub(super) fn judge(world: &mut World, until: Timestamp) -> anyhow::Result<(u64, Vec<Missing>)> {
    world.file.read_on()?;
    let mut file = Arrived::default();
    for seen in world.file.events.values() {
        file.different += u64::from(!seen.identical);
        file.take(&seen.stream, seen.record_id.clone(), seen.revision, seen.content.clone());
    }
    let sinks = [
        ("splunk", Arrived::of(world.simulation.received())),
        ("siem", Arrived::of(world.simulation.received_by_syslog())),
        ("archive", file),
    ];
    let mut missing: Vec<Missing> = sinks
        .iter()
        .map(|(sink, arrived)| Missing { sink, different: arrived.different, ..Missing::default() })
        .collect();
    let mut held = 0;
    for message in world.simulation.truth().filter(|message| message.time < until) {
        held += 1;
        let id = message.id.to_string();
        for ((_, arrived), missing) in sinks.iter().zip(&mut missing) {
            match arrived.messages.get(&id) {
                None => {
                    missing.messages += 1;
                    if missing.examples.len() < 3 {
                        missing.examples.push(format!("{id} of {}", message.time));
                    }
                }
                Some((_, content)) if *content != message.content => missing.outdated += 1,
                Some(_) => {}
            }
        }
    }
    let all_rows: HashSet<&String> = sinks.iter().flat_map(|(_, arrived)| &arrived.rows).collect();
    for ((_, arrived), missing) in sinks.iter().zip(&mut missing) {
        missing.rows = (all_rows.len() - arrived.rows.len()) as u64;
    }
    Ok((held, missing))
}
