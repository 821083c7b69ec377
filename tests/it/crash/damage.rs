//! Pages of the database that a disk lost or overwrote.

use std::collections::BTreeSet;

use crate::{
    check::assert_settled,
    harness::{Home, etd, plain, simulate},
    records::lines,
};

const PAGE: usize = 4_096;
const DATABASE: &str = "state/postrider.db";

/// Runs `once` on a damaged copy of the store: it is refused with what to do and left as it is, or
/// nothing that is needed was hit. Whether it was refused.
async fn is_refused(like: &Home, toml: &str, bytes: Vec<u8>, what: &str) -> bool {
    let home = Home::new();
    let replaced = toml.replace(like.root().to_str().unwrap(), home.root().to_str().unwrap());
    std::fs::write(home.path("postrider.toml"), replaced).unwrap();
    std::fs::create_dir(home.path("state")).unwrap();
    std::fs::write(home.path(DATABASE), &bytes).unwrap();
    let ended = home.run(&["once", "--patience", "5s"]).await;
    assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr);
    if ended.status == Some(0) {
        let ids: Vec<_> = lines(&home).iter().map(|line| line.id().to_owned()).collect();
        assert!(ids.is_empty(), "{what}: it began anew: {} events", ids.len());
        assert_settled(&home.status().await);
        return false;
    }
    for words in ["is damaged", "keep a copy of the file", "restore a backup or move it away"] {
        assert!(ended.stderr.contains(words), "{what}: {}", ended.stderr);
    }
    assert!(std::fs::read(home.path(DATABASE)).unwrap() == bytes, "{what}: the file was changed");
    true
}

/// Has the database hold all that is in its log; the pages, counted from 1, that hold no more than
/// the rest of a value which is too long for one.
#[expect(clippy::disallowed_methods, reason = "what other programs may do to the store's file")]
fn checkpoint(home: &Home) -> BTreeSet<usize> {
    let store = rusqlite::Connection::open(home.path(DATABASE)).unwrap();
    let busy: i64 =
        store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
    let sql = "SELECT pageno FROM dbstat WHERE pagetype = 'overflow'";
    let mut statement = store.prepare(sql).unwrap();
    let pages = statement.query_map([], |row| row.get(0)).unwrap();
    pages.map(Result::unwrap).collect()
}

/// The pages that hold nothing, counted from 1 (sqlite.org/fileformat2.html, section 1.5).
fn free(database: &[u8]) -> BTreeSet<usize> {
    let number = |at: usize| {
        usize::try_from(u32::from_be_bytes(database[at..at + 4].try_into().unwrap())).unwrap()
    };
    let (mut free, mut trunk) = (BTreeSet::new(), number(32));
    while trunk != 0 {
        let at = (trunk - 1) * PAGE;
        free.extend((0..number(at + 4)).map(|leaf| number(at + 8 + 4 * leaf)));
        trunk = number(at);
    }
    free
}

async fn damage(every: usize) {
    let simulation = simulate(plain(300)).await;
    let home = Home::new();
    let toml = [etd(&simulation.etd_url, ""), home.file_sink()];
    home.configure(&toml);
    home.once().await;
    let toml = home.read("postrider.toml");
    let within = checkpoint(&home);
    let whole = std::fs::read(home.path(DATABASE)).unwrap();
    let pages = whole.len() / PAGE;
    let free = free(&whole);
    let (mut tried, mut refused) = (0, 0);
    for page in (0..pages).step_by(every) {
        let at = page * PAGE;
        let mut zeroed = whole.clone();
        zeroed[at..at + PAGE].fill(0);
        let mut noisy = whole.clone();
        noisy[at..at + PAGE].iter_mut().for_each(|byte| *byte ^= 0xA5);
        let cut = whole[..(at + PAGE / 2).max(PAGE / 4)].to_vec();
        for (kind, bytes) in [("zeroed", zeroed), ("overwritten", noisy), ("cut there", cut)] {
            let what = format!("page {page} of {pages} {kind}");
            let is = is_refused(&home, &toml, bytes, &what).await;
            // Nothing tells by itself that the middle of a long value is another.
            let unseen = free.contains(&(page + 1)) || within.contains(&(page + 1));
            let shorter = kind == "cut there" && page + 1 < pages;
            assert!(is || unseen && !shorter, "{what}: taken");
            tried += 1;
            refused += u32::from(is);
        }
    }
    println!(
        "{tried} damaged files of {pages} pages: {refused} refused, the others hit nothing that is needed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_page_is_told_and_never_made_anew() {
    damage(29).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn each_damaged_page_is_told_and_never_made_anew() {
    damage(1).await;
}
