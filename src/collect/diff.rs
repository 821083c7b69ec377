//! What is new among records, against the ledger.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::compose::{self, Context};
use crate::{
    domain::{
        change::{self, Known},
        event::Change,
        record::Record,
        slice::{Interval, Stream},
    },
    source::cisco_etd::export::merge::{Standing, standing},
    store::{
        Store, StoreError,
        budget::day,
        ledger::{Entry, Key},
        slices::{StreamId, Tally},
        spool::NewEvent,
    },
};

/// What a page adds to a stream.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) events: Vec<NewEvent>,
    /// For the ledger: where each record is filed, its content, and what to remember.
    pub(super) versions: Vec<(Key, [u8; 16], Known)>,
    /// Messages among them that were seen for the first time.
    pub(super) tallies: Vec<Tally>,
}

impl News {
    pub(super) fn extend(&mut self, other: Self) {
        self.events.extend(other.events);
        self.versions.extend(other.versions);
        self.tallies.extend(other.tallies);
    }
}

/// The events of what is new, and the versions for the ledger. With `resend` what is known and
/// the same is an event again, too: the same revision with the same `event_id`.
pub(super) fn diff(
    store: &Store,
    stream: StreamId,
    records: Vec<Record>,
    resend: bool,
    context: Context<'_>,
) -> Result<News, StoreError> {
    if records.is_empty() {
        return Ok(News::default());
    }
    let keys: Vec<Key> = records.iter().map(|record| key(record, context)).collect();
    let known = store.look_up(stream, &keys)?;
    let mut told = told(store, stream, &records, &known)?;
    let News { mut events, mut versions, .. } = News::default();
    let mut first = Vec::new();
    // The same record may come twice on one page.
    let mut newest: HashMap<Key, usize> = HashMap::new();
    let mut again: HashSet<Key> = HashSet::new();
    for ((record, key), entry) in records.into_iter().zip(keys).zip(known) {
        let content = record.fingerprint.content;
        let before = match (newest.get(&key), entry) {
            (Some(index), _) => {
                let (_, was, known) = &versions[*index];
                if *was == content {
                    continue;
                }
                Some(known.clone())
            }
            (None, Some(entry)) if entry.content == content => {
                if resend && again.insert(key) {
                    let known = store.recall(&entry)?;
                    let revision = change::again(&known, &record, context.collected_at);
                    events.push(compose::event(&record, &revision, context));
                }
                continue;
            }
            (None, Some(entry)) => {
                let known = store.recall(&entry)?;
                // Pieced together from the log export: the search may say the same in full.
                let pieced = entry.content == known.members.pieced();
                match pieced.then(|| standing(&known, &record)) {
                    Some(Standing::Behind) => continue,
                    Some(Standing::Same) => {
                        let whole = Known {
                            revision: known.revision,
                            members: record.fingerprint.members,
                            watched: record.watched,
                        };
                        newest.insert(key, versions.len());
                        versions.push((key, content, whole));
                        continue;
                    }
                    Some(Standing::Changed) | None => Some(known),
                }
            }
            (None, None) => match told.remove(&key) {
                Some(entry) => {
                    first.extend(record.time.zip(record.direction()));
                    Some(store.recall(&entry)?)
                }
                None => None,
            },
        };
        let revision = change::next(before.as_ref(), &record, context.collected_at);
        events.push(compose::event(&record, &revision, context));
        if revision.change == Change::New {
            first.extend(record.time.zip(record.direction()));
        }
        let known = Known {
            revision: revision.number,
            members: record.fingerprint.members,
            watched: revision.watched,
        };
        let index = *newest.entry(key).or_insert(versions.len());
        match versions.get_mut(index) {
            Some(version) => *version = (key, content, known),
            None => versions.push((key, content, known)),
        }
    }
    Ok(News { events, versions, tallies: tallies(&first) })
}

/// Of messages that are not known where they belong, those that the log export told of: then nobody
/// knew when they were delivered.
fn told(
    store: &Store,
    stream: StreamId,
    records: &[Record],
    known: &[Option<Entry>],
) -> Result<HashMap<Key, Entry>, StoreError> {
    let new = records.iter().zip(known).filter(|(record, known)| {
        record.stream == Stream::Messages && record.time.is_some() && known.is_none()
    });
    let new: Vec<&Record> = new.map(|(record, _)| record).collect();
    let mut told = HashMap::new();
    if new.is_empty() {
        return Ok(told);
    }
    let ids: Vec<&str> = new.iter().map(|record| &*record.id).collect();
    for (record, places) in new.into_iter().zip(store.undated_places(stream, &ids)?) {
        let newest = store.look_up(stream, &places)?.into_iter().flatten();
        let newest = newest.max_by_key(|entry| entry.revision);
        told.extend(record.time.map(|at| Key::at(at, &record.id)).zip(newest));
    }
    Ok(told)
}

/// Counts messages by day and direction.
fn tallies(first: &[(Timestamp, String)]) -> Vec<Tally> {
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for (at, direction) in first {
        *counts.entry((day(*at), direction)).or_default() += 1;
    }
    let tally = |((day, direction), messages): ((String, &str), u64)| Tally {
        day,
        direction: direction.to_owned(),
        messages,
    };
    counts.into_iter().map(tally).collect()
}

/// Where the ledger files a record. What has no time of its own is filed with the slice's hour, as
/// slices are split; what never ages, the licence and relay users, apart.
fn key(record: &Record, context: Context<'_>) -> Key {
    match (record.stream, record.time) {
        (Stream::Messages, Some(time)) => Key::at(time, &record.id),
        (stream, Some(time)) if !never_ages(stream) => Key::new(hour_of(time), &record.id),
        (stream, _) => Key::new(hour(stream, context.slice), &record.id),
    }
}

/// The hour under which rows of a slice are filed.
pub(super) fn hour(stream: Stream, slice: Interval) -> i64 {
    if never_ages(stream) { Key::NEVER_AGES } else { hour_of(slice.start()) }
}

fn never_ages(stream: Stream) -> bool {
    matches!(stream, Stream::Entitlement | Stream::RelayUsers)
}

fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}
#[cfg(test)]
mod tests;
