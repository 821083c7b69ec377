//! What an answer no longer has, where an answer is all there is.

use std::collections::HashSet;

use super::{
    collector::Collector,
    compose::{self, Context},
    diff::News,
};
use crate::{
    domain::{
        change::{self, GONE, Known},
        fingerprint::Members,
        record::Record,
        row::Identity,
    },
    source::{Page, Source},
    store::{
        StoreError,
        ledger::{Entry, Key},
        slices::{OpenSlice, Then},
    },
};

/// A row that is known of the slice's window, and did not come.
pub(super) struct Gone {
    key: Key,
    revision: change::Revision,
    row: Identity,
}

impl<S: Source> Collector<S> {
    /// The known rows of a slice that its whole answer does not have.
    pub(super) fn gone(
        &self,
        page: &Page,
        slice: &OpenSlice,
        then: &Then,
    ) -> Result<Vec<Gone>, StoreError> {
        let hour = slice.interval.start().as_second().div_euclid(3600);
        let ours = |record: &&Record| record.stream == self.source.stream();
        let here: HashSet<Key> =
            page.records.iter().filter(ours).map(|record| Key::new(hour, &record.id)).collect();
        let whole = self.source.limits().whole
            && slice.narrow.is_empty()
            && matches!(then, Then::Covered(done) if done.pages == 1)
            // What came and could not be read may be any row that seems to be missing.
            && here.len() as u64 == page.received;
        if !whole {
            return Ok(Vec::new());
        }
        let missing = |key: &Key, entry: &Entry| !here.contains(key) && entry.content != GONE;
        let filed = self.store.filed_under(slice.stream, hour)?;
        if !filed.iter().any(|(key, entry)| missing(key, entry)) {
            return Ok(Vec::new());
        }
        let mut gone = Vec::new();
        for (key, entry, known) in self.store.recall_hour(slice.stream, hour)? {
            let vanished = if missing(&key, &entry) { change::vanish(&known) } else { None };
            let Some((revision, row)) = vanished else { continue };
            // Shorter slices share an hour.
            if row.window() == Some(slice.interval) {
                gone.push(Gone { key, revision, row });
            }
        }
        Ok(gone)
    }
}

/// The events that say that rows are gone, and the versions for the ledger.
pub(super) fn news(gone: Vec<Gone>, context: Context<'_>) -> News {
    let mut news = News::default();
    for Gone { key, revision, row } in gone {
        news.events.push(compose::vanished(&row, &revision, context));
        let known = Known {
            revision: revision.number,
            members: Members::default(),
            watched: revision.watched,
        };
        news.versions.push((key, GONE, known));
    }
    news
}
