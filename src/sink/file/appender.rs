//! One file that grows by whole batches.

use std::{
    fs::{self, Metadata, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{fault, rotate};
use crate::{config, fault::Fault};

pub(super) struct Appender {
    settings: config::File,
    open: Option<Open>,
}

struct Open {
    file: fs::File,
    /// The UTC day whose events it has.
    day: Date,
    device: u64,
    inode: u64,
}

impl Appender {
    pub(super) fn new(settings: config::File) -> Self {
        Self { settings, open: None }
    }

    /// Appends `lines` and has the disk keep them. On an error the file is as long as before.
    pub(super) fn append(&mut self, lines: &[u8], now: Timestamp) -> Result<(), Fault> {
        let today = day(now);
        let path = &self.settings.path;
        // Taken out: after any error the next batch opens the file anew, and looks at its end.
        let mut open = match self.open.take() {
            Some(open) if is_at(&open, path) && !(self.settings.daily && open.day != today) => open,
            Some(open) => {
                let made = open.day;
                drop(open);
                self.open_file(made.min(today), today)?
            }
            None => {
                let made = modified(path).map_or(today, |made| made.min(today));
                self.open_file(made, today)?
            }
        };
        let path = &self.settings.path;
        let meta = open.file.metadata().map_err(|error| fault("look at", path, error))?;
        let written = open.file.write_all(lines).and_then(|()| {
            // A terminal, pipe or device has nothing to sync.
            if meta.is_file() { open.file.sync_data() } else { Ok(()) }
        });
        if let Err(error) = written {
            if meta.is_file() {
                roll_back(&open.file, meta.len(), path);
            }
            return Err(fault("write", path, error));
        }
        self.open = Some(open);
        Ok(())
    }

    /// Whether the file can be written, without touching it: another process may be doing so.
    pub(super) fn probe(&self) -> Result<String, Fault> {
        let path = &self.settings.path;
        match fs::metadata(path) {
            Ok(meta) => {
                let size = meta.len();
                OpenOptions::new()
                    .append(true)
                    .open(path)
                    .map_err(|error| fault("write", path, error))?;
                Ok(format!("{} can be written; it has {size} bytes", path.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut parent = directory(path);
                while !parent.exists() {
                    parent = directory(parent);
                }
                tempfile::tempfile_in(parent)
                    .map_err(|error| fault("create files in", parent, error))?;
                Ok(format!("{} can be created", path.display()))
            }
            Err(error) => Err(fault("look at", path, error)),
        }
    }

    /// Opens the file, which has events of the day `made` if it is there, for those of `today`.
    fn open_file(&self, made: Date, today: Date) -> Result<Open, Fault> {
        let path = &self.settings.path;
        let parent = directory(path);
        fs::create_dir_all(parent).map_err(|error| fault("create", parent, error))?;
        if self.settings.daily && made < today {
            rotate::rotate(path, made, self.settings.keep)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path)
            .map_err(|error| fault("open", path, error))?;
        let meta = file.metadata().map_err(|error| fault("look at", path, error))?;
        if meta.is_file() {
            mend_last_line(&file, path).map_err(|error| fault("mend the end of", path, error))?;
            // The name, too, has to survive a power cut.
            sync_directory(parent).map_err(|error| fault("sync", parent, error))?;
        }
        Ok(Open { file, day: today, device: meta.dev(), inode: meta.ino() })
    }
}

/// False where the file was moved or removed, by logrotate for instance.
fn is_at(open: &Open, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|at| at.dev() == open.device && at.ino() == open.inode)
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The day of the last event in a file that is there, a regular one, and not empty.
fn modified(path: &Path) -> Option<Date> {
    let meta = fs::metadata(path).ok().filter(Metadata::is_file).filter(|meta| meta.len() > 0)?;
    Timestamp::try_from(meta.modified().ok()?).ok().map(day)
}

/// A crash may leave the beginning of a line. Its event was not marked, so it comes again whole:
/// the torn line goes. Only what we may have written is cut off, which begins with `{` or, after a
/// power cut, with zeros; anything else gets the line break that it lacks.
fn mend_last_line(mut file: &fs::File, path: &Path) -> io::Result<()> {
    const STEP: u64 = 64 * 1024;
    let len = file.metadata()?.len();
    let mut end = len;
    let mut first = None;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        file.take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            first = piece.get(at + 1).copied().or(first);
            end = start + at as u64 + 1;
            break;
        }
        first = piece.first().copied().or(first);
        end = start;
    }
    if end == len {
        return Ok(());
    }
    if matches!(first, Some(b'{' | 0)) {
        tracing::warn!(path = %path.display(), bytes = len - end, "cutting off a torn last line");
        file.set_len(end)?;
    } else {
        file.write_all(b"\n")?;
    }
    file.sync_data()
}

/// After a failed write: neither half a line nor, once the batch comes again, a doubled one.
fn roll_back(file: &fs::File, len: u64, path: &Path) {
    // Shorter already where somebody emptied the file meanwhile (copytruncate): that stays.
    let result = file.metadata().and_then(|now| file.set_len(len.min(now.len())));
    // Whatever is left half is mended when the file is opened next.
    if let Err(error) = result.and_then(|()| file.sync_data()) {
        tracing::warn!(path = %path.display(), %error, "cannot take a half-written batch back");
    }
}

/// The directory of a file; the current one where the path has none.
pub(in crate::sink) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

pub(in crate::sink) fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_is_taken_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(b"{\"a\":1}\n{\"b\":2}\n{\"tor").unwrap();
        roll_back(file.as_file(), 8, file.path());
        assert_eq!(fs::read(file.path()).unwrap(), b"{\"a\":1}\n");
        roll_back(file.as_file(), 100, file.path());
        assert_eq!(fs::read(file.path()).unwrap(), b"{\"a\":1}\n", "never longer");
    }

    #[test]
    fn only_our_own_torn_lines_are_cut_off() {
        let long = format!("{{\"x\":\"{}", "y".repeat(200_000));
        for (before, after) in [
            ("", ""),
            ("{\"a\":1}\n", "{\"a\":1}\n"),
            ("{\"a\":1}\n{\"b", "{\"a\":1}\n"),
            ("{\"b", ""),
            (&format!("{{\"a\":1}}\n{long}"), "{\"a\":1}\n"),
            (&long, ""),
            ("{\"a\":1}\n\0\0\0", "{\"a\":1}\n"),
            ("notes of somebody", "notes of somebody\n"),
            ("a\nb", "a\nb\n"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), before).unwrap();
            let open = OpenOptions::new().read(true).append(true).open(file.path()).unwrap();
            mend_last_line(&open, file.path()).unwrap();
            assert_eq!(fs::read_to_string(file.path()).unwrap(), after, "{before:.20}");
        }
    }
}
