//! What lines of the log export make: revisions of messages, audit records, and counts.

use std::collections::{BTreeMap, HashMap, HashSet};

use tracing::debug;

use super::{
    super::{
        compose::{self, Context},
        diff::News,
        reconcile::comparable,
    },
    Collector,
};
use crate::{
    config::Vendor,
    domain::{
        change::{self, Known},
        event::Change,
        record::Record,
        slice::Stream,
    },
    source::{
        Source,
        cisco_etd::export::{
            entry::{Create, Entry, Update},
            hours::Hour,
            merge,
        },
    },
    store::{
        StoreError,
        ledger::{Entry as Filed, Key},
        slices::StreamId,
    },
};

/// What some lines add.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) messages: News,
    /// Of the messages, those that are filed somewhere because nobody knows their delivery time.
    pub(super) undated: Vec<Key>,
    pub(super) audits: News,
    pub(super) creates: BTreeMap<i64, u64>,
}

/// A message as it is after the lines so far.
struct Current {
    key: Key,
    is_dated: bool,
    content: [u8; 16],
    known: Known,
    is_new: bool,
}

impl<S: Source> Collector<S> {
    /// Compares lines with the ledger, from line to line.
    pub(super) fn told(
        &self,
        streams: &BTreeMap<Stream, StreamId>,
        entries: Vec<Entry>,
        context: Context<'_>,
    ) -> Result<Told, StoreError> {
        let (mut updates, mut audits, mut told) = (Vec::new(), Vec::new(), Told::default());
        for entry in entries {
            match entry {
                Entry::Create(create) => self.count(&create, &mut told.creates),
                Entry::Update(update) => updates.push(*update),
                Entry::Audit(audit) => audits.push(audit.record()),
                Entry::Other(what) => debug!(source = %context.source, "not wanted: {what}"),
            }
        }
        if let Some(stream) = streams.get(&self.source.stream()) {
            (told.messages, told.undated) = self.changes(*stream, &updates, context)?;
        }
        if let Some(stream) = streams.get(&Stream::Audit) {
            told.audits = self.audited(*stream, audits, context)?;
        }
        Ok(told)
    }

    /// Counts a message that the search is to find, too.
    fn count(&self, create: &Create, creates: &mut BTreeMap<i64, u64>) {
        let Vendor::CiscoEtd(etd) = &self.config.vendor else { return };
        let wanted = &etd.filter.directions;
        let is_of = |direction: &String| wanted.iter().any(|it| it.eq_ignore_ascii_case(direction));
        let wanted = wanted.is_empty() || create.direction.as_ref().is_some_and(is_of);
        if comparable(&etd.filter) && wanted {
            *creates.entry(Hour::of(create.time).0).or_default() += 1;
        }
    }

    fn changes(
        &self,
        stream: StreamId,
        updates: &[Update],
        context: Context<'_>,
    ) -> Result<(News, Vec<Key>), StoreError> {
        let mut current = self.known(stream, updates)?;
        let (mut news, mut undated) = (News::default(), Vec::new());
        for update in updates {
            let before = current.get(&update.id);
            let delivered = before.filter(|it| it.is_dated).and_then(|it| it.key.time());
            let record = match before {
                Some(before) => merge::next(&before.known, delivered, update),
                None if self.is_filtered() => None,
                None => merge::first(update, None),
            };
            let Some(record) = record else { continue };
            let known = before.map(|before| &before.known);
            let mut revision = change::next(known, &record, context.collected_at);
            if revision.change == Change::New {
                let told = record.stamps.iter().map(|(_, at)| *at).max();
                revision.time = told.unwrap_or(revision.time);
            }
            news.events.push(compose::event(&record, &revision, context));
            let (key, is_dated) = match before {
                Some(before) => (before.key, before.is_dated),
                // Filed by when it was told of.
                None => (Key::at(revision.time, &update.id), false),
            };
            if !is_dated {
                undated.push(key);
            }
            let content = record.fingerprint.content;
            let members = record.fingerprint.members;
            let known = Known { revision: revision.number, members, watched: revision.watched };
            let now = Current { key, is_dated, content, known, is_new: true };
            current.insert(update.id.clone(), now);
        }
        let changed = current.into_values().filter(|it| it.is_new);
        news.versions = changed.map(|it| (it.key, it.content, it.known)).collect();
        news.versions.sort_by_key(|(key, _, _)| *key);
        Ok((news, undated))
    }

    /// Whether the search leaves messages out: then one that it did not find may be such.
    fn is_filtered(&self) -> bool {
        matches!(&self.config.vendor, Vendor::CiscoEtd(etd) if !etd.filter.is_empty())
    }

    /// The messages that are known, by id.
    fn known(
        &self,
        stream: StreamId,
        updates: &[Update],
    ) -> Result<HashMap<String, Current>, StoreError> {
        let ids: Vec<&str> = updates.iter().map(|update| &*update.id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let undated: HashSet<Key> =
            self.store.undated_places(stream, &ids)?.into_iter().flatten().collect();
        let places = self.store.places(stream, &ids)?;
        let keys: Vec<Key> = places.iter().flatten().copied().collect();
        let mut filed = self.store.look_up(stream, &keys)?.into_iter();
        let mut known = HashMap::new();
        for (id, places) in ids.into_iter().zip(places) {
            let filed = places.into_iter().zip(filed.by_ref());
            let filed = filed.filter_map(|(key, entry)| Some((key, entry?)));
            // A message that was told of before it was found is filed twice.
            let newest = filed.max_by_key(|(_, entry): &(Key, Filed)| entry.revision);
            let Some((key, entry)) = newest else { continue };
            if !known.contains_key(id) {
                let (content, is_dated) = (entry.content, !undated.contains(&key));
                let known_now = self.store.recall(&entry)?;
                let now = Current { key, is_dated, content, known: known_now, is_new: false };
                known.insert(id.to_owned(), now);
            }
        }
        Ok(known)
    }

    /// The audit lines that are not known.
    fn audited(
        &self,
        stream: StreamId,
        records: Vec<Record>,
        context: Context<'_>,
    ) -> Result<News, StoreError> {
        let at = |record: &Record| record.time.unwrap_or(context.slice.start());
        let keys: Vec<Key> = records.iter().map(|record| Key::at(at(record), &record.id)).collect();
        let known = self.store.look_up(stream, &keys)?;
        let (mut news, mut seen) = (News::default(), HashSet::new());
        for ((record, key), known) in records.into_iter().zip(keys).zip(known) {
            if known.is_some() || !seen.insert(key) {
                continue;
            }
            let revision = change::next(None, &record, context.collected_at);
            news.events.push(compose::event(&record, &revision, context));
            let (content, members) = (record.fingerprint.content, record.fingerprint.members);
            let known = Known { revision: revision.number, members, watched: revision.watched };
            news.versions.push((key, content, known));
        }
        Ok(news)
    }
}
