//! What changed between the version of a record that is known and the one that came.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{
    counters::Counters,
    event::Change,
    fingerprint::{self, Members},
    record::{Facts, Record},
    row::{Identity, KnownRow},
};

/// What the ledger remembers of a record's last version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub revision: u32,
    pub members: Members,
    /// See [`Record::watched`].
    pub watched: String,
}

/// A new version of a record, to become an event.
#[derive(Debug)]
pub struct Revision {
    pub number: u32,
    pub change: Change,
    /// Dotted names of the members that differ.
    pub changed: Vec<String>,
    /// The former values of those that are known to change.
    pub previous: Vec<(String, Box<RawValue>)>,
    /// For a SER row: this version's counters minus the one's before.
    pub delta: Option<Counters>,
    /// The event's time.
    pub time: Timestamp,
    /// What the ledger is to remember as watched members.
    pub watched: String,
}

/// The version that follows `known`, whose content is known to differ; the first one for `None`.
///
/// A first version's time is the record's own, a later one's the newest of the vendor's times of
/// change that moved, and `now` where there is none (contract, "The event's time"); a SER row
/// keeps its window's start.
pub fn next(known: Option<&Known>, record: &Record, now: Timestamp) -> Revision {
    let Some(known) = known else {
        return Revision {
            number: 1,
            change: Change::New,
            changed: Vec::new(),
            previous: Vec::new(),
            delta: counters(record).map(|now| now.minus(&Counters::default())),
            time: record.time.unwrap_or(now),
            watched: match counters(record) {
                Some(_) => KnownRow::read(&record.watched).collected(now).text(),
                None => record.watched.clone(),
            },
        };
    };
    let names = fingerprint::changed(&known.members, &record.fingerprint.members);
    let previous = names
        .iter()
        .filter(|name| record.watches(name[0]))
        .map(|name| (name.join("."), former(record, known, name)))
        .collect();
    let changed: Vec<String> = names.iter().map(|name| name.join(".")).collect();
    let before = counters(record).map(|_| KnownRow::read(&known.watched).counters());
    let delta = counters(record).zip(before.as_ref()).map(|(now, before)| now.minus(before));
    let watched = match counters(record).zip(before.as_ref()) {
        Some((counts, before)) => {
            let row = KnownRow::read(&record.watched).row;
            KnownRow::new(counts.over(before), row).collected(now).text()
        }
        None => record.watched.clone(),
    };
    let time = match record.facts {
        Facts::SummaryRow { window, .. } | Facts::Report { window, .. } => window.start(),
        Facts::Message { .. } | Facts::Audit | Facts::Entitlement | Facts::RelayUser { .. } => {
            moved(record, &changed).unwrap_or(now)
        }
    };
    let number = known.revision.saturating_add(1);
    Revision { number, change: Change::Changed, changed, previous, delta, time, watched }
}

/// The version that is known, to be sent once more: the same number, so that a SIEM which has it
/// can drop it; nothing moved, so that sums of deltas stay right.
pub fn again(known: &Known, record: &Record, now: Timestamp) -> Revision {
    let first = known.revision <= 1;
    Revision {
        number: known.revision,
        change: if first { Change::New } else { Change::Changed },
        changed: Vec::new(),
        previous: Vec::new(),
        delta: counters(record).map(|now| now.minus(now)),
        time: record.time.unwrap_or(now),
        watched: known.watched.clone(),
    }
}

/// The content hash of a record that the vendor no longer has; no record's own.
pub const GONE: [u8; 16] = [0; 16];

/// The version that says that a SER row is gone: its last counters negated, so that sums over its
/// window stay right. `None` where it is known to be gone, or was written by a version that did
/// not remember enough.
pub fn vanish(known: &Known) -> Option<(Revision, Identity)> {
    let last = KnownRow::read(&known.watched);
    if last.gone {
        return None;
    }
    let row = last.row.clone()?;
    let previous: Vec<(String, Box<RawValue>)> = if row.report.is_some() {
        // A report's counters stand at its top.
        last.status.iter().filter_map(|(name, count)| Some((name.clone(), raw(count)?))).collect()
    } else {
        let both = [("details", raw(&last.details)), ("status", raw(&last.status))];
        both.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    };
    let gone = KnownRow { row: Some(row.clone()), gone: true, ..KnownRow::default() };
    let zero =
        |counters: &BTreeMap<String, i128>| counters.keys().map(|n| (n.clone(), 0)).collect();
    let zero = Counters { status: zero(&last.status), details: zero(&last.details) };
    let revision = Revision {
        number: known.revision.saturating_add(1),
        change: Change::Vanished,
        changed: previous.iter().map(|(name, _)| name.clone()).collect(),
        previous,
        delta: Some(zero.minus(&last.counters())),
        time: row.window()?.start(),
        watched: gone.text(),
    };
    Some((revision, row))
}

/// The version that says that a relay user is no longer there: each of its members but those in
/// `names`, which say who it was, with its last value. `None` where it is known to be gone.
pub fn remove(known: &Known, names: &[&str], now: Timestamp) -> Option<Revision> {
    let last = fingerprint::object_of(&known.watched).filter(|last| !last.is_empty())?;
    let mut previous: Vec<(String, Box<RawValue>)> = last
        .into_iter()
        .filter(|(name, _)| !names.contains(&name.as_ref()))
        .map(|(name, value)| (name.into_owned(), value.to_owned()))
        .collect();
    previous.sort_by(|(one, _), (other, _)| one.cmp(other));
    Some(Revision {
        number: known.revision.saturating_add(1),
        change: Change::Vanished,
        changed: previous.iter().map(|(name, _)| name.clone()).collect(),
        previous,
        delta: None,
        time: now,
        watched: NOTHING.to_owned(),
    })
}

/// What is watched of a relay user that is gone.
const NOTHING: &str = "{}";

fn raw(value: &impl serde::Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

fn counters(record: &Record) -> Option<&Counters> {
    match &record.facts {
        Facts::SummaryRow { counters, .. } | Facts::Report { counters, .. } => Some(counters),
        Facts::Message { .. } | Facts::Audit | Facts::Entitlement | Facts::RelayUser { .. } => None,
    }
}

/// The newest of the vendor's times of change that is among what changed, by itself or with the
/// object it is in.
fn moved(record: &Record, changed: &[String]) -> Option<Timestamp> {
    let touches = |path: &str, name: &String| {
        path == name || path.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'))
    };
    let moved = record.stamps.iter().filter(|(path, _)| changed.iter().any(|n| touches(path, n)));
    moved.map(|(_, at)| *at).max()
}

/// The value that a member had. A report's counters stand at its top, and are remembered by name.
fn former(record: &Record, known: &Known, name: &[&str]) -> Box<RawValue> {
    match record.facts {
        Facts::Report { .. } => lookup(&known.watched, &[&["status"], name].concat()),
        _ => lookup(&known.watched, name),
    }
}

/// The value at `path` in `json`; `null` where there is none.
fn lookup(json: &str, path: &[&str]) -> Box<RawValue> {
    let found = || {
        let mut value: &RawValue = serde_json::from_str(json).ok()?;
        for segment in path {
            let members = fingerprint::object(value)?;
            value = members.into_iter().find(|(name, _)| name == segment)?.1;
        }
        Some(value.to_owned())
    };
    found().unwrap_or_else(|| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests;
