//! SER rows as tables: read by programs that are not ours, and equal to what the vendor says.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::{SignedDuration, Timestamp};
use postrider::simulator::Simulation;
use serde_json::{Value, json};

use crate::harness::{Home, ago, now, plain, ser, simulate};

/// Reads every table of a directory, or one file, and compares it with the truth.
const READER: &str = include_str!("bi/read_tables.py");

fn tables(home: &Home, format: &str) -> String {
    let path = home.path(format);
    format!("[sinks.{format}]\ntype = \"file\"\nformat = \"{format}\"\npath = {path:?}")
}

fn hour(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(3600) * 3600).unwrap()
}

fn later(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(hours)).unwrap()
}

/// What the vendor says of each whole hour.
fn truth(vendor: &Simulation, from: Timestamp, to: Timestamp) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut start = from;
    while start < to {
        let end = later(start, 1);
        for row in vendor.summary([start, end]) {
            let mut row = serde_json::to_value(&row).unwrap();
            row["window_start"] = json!(start.to_string());
            row["window_end"] = json!(end.to_string());
            rows.push(row);
        }
        start = end;
    }
    rows
}

/// A Python that has `pyarrow`.
fn python() -> Option<PathBuf> {
    let python =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/parsers/python/bin/python3");
    let asked = Command::new(&python).args(["-c", "import pyarrow"]).output();
    if asked.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    crate::harness::skipped("no pyarrow to read Parquet with: run tests/install.sh");
    None
}

/// Has Python read tables and compare them with the truth.
fn read(python: &Path, tables: &Path, truth: &Path) {
    let output = Command::new(python).args(["-c", READER]).args([tables, truth]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}{complaint}", tables.display());
    println!("{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pyarrow_and_python_s_csv_read_what_the_vendor_says() {
    let (vendor, home) = (simulate(plain(0)).await, Home::new());
    let extra = "start = \"30h\"\nresweep = []";
    home.configure(&[ser(&vendor.ser_url, extra), tables(&home, "csv"), tables(&home, "parquet")]);
    home.once().await;
    // The configured lag is 15 minutes.
    let (from, to) = (hour(ago(30 * 3600)), hour(ago(15 * 60)));
    let rows = truth(&vendor, later(from, 1), to);
    assert!(rows.len() > 200, "{}", rows.len());
    std::fs::write(home.path("truth"), serde_json::to_string(&rows).unwrap()).unwrap();

    let export = async |format: &str, from: Timestamp, to: Timestamp| {
        let (from, to, out) = (from.to_string(), to.to_string(), format!("out.{format}"));
        let args = ["--from", &from, "--to", &to, "--format", format, "--out", &out];
        home.run(&[&["export", "--stream", "summary"][..], &args].concat()).await
    };
    for format in ["csv", "parquet", "json"] {
        let ended = export(format, later(from, 1), to).await;
        assert_eq!(ended.status, Some(0), "{format}: {}", ended.stderr);
        assert!(!ended.stderr.contains("missing"), "{format}: {}", ended.stderr);
    }
    let gap = export("csv", later(from, -5), later(to, 1)).await;
    assert_eq!(gap.status, Some(1), "{}", gap.stderr);
    assert!(gap.stderr.contains("is missing (not collected)"), "{}", gap.stderr);
    assert!(gap.stderr.contains(&later(from, -5).to_string()), "{}", gap.stderr);
    let old = export("csv", later(from, -101 * 24), to).await;
    assert!(old.status == Some(1) && old.stderr.contains("100 days"), "{}", old.stderr);
    assert_eq!(export("csv", to, from).await.status, Some(2));
    let wrong = home
        .run(&[
            "export",
            "--from",
            "2026-01-01T00:00:00Z",
            "--to",
            "2026-01-02T00:00:00Z",
            "--format",
            "csv",
            "--source",
            "nobody",
        ])
        .await;
    assert_eq!(wrong.status, Some(2), "{}", wrong.stderr);
    assert_eq!(export("csv", later(from, 1), to).await.status, Some(0));

    let lines = home.read("out.json");
    assert_eq!(lines.lines().count(), rows.len());
    let total = |rows: &mut dyn Iterator<Item = Value>| {
        rows.map(|row| {
            row["message_size_total"].as_u64().or(row["messageSizeTotal"].as_u64()).unwrap()
        })
        .sum::<u64>()
    };
    let exported = total(&mut lines.lines().map(|line| serde_json::from_str(line).unwrap()));
    assert_eq!(exported, total(&mut rows.iter().cloned()));
    let Some(python) = python() else { return };
    for tables in ["csv", "parquet", "out.csv", "out.parquet"] {
        read(&python, &home.path(tables), &home.path("truth"));
    }
}

/// The tables of a directory, by their rows' ids; each must be whole.
fn rows(directory: &Path) -> BTreeMap<String, csv::StringRecord> {
    let mut rows = BTreeMap::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "csv") {
            let mut reader = csv::Reader::from_path(&path).unwrap();
            let id = reader.headers().unwrap().iter().position(|name| name == "record_id").unwrap();
            for record in reader.records() {
                let record = record.unwrap();
                assert!(rows.insert(record[id].to_owned(), record).is_none(), "{path:?}");
            }
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_any_two_files_loses_nothing() {
    let vendor = simulate(plain(0)).await;
    let expected = truth(&vendor, hour(ago(29 * 3600)), hour(ago(15 * 60)));
    for point in ["before:1", "after:1", "before:2", "after:2", "after:3", "before:7"] {
        let home = Home::new();
        let batch = "\nbatch = { max_events = 40 }";
        let extra = "start = \"30h\"\nresweep = []";
        home.configure(&[ser(&vendor.ser_url, extra), tables(&home, "csv") + batch]);
        let mut command = home.command(&["once"]);
        let ended = command.env("POSTRIDER_FAIL_POINT", format!("table:{point}")).output().await;
        assert!(!ended.unwrap().status.success(), "{point}");
        let before = rows(&home.path("csv"));
        home.once().await;
        let after = rows(&home.path("csv"));
        assert!(before.keys().all(|id| after.contains_key(id)), "{point}");
        let begin = hour(ago(29 * 3600)).to_string();
        let told = after.values().filter(|row| &row[0] >= begin.as_str()).count();
        assert_eq!(told, expected.len(), "{point} at {}", now());
    }
}
