//! Whose the store's files are, and who may read them. Some belong to somebody else where `once` was run
//! as root and the daemon has a user of its own.

use std::{
    fs::Permissions,
    io::ErrorKind,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{FILE, LOCK, StoreError};

/// Names the file that is not ours where that may be why the store cannot be opened.
pub(super) fn explained(error: StoreError, directory: &Path) -> StoreError {
    let own = rustix::process::geteuid().as_raw();
    let denied = match &error {
        StoreError::Directory { source, .. } => source.kind() == ErrorKind::PermissionDenied,
        StoreError::Unusable { .. } => true,
        _ => false,
    };
    match foreign(owners(directory), own) {
        Some((path, owner)) if denied => {
            StoreError::Foreign { path, owner, directory: directory.to_owned() }
        }
        _ => error,
    }
}

/// The store's files that are there, and whose they are.
fn owners(directory: &Path) -> Vec<(PathBuf, u32)> {
    let names =
        [LOCK.to_owned()].into_iter().chain(["", "-wal", "-shm"].map(|end| FILE.to_owned() + end));
    let paths = names.map(|name| directory.join(name));
    paths.filter_map(|path| std::fs::metadata(&path).ok().map(|meta| (path, meta.uid()))).collect()
}

/// The first file of another user than the one that runs this; root may open all.
fn foreign(owners: Vec<(PathBuf, u32)>, own: u32) -> Option<(PathBuf, u32)> {
    owners.into_iter().find(|(_, owner)| own != 0 && *owner != own)
}

/// Takes from others what an earlier umask, a copy or a restored backup gave them. SQLite makes
/// its further files as the first one is.
pub(super) fn keep_private(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        let Ok(found) = std::fs::metadata(&file) else { continue };
        if found.permissions().mode() & 0o077 != 0
            && let Err(error) = std::fs::set_permissions(&file, Permissions::from_mode(0o600))
        {
            let file = Path::new(&file).display();
            tracing::warn!(%file, %error, "open to others than its owner, and cannot be closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_another_user_is_named() {
        let files = |owners: [u32; 2]| vec![(LOCK.into(), owners[0]), (FILE.into(), owners[1])];
        assert_eq!(foreign(files([997, 997]), 997), None);
        assert_eq!(foreign(files([997, 0]), 997), Some((FILE.into(), 0)));
        assert_eq!(foreign(files([0, 0]), 997), Some((LOCK.into(), 0)));
        assert_eq!(foreign(files([997, 0]), 0), None);
    }

    #[test]
    fn the_store_s_own_files_are_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        for name in [FILE, LOCK, "postrider.db-wal", "notes.txt"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let owners = owners(directory.path());
        let names: Vec<_> = owners.iter().map(|(path, _)| path.file_name().unwrap()).collect();
        assert_eq!(names, [LOCK, FILE, "postrider.db-wal"]);
    }

    #[test]
    fn it_says_whose_it_is_and_what_mends_it() {
        let error = StoreError::Foreign {
            path: "/var/lib/postrider/postrider.db".into(),
            owner: 0,
            directory: "/var/lib/postrider".into(),
        };
        assert_eq!(
            error.to_string(),
            "/var/lib/postrider/postrider.db belongs to user 0, not to the one that runs postrider; \
             run `chown -R postrider: /var/lib/postrider` (with the user that runs it)"
        );
        assert!(!error.may_pass());
    }
}
