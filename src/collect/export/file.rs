//! One file of the log export, some lines at a time.

use std::collections::BTreeMap;

use tracing::warn;

use super::{super::compose::Context, Collector, Trouble, told::Told};
use crate::{
    domain::slice::{Interval, Pass, Stream},
    metrics,
    source::{
        Source,
        cisco_etd::{
            LogExport,
            export::{
                Download,
                entry::{self, Entry},
                hours::Hour,
                lines::Line,
                links::{Link, LogType},
            },
        },
        excerpt,
    },
    store::{
        StoreError,
        export::{LinesCommit, Position},
        slices::StreamId,
    },
};

/// Lines that are committed together, and bytes of them: a page of a search has as many.
const LINES: u64 = 500;
const BYTES: usize = 1 << 20;

/// Lines of a file that are left out are told one by one up to so many.
const TOLD: u64 = 5;

/// A file that is being read.
pub(super) struct Reading {
    pub(super) log_type: LogType,
    pub(super) link: Link,
    pub(super) hour: Hour,
    /// Lines that were read before.
    skip: u64,
    left_out: u64,
    download: Download,
}

/// What became of a file for now.
pub(super) enum Turn {
    /// Nothing was read that was not read before.
    Skipped,
    /// Lines are in the store that were not.
    Read,
    /// All of it is.
    Over,
}

impl<S: Source> Collector<S> {
    /// Opens a file where it is to be read on; `None` where it was read to its end before.
    pub(super) async fn open_file(
        &self,
        feed: &LogExport<'_>,
        stream: StreamId,
        log_type: LogType,
        link: &Link,
        hour: Hour,
    ) -> Result<Option<Reading>, Trouble> {
        let known = self.store.export_files(stream, hour.0)?.remove(&link.file);
        let position = known.unwrap_or_default();
        if position.done {
            return Ok(None);
        }
        let download = feed.open(link).await.map_err(Trouble::Vendor)?;
        let (link, skip, left_out) = (link.clone(), position.lines, position.left_out);
        Ok(Some(Reading { log_type, link, hour, skip, left_out, download }))
    }

    /// Reads and commits some lines, or passes over some that were read before. What came before a
    /// fault is committed, too. What is live does not wait for more than the next piece of the file.
    pub(super) async fn read_lines(
        &self,
        feed: &LogExport<'_>,
        reading: &mut Reading,
    ) -> Result<Turn, Trouble> {
        // Until the lines are in the spool.
        let Some(_room) = self.store.keep_room(self.max_spool)? else {
            return Err(Trouble::Held);
        };
        let first = reading.download.position.max(reading.skip);
        let (mut entries, mut bytes, mut has_waited) = (Vec::new(), 0, false);
        let end = loop {
            if reading.download.position >= first + LINES || bytes >= BYTES {
                break Ok(false);
            }
            let line = match reading.download.ready() {
                Err(fault) => break Err(fault),
                Ok(Some(_)) if reading.download.position <= reading.skip => continue,
                Ok(Some(line)) => line,
                Ok(None) if has_waited && self.has_other_work() => break Ok(false),
                Ok(None) => {
                    has_waited = true;
                    match reading.download.more().await {
                        Ok(true) => continue,
                        Ok(false) => break Ok(true),
                        Err(fault) => break Err(fault),
                    }
                }
            };
            match line {
                Line::Text(line) => {
                    bytes += line.len();
                    match entry::read(&line, reading.log_type) {
                        Ok(entry) => entries.push(entry),
                        Err(oddity) => reading.odd(&oddity),
                    }
                }
                Line::TooLong { bytes, start } => {
                    let start = excerpt(&String::from_utf8_lossy(&start));
                    reading.odd(&format!("a line of {bytes} bytes: {start}"));
                }
            }
        };
        let done = matches!(end, Ok(true));
        if done && reading.download.position < reading.skip {
            let file = excerpt(&reading.link.file);
            warn!(file, "the file is shorter than before; reading it anew");
            reading.download = feed.open(&reading.link).await.map_err(Trouble::Vendor)?;
            (reading.skip, reading.left_out) = (0, 0);
            return Ok(Turn::Skipped);
        }
        let has_read = reading.download.position > first;
        if done || has_read {
            self.keep_lines(reading, entries, done).await?;
        }
        match end.map_err(Trouble::Vendor)? {
            true => Ok(Turn::Over),
            false if has_read => Ok(Turn::Read),
            false => Ok(Turn::Skipped),
        }
    }

    async fn keep_lines(
        &self,
        reading: &Reading,
        entries: Vec<Entry>,
        done: bool,
    ) -> Result<(), StoreError> {
        let streams = self.streams().await?;
        let (start, end) = (reading.hour.start(), reading.hour.end());
        let Some(slice) = Interval::new(start, end) else { return Ok(()) };
        let context = Context {
            source: &self.config.name,
            vendor: self.source.vendor(),
            tags: &self.config.tags,
            pass: Pass::Live,
            slice,
            collected_at: self.clock.now(),
        };
        let alone = self.memory.diffing.lock().await;
        let Told { messages, undated, audits, creates } = self.told(streams, entries, context)?;
        let (lines, left_out) = (reading.download.position, reading.left_out);
        let mut commit = LinesCommit {
            stream: streams[&self.source.stream()],
            hour: reading.hour.0,
            path: reading.link.file.clone(),
            position: Position { lines, done, left_out },
            chunks: Vec::new(),
            ledger: Vec::new(),
            creates,
            max_spool: self.max_spool,
        };
        let mut made: BTreeMap<Stream, Vec<_>> = BTreeMap::new();
        let packed = || {
            for (stream, news) in [(self.source.stream(), messages), (Stream::Audit, audits)] {
                let Some(id) = streams.get(&stream) else { continue };
                if !news.events.is_empty() {
                    commit.chunks.push(self.store.pack(*id, &self.config.tags, &news.events)?);
                }
                if !news.versions.is_empty() {
                    let mut block = self.store.pack_versions(*id, &news.versions)?;
                    if stream == self.source.stream() {
                        block = block.by_id(undated.clone());
                    }
                    commit.ledger.push(block);
                }
                made.insert(stream, news.events.iter().map(|event| event.change).collect());
            }
            std::io::Result::Ok(commit)
        };
        let commit = packed().map_err(|error| StoreError::Commit {
            name: "compress-lines",
            detail: error.to_string().into(),
        })?;
        self.store.commit_lines(commit).await?;
        drop(alone);
        for (stream, changes) in made {
            for change in changes {
                metrics::event(&self.config.name, stream, change);
            }
        }
        Ok(())
    }
}

impl Reading {
    fn odd(&mut self, oddity: &str) {
        self.left_out += 1;
        let file = excerpt(&self.link.file);
        match self.left_out {
            ..TOLD => warn!(file, "a line of the log export is left out: {oddity}"),
            TOLD => warn!(
                file,
                "a line of the log export is left out: {oddity}; of others that \
                are, only the number is told, in `postrider coverage`"
            ),
            _ => {}
        }
    }
}
