//! An hour of the log export that is larger than memory may be.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::{
    bounds::peak,
    delivery::hour,
    harness::{Home, ago, etd, now},
    hostile::{Hostile, response},
    records::lines,
};

/// What a process may take, in KiB.
const MOST: u64 = 64 << 10;
/// One line in so many says that a message changed.
const UPDATE_EVERY: u64 = 1_000;

/// A line of the export, of some 620 bytes.
fn line(number: u64, time: jiff::Timestamp) -> String {
    if number.is_multiple_of(UPDATE_EVERY) {
        return format!(
            r#"{{"logType":"message","message":{{"eventType":"update","id":"m{number}","verdict":{{"verdict":"phishing","reclassifiedBy":"automatic","timestamp":"{time}"}}}}}}"#
        ) + "\n";
    }
    let filler = "x".repeat(400);
    format!(
        r#"{{"logType":"message","message":{{"eventType":"create","id":"m{number}","fromAddresses":"a@example.org","direction":"incoming","timestamp":"{time}","subject":"{filler}","verdict":{{"verdict":"neutral","category":"","timestamp":"{time}"}}}}}}"#
    ) + "\n"
}

/// Has `once` read an hour of so many MiB; the most memory that it had, in KiB.
async fn read(mebibytes: u64) -> u64 {
    let lines_in_all = (mebibytes << 20) / line(1, ago(0)).len() as u64;
    let at = hour(ago(5 * 3600));
    let name = at.strftime("log_date%%3D%Y-%m-%d/hour%%3D%H").to_string();
    let path = format!("/logs/{name}/big.jsonl");
    let asked_hour = at.strftime("%Y-%m-%dT%H").to_string();
    let vendor = Hostile::start(move |asked, mut tcp| {
        let (path, asked_hour) = (path.clone(), asked_hour.clone());
        async move {
            if asked.head.starts_with("get /logs/") {
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                tcp.write_all(head.as_bytes()).await?;
                let mut piece = String::new();
                for number in 0..lines_in_all {
                    piece.push_str(&line(number, at));
                    if piece.len() > 64 << 10 || number + 1 == lines_in_all {
                        tcp.write_all(piece.as_bytes()).await?;
                        piece.clear();
                    }
                }
                return tcp.shutdown().await;
            }
            let body = if asked.head.contains("downloadlinks") {
                let range = &asked.body["timeRange"];
                let (from, to) = (range[0].as_str().unwrap(), range[1].as_str().unwrap());
                let has = from <= asked_hour.as_str() && asked_hour.as_str() < to;
                let host = asked.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
                let link = format!("\"http://{}{path}?X-Sig=1\"", host.trim());
                let link = if has { link.as_str() } else { "" };
                format!(r#"{{"data":{{"message":[{link}],"audit":[]}}}}"#)
            } else {
                r#"{"totalSize":0,"data":{"messages":[]}}"#.to_owned()
            };
            tcp.write_all(&response("", body.as_bytes())).await?;
            tcp.shutdown().await
        }
    })
    .await;
    let home = Home::new();
    let extra = "start = \"7h\"\nlog_export = true\nreconcile = false\nlag = \"20m\"";
    home.configure(&[etd(&vendor.url, extra), home.file_sink()]);
    let mut process = home.start(&["once", "--patience", "5s"]);
    let (pid, mut most) = (process.pid(), 0);
    let (began, mut ticks) = (now(), tokio::time::interval(Duration::from_millis(20)));
    loop {
        ticks.tick().await;
        most = most.max(peak(pid).unwrap_or(0));
        if !process.is_running() {
            break;
        }
    }
    let updates = lines(&home).len() as u64;
    let stderr = home.read("stderr.log");
    assert_eq!(updates, lines_in_all.div_ceil(UPDATE_EVERY), "{stderr}");
    let took = now().duration_since(began).as_secs();
    println!("{mebibytes} MiB, {lines_in_all} lines, {updates} changes: peak {most} KiB, {took} s");
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_64_mib_takes_no_more_memory_than_a_small_one() {
    let most = read(64).await;
    assert!(most <= MOST, "{most} KiB");
}

/// `cargo test --test it -- --ignored an_hour_of_2_gib --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn an_hour_of_2_gib_is_read_within_64_mib() {
    let most = read(2 << 10).await;
    assert!(most <= MOST, "{most} KiB");
}
