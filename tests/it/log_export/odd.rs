//! A host of files that the simulator is too polite for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::{
    delivery::hour,
    harness::{Home, ago, etd, until},
    hostile::{Hostile, response},
};

/// What a file's host answers, by the file's name.
type Files = fn(&str) -> Vec<u8>;

/// What a vendor was asked.
#[derive(Default)]
struct Asked {
    links: AtomicUsize,
    searches: AtomicUsize,
    /// Files that were sent to their ends.
    sent: AtomicUsize,
}

/// In how many pieces a file is sent, and how long each takes.
const PIECES: usize = 100;
const PIECE: Duration = Duration::from_millis(100);

/// A vendor with files of one hour, called so.
async fn vendor(
    names: &'static [&'static str],
    files: Files,
    asked: Arc<Asked>,
    slowly: bool,
) -> Hostile {
    let at = hour(ago(5 * 3600));
    let folder = at.strftime("/logs/log_date%%3D%Y-%m-%d/hour%%3D%H").to_string();
    let asked_hour = at.strftime("%Y-%m-%dT%H").to_string();
    Hostile::start(move |request, mut tcp| {
        let (folder, asked_hour, asked) = (folder.clone(), asked_hour.clone(), asked.clone());
        async move {
            let head = &request.head;
            if head.starts_with("get /logs/") {
                let path = head.split(['?', ' ']).nth(1).unwrap_or_default();
                let answer = files(path.rsplit('/').next().unwrap_or_default());
                for piece in answer.chunks(answer.len() / PIECES + 1) {
                    tcp.write_all(piece).await?;
                    if slowly {
                        tokio::time::sleep(PIECE).await;
                    }
                }
                asked.sent.fetch_add(1, Ordering::Relaxed);
                return tcp.shutdown().await;
            }
            let body = if head.contains("downloadlinks") {
                asked.links.fetch_add(1, Ordering::Relaxed);
                let range = &request.body["timeRange"];
                let (from, to) = (range[0].as_str().unwrap(), range[1].as_str().unwrap());
                let has = from <= asked_hour.as_str() && asked_hour.as_str() < to;
                let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
                let link = |name: &&str| format!("http://{}{folder}/{name}?X-Sig=1", host.trim());
                let links: Vec<String> = names.iter().filter(|_| has).map(link).collect();
                serde_json::json!({ "data": { "message": links, "audit": [] } }).to_string()
            } else {
                asked.searches.fetch_add(1, Ordering::Relaxed);
                r#"{"totalSize":0,"data":{"messages":[]}}"#.to_owned()
            };
            tcp.write_all(&response("", body.as_bytes())).await?;
            tcp.shutdown().await
        }
    })
    .await
}

fn home(vendor: &Hostile) -> Home {
    let home = Home::new();
    let extra = "start = \"7h\"\nlog_export = true\nreconcile = false\nlag = \"20m\"\n\
                 schedule = { every = \"1s\" }";
    home.configure(&[etd(&vendor.url, extra), home.file_sink()]);
    home
}

/// An update of a message that nobody knows.
fn update(id: u32) -> String {
    let at = ago(5 * 3600);
    format!(
        r#"{{"message":{{"eventType":"update","id":"m{id}","verdict":{{"verdict":"phishing","timestamp":"{at}"}}}}}}"#
    ) + "\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_file_beside_one_that_is_refused_does_not_spend_the_days_calls() {
    let files: Files = |name| match name {
        "a" => response("", (update(1) + "{\"half").as_bytes()),
        _ => b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
    };
    let asked = Arc::<Asked>::default();
    let vendor = vendor(&["a", "b"], files, asked.clone(), false).await;
    let home = home(&vendor);
    let ended = home.run(&["once", "--patience", "4s"]).await;
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let asked = asked.links.load(Ordering::Relaxed);
    assert!((2..12).contains(&asked), "{asked} calls");
    assert!(
        ended.stderr.contains("b answered 403 (the link is no longer good)"),
        "{}",
        ended.stderr
    );
    let arrived = home.read("events.jsonl");
    assert_eq!(arrived.matches(r#""record_id":"m1""#).count(), 1, "{arrived}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_is_counted_and_not_told_line_by_line() {
    let files: Files = |_| {
        let text = "\u{feff}".to_owned() + &"rubbish\r\n".repeat(3_000);
        response("", (text + &update(1) + "\n\n" + &update(1)).as_bytes())
    };
    let vendor = vendor(&["a", "empty"], files, Arc::default(), false).await;
    let home = home(&vendor);
    let ended = home.run(&["once", "--patience", "4s"]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.lines().count() < 60, "{}", ended.stderr);
    let coverage: Value =
        serde_json::from_str(&home.run(&["coverage", "--output", "json"]).await.stdout).unwrap();
    let gaps = &coverage["sources"][0]["log_export"]["gaps"];
    let reason = gaps[0]["reason"].as_str().unwrap();
    assert_eq!(reason, "lines of the log export that are none, or too long: 6000");
}

/// As a proxy does that dislikes what one file says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_in_the_place_of_one_file_holds_up_no_other() {
    let files: Files = |name| match name {
        "b" => response("", b"<html>Blocked</html>"),
        name => response("", update(u32::from(name.as_bytes()[0])).as_bytes()),
    };
    let asked = Arc::<Asked>::default();
    let vendor = vendor(&["b", "c", "d"], files, asked.clone(), false).await;
    let home = home(&vendor);
    for _ in 0..2 {
        let ended = home.run(&["once", "--patience", "4s"]).await;
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        assert_eq!(home.read("events.jsonl").matches(r#""update":{"#).count(), 2);
    }
    assert!((2..=6).contains(&asked.links.load(Ordering::Relaxed)), "{:?}", asked.links);
    let text = home.run(&["coverage"]).await.stdout;
    assert!(text.contains("/b: a web page came in its place"), "{text}");
}

/// A file that takes seconds, read by a process that is killed in the midst: the next one passes over
/// what was read, and what is live does not wait for that either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_go_on_beside_a_file_that_takes_long() {
    let files: Files = |_| response("", (1..3_000).map(update).collect::<String>().as_bytes());
    let asked = Arc::<Asked>::default();
    let vendor = vendor(&["a"], files, asked.clone(), true).await;
    let home = home(&vendor);
    let events = || home.read("events.jsonl").lines().count();
    let process = home.start(&["run"]);
    until("most of the file", || (events() > 2_300).then_some(())).await;
    process.kill9().await;
    let (before, searches) = (asked.sent.load(Ordering::Relaxed), &asked.searches);
    let process = home.start(&["run"]);
    until("the first search", || (searches.load(Ordering::Relaxed) > 0).then_some(())).await;
    let first = searches.load(Ordering::Relaxed);
    until("the file", || (asked.sent.load(Ordering::Relaxed) > before).then_some(())).await;
    let beside = searches.load(Ordering::Relaxed) - first;
    assert!(beside >= 5, "{beside} searches beside it");
    until("the rest", || (events() >= 2_999).then_some(())).await;
    process.kill9().await;
}
