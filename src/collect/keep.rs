//! Makes events of what is new on a page, and commits it with the slice's next place.

use jiff::Timestamp;
use tracing::{info, warn};

use super::{
    collector::Collector,
    compose,
    diff::{News, diff},
    page, plan,
};
use crate::{
    domain::{
        record::Record,
        slice::{Pass, Stream},
    },
    metrics,
    source::{Page, Source},
    store::{
        StoreError,
        budget::Calls,
        ledger::NewBlock,
        slices::{Heard, OpenSlice, PageCommit, Progress, Resweep, StreamId, Then},
    },
    telemetry::QUOTES,
};

/// An empty answer where rows were is asked for again after this.
const DOUBT: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

impl<S: Source> Collector<S> {
    pub(super) async fn keep(
        &self,
        mut page: Page,
        slice: &mut OpenSlice,
        calls: Calls,
    ) -> Result<Then, StoreError> {
        let now = self.clock.now();
        for warning in &page.warnings {
            warn!(target: QUOTES, "{warning}");
        }
        let streams = self.streams().await?;
        let context = compose::Context {
            source: &self.config.name,
            vendor: self.source.vendor(),
            tags: &self.config.tags,
            pass: slice.pass,
            slice: slice.interval,
            collected_at: now,
        };
        let alone = self.memory.diffing.lock().await;
        self.tell_apart(&mut page, slice).await?;
        let mut then = page::after(&page, slice, self.source.limits().page_size);
        let mut absent = self.absent(&page, slice, &then).await?;
        if absent.doubtful() > 0 && slice.doubted == 0 {
            warn!(rows = absent.doubtful(), "nothing came where rows were; asking once more");
            let not_before = now.checked_add(DOUBT).unwrap_or(Timestamp::MAX);
            then = Then::Doubt { progress: Progress::anew(slice.progress.page_size), not_before };
            let commit = PageCommit::new(slice.id, then.clone(), calls);
            self.store.commit_page(commit).await?;
            return Ok(then);
        }
        let mut commit = PageCommit::new(slice.id, then.clone(), calls);
        commit.max_spool = self.max_spool;
        commit.usage = page.usage.take().map(|usage| (now, usage));
        commit.seen = self.to_remember(&page, slice, &then).await?;
        let (received, announced) = (page.received, page.total.or(slice.progress.total));
        let mut made = Vec::new();
        for (stream, id) in streams {
            let of_stream = |record: &Record| record.stream == *stream;
            let (records, others) = page.records.into_iter().partition(of_stream);
            page.records = others;
            if *stream == Stream::Entitlement {
                self.note(*id, records)?;
                continue;
            }
            let mut news = diff(&self.store, *id, records, slice.resend, context)?;
            news.extend(absent.news(*stream, context));
            made.extend(news.events.iter().map(|event| (*stream, event.change)));
            self.add(&mut commit, *id, news)?;
        }
        if slice.pass == Pass::Live {
            commit.heard = Some(Heard { at: now, records: received > 0 });
        }
        if matches!(then, Then::Covered(_)) {
            commit.resweeps = self.resweeps(slice, now);
        }
        let events = commit.events;
        self.store.commit_page(commit).await?;
        drop(alone);
        metrics::page(&self.config.name, self.source.stream(), slice.pass, received);
        for (stream, change) in made {
            metrics::event(&self.config.name, stream, change);
        }
        slice.events += events;
        self.tell_ok(now).await?;
        say(&then, slice, announced, received);
        Ok(then)
    }

    /// Puts what is new of a stream into the commit.
    fn add(&self, commit: &mut PageCommit, stream: StreamId, news: News) -> Result<(), StoreError> {
        let News { events, versions, tallies } = news;
        commit.tallies.extend(tallies);
        let by_id = self.source.log_export().is_some();
        let found = |block: NewBlock| if by_id { block.by_id(Vec::new()) } else { block };
        let packed = || {
            let chunk = match events.as_slice() {
                [] => None,
                events => Some(self.store.pack(stream, &self.config.tags, events)?),
            };
            let block = match versions.as_slice() {
                [] => None,
                versions => Some(found(self.store.pack_versions(stream, versions)?)),
            };
            std::io::Result::Ok((chunk, block))
        };
        let (chunk, block) = packed().map_err(|error| StoreError::Commit {
            name: "compress-page",
            detail: error.to_string().into(),
        })?;
        commit.events += events.len() as u64;
        commit.chunks.extend(chunk);
        commit.ledger.extend(block);
        Ok(())
    }

    /// When the slice is to be read again, now that it is covered.
    fn resweeps(&self, slice: &OpenSlice, now: Timestamp) -> Vec<Resweep> {
        // What a narrowed backfill did not ask for was never read.
        if slice.pass == Pass::Resweep || !slice.narrow.is_empty() {
            return Vec::new();
        }
        plan::resweeps(&self.config, &self.policy(), slice.interval, now)
    }
}

fn say(then: &Then, slice: &OpenSlice, announced: Option<u64>, received: u64) {
    match then {
        Then::Covered(done) => {
            info!(
                pages = done.pages,
                records = done.received,
                events = slice.events,
                "slice covered"
            );
            if done.total.is_some_and(|total| total > done.received) {
                warn!(
                    total = done.total,
                    read = done.received,
                    "fewer records than announced, twice"
                );
            }
        }
        Then::Refetch(_) => warn!(
            total = announced,
            read = slice.progress.received + received,
            "fewer records than announced; reading the slice once more"
        ),
        Then::Next(_) | Then::Doubt { .. } => {}
    }
}
