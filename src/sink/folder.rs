//! Tables of SER rows in a directory, one file a source and UTC day, each row in its latest revision.
//!
//! A day's file is always whole: it is written beside, synced, and put in the place of the one before.
//! What it is made of is kept in the directory `.postrider` next to it.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use jiff::civil::Date;

use super::{Outcome, Sink, Unfit, file};
use crate::{
    config::{self, BatchLimits},
    domain::event::Event,
    fault::Fault,
    table::Row,
};

mod day;

pub struct Folder {
    batch: BatchLimits,
    settings: Arc<config::Folder>,
    /// One batch writes at a time.
    writing: Arc<Mutex<()>>,
}

impl Folder {
    pub fn new(sink: &config::Sink, settings: &config::Folder) -> Self {
        let settings = Arc::new(settings.clone());
        Self { batch: sink.batch, settings, writing: Arc::default() }
    }
}

impl Sink for Folder {
    fn batch_limits(&self) -> BatchLimits {
        self.batch
    }

    /// A row as a line of JSON, which only `send` reads.
    fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let row = Row::of_event(event).ok_or_else(|| {
            Unfit("it is no row of SER's stream summary, so it fits in no table".into())
        })?;
        let line = serde_json::to_vec(&row).map_err(|error| Unfit(error.to_string()))?;
        out.extend_from_slice(&line);
        out.push(b'\n');
        Ok(())
    }

    async fn send(&self, body: Bytes, _: &[Range<usize>]) -> Outcome {
        let (settings, writing) = (self.settings.clone(), self.writing.clone());
        let work = move || {
            let _alone = writing.lock().unwrap_or_else(PoisonError::into_inner);
            write(&settings, &body)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => Outcome::Accepted,
            Ok(Err(fault)) => Outcome::Failed(fault),
            Err(error) => {
                Outcome::Failed(Fault::transient("writing the tables was aborted").caused_by(error))
            }
        }
    }

    async fn probe(&self) -> Result<String, Fault> {
        let path = &self.settings.path;
        let mut existing: &Path = path;
        while !existing.exists() {
            existing = file::directory(existing);
        }
        tempfile::tempfile_in(existing)
            .map_err(|error| file::fault("create files in", existing, error))?;
        Ok(format!("tables can be written to {}", path.display()))
    }
}

/// Has the disk keep the rows, each in the file of its source and day.
fn write(settings: &config::Folder, lines: &[u8]) -> Result<(), Fault> {
    let mut days: BTreeMap<(String, Date), Vec<Row>> = BTreeMap::new();
    for row in
        day::rows(lines).map_err(|why| Fault::transient("a batch is no rows").caused_by(why))?
    {
        days.entry((row.source.clone(), row.day())).or_default().push(row);
    }
    for ((source, date), rows) in days {
        day::Day::new(settings, &source, date).merge(rows)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
