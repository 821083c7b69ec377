//! Rows of one key on two pages of a report. Nothing says that keys are unique: neither row is the
//! other's next version, and sums have both.

use std::collections::HashSet;

use tracing::debug;

use super::{collector::Collector, diff};
use crate::{
    domain::{
        record::{Facts, Record},
        row::{self, KnownRow, TWIN},
        slice::Stream,
    },
    source::{Page, Source},
    store::{StoreError, ledger::Key, slices::OpenSlice},
};

/// Pages with more rows of one key are told as revisions of the last of them.
const MOST: usize = 64;

impl<S: Source> Collector<S> {
    /// Tells a page's rows apart from those of the same key that came on earlier pages of the slice.
    /// What came before with the same content has moved from page to page, and is the same row: then
    /// nothing is concluded from what is missing.
    pub(super) async fn tell_apart(
        &self,
        page: &mut Page,
        slice: &OpenSlice,
    ) -> Result<(), StoreError> {
        let of = Stream::Failures;
        let streams = self.streams().await?;
        let Some(stream) = streams.get(&of).filter(|_| slice.progress.pages > 0) else {
            return Ok(());
        };
        let hour = diff::hour(of, slice.interval);
        let key = |record: &Record| Key::new(hour, &record.id);
        let rows: Vec<&mut Record> =
            page.records.iter_mut().filter(|record| record.stream == of).collect();
        let keys: Vec<Key> = rows.iter().map(|row| key(row)).collect();
        let came = self.store.seen_among(slice.id, *stream, &keys)?;
        let mut taken: HashSet<Key> = keys.iter().copied().collect();
        taken.retain(|key| !came.contains(key));
        let mut twins = 0;
        for row in rows.into_iter().filter(|row| came.contains(&key(row))) {
            for _ in 0..MOST {
                let here = key(row);
                let came = self.store.seen_among(slice.id, *stream, &[here])?.contains(&here);
                let known = if came { self.store.look_up(*stream, &[here])?[0] } else { None };
                let is_same = known.is_some_and(|it| it.content == row.fingerprint.content);
                if (is_same || !came) && taken.insert(here) {
                    // Where a row has moved here, another may have moved from here, and be skipped.
                    page.unread += u64::from(is_same);
                    break;
                }
                rename(row);
                twins += 1;
            }
        }
        if twins > 0 {
            debug!("rows of one key on two pages; all are kept");
        }
        Ok(())
    }
}

/// Gives a row the id of the next one of its key.
fn rename(record: &mut Record) {
    record.id = row::twin(&record.id);
    let mut known = KnownRow::read(&record.watched);
    if let Some(identity) = &mut known.row {
        identity.id.clone_from(&record.id);
    }
    record.watched = known.text();
    if let Facts::Report { flags, .. } = &mut record.facts
        && !flags.iter().any(|flag| flag == TWIN)
    {
        flags.push(TWIN.to_owned());
    }
}
