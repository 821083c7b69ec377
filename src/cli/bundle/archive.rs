//! The archive as a file: `.tar.gz`, readable by its owner only.

use std::{fmt::Write as _, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;

/// One file of the archive.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    what: &'static str,
    pub(super) text: String,
    /// Why there is nothing to show.
    absent: Option<String>,
}

impl Entry {
    /// What could not be found out is said in the file's place.
    pub(super) fn new(
        name: &'static str,
        what: &'static str,
        found: anyhow::Result<String>,
    ) -> Self {
        match found {
            Ok(text) => Self { name, what, text, absent: None },
            Err(error) => {
                let why = format!("{error:#}");
                let is_json = Path::new(name).extension().is_some_and(|end| end == "json");
                let text = if is_json {
                    serde_json::json!({ "absent": why }).to_string()
                } else {
                    format!("absent: {why}")
                };
                Self { name, what, text, absent: Some(why) }
            }
        }
    }

    /// What is in it, or why nothing is.
    pub(super) fn about(&self) -> String {
        match &self.absent {
            None => self.what.to_owned(),
            Some(why) => format!("{}: absent ({})", self.what, why.lines().next().unwrap_or("")),
        }
    }

    /// The same with each text passed through `mask`.
    pub(super) fn masked(self, mask: impl Fn(&str) -> String) -> Self {
        let absent = self.absent.map(|why| mask(&why));
        Self { text: mask(&self.text), absent, ..self }
    }
}

/// A line a file: its name, bytes and what is in it.
fn manifest(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let (bytes, about) = (entry.text.len() + 1, entry.about());
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{:22} {bytes:>9} bytes  {about}", entry.name);
    }
    text
}

/// Writes all of it or nothing; a file of that name is replaced, and nothing that is no file.
pub(super) fn write(
    path: &Path,
    folder: &str,
    entries: &[Entry],
    now: Timestamp,
) -> std::io::Result<()> {
    if let Ok(there) = path.symlink_metadata()
        && !there.is_file()
    {
        let why =
            "what is there is no regular file, and would be replaced: give --out another name";
        return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, why));
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    let mut tar = tar::Builder::new(GzEncoder::new(&mut file, Compression::default()));
    let manifest = manifest(entries);
    let files = entries.iter().map(|entry| (entry.name, entry.text.as_str()));
    for (name, text) in [("MANIFEST", manifest.trim_end())].into_iter().chain(files) {
        let text = format!("{text}\n");
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(u64::try_from(text.len()).unwrap_or(u64::MAX));
        header.set_mtime(u64::try_from(now.as_second()).unwrap_or_default());
        tar.append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())?;
    }
    tar.into_inner()?.finish()?.flush()?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, folder] = ["file", "link", "folder"].map(|it| directory.path().join(it));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::fs::create_dir(&folder).unwrap();
        for path in [&link, &folder] {
            let error = write(path, "a", &[], Timestamp::UNIX_EPOCH).unwrap_err();
            assert!(error.to_string().contains("no regular file"), "{error}");
        }
        assert!(link.is_symlink() && folder.is_dir());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        write(&file, "a", &[], Timestamp::UNIX_EPOCH).unwrap();
        assert_ne!(std::fs::read(&file).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 3, "nothing is left behind");
    }
}
