//! A store that the first version left, with a SIEM, a vendor and a disk that were down, under today's
//! version; and today's under an older one. tests/fixtures/stores/README.md tells how it was made.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    sync::Arc,
};

use flate2::read::GzDecoder;
use jiff::Timestamp;
use postrider::{
    clock::ManualClock,
    simulator::{EtdOptions, Options, SerOptions, Simulation},
    store::Store,
};
use rusqlite::{Connection, types::Value as Cell};
use serde_json::Value;

use crate::{
    calls::searches,
    check::part,
    harness::{Home, etd, hec, ser},
    records::{Line, duplicates, lines},
    samples::once_at,
};

const START: &str = "2026-11-20T09:00:00Z";
/// The first version was last run at 15:00.
const NOW: &str = "2026-11-20T16:30:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stores/schema-1");
    let packed = std::fs::File::open(directory.join(name)).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

#[expect(clippy::disallowed_methods, reason = "what no command shows of the store's file")]
fn open(home: &Home) -> Connection {
    Connection::open(home.path("state/postrider.db")).unwrap()
}

/// The vendor and the SIEM that the first version had; all of them work again.
async fn simulate() -> Simulation {
    let mut options = Options::plain();
    options.clock = Arc::new(ManualClock::at(time(NOW)));
    options.etd = EtdOptions {
        messages: 330,
        range: Some([time(START), time("2026-11-20T20:00:00Z")]),
        quirks: options.etd.quirks,
        ..EtdOptions::default()
    };
    options.ser = SerOptions { users: 3, shuffle: false, ..SerOptions::default() };
    Simulation::start(options).await.unwrap()
}

/// A home as the first version left it.
fn left_by_the_first(etd_url: &str, ser_url: &str, hec_url: &str) -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path("state")).unwrap();
    std::fs::write(home.path("state/postrider.db"), fixture("postrider.db.gz")).unwrap();
    std::fs::write(home.path("events.jsonl"), fixture("archive.jsonl.gz")).unwrap();
    let late = home.file_sink().replace("archive", "late").replace("events", "late");
    home.configure(&[
        etd(etd_url, &format!("start = {START:?}\npage_size = 10\nmax_in_flight = 2")),
        ser(ser_url, &format!("start = {START:?}")),
        hec(
            hec_url,
            "batch = { max_events = 10 }\nstreams = [\"messages\", \"summary\", \"entitlement\"]",
        ),
        home.file_sink(),
        late,
    ]);
    home
}

fn offline() -> Home {
    let nobody = "http://127.0.0.1:9";
    left_by_the_first(nobody, nobody, nobody)
}

/// The same after today's version has brought it up to date.
fn upgraded() -> Home {
    let home = offline();
    drop(Store::open(&home.path("state")).unwrap());
    home
}

/// By event id.
fn by_id(lines: Vec<Line>) -> BTreeMap<String, Line> {
    let count = lines.len();
    let map: BTreeMap<_, _> = lines.into_iter().map(|line| (line.id().to_owned(), line)).collect();
    assert_eq!(map.len(), count, "an event is there twice");
    map
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_the_first_version_loses_nothing_and_repeats_nothing() {
    let simulation = simulate().await;
    let home = left_by_the_first(&simulation.etd_url, &simulation.ser_url, &simulation.hec_url);
    let first = by_id(lines(&home));
    let taken = String::from_utf8(fixture("received.txt.gz")).unwrap();
    let taken: BTreeSet<&str> = taken.lines().collect();

    // The vendor knows its page tokens no more: half-read slices begin anew, after a pause.
    let outcome = once_at(&home, time("2026-11-20T16:00:00Z")).await;
    assert_eq!(outcome.undone, ["2 slices of etd are not covered"]);
    let outcome = once_at(&home, time(NOW)).await;
    let told = home.run(&["coverage"]).await.stdout;
    assert!(outcome.undone.is_empty(), "{:?}\n{told}", outcome.undone);
    assert!(outcome.broken.is_empty(), "{:?}", outcome.broken);
    let made = searches(&simulation.stats());

    // The archive goes on where it was, with all that the vendor has by now.
    let archive = by_id(lines(&home));
    assert!(first.iter().all(|(id, line)| archive[id].text == line.text));
    let mut records = BTreeSet::new();
    for line in archive.values().filter(|line| line.stream() != "entitlement") {
        let record = (line.stream(), line.json["postrider"]["record_id"].as_str().unwrap());
        assert!(records.insert(record), "known, and taken for new: {}", line.text);
    }
    let end = time("2026-11-20T16:24:00Z");
    let wanted = simulation.truth().filter(|message| message.time < end);
    let wanted: BTreeSet<String> = wanted.map(|message| message.id.to_string()).collect();
    let messages = archive.values().filter(|line| line.stream() == "messages");
    let there = messages.map(|line| line.json["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(wanted, there);

    // What waited for the disk that was down is what the archive got then, to the byte.
    let late = home.read("late.jsonl");
    let late: BTreeSet<&str> = late.lines().collect();
    let missed: Vec<_> = archive.values().filter(|line| !late.contains(&*line.text)).collect();
    assert!(missed.is_empty(), "{} of {}: {}", missed.len(), archive.len(), missed[0].text);

    // What the SIEM took before does not come again, what it refused waits for a person.
    let letters = home.run(&["dead-letters", "list", "--output", "json"]).await;
    let letters: Vec<Value> = serde_json::from_str(&letters.stdout).unwrap();
    assert!(letters.len() > 2, "{letters:?}");
    let again = home.run(&["dead-letters", "replay", "--all"]).await;
    assert_eq!(again.status, Some(0), "{}{}", again.stdout, again.stderr);
    let received = simulation.received();
    assert_eq!(duplicates("HEC", &received), 0);
    let mut all: BTreeSet<&str> = taken.clone();
    for event in &received {
        assert!(all.insert(&event.event_id), "{} was taken before", event.event_id);
    }
    assert_eq!(all, archive.keys().map(String::as_str).collect());
    let new: Vec<_> =
        received.iter().filter(|event| !first.contains_key(&event.event_id)).collect();
    println!(
        "{} events before the upgrade, {} of them delivered; {} after it, {} of them new; {made} searches",
        first.len(),
        taken.len(),
        received.len(),
        new.len()
    );
    assert!(first.len() > taken.len() + 20 && new.len() > 40);
    // Two slices twice, and what is new; nothing else is read again.
    assert!(made <= 15, "{made} searches");

    let status = home.status().await;
    for name in ["splunk", "archive", "late"] {
        assert_eq!(part(&status, name)["waiting"], 0, "{status:#}");
    }
    assert_eq!(status["sources"][0]["lost_slices"], 0, "{status:#}");
    let report = home.run(&["coverage", "--from", START, "--to", NOW, "--output", "json"]).await;
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    let live = &report["sources"][0]["passes"][0];
    let span = serde_json::json!([[START, "2026-11-20T16:24:00Z"]]);
    assert_eq!(live["covered"], span, "{live:#}");
}

/// All rows of all tables.
fn content(home: &Home) -> BTreeMap<String, BTreeSet<String>> {
    let store = open(home);
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let mut names = store.prepare(sql).unwrap();
    let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    let rows = |name: &String| {
        let mut all = store.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let width = all.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let cells = (0..width).map(|at| row.get::<_, Cell>(at).unwrap());
            Ok(format!("{:?}", cells.collect::<Vec<_>>()))
        };
        all.query_map([], row).unwrap().map(Result::unwrap).collect()
    };
    names.map(|name| (name.clone(), rows(&name))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_each_step_of_the_migration_changes_nothing_of_what_comes_out() {
    let wanted = content(&upgraded());
    assert!(wanted["chunk"].len() > 3 && wanted["dead_letter"].len() > 2);
    for step in 1..=3 {
        for moment in ["before", "after"] {
            let home = offline();
            let point = format!("migrate:{moment}:{step}");
            let mut command = home.command(&["run"]);
            let output = command.env("POSTRIDER_FAIL_POINT", &point).output().await.unwrap();
            assert_eq!(output.status.signal(), Some(9), "{point}: {output:?}");
            drop(Store::open(&home.path("state")).unwrap());
            assert_eq!(content(&home), wanted, "{point}");
        }
    }
}

/// The store's files as they are on the disk; not the map of the log, which has nothing that matters.
fn files(home: &Home) -> Vec<(String, Vec<u8>)> {
    let names = ["postrider.db", "postrider.db-wal"];
    let read = |name: &str| std::fs::read(home.path("state").join(name)).unwrap_or_default();
    names.map(|name| (name.to_owned(), read(name))).to_vec()
}

/// Every command that opens the store of a configuration, with what it needs to get as far.
const COMMANDS: &[&[&str]] = &[
    &["run"],
    &["once"],
    &["status"],
    &["coverage"],
    &["export", "--format", "csv", "--from", START, "--to", NOW],
    &["dead-letters", "list"],
    &["dead-letters", "show", "1"],
    &["dead-letters", "replay", "--all"],
    &["dead-letters", "drop", "--all", "--yes"],
    &["backfill", "--source", "etd", "--from", START, "--to", NOW, "--yes"],
    &["backfill", "list"],
    &["backfill", "watch", "1"],
    &["backfill", "cancel", "1"],
];

/// Those that bring a store up to date.
const UPGRADE: [&str; 4] = ["run", "once", "watch", "cancel"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_a_newer_version_is_refused_by_every_command_and_not_touched() {
    let source = upgraded();
    let newer = {
        // As a newer version would leave it that was killed: what it did is in the log alone.
        let store = open(&source);
        store.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let known: u32 = store.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        store.pragma_update(None, "user_version", known + 1).unwrap();
        files(&source)
    };
    assert!(newer.iter().all(|(_, bytes)| !bytes.is_empty()));
    for command in COMMANDS {
        let home = offline();
        for (name, bytes) in &newer {
            std::fs::write(home.path("state").join(name), bytes).unwrap();
        }
        let ended = home.run(command).await;
        let words = ["was made by a newer postrider (schema", "or restore the copy from before"];
        assert!(words.iter().all(|it| ended.stderr.contains(it)), "{command:?}: {}", ended.stderr);
        assert_eq!(ended.status, Some(1), "{command:?}: {}", ended.stderr);
        assert!(files(&home) == newer, "{command:?} changes the files");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_first_start_commands_say_that_the_store_is_older_and_do_not_touch_it() {
    for command in COMMANDS.iter().filter(|it| !it.iter().any(|word| UPGRADE.contains(word))) {
        let home = offline();
        let before = files(&home);
        let ended = home.run(command).await;
        let words = "was made by an older postrider (schema 1, ";
        assert!(ended.stderr.contains(words), "{command:?}: {}", ended.stderr);
        assert_eq!(ended.status, Some(1), "{command:?}: {}", ended.stderr);
        assert!(files(&home) == before, "{command:?} changes the files");
    }
    let checked = offline().run(&["check"]).await;
    assert!(checked.stdout.contains("an older version's; `postrider run`"), "{}", checked.stdout);
}
