//! The file of one source and day.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::civil::Date;

use crate::{
    config,
    failpoint::{self, Moment},
    fault::Fault,
    sink::file::{fault, sync_directory},
    table::{Format, Row},
};

/// Where the rows are kept that the tables are made of.
const KEPT: &str = ".postrider";

pub(super) struct Day<'s> {
    directory: &'s Path,
    format: Format,
    table: PathBuf,
    kept: PathBuf,
}

impl<'s> Day<'s> {
    pub(super) fn new(settings: &'s config::Folder, source: &str, date: Date) -> Self {
        let (directory, format) = (settings.path.as_path(), settings.format);
        let name = format!("summary_{source}_{date}");
        let table = directory.join(format!("{name}.{}", format.extension()));
        let kept = directory.join(KEPT).join(format!("{name}.rows"));
        Self { directory, format, table, kept }
    }

    /// Adds rows to the day. When this returns, the disk has them in the day's file, or later
    /// revisions of them.
    pub(super) fn merge(&self, rows: Vec<Row>) -> Result<(), Fault> {
        let below = self.directory.join(KEPT);
        fs::create_dir_all(&below).map_err(|error| fault("create", &below, error))?;
        let known = self.known()?;
        let merged = merged(known.clone(), rows);
        if merged != known || !self.table.exists() {
            let table = self.format.write(&merged).map_err(|e| fault("make", &self.table, e))?;
            let kept = lines(&merged).map_err(|error| fault("make", &self.kept, error))?;
            // The table first: what is kept says what the table has. In between a crash leaves a
            // table that is ahead, and the same rows come again.
            self.replace(&self.table, &table)?;
            self.replace(&self.kept, &kept)?;
        }
        // Also where nothing is new: a process before this one may have died before it got here.
        for directory in [self.directory, &below] {
            sync_directory(directory).map_err(|error| fault("sync", directory, error))?;
        }
        Ok(())
    }

    fn known(&self) -> Result<Vec<Row>, Fault> {
        match fs::read(&self.kept) {
            Ok(text) => rows(&text).map_err(|why| {
                let path = self.kept.display();
                Fault::auth(format!(
                    "{path} is not as Postrider wrote it; move it away, and `postrider backfill \
                     --resend` that day"
                ))
                .caused_by(why)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(fault("read", &self.kept, error)),
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Fault> {
        // One name, so that a crash leaves one file behind, which the next writing takes.
        let beside = self.directory.join(KEPT).join("new");
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o640);
            let mut file = options.open(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| fault("write", &beside, error))?;
        failpoint::open(failpoint::TABLE, Moment::Before);
        fs::rename(&beside, path).map_err(|error| fault("replace", path, error))?;
        failpoint::open(failpoint::TABLE, Moment::After);
        Ok(())
    }
}

/// Each row in its latest revision, in order.
fn merged(known: Vec<Row>, new: Vec<Row>) -> Vec<Row> {
    let mut latest: BTreeMap<String, Row> = BTreeMap::new();
    for row in known.into_iter().chain(new) {
        let newer = latest.get(&row.record_id).is_none_or(|other| other.revision < row.revision);
        if newer {
            latest.insert(row.record_id.clone(), row);
        }
    }
    let mut rows: Vec<Row> = latest.into_values().collect();
    rows.sort_by_cached_key(Row::order);
    rows
}

fn lines(rows: &[Row]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut out, row)?;
        out.push(b'\n');
    }
    Ok(out)
}

/// The rows of lines.
pub(super) fn rows(lines: &[u8]) -> serde_json::Result<Vec<Row>> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(serde_json::from_slice).collect()
}
