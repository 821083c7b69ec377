//! What is to be said now, given what is so and what was said: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::matter::{Due, Kind, Matter, Telling};
use crate::{
    domain::{name::SourceName, severity::Severity},
    store::health::{Note, Said},
};

/// What grows is told again after this, if nothing else about it changed.
const AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// A matter, by its source and its record id.
pub type Key = (SourceName, String);

/// What is known of a matter from before.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Of its last event; 0 before any.
    pub revision: u32,
    pub open: bool,
    /// Since when it was, or was not, so.
    pub since: Timestamp,
    pub memo: Memo,
}

/// The part of a row that only this module reads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Memo {
    /// What was said while it was open, in the numbers of the last look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telling: Option<Telling>,
    /// When something was first seen that did not yet last long enough to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noticed: Option<Timestamp>,
    /// Of a matter that has a size: how large it was told to be, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub size: u64,
    pub at: Timestamp,
}

/// A row that is to be changed, and the event that goes with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub key: Key,
    /// `None` forgets it.
    pub row: Option<Row>,
    pub event: Option<Event>,
}

/// A health event's content.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub revision: u32,
    pub open: bool,
    pub telling: Telling,
    pub since: Timestamp,
    /// What differs from the event before, with the values of then.
    pub previous: BTreeMap<&'static str, &'static str>,
    /// The condition of then, where it differs.
    pub previous_condition: Option<String>,
}

/// Reads what was said; what an unknown version wrote counts as never said.
pub fn read(said: Vec<Said>) -> BTreeMap<Key, Row> {
    let row = |said: Said| {
        let key = (said.source.parse().ok()?, said.record_id);
        let memo = serde_json::from_str(&said.said).unwrap_or_default();
        let Said { revision, open, since, .. } = said;
        Some((key, Row { revision, open, since, memo }))
    };
    said.into_iter().filter_map(row).collect()
}

impl Turn {
    /// As the store keeps it.
    pub fn note(&self) -> Note {
        let (source, record_id) = (self.key.0.to_string(), self.key.1.clone());
        match &self.row {
            None => Note::Drop { source, record_id },
            Some(Row { revision, open, since, memo }) => Note::Keep(Said {
                source,
                record_id,
                revision: *revision,
                open: *open,
                since: *since,
                // Texts, numbers and times can always be written.
                said: serde_json::to_string(memo).unwrap_or_default(),
            }),
        }
    }
}

/// Compares what is so with what was said. Each matter that opens closes once, and revisions
/// count up from 1.
pub fn turns(rows: &BTreeMap<Key, Row>, matters: Vec<Matter>, now: Timestamp) -> Vec<Turn> {
    let mut so: BTreeMap<Key, Matter> = BTreeMap::new();
    for matter in matters {
        so.entry((matter.source.clone(), matter.record_id.clone())).or_insert(matter);
    }
    let mut turns = Vec::new();
    for (key, row) in rows {
        let turn = match so.remove(key) {
            Some(matter) => still(key, row, matter, now),
            None => over(key, row, now),
        };
        turns.extend(turn);
    }
    for (key, matter) in so {
        let row = Row { revision: 0, open: false, since: now, memo: Memo::default() };
        turns.extend(still(&key, &row, matter, now));
    }
    turns
}

fn still(key: &Key, row: &Row, matter: Matter, now: Timestamp) -> Option<Turn> {
    let Due::After(patience) = matter.due else { return None };
    let said = row.memo.telling.as_ref().filter(|_| row.open);
    let same = said.is_some_and(|said| {
        said.condition == matter.telling.condition && said.severity == matter.telling.severity
    });
    let noticed = row.memo.noticed;
    // What shrank meanwhile grows from there.
    let told = row.memo.told.map(|told| Told { size: told.size.min(matter.size), ..told });
    if same && told.is_some_and(|it| it.size < matter.size && now.duration_since(it.at) >= AGAIN) {
        return Some(say(key, row, true, matter, row.since, now));
    }
    if same {
        // What grows, such as a gap, is known as it is now when somebody looks, and when it closes.
        let differs = said != Some(&matter.telling) || noticed.is_some() || told != row.memo.told;
        let memo = Memo { telling: Some(matter.telling), noticed: None, told };
        let row = Some(Row { memo, ..row.clone() });
        return differs.then(|| Turn { key: key.clone(), row, event: None });
    }
    let begun = matter.since.or(noticed).unwrap_or(now);
    let due = begun.checked_add(patience).unwrap_or(Timestamp::MAX);
    if now < due {
        let waits = matter.since.is_none() && noticed.is_none();
        let memo = Memo { noticed: Some(now), ..row.memo.clone() };
        let row = Some(Row { memo, ..row.clone() });
        return waits.then(|| Turn { key: key.clone(), row, event: None });
    }
    let since = if row.open { row.since } else { begun };
    Some(say(key, row, true, matter, since, now))
}

fn over(key: &Key, row: &Row, now: Timestamp) -> Option<Turn> {
    match (&row.memo.telling, row.open) {
        (Some(said), true) => {
            let message = well_again(key, said);
            let telling = Telling { severity: Severity::Info, message, ..said.clone() };
            let matter = Matter { telling, ..Matter::keep(&key.0, key.1.clone(), said.kind) };
            Some(say(key, row, false, matter, row.since, now))
        }
        _ if row.memo.noticed.is_none() => None,
        _ => {
            let memo = Memo { noticed: None, ..row.memo.clone() };
            let row = (row.revision > 0).then(|| Row { memo, ..row.clone() });
            Some(Turn { key: key.clone(), row, event: None })
        }
    }
}

fn say(key: &Key, row: &Row, open: bool, matter: Matter, since: Timestamp, now: Timestamp) -> Turn {
    let Matter { telling, size, .. } = matter;
    let revision = row.revision.saturating_add(1);
    let mut previous = BTreeMap::new();
    let mut previous_condition = None;
    if let Some(said) = row.memo.telling.as_ref().filter(|_| row.revision > 0) {
        if row.open != open {
            previous.insert("state", state(row.open));
        }
        let before = if row.open { said.severity } else { Severity::Info };
        if before != telling.severity {
            previous.insert("severity", before.as_str());
        }
        if said.condition != telling.condition {
            previous_condition = Some(said.condition.clone());
        }
    }
    let told = (size > 0).then_some(Told { size, at: now });
    let memo = Memo { telling: Some(telling.clone()), noticed: None, told };
    let since_now = if open { since } else { now };
    Turn {
        key: key.clone(),
        row: Some(Row { revision, open, since: since_now, memo }),
        event: Some(Event { revision, open, telling, since, previous, previous_condition }),
    }
}

/// The word for whether a matter goes on.
pub fn state(open: bool) -> &'static str {
    if open { "open" } else { "closed" }
}

/// The sentence of the event that closes a matter.
fn well_again((source, record_id): &Key, said: &Telling) -> String {
    let detail = |name: &str| said.details.get(name).and_then(|value| value.as_str()).unwrap_or("");
    match said.kind {
        Kind::Gap => format!(
            "The gap of the source {source} from {} to {} is closed: all of it was collected.",
            detail("from"),
            detail("to")
        ),
        Kind::Source if said.condition == "behind" => {
            format!("The source {source} has caught up, or is no longer configured.")
        }
        Kind::Source => format!("The source {source} is well again, or no longer configured."),
        Kind::Sink => {
            let sink = record_id.strip_prefix("sink:").unwrap_or(record_id);
            format!("The sink {sink} is well again, or no longer configured.")
        }
        Kind::DeadLetters => {
            let sink = record_id.strip_prefix("dead_letters:").unwrap_or(record_id);
            format!("The sink {sink} has no dead letters any more.")
        }
        Kind::Credentials if record_id.starts_with("relay_user/") => format!(
            "Nothing is wrong any more with the SMTP credentials of the relay user {} of the \
             source {source}, or it is no longer there.",
            detail("relay_user")
        ),
        Kind::Credentials => format!("The credentials of the source {source} were renewed."),
        Kind::Quota if said.condition == "held_back" => {
            format!("Nothing of the source {source} waits any more so that others have calls.")
        }
        Kind::Quota => format!("The source {source} has calls again."),
        Kind::Silence => format!("The source {source} has records again."),
        Kind::Entitlement => format!("The licence of the source {source} has room again."),
        Kind::EntitlementForecast => {
            format!("The licence of the source {source} lasts to its end, as things are now.")
        }
        Kind::LogExport => {
            format!("The log export of the source {source} is read again, or no longer configured.")
        }
        Kind::Clock => "The clock of this machine is right again.".into(),
        Kind::Reconciliation => format!(
            "The messages of {} collected from the source {source} are as many as the vendor \
             counts.",
            detail("day")
        ),
    }
}

#[cfg(test)]
mod tests;
