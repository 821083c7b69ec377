//! `coverage`, as somebody who asks "did we get everything?" meets it.

use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{Ended, Home, etd, plain, ser, simulate};

async fn coverage(home: &Home, args: &[&str]) -> Value {
    let ended = home.run(&[&["coverage", "--output", "json"], args].concat()).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

fn time(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<Timestamp>().unwrap().as_millisecond()
}

/// A pass's covered intervals and gaps follow each other from the first to the last instant asked
/// for, and its seconds add up.
fn assert_tiles(pass: &Value) {
    let mut parts: Vec<(i64, i64)> = Vec::new();
    for span in pass["covered"].as_array().unwrap() {
        parts.push((time(&span[0]), time(&span[1])));
    }
    for gap in pass["gaps"].as_array().unwrap() {
        parts.push((time(&gap["from"]), time(&gap["to"])));
    }
    parts.sort_unstable();
    let mut reached = time(&pass["asked"][0]);
    for (from, to) in parts {
        assert_eq!(from, reached, "{pass:#}");
        reached = to;
    }
    assert_eq!(reached, time(&pass["asked"][1]), "{pass:#}");
    let seconds = |state: &str| pass[format!("{state}_seconds")].as_f64().unwrap();
    let states = ["covered", "failing", "waiting", "refused", "lost"].map(seconds);
    assert!((states.iter().sum::<f64>() - seconds("asked")).abs() < 1e-6, "{pass:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_collected_is_covered_and_its_records_are_counted() {
    let simulation = simulate(plain(250)).await;
    let home = Home::new();
    let sources = [etd(&simulation.etd_url, ""), ser(&simulation.ser_url, ""), home.file_sink()];
    home.configure(&sources);
    home.once().await;
    let report = coverage(&home, &[]).await;
    let streams = report["sources"].as_array().unwrap();
    let names: Vec<_> = streams.iter().map(|s| (&s["source"], &s["stream"])).collect();
    assert_eq!(names, [(&"etd".into(), &"messages".into()), (&"ser".into(), &"summary".into())]);
    for stream in streams {
        assert_eq!(stream["passes"].as_array().unwrap().len(), 1, "{stream:#}");
        let live = &stream["passes"][0];
        assert_eq!(live["pass"], "live");
        assert_tiles(live);
        assert_eq!(live["covered"].as_array().unwrap().len(), 1, "{live:#}");
    }
    let counts = &streams[0]["passes"][0]["counts"];
    // A message on the seam of two slices is read with both.
    let records = counts["records"].as_u64().unwrap();
    assert!((250..=258).contains(&records), "{counts}");
    assert_eq!((&counts["announced"], &counts["short"]), (&records.into(), &0.into()));

    let one = coverage(&home, &["--source", "ser"]).await;
    assert_eq!(one["sources"].as_array().unwrap().len(), 1);

    let table = home.run(&["coverage", "--source", "etd"]).await;
    assert_eq!(table.status, Some(0), "{}", table.stderr);
    assert!(table.stdout.contains("██████"), "{}", table.stdout);
    assert!(table.stdout.contains("nothing is missing"), "{}", table.stdout);
    assert!(table.stdout.contains(&format!("{records}, all read")), "{}", table.stdout);
    assert!(!table.stdout.contains('\u{1b}'), "no colours into a pipe: {}", table.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_a_gap_with_its_reason_while_the_daemon_runs() {
    let home = Home::new();
    // Nobody listens there.
    home.configure(&[etd("http://127.0.0.1:9", ""), home.file_sink()]);
    let process = home.start(&["run"]);
    home.status_when("a fault", |status| status["sources"][0]["failing_slices"] != 0).await;
    let report = coverage(&home, &[]).await;
    let live = &report["sources"][0]["passes"][0];
    assert_tiles(live);
    let gaps = live["gaps"].as_array().unwrap();
    let failing = gaps.iter().find(|gap| gap["state"] == "failing").unwrap();
    assert!(failing["attempts"].as_u64().unwrap() > 0, "{failing:#}");
    assert!(failing["reason"].as_str().unwrap().contains("cannot connect"), "{failing:#}");
    assert_eq!(report["sources"][0]["missing_seconds"], live["asked_seconds"]);
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_use_is_told_with_what_is_right() {
    let home = Home::new();
    home.configure(&[etd("http://127.0.0.1:9", ""), home.file_sink()]);
    let told = |ended: &Ended, status: i32, words: &str| {
        assert_eq!(ended.status, Some(status), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    };
    let elsewhere = home.run(&["coverage", "--source", "edt"]).await;
    told(&elsewhere, 2, "there is no source edt; the sources are etd");
    let range = ["--from", "2026-11-20T00:00:00Z", "--to", "2026-11-19T00:00:00Z"];
    let reversed = home.run(&[&["coverage"], &range[..]].concat()).await;
    told(&reversed, 2, "write the earlier time as --from");
    told(&home.run(&["coverage", "--from", "yesterday"]).await, 2, "--from");
    told(&home.run(&["coverage"]).await, 1, "there is no store in");
}
