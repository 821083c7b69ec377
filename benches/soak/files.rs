//! What the file sink holds, read as it grows.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::PathBuf,
};

use anyhow::Context;
use postrider::simulator::content;
use serde::Deserialize;

/// An event as it came first, and its copies.
pub(super) struct Seen {
    pub(super) stream: String,
    pub(super) record_id: String,
    pub(super) revision: u32,
    pub(super) content: Option<String>,
    pub(super) copies: u64,
    pub(super) identical: bool,
    hash: blake3::Hash,
}

pub(super) struct FileLedger {
    path: PathBuf,
    at: u64,
    pub(super) events: HashMap<String, Seen>,
    /// Lines that are no event.
    pub(super) torn: u64,
}

#[derive(Deserialize)]
struct Line {
    postrider: Marks,
}

#[derive(Deserialize)]
struct Marks {
    event_id: String,
    stream: String,
    record_id: String,
    revision: u32,
}

impl FileLedger {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, at: 0, events: HashMap::new(), torn: 0 }
    }

    pub(super) fn duplicates(&self) -> u64 {
        self.events.values().map(|seen| seen.copies - 1).sum()
    }

    /// Reads the whole lines that were added.
    pub(super) fn read_on(&mut self) -> anyhow::Result<()> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(()) };
        file.seek(SeekFrom::Start(self.at))?;
        let mut lines = BufReader::with_capacity(1 << 20, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = lines.read_until(b'\n', &mut line).context("reading the file sink")?;
            // The last one may still be in the writing.
            if !line.ends_with(b"\n") {
                return Ok(());
            }
            self.at += read as u64;
            self.take(&line);
        }
    }

    fn take(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Ok(Line { postrider: marks }) = serde_json::from_str(&text) else {
            self.torn += 1;
            return;
        };
        let hash = blake3::hash(line);
        let seen = self.events.entry(marks.event_id).or_insert_with(|| Seen {
            stream: marks.stream,
            record_id: marks.record_id,
            revision: marks.revision,
            content: content(&text),
            copies: 0,
            identical: true,
            hash,
        });
        seen.copies += 1;
        seen.identical &= seen.hash == hash;
    }
}
