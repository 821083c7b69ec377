//! What a kill or a power cut leaves of the store's files.

use std::{fs, io, path::Path};

use postrider::store;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Where the next process finds its files.
pub(crate) const LEFT: &str = "left";
const HEADER: usize = 32;
const FRAME: usize = 24;

/// Copies the store as it is now to `left` beside it: what a kill leaves. A power cut, with its own
/// seed, also spoils what nothing has been promised of.
pub(crate) fn leave(directory: &Path, tear: Option<u64>) -> io::Result<()> {
    let left = directory.with_file_name(LEFT);
    fs::create_dir_all(&left)?;
    let wal = format!("{}-wal", store::FILE);
    let mut database = fs::read(directory.join(store::FILE))?;
    let log = match fs::read(directory.join(&wal)) {
        Ok(log) => Some(log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let log = log.map(|mut log| {
        if let Some(seed) = tear {
            spoil(&mut database, &mut log, &mut StdRng::seed_from_u64(seed));
        }
        log
    });
    fs::write(left.join(store::FILE), database)?;
    log.map_or(Ok(()), |log| fs::write(left.join(wal), log))
}

/// Spoils what comes after the last commit in the log, and pages of the database that the log
/// has: they may have been on their way.
fn spoil(database: &mut [u8], log: &mut Vec<u8>, rng: &mut StdRng) {
    let Some((end, pages, size)) = committed(log) else { return };
    let tail = log.len().saturating_sub(end);
    match rng.random_range(0..4) {
        0 => log.truncate(end),
        1 => log.truncate(end + rng.random_range(0..=tail)),
        2 => log.get_mut(end..).into_iter().flatten().for_each(|byte| *byte = rng.random()),
        _ => {
            // A frame of the same generation, cut off in its midst.
            log.truncate(end);
            let salts = log.get(16..24).map(<[u8]>::to_vec).unwrap_or_default();
            let mut frame: Vec<u8> = (0..FRAME + size).map(|_| rng.random()).collect();
            frame.splice(8..16, salts);
            frame.truncate(rng.random_range(1..=frame.len()));
            log.extend(frame);
        }
    }
    if rng.random_bool(0.5) {
        for page in pages.into_iter().filter(|page| *page > 1) {
            let from = (page - 1) * size;
            let half = from + size / 2;
            database.get_mut(from..half).into_iter().flatten().for_each(|byte| *byte = 0xA5);
        }
    }
}

/// Where the last commit in the log ends, the pages of all frames until there, and a page's size.
fn committed(log: &[u8]) -> Option<(usize, Vec<usize>, usize)> {
    let number = |at: usize| {
        let bytes = log.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
    };
    let size = number(8)?;
    let salts = log.get(16..24)?;
    let (mut at, mut end, mut pages) = (HEADER, HEADER, Vec::new());
    let mut pending = Vec::new();
    while log.get(at + 8..at + 16) == Some(salts) && at + FRAME + size <= log.len() {
        pending.push(number(at)?);
        let commits = number(at + 4)? != 0;
        at += FRAME + size;
        if commits {
            end = at;
            pages.append(&mut pending);
        }
    }
    Some((end, pages, size))
}
