//! Answers without measure: each ends in a clear reason on its slice, the source beside it goes on,
//! and memory stays within bounds.

use std::{io::Write as _, sync::Arc};

use jiff::Timestamp;
use postrider::simulator::Simulation;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::{
    check::part,
    harness::{Home, ago, etd, plain, ser, simulate, until},
    hostile::{Hostile, response},
};

mod slow;

/// What a process that works normally may take in a debug build, in KiB.
const USUAL: u64 = 64 << 10;
/// The largest body, in KiB.
const BODY: u64 = 16 << 10;

/// How it went with a hostile source and a good one.
struct Met {
    home: Home,
    /// Of the hostile source.
    source: Value,
    stderr: String,
    /// The most memory that the process had, in KiB.
    peak: u64,
}

impl Met {
    fn events(&self) -> Vec<String> {
        events(&self.home, "etd")
    }

    fn reason(&self) -> &str {
        self.source["error"].as_str().unwrap_or("no reason")
    }
}

/// The events of a source's vendor, as text: some are nested too deeply for a reader of JSON.
fn events(home: &Home, source: &str) -> Vec<String> {
    let mark = format!("\"source\":\"{source}\"");
    let text = home.read("events.jsonl");
    // Near the line's start, in `postrider`.
    let of_source = |line: &&str| line.get(..400).unwrap_or(line).contains(&mark);
    let lines = text.lines().filter(of_source);
    lines.filter(|line| !line.contains("\"stream\":\"health\"")).map(str::to_owned).collect()
}

/// The highest that the resident memory of a process was.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Runs `once` with the vendor at `url` and a good one.
async fn meet(case: &str, url: &str, extra: &str) -> Met {
    let good = simulate(plain(50)).await;
    let home = Home::new();
    let start = if extra.contains("start") { "" } else { "start = \"30m\"" };
    let extra = format!("{start}\nlag = \"20m\"\n{extra}");
    let other = etd(&good.etd_url, "").replace("[sources.etd]", "[sources.good]");
    home.configure(&[etd(url, &extra), other, home.file_sink()]);
    run(case, home, &good).await
}

async fn run(case: &str, home: Home, good: &Simulation) -> Met {
    let mut process = home.start(&["once", "--patience", "1s"]);
    let mut most = 0;
    let pid = process.pid();
    until("the end of once", || {
        most = most.max(peak(pid).unwrap_or(0));
        (!process.is_running()).then_some(())
    })
    .await;
    let status = home.status().await;
    let stderr = home.read("stderr.log");
    // Read from the terminal of whoever runs the tests: `--nocapture`.
    println!("{case}: peak {} MiB, {}", most >> 10, part(&status, "etd")["error"]);
    let well = part(&status, "good");
    assert_eq!((&well["open_slices"], &well["error"]), (&json!(0), &Value::Null), "{case}: {well}");
    let arrived = events(&home, "good").len();
    assert_eq!(arrived, good.truth().count(), "{case}: all of the other source");
    assert!(!stderr.contains("panicked"), "{case}: {stderr}");
    Met { source: part(&status, "etd").clone(), home, stderr, peak: most }
}

/// A page with one message, whose members are `members`.
fn page(members: &str) -> Vec<u8> {
    let time = ago(25 * 60);
    let head = format!(r#"{{"totalSize":1,"data":{{"messages":[{{"id":"m","timestamp":"{time}""#);
    format!("{head}{members}}}]}}}}").into_bytes()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Meets an answer that is none; the reason must have `words`.
async fn refused(case: &str, hostile: &Hostile, extra: &str, words: &str, most: u64) {
    let met = meet(case, &hostile.url, extra).await;
    assert!(met.reason().contains(words), "{case}: {} {}", met.reason(), met.stderr);
    assert!(met.reason().chars().count() < 600, "{case}: {}", met.reason());
    assert!(met.source["open_slices"].as_u64() > Some(0), "{case}: a gap: {}", met.source);
    assert_eq!(met.events().len(), 0, "{case}");
    assert!(met.peak <= most, "{case}: {} KiB", met.peak);
    assert!(hostile.calls() < 40, "{case}: {} calls", hostile.calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_measure_are_refused() {
    let long = format!("x-long: {}\r\n", "a".repeat(1 << 20));
    let many = (0..10_000).map(|n| format!("x-{n}: 1\r\n")).collect::<Vec<_>>().concat();
    let (long, many) = (Hostile::with_body(&long, b"{}"), Hostile::with_body(&many, b"{}"));
    let (long, many) = (long.await, many.await);
    let words = "failed";
    refused("a header of 1 MiB", &long, "", words, USUAL).await;
    refused("10,000 headers", &many, "", words, USUAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_arrays_and_objects_overflow_no_stack() {
    const DEEP: usize = 100_000;
    let arrays = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let objects = format!("{}1{}", "{\"a\":".repeat(DEEP), "}".repeat(DEEP));
    let bare = Hostile::with_body("", arrays.as_bytes()).await;
    refused("100,000 arrays in place of a page", &bare, "", "200, but", USUAL).await;
    for (case, value) in [("arrays", arrays), ("objects", objects)] {
        let deep = Hostile::with_body("", &page(&format!(",\"deep\":{value}"))).await;
        let met = meet(&format!("100,000 {case} in a message"), &deep.url, "").await;
        assert_eq!(met.source["open_slices"], 0, "{}", met.source);
        let [event] = &met.events()[..] else { panic!("one event: {}", met.stderr) };
        assert!(event.contains(&value), "whole");
        assert!(met.peak <= USUAL, "{} KiB", met.peak);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_grow_are_cut() {
    const GZIP: &str = "content-encoding: gzip\r\n";
    let zeros = gzip(&vec![0; 1 << 30]);
    assert!(zeros.len() < 2 << 20, "a bomb: {}", zeros.len());
    let twice = Hostile::with_body("content-encoding: gzip, gzip\r\n", &gzip(&zeros)).await;
    let bomb = Hostile::with_body(GZIP, &zeros).await;
    drop(zeros);
    // Too large: asked for in smaller parts, down to single seconds.
    let extra = "start = \"21m\"\npage_size = 1";
    let met = meet("1 GiB of zeros, compressed", &bomb.url, extra).await;
    assert!(met.source["refused_slices"].as_u64() > Some(0), "{}", met.source);
    assert!(met.stderr.contains("is larger than 16777216 bytes"), "{}", met.stderr);
    assert!(met.peak <= USUAL + BODY, "{} KiB", met.peak);
    refused("gzip in gzip", &twice, "", "200, but", USUAL + BODY).await;

    let endless = Hostile::start(|_, mut tcp| async move {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        tcp.write_all(head).await?;
        let chunk = [b"10000\r\n", &vec![b' '; 0x1_0000][..], b"\r\n"].concat();
        loop {
            tcp.write_all(&chunk).await?;
        }
    })
    .await;
    let met = meet("endless chunks", &endless.url, extra).await;
    assert!(met.stderr.contains("is larger than 16777216 bytes"), "{}", met.stderr);
    assert!(met.peak <= USUAL + BODY, "{} KiB", met.peak);
}

/// An answer to a search: `message` where its time is asked for, else nothing.
fn answer_at(asked: &Value, at: Timestamp, message: &[u8]) -> Vec<u8> {
    let bound = |index: usize| asked["timestamp"][index].as_str().unwrap().parse::<Timestamp>();
    let (start, end) = (bound(0).unwrap(), bound(1).unwrap());
    if start <= at && at <= end { message.to_vec() } else { b"{\"data\":{\"messages\":[]}}".into() }
}

async fn with_message_at(at: Timestamp, message: Vec<u8>) -> Hostile {
    let message: Arc<[u8]> = message.into();
    Hostile::start(move |asked, mut tcp| {
        let message = message.clone();
        async move {
            let body = answer_at(&asked.body, at, &message);
            tcp.write_all(&response("", &body)).await?;
            tcp.shutdown().await
        }
    })
    .await
}

fn message(at: Timestamp, members: &str) -> Vec<u8> {
    format!(r#"{{"data":{{"messages":[{{"id":"m","timestamp":"{at}"{members}}}]}}}}"#).into_bytes()
}

fn ago_of(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_is_a_gap_of_its_second() {
    let at: Timestamp = format!("{:.0}", ago(25 * 60)).parse().unwrap();
    let huge = message(at, &format!(r#","blob":"{}""#, "x".repeat(100 << 20)));
    let hostile = with_message_at(at, huge).await;
    let met = meet("a message of 100 MB", &hostile.url, "").await;
    assert!((1..=2).contains(&met.source["refused_slices"].as_u64().unwrap()), "{}", met.source);
    assert_eq!(met.source["open_slices"], 0, "{}", met.source);
    // Seven sizes of a page for each of the eleven halvings of ten minutes, and the other halves.
    assert!(hostile.calls() < 200, "{} calls", hostile.calls());
    assert!(met.peak <= USUAL + BODY, "{} KiB", met.peak);
    let told = met.home.run(&["coverage"]).await.stdout;
    // The vendor's ends are inclusive: on a boundary the message is in the second before, too.
    let second = |before: i64| ago_of(at, before).strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    assert!(told.contains(&second(1)) || told.contains(&second(0)), "{told}");
    assert!(told.contains("is larger than 16777216 bytes"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_records_that_fit_arrive_whole() {
    let at = ago(25 * 60);
    let recipients: Vec<String> = (0..10_000).map(|n| format!("user-{n}@example.com")).collect();
    let keys = (0..1_000_000).map(|n| format!(",\"k{n}\":1")).collect::<Vec<_>>().concat();
    let same = ",\"k\":1".repeat(100_000);
    let name = "n".repeat(1 << 20);
    let leaves: Vec<String> = (0..50_000).map(|n| format!("\"{n}\":1")).collect();
    for (case, members, most) in [
        ("10,000 recipients", format!(",\"toAddresses\":{}", json!(recipients)), USUAL),
        ("a subject of 1 MiB", format!(",\"subject\":\"{}\"", "s".repeat(1 << 20)), USUAL),
        ("100,000 equal keys", same, USUAL),
        ("a long name over 50,000 leaves", format!(",\"{name}\":{{{}}}", leaves.join(",")), USUAL),
        ("15 MiB", format!(",\"blob\":\"{}\"", "x".repeat(15 << 20)), USUAL + 2 * BODY),
        ("a million keys", keys, USUAL + 8 * BODY),
    ] {
        let hostile = with_message_at(at, message(at, &members)).await;
        let met = meet(case, &hostile.url, "").await;
        let [event] = &met.events()[..] else { panic!("{case}: one event: {}", met.stderr) };
        assert!(event.ends_with(&format!("{members}}}")), "{case}: whole");
        assert_eq!(met.source["open_slices"], 0, "{case}: {}", met.source);
        assert!(met.peak <= most, "{case}: {} KiB", met.peak);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_without_measure_are_refused_before_they_are_kept() {
    let nulls = format!("{{\"data\":{{\"messages\":[{}null]}}}}", "null,".repeat(2_000_000));
    let empty = format!("{{\"data\":{{\"messages\":[{}{{}}]}}}}", "{},".repeat(4_000_000));
    for (case, body) in [("2 million nulls", nulls), ("4 million empty messages", empty)] {
        let hostile = Hostile::with_body("", body.as_bytes()).await;
        refused(case, &hostile, "", "longer than any page", USUAL + 2 * BODY).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_answers_at_once_share_the_room_of_two() {
    let at = ago(25 * 60);
    let body: Arc<[u8]> = message(at, &format!(r#","blob":"{}""#, "x".repeat(15 << 20))).into();
    let hostile = Hostile::start(move |_, mut tcp| {
        let body = body.clone();
        async move {
            tcp.write_all(&response("", &body)).await?;
            tcp.shutdown().await
        }
    })
    .await;
    let good = simulate(plain(50)).await;
    let home = Home::new();
    let mut sections = vec![etd(&good.etd_url, "").replace("[sources.etd]", "[sources.good]")];
    sections.push(home.file_sink());
    for n in 0..12 {
        let section = etd(&hostile.url, "start = \"30m\"\nlag = \"20m\"");
        let name = if n == 0 { "etd".to_owned() } else { format!("etd-{n}") };
        sections.push(section.replace("[sources.etd]", &format!("[sources.{name}]")));
    }
    home.configure(&sections);
    let met = run("12 sources with 15 MiB each", home, &good).await;
    for n in 1..12 {
        assert_eq!(events(&met.home, &format!("etd-{n}")).len(), 1, "{}", met.stderr);
    }
    assert!(met.peak <= USUAL + 12 * BODY, "{} KiB", met.peak);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_ends_are_transient_and_redirects_go_nowhere() {
    let other = Hostile::with_body("", b"{}").await;
    let location = format!("location: {}/elsewhere\r\n", other.url);
    let redirect =
        format!("HTTP/1.1 307 T\r\n{location}content-length: 0\r\nconnection: close\r\n\r\n");
    let redirect = Hostile::saying(redirect).await;
    refused("a redirect", &redirect, "", "redirects are not followed", USUAL).await;
    assert_eq!(other.calls(), 0, "nothing reached the other host");
    let cut = Hostile::saying("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"data\":").await;
    refused("a cut body", &cut, "", "broke off", USUAL).await;
    let shut = Hostile::start(|_, tcp| async move {
        drop(tcp);
        Ok(())
    })
    .await;
    refused("a closed connection", &shut, "", "failed", USUAL).await;
    let hasty = Hostile::raw(|mut tcp| async move {
        // Before anything of the request was read; which then comes as a reset.
        tcp.write_all(b"HTTP/1.1 503 X\r\ncontent-length: 4\r\n\r\nbusy").await
    })
    .await;
    let met = meet("an answer ahead of the request", &hasty.url, "").await;
    assert!(met.source["open_slices"].as_u64() > Some(0), "{}", met.source);
    assert!(met.reason().starts_with("POST /v1/oauth/token"), "{}", met.reason());
    let noise = Hostile::saying("\0\u{1b}[2J220 mail.example.com ESMTP\r\n").await;
    refused("another protocol", &noise, "", "failed", USUAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_vendor_is_bounded_too() {
    let row = |n: u32| format!("{{\"applicationUserName\":\"u{n}\",\"status\":{{\"total\":1}}}}");
    let many: Vec<String> = (0..150_000).map(row).collect();
    let many = format!("{{\"applicationUsers\":[{}]}}", many.join(","));
    let doubled =
        (0..100_000).map(|n| format!(",\"c{n}\":\"x\",\"c{n}\":{n}")).collect::<Vec<_>>().concat();
    let doubled = format!("{{\"applicationUserName\":\"u\",\"status\":{{\"total\":1{doubled}}}}}");
    let doubled = format!("{{\"applicationUsers\":[{doubled}]}}");
    let good = simulate(plain(50)).await;
    for (case, body, words) in
        [("150,000 rows", many, "longer than any"), ("100,000 odd counters", doubled, "")]
    {
        let hostile = Hostile::with_body("", body.as_bytes()).await;
        let home = Home::new();
        let relay = ser(&hostile.url, "start = \"2h\"").replace("[sources.ser]", "[sources.etd]");
        let other = etd(&good.etd_url, "").replace("[sources.etd]", "[sources.good]");
        home.configure(&[relay, other, home.file_sink()]);
        let met = run(case, home, &good).await;
        assert!(met.reason().contains(words) || words.is_empty(), "{case}: {}", met.reason());
        assert_eq!(words.is_empty(), !met.events().is_empty(), "{case}: {}", met.stderr);
        assert!(met.peak <= USUAL + 4 * BODY, "{case}: {} KiB", met.peak);
    }
}
