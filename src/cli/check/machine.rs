//! What this machine has to give: a directory for the store, room on its disk, an address for the
//! admin listener.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use super::trial::Trial;
use crate::{
    config::{Admin, Config, State},
    store::{self, Store, StoreError},
};

/// Below this a store hardly gets through its next minutes.
const NO_ROOM: u64 = 64 << 20;
/// A listener of this machine answers within this, or never.
const ANSWER: Duration = Duration::from_secs(1);

pub(super) fn tries(config: &Config) -> Vec<Trial> {
    let directory = state_directory(&config.state.directory);
    let mut trials = vec![directory];
    if trials[0].well {
        trials.extend(room(&config.state));
        trials.extend(store(&config.state.directory));
    }
    trials.push(listener(&config.admin, Store::is_in_use(&config.state.directory)));
    trials
}

/// Whether the store can live where it is to.
fn state_directory(directory: &Path) -> Trial {
    const WHAT: &str = "state.directory";
    let path = directory.display();
    let Some(existing) = existing(directory) else {
        let found = format!("{path} does not exist, nor anything above it");
        return Trial::mend(WHAT, found, "correct the path, or mount what belongs there");
    };
    if let Err(error) = tempfile::tempfile_in(&existing) {
        let found = format!("{path} cannot be written ({error})");
        let cure = format!("make it belong to the user that runs postrider: `chown USER {path}`");
        return Trial::mend(WHAT, found, cure);
    }
    let can = format!("{path} can be written");
    let Ok(meta) = std::fs::metadata(directory) else { return Trial::ok(WHAT, can) };
    let (mode, own) = (meta.permissions().mode(), rustix::process::geteuid().as_raw());
    match (mode & 0o077, meta.uid()) {
        (0, owner) if owner == own => Trial::ok(WHAT, can),
        (0, owner) => Trial::warning(
            WHAT,
            format!("{can} by user {own}, who runs this check; it belongs to user {owner}"),
            format!("check as the user that runs postrider: `sudo -u '#{owner}' postrider check`"),
        ),
        _ => Trial::warning(
            WHAT,
            format!("{can}, but is open to others than its owner (mode {:04o})", mode & 0o7777),
            format!("run `chmod 700 {path}`"),
        ),
    }
}

/// The directory, or what is nearest above it. A relative path has all of the present one above it.
fn existing(directory: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(directory).ok()?;
    whole.ancestors().find(|path| path.exists()).map(Path::to_owned)
}

/// Whether the spool may grow as far as it is allowed to.
fn room(state: &State) -> Option<Trial> {
    const WHAT: &str = "state.max_spool";
    let disk = rustix::fs::statvfs(&existing(&state.directory)?).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let taken = std::fs::metadata(state.directory.join(store::FILE)).map_or(0, |file| file.len());
    let (wanted, has) = (state.max_spool.saturating_sub(taken), mib(free));
    let at = state.directory.display();
    Some(match free {
        _ if free < NO_ROOM.min(state.max_spool) => Trial::mend(
            WHAT,
            format!("the disk of {at} has {has} left"),
            "make room there, or move state.directory to a larger disk",
        ),
        _ if free < wanted => Trial::warning(
            WHAT,
            format!("the disk of {at} has {has} left, and the spool may grow by {}", mib(wanted)),
            "make room there, or lower state.max_spool; on a full disk collecting pauses",
        ),
        _ => Trial::ok(WHAT, format!("the disk of {at} has room for it")),
    })
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Whether the store can be read, where there is one.
fn store(directory: &Path) -> Option<Trial> {
    match Store::open_read_only(directory) {
        Ok(_) => Some(Trial::ok("store", "it can be read")),
        Err(StoreError::Missing(_)) => None,
        Err(StoreError::Older { .. }) => {
            let found = "an older version's; `postrider run` or `once` brings it up to date";
            Some(Trial::ok("store", found))
        }
        // What to do stands behind the last semicolon.
        Err(error) => {
            let text = crate::fault::chain(&error);
            let (found, cure) = text.split_once("; ").unwrap_or((&text, "look at the disk"));
            Some(Trial::mend("store", found, cure))
        }
    }
}

/// Whether people can look at metrics and the status page, and who.
fn listener(admin: &Admin, runs: bool) -> Trial {
    const WHAT: &str = "admin.listen";
    let at = admin.listen;
    match TcpListener::bind(at) {
        // On any port the daemon has found one.
        Ok(_) if runs && at.port() != 0 => Trial::warning(
            WHAT,
            format!(
                "the store is in use, by a daemon or a command such as `once`, but nobody listens on {at}"
            ),
            "if it is the daemon's, `systemctl reload postrider` has it take a changed address",
        ),
        Ok(_) => protection(admin, format!("{at} can be listened on")),
        Err(_) if runs && answers(at) => protection(admin, format!("the daemon listens on {at}")),
        Err(error) => {
            let cure = match error.kind() {
                std::io::ErrorKind::AddrInUse => format!(
                    "set admin.listen to a free port, or stop who has it: `ss -ltnp 'sport = :{}'` \
                     tells",
                    at.port()
                ),
                std::io::ErrorKind::PermissionDenied => "choose a port above 1023".to_owned(),
                _ => "choose an address of this machine: `ip address` shows them".to_owned(),
            };
            let why = crate::http::plain(&error);
            Trial::mend(WHAT, format!("{at} cannot be listened on ({why})"), cure)
        }
    }
}

/// Beyond loopback anybody may look, where no token is asked for.
fn protection(admin: &Admin, found: String) -> Trial {
    let is_open = admin.token.is_none() && !admin.listen.ip().is_loopback();
    if !is_open {
        return Trial::ok("admin.listen", found);
    }
    let found = format!("{found}, and everybody who reaches it may look, without a token");
    Trial::warning(
        "admin.listen",
        found,
        "set `admin.token`, or have a firewall let in whom you mean",
    )
}

fn answers(at: SocketAddr) -> bool {
    TcpStream::connect_timeout(&at, ANSWER).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::trial::State as Found;

    fn admin(listen: &str) -> Admin {
        let listen = listen.parse().unwrap();
        Admin { listen, token: None, allow_unauthenticated: true }
    }

    #[test]
    fn a_listener_is_free_or_taken_or_open_to_all() {
        assert_eq!(listener(&admin("127.0.0.1:0"), false).state, Found::Ok);
        assert_eq!(listener(&admin("0.0.0.0:0"), false).state, Found::Warning);
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        assert_eq!(listener(&admin(&address), false).state, Found::Mend);
        assert_eq!(listener(&admin(&address), true).state, Found::Ok);
        drop(taken);
        assert_eq!(listener(&admin(&address), true).state, Found::Warning);
        let elsewhere = listener(&admin("192.0.2.1:8686"), false);
        assert!(elsewhere.cure.unwrap().contains("ip address"), "{}", elsewhere.found);
    }

    #[test]
    fn a_relative_directory_need_not_exist_yet() {
        for directory in ["no-such-state", "no-such/state", "./no-such-state"].map(Path::new) {
            let trial = state_directory(directory);
            assert_eq!(trial.state, Found::Ok, "{}", trial.found);
            let state = State { directory: directory.to_owned(), max_spool: 1 };
            assert_eq!(room(&state).unwrap().state, Found::Ok);
        }
    }

    #[test]
    fn a_spool_that_the_disk_has_no_room_for_is_told_of() {
        let directory = tempfile::tempdir().unwrap().path().to_owned();
        let room = |max_spool| room(&State { directory: directory.clone(), max_spool }).unwrap();
        assert_eq!(room(1 << 20).state, Found::Ok);
        assert_eq!(room(u64::MAX).state, Found::Warning);
    }

    #[test]
    fn a_store_that_is_no_database_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        assert!(store(directory.path()).is_none());
        std::fs::write(directory.path().join(store::FILE), "no database, but text".repeat(99))
            .unwrap();
        let trial = store(directory.path()).unwrap();
        assert_eq!(trial.state, Found::Mend);
        assert!(trial.cure.unwrap().contains("restore a backup"), "{}", trial.found);
    }
}
