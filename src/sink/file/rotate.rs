//! Daily rotation: `PATH` becomes `PATH.YYYY-MM-DD`.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::civil::Date;

use super::{
    appender::{directory, sync_directory},
    fault,
};
use crate::fault::Fault;

/// Renames the file, which has the events of `day`, and deletes old ones beyond `keep`.
pub(super) fn rotate(path: &Path, day: Date, keep: Option<usize>) -> Result<(), Fault> {
    if !fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
        return Ok(());
    }
    let to = free_name(path, day);
    fs::rename(path, &to).map_err(|error| fault("rotate", path, error))?;
    let parent = directory(path);
    sync_directory(parent).map_err(|error| fault("sync", parent, error))?;
    if let Some(keep) = keep {
        // What cannot be deleted must not stop delivery.
        if let Err(error) = prune(path, keep) {
            tracing::warn!(path = %path.display(), %error, "cannot delete old rotated files");
        }
    }
    Ok(())
}

/// `PATH.2026-11-20`, or with `-1`, `-2`, … where that is taken: nothing is overwritten. The state
/// directory's lock lets no other Postrider come between the look and the renaming.
fn free_name(path: &Path, day: Date) -> PathBuf {
    let named = |end: String| {
        let mut name = OsString::from(path);
        name.push(end);
        PathBuf::from(name)
    };
    let mut to = named(format!(".{day}"));
    let mut number = 0;
    while fs::symlink_metadata(&to).is_ok() {
        number += 1;
        to = named(format!(".{day}-{number}"));
    }
    to
}

fn prune(path: &Path, keep: usize) -> io::Result<()> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let mut rotated = Vec::new();
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?;
        if let Some(age) = entry.file_name().to_str().and_then(|found| age(name, found)) {
            rotated.push((age, entry.path()));
        }
    }
    rotated.sort();
    let excess = rotated.len().saturating_sub(keep);
    for (_, old) in rotated.into_iter().take(excess) {
        fs::remove_file(old)?;
    }
    Ok(())
}

/// Day and number of a file that we rotated; nothing else is ever deleted.
fn age(name: &str, found: &str) -> Option<(Date, u32)> {
    let end = found.strip_prefix(name)?.strip_prefix('.')?;
    let (day, rest) = end.split_at_checked(10)?;
    let number = match rest.strip_prefix('-') {
        Some(number) => number.parse().ok()?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    // Exactly as we write it: other forms of dates are other people's files.
    day.parse::<Date>().ok().filter(|date| date.to_string() == day).map(|date| (date, number))
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn only_what_we_rotated_has_an_age() {
        let day = jiff::civil::date(2026, 11, 20);
        let name = "events.jsonl";
        assert_eq!(age(name, "events.jsonl.2026-11-20"), Some((day, 0)));
        assert_eq!(age(name, "events.jsonl.2026-11-20-12"), Some((day, 12)));
        for other in [
            "events.jsonl",
            "events.jsonl.1",
            "events.jsonl.2026-11-20.gz",
            "events.jsonl.2026-13-20",
            "other.jsonl.2026-11-20",
            "events.jsonl.2026-11-20-x",
        ] {
            assert_eq!(age(name, other), None, "{other}");
        }
    }
}
