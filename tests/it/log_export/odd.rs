//! A host of files that the simulator is too polite for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::{
    delivery::hour,
    harness::{Home, ago, etd},
    hostile::{Hostile, response},
};

/// What a file's host answers, by the file's name.
type Files = fn(&str) -> Vec<u8>;

/// A vendor with files of one hour, called so.
async fn vendor(names: &'static [&'static str], files: Files, asked: Arc<AtomicUsize>) -> Hostile {
    let at = hour(ago(5 * 3600));
    let folder = at.strftime("/logs/log_date%%3D%Y-%m-%d/hour%%3D%H").to_string();
    let asked_hour = at.strftime("%Y-%m-%dT%H").to_string();
    Hostile::start(move |request, mut tcp| {
        let (folder, asked_hour, asked) = (folder.clone(), asked_hour.clone(), asked.clone());
        async move {
            let head = &request.head;
            if head.starts_with("get /logs/") {
                let path = head.split(['?', ' ']).nth(1).unwrap_or_default();
                tcp.write_all(&files(path.rsplit('/').next().unwrap_or_default())).await?;
                return tcp.shutdown().await;
            }
            let body = if head.contains("downloadlinks") {
                asked.fetch_add(1, Ordering::Relaxed);
                let range = &request.body["timeRange"];
                let (from, to) = (range[0].as_str().unwrap(), range[1].as_str().unwrap());
                let has = from <= asked_hour.as_str() && asked_hour.as_str() < to;
                let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
                let link = |name: &&str| format!("http://{}{folder}/{name}?X-Sig=1", host.trim());
                let links: Vec<String> = names.iter().filter(|_| has).map(link).collect();
                serde_json::json!({ "data": { "message": links, "audit": [] } }).to_string()
            } else {
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
    let extra = "start = \"7h\"\nlog_export = true\nreconcile = false\nlag = \"20m\"";
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
    let asked = Arc::new(AtomicUsize::new(0));
    let vendor = vendor(&["a", "b"], files, asked.clone()).await;
    let home = home(&vendor);
    let ended = home.run(&["once", "--patience", "4s"]).await;
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let asked = asked.load(Ordering::Relaxed);
    assert!((2..12).contains(&asked), "{asked} calls");
    assert!(
        ended.stderr.contains("b answered 403 (the link is no longer good)"),
        "{}",
        ended.stderr
    );
    let arrived = std::fs::read_to_string(home.path("events.jsonl")).unwrap_or_default();
    assert_eq!(arrived.lines().count(), 1, "{arrived}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_is_counted_and_not_told_line_by_line() {
    let files: Files = |_| {
        let mut text = "\u{feff}".to_owned();
        for line in 0..3_000 {
            text += &format!("rubbish {line}\r\n");
        }
        response("", (text + &update(1) + "\n\n" + &update(1)).as_bytes())
    };
    let vendor = vendor(&["a", "empty"], files, Arc::default()).await;
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
