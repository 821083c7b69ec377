//! What an answer no longer has, where an answer is all there is.

use std::collections::HashSet;

use super::{
    collector::Collector,
    compose::{self, Context},
    diff::{self, News},
};
use crate::{
    domain::{
        change::{self, GONE, Known},
        fingerprint::Members,
        record::Record,
        row::Identity,
        slice::{Interval, Stream},
    },
    source::{Page, RELAY_USER_NAMES, Source, relay_user_names},
    store::{
        StoreError,
        ledger::{Entry, Key},
        slices::{OpenSlice, StreamId, Then},
    },
};

/// What is known of a slice's streams, and did not come.
#[derive(Default)]
pub(super) struct Absent {
    gone: Vec<(Stream, Gone)>,
    /// Nothing at all came of a stream that had something.
    is_doubtful: bool,
}

struct Gone {
    key: Key,
    revision: change::Revision,
    which: Which,
}

enum Which {
    Row(Identity),
    /// A relay user: its id, and the members that name it.
    User(String, String),
}

impl Absent {
    /// How many are gone of which that is to be doubted once; 0 where nothing is in doubt.
    pub(super) fn doubtful(&self) -> usize {
        if self.is_doubtful { self.gone.len() } else { 0 }
    }

    /// The events that say what is gone of a stream, and the versions for the ledger.
    pub(super) fn news(&mut self, stream: Stream, context: Context<'_>) -> News {
        let mut news = News::default();
        for (_, gone) in self.gone.extract_if(.., |(of, _)| *of == stream) {
            let Gone { key, revision, which } = gone;
            news.events.push(match &which {
                Which::Row(row) => compose::vanished(stream, row, &revision, context),
                Which::User(id, names) => compose::removed((id, names), &revision, context),
            });
            let known = Known {
                revision: revision.number,
                members: Members::default(),
                watched: revision.watched,
            };
            news.versions.push((key, GONE, known));
        }
        news
    }
}

impl<S: Source> Collector<S> {
    /// What of a page is to be remembered until its slice is read to the end.
    pub(super) async fn to_remember(
        &self,
        page: &Page,
        slice: &OpenSlice,
        then: &Then,
    ) -> Result<Vec<(StreamId, Vec<Key>)>, StoreError> {
        if !matches!(then, Then::Next(_)) || !slice.narrow.is_empty() {
            return Ok(Vec::new());
        }
        let streams = self.streams().await?;
        let seen = |stream: &Stream| (streams[stream], keys(page, *stream, slice.interval));
        Ok(self.source.whole(slice.interval).iter().map(seen).collect())
    }

    /// What is known of a slice, and its whole answer does not have.
    pub(super) async fn absent(
        &self,
        page: &Page,
        slice: &OpenSlice,
        then: &Then,
    ) -> Result<Absent, StoreError> {
        let mut absent = Absent::default();
        let Then::Covered(done) = then else { return Ok(absent) };
        // What came and could not be read may be any row that seems to be missing.
        if !slice.narrow.is_empty() || done.unread > 0 {
            return Ok(absent);
        }
        for stream in self.source.whole(slice.interval) {
            let id = self.streams().await?[stream];
            let mut here: HashSet<[u8; 16]> =
                keys(page, *stream, slice.interval).into_iter().map(|key| key.id).collect();
            if done.pages > 1 {
                here.extend(self.store.seen(slice.id, id)?);
            }
            let gone = self.gone((*stream, id), &here, slice)?;
            absent.is_doubtful |= here.is_empty() && !gone.is_empty();
            absent.gone.extend(gone.into_iter().map(|gone| (*stream, gone)));
        }
        Ok(absent)
    }

    fn gone(
        &self,
        (stream, id): (Stream, StreamId),
        here: &HashSet<[u8; 16]>,
        slice: &OpenSlice,
    ) -> Result<Vec<Gone>, StoreError> {
        let missing = |key: &Key, entry: &Entry| !here.contains(&key.id) && entry.content != GONE;
        let hour = diff::hour(stream, slice.interval);
        let filed = self.store.filed_under(id, hour)?;
        if !filed.iter().any(|(key, entry)| missing(key, entry)) {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let mut gone = Vec::new();
        for (key, entry, known) in self.store.recall_hour(id, hour)? {
            if !missing(&key, &entry) {
                continue;
            }
            if stream == Stream::RelayUsers {
                let revision = change::remove(&known, RELAY_USER_NAMES, now);
                let Some(revision) = revision else { continue };
                let Some((id, names)) = relay_user_names(&known.watched) else { continue };
                gone.push(Gone { key, revision, which: Which::User(id, names) });
                continue;
            }
            let Some((revision, row)) = change::vanish(&known) else { continue };
            // Shorter slices share an hour.
            if row.window() == Some(slice.interval) {
                gone.push(Gone { key, revision, which: Which::Row(row) });
            }
        }
        Ok(gone)
    }
}

/// Where the ledger files what came of a stream on a page, within the hour of the slice.
fn keys(page: &Page, stream: Stream, slice: Interval) -> Vec<Key> {
    let ours = page.records.iter().filter(|record: &&Record| record.stream == stream);
    let hour = diff::hour(stream, slice);
    ours.map(|record| Key::new(hour, &record.id)).collect()
}
