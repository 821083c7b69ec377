//! Kills while the store is made or brought up to date.

use std::{os::unix::process::ExitStatusExt as _, path::Path};

use rusqlite::Connection;

use crate::{
    check::assert_settled,
    harness::{Home, etd, plain, simulate},
    records::lines,
};

#[expect(clippy::disallowed_methods, reason = "the store as an older version left it")]
fn open(home: &Home) -> Connection {
    std::fs::create_dir_all(home.path("state")).unwrap();
    Connection::open(home.path("state/postrider.db")).unwrap()
}

/// Each version's SQL, in order.
fn steps() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/schema");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// A store of that version, with a record that is remembered.
fn old(home: &Home, steps: &[String], version: usize) {
    let store = open(home);
    store.pragma_update(None, "journal_mode", "WAL").unwrap();
    for step in &steps[..version] {
        store.execute_batch(step).unwrap();
    }
    store.pragma_update(None, "user_version", version).unwrap();
    store.execute_batch("INSERT INTO stream (source, stream) VALUES ('etd', 'messages')").unwrap();
    if version < 3 {
        store
            .execute_batch(
                "INSERT INTO ledger_block VALUES (1, 1, 489000, x'00');
                INSERT INTO ledger VALUES (1, 489000, zeroblob(16), zeroblob(16), 1, 1, 0);",
            )
            .unwrap();
    }
}

/// The version of a store, and its tables and indices.
fn schema(store: &Connection) -> (usize, Vec<String>) {
    let version = store.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    let sql = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";
    let mut statement = store.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    (version, names.map(Result::unwrap).collect())
}

async fn killed(home: &Home, point: &str) -> bool {
    let mut command = home.command(&["once"]);
    let output = command.env("POSTRIDER_FAIL_POINT", point).output().await.unwrap();
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.success(), "{output:?}");
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_a_migration_leaves_either_version_whole() {
    let simulation = simulate(plain(40)).await;
    let steps = steps();
    let whole: Vec<Vec<String>> = (0..=steps.len())
        .map(|version| {
            let store = Connection::open_in_memory().unwrap();
            steps[..version].iter().for_each(|step| store.execute_batch(step).unwrap());
            schema(&store).1
        })
        .collect();
    let mut kills = 0;
    for from in 1..=steps.len() {
        for done in 0..steps.len() - from {
            for moment in ["before", "after"] {
                let home = Home::new();
                home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
                old(&home, &steps, from);
                assert!(killed(&home, &format!("migrate:{moment}:{}", done + 1)).await);
                kills += 1;
                let (version, found) = schema(&open(&home));
                let committed = done + usize::from(moment == "after");
                assert_eq!(version, from + committed, "{from} {done} {moment}");
                assert_eq!(found, whole[version], "{from} {done} {moment}");
                home.once().await;
                let (version, found) = schema(&open(&home));
                assert_eq!((version, &found), (steps.len(), &whole[version]));
                let all = lines(&home).len();
                assert_eq!(all, 40, "from version {from}, killed {moment} step {done}");
                assert_settled(&home.status().await);
            }
        }
    }
    println!("{kills} kills during migrations of {} versions", steps.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_the_first_commit_starts_anew_without_complaint() {
    let simulation = simulate(plain(40)).await;
    for point in ["create:after:1", "migrate:before:1", "migrate:after:1", "set-sinks:before:1"] {
        let home = Home::new();
        home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
        assert!(killed(&home, point).await, "{point}");
        let size = std::fs::metadata(home.path("state/postrider.db")).unwrap().len();
        assert_eq!(size == 0, point.starts_with("create"), "{point}: {size} bytes");
        let ended = home.once().await;
        for word in ["WARN", "ERROR", "damaged"] {
            assert!(!ended.stderr.contains(word), "{point}: {}", ended.stderr);
        }
        assert_eq!(lines(&home).len(), 40, "{point}");
        assert_settled(&home.status().await);
    }
}
