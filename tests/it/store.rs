//! The store, as somebody who runs Postrider meets it.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::{
    harness::{Home, etd, plain, simulate, until},
    records::{lines, so_far},
};

#[expect(clippy::disallowed_methods, reason = "what other programs may do to the store's file")]
fn open(home: &Home) -> Connection {
    Connection::open(home.path("state/postrider.db")).unwrap()
}

fn files(directory: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    // Its memory map is made anew by whoever looks, and has nothing that matters.
    let entries = entries.filter(|entry| !entry.file_name().to_string_lossy().ends_with("-shm"));
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

async fn used() -> (postrider::simulator::Simulation, Home) {
    let simulation = simulate(plain(500)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    home.once().await;
    let checkpoint = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let busy = open(&home).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], checkpoint).unwrap();
    assert_eq!(busy, 0);
    (simulation, home)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_store_is_refused_and_a_killed_one_leaves_no_lock() {
    let simulation = simulate(plain(100)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    let process = home.start(&["run"]);
    until("lines", || (so_far(&home) == 100).then_some(())).await;
    let pid = process.pid();
    for command in ["run", "once"] {
        let ended = home.run(&[command]).await;
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        let who = format!("another postrider (process {pid}) uses");
        assert!(ended.stderr.contains(&who), "{}", ended.stderr);
    }
    assert_eq!(home.status().await["running"], true);
    process.kill9().await;
    assert!(home.path("state/postrider.lock").exists());
    assert_eq!(home.status().await["running"], false);
    home.once().await;
    assert_eq!(lines(&home).len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_reads_while_the_daemon_writes_and_changes_nothing() {
    let simulation = simulate(crate::signals::live(50.0)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, crate::signals::EACH_SECOND), home.file_sink()]);
    let process = home.start(&["run"]);
    let delivered = |status: &Value| status["sinks"][0]["delivered"].as_u64().unwrap_or(0);
    let first = home.status_when("delivery", |status| delivered(status) > 0).await;
    let later = home.status_when("more", |s| delivered(s) > delivered(&first) + 20).await;
    assert_eq!(later["running"], true);
    assert_eq!(later["sources"][0]["state"], "collecting", "{later:#}");
    assert!(later["sources"][0]["lag_seconds"].as_i64().unwrap() < 30, "{later:#}");
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_without_a_store_says_so() {
    let home = Home::new();
    home.configure(&[etd("http://127.0.0.1:9", ""), home.file_sink()]);
    let ended = home.run(&["status"]).await;
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("there is no store in"), "{}", ended.stderr);
    assert!(!home.path("state").exists(), "looking makes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_a_newer_version_is_refused_and_left_as_it_is() {
    let (_simulation, home) = used().await;
    open(&home).pragma_update(None, "user_version", 99).unwrap();
    let before = files(&home.path("state"));
    for command in ["run", "once", "status"] {
        let ended = home.run(&[command]).await;
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        let words = "was made by a newer postrider (schema 99, this one knows";
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_same(&before, &home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_reported_with_what_to_do_and_left_as_it_is() {
    let (_simulation, home) = used().await;
    let path = home.path("state/postrider.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    assert!(length > 40_960, "{length}");
    for byte in &mut bytes[length / 4..length / 2] {
        *byte ^= 0xA5;
    }
    std::fs::write(&path, &bytes).unwrap();
    let before = files(&home.path("state"));
    for command in ["run", "once"] {
        let ended = home.run(&[command]).await;
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        for words in ["is damaged", "keep a copy of the file", "restore a backup or move it away"] {
            assert!(ended.stderr.contains(words), "{}", ended.stderr);
        }
    }
    assert_same(&before, &home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_store_is_not_overwritten() {
    let home = Home::new();
    home.configure(&[etd("http://127.0.0.1:9", ""), home.file_sink()]);
    std::fs::create_dir(home.path("state")).unwrap();
    std::fs::write(home.path("state/postrider.db"), "somebody's letter\n".repeat(1000)).unwrap();
    let ended = home.run(&["once"]).await;
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("is damaged"), "{}", ended.stderr);
    assert_eq!(home.read("state/postrider.db"), "somebody's letter\n".repeat(1000));
}

fn assert_same(before: &[(std::ffi::OsString, Vec<u8>)], home: &Home) {
    let lock = |name: &std::ffi::OsString| name == "postrider.lock";
    let wanted = before.iter().filter(|(name, bytes)| !lock(name) && !bytes.is_empty());
    let found = files(&home.path("state"));
    let found = found.iter().filter(|(name, bytes)| !lock(name) && !bytes.is_empty());
    assert!(wanted.eq(found), "the state directory is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stops_leaves_no_delivered_mail_in_the_log() {
    let simulation = simulate(plain(300)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    let log = |home: &Home| {
        std::fs::metadata(home.path("state/postrider.db-wal")).map_or(0, |log| log.len())
    };
    let process = home.start(&["run"]);
    until("lines", || (so_far(&home) == 300).then_some(())).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    assert_eq!(log(&home), 0);
    let fresh = Home::new();
    fresh.configure(&[etd(&simulation.etd_url, ""), fresh.file_sink()]);
    fresh.once().await;
    assert_eq!(lines(&fresh).len(), 300);
    assert_eq!(log(&fresh), 0);
}
