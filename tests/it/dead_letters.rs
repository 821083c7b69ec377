//! What a sink refuses for good: found, listed, sent again, dropped.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    time::Duration,
};

use postrider::simulator::{HecOptions, Listen, Options, Received, Simulation};
use serde_json::Value;

use crate::{
    check::part,
    harness::{Ended, Home, etd, hec, plain, simulate, until},
    records::{Line, assert_messages, duplicates, health, lines},
};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A SIEM on a port, in the place of the one before, which takes a moment to go.
async fn siem(port: u16, hec: HecOptions) -> Simulation {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..200 {
        ticks.tick().await;
        let listen = Listen { hec: port, ..Listen::default() };
        let options = Options { listen, hec: hec.clone(), ..plain(0) };
        if let Ok(siem) = Simulation::start(options).await {
            return siem;
        }
    }
    panic!("the port {port} stays in use");
}

fn poison(every: u32) -> HecOptions {
    HecOptions { poison_every: every, ..HecOptions::default() }
}

impl Home {
    async fn letters(&self, args: &[&str]) -> Ended {
        self.run(&[&["dead-letters"], args].concat()).await
    }

    pub(crate) async fn list(&self) -> Vec<Value> {
        let ended = self.letters(&["list", "--output", "json"]).await;
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Collects into a SIEM that refuses some, and returns how many.
    async fn refused(&self, vendor: &Simulation, port: u16, extra: &str) -> u64 {
        let url = format!("http://127.0.0.1:{port}");
        self.configure(&[etd(&vendor.etd_url, ""), hec(&url, extra), self.file_sink()]);
        self.once().await;
        part(&self.status().await, "splunk")["dead_letters"].as_u64().unwrap()
    }
}

fn both(first: &[Received], then: &[Received]) -> Vec<Received> {
    first.iter().chain(then).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_daemon_letters_are_shown_and_sent_again() {
    let (vendor, port, home) = (simulate(plain(1_000)).await, free_port(), Home::new());
    let bad = siem(port, poison(40)).await;
    let extra = "batch = { max_events = 100 }\nstreams = [\"messages\"]";
    let dead = home.refused(&vendor, port, extra).await;
    assert!(dead > 8, "{dead}");
    let list = home.list().await;
    assert_eq!(list.len() as u64, dead);
    let keys: Vec<_> = list[0].as_object().unwrap().keys().cloned().collect();
    let contract = ["id", "event_id", "sink", "reason", "at", "attempts"];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>(), contract.map(String::from).iter().collect());
    let page = home.letters(&["list", "--limit", "3"]).await;
    assert_eq!(page.stdout.lines().count(), 3 + 2, "{}", page.stdout);
    assert!(page.stderr.contains("--before"), "{}", page.stderr);
    let past = home.letters(&["list", "--before", "1"]).await;
    assert!(past.stderr.contains("no dead letters older than 1"), "{}", past.stderr);
    for command in ["show", "replay", "drop"] {
        for id in ["0", "9223372036854775808", "18446744073709551615"] {
            let ended = home.letters(&[command, id]).await;
            assert_eq!(ended.status, Some(2), "{}", ended.stderr);
            assert!(ended.stderr.contains("is not in 1..=9223372036854775807"), "{}", ended.stderr);
        }
    }

    let in_file: BTreeMap<String, Line> =
        lines(&home).into_iter().map(|line| (line.id().to_owned(), line)).collect();
    for letter in &list {
        let id = letter["id"].to_string();
        let shown = home.letters(&["show", &id]).await.stdout;
        let line = &in_file[letter["event_id"].as_str().unwrap()];
        assert!(shown.contains(&line.text), "the same to the byte: {shown}");
        let shown: Value = serde_json::from_str(&shown.replace("\\ud83d of", "of")).unwrap();
        assert_eq!((&shown["attempts"], &shown["source"]), (&1.into(), &"etd".into()));
    }
    let (status, table) = (home.status().await, home.run(&["status"]).await.stdout);
    assert!(part(&status, "splunk")["last_refusal"]["reason"].is_string(), "{status:#}");
    assert!(table.contains("dead-letters list --sink splunk"), "{table}");

    // As before: refused once more.
    let again = home.letters(&["replay", "--all", "--output", "json"]).await;
    assert_eq!(again.status, Some(1), "{}", again.stderr);
    let report: Value = serde_json::from_str(&again.stdout).unwrap();
    let replay = &report["replays"][0];
    assert_eq!((&replay["refused"], &replay["delivered"]), (&dead.into(), &0.into()), "{report}");
    assert_eq!(replay["reasons"][0]["letters"], dead, "{report}");
    assert!(home.list().await.iter().all(|letter| letter["attempts"] == 2));

    let received = bad.received();
    drop(bad);
    let good = siem(port, HecOptions::default()).await;
    let id = list[0]["id"].to_string();
    let one = home.letters(&["replay", &id]).await;
    assert_eq!(one.status, Some(0), "{} {}", one.stdout, one.stderr);
    assert_eq!(good.received().len(), 1);
    assert_eq!(good.received()[0].event_id, list[0]["event_id"].as_str().unwrap());
    let rest = home.letters(&["replay", "--sink", "splunk"]).await;
    assert_eq!(rest.status, Some(0), "{} {}", rest.stdout, rest.stderr);
    assert!(rest.stdout.contains(&format!("{} delivered, 0 refused", dead - 1)), "{}", rest.stdout);
    let all = both(&received, &good.received());
    assert_messages("HEC", &vendor, &all);
    assert_eq!(all.len(), 1_000, "each once");
    assert_eq!(duplicates("HEC", &all), 0);
    let status = home.status().await;
    assert_eq!(part(&status, "splunk")["dead_letters"], 0, "{status:#}");
    assert_eq!(part(&status, "splunk")["delivered"], 1_000, "{status:#}");
    assert!(home.list().await.is_empty());
    let none = home.letters(&["list"]).await;
    assert!(none.stderr.contains("there are no dead letters\n"), "{}", none.stderr);
    let none = home.letters(&["replay", "--all", "--output", "json"]).await;
    assert_eq!(none.status, Some(0), "{}", none.stderr);
    let none: Value = serde_json::from_str(&none.stdout).unwrap();
    assert_eq!(none, serde_json::json!({ "replays": [], "undone": [] }));
    let gone = home.letters(&["replay", &id]).await;
    assert_eq!(gone.status, Some(2), "{}", gone.stderr);
    assert_eq!(home.letters(&["replay"]).await.status, Some(2), "nothing chosen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_daemon_sends_letters_again_and_tells_of_them() {
    let (vendor, port, home) = (simulate(plain(500)).await, free_port(), Home::new());
    let bad = siem(port, poison(25)).await;
    let url = format!("http://127.0.0.1:{port}");
    let splunk = hec(&url, "batch = { max_events = 100 }\nstreams = [\"messages\"]");
    home.configure(&[etd(&vendor.etd_url, ""), splunk, home.file_sink()]);
    let process = home.start(&["run"]);
    let passed = |s: &Value| {
        let splunk = part(s, "splunk");
        splunk["delivered"].as_u64().unwrap() + splunk["dead_letters"].as_u64().unwrap() == 500
    };
    let status = home.status_when("all passed", passed).await;
    let dead = part(&status, "splunk")["dead_letters"].as_u64().unwrap();
    let told = |state: &'static str| {
        let home = &home;
        until(state, move || {
            let of = |event: &Value| event["kind"] == "dead_letters" && event["state"] == state;
            health(home).into_iter().rfind(of)
        })
    };
    let open = told("open").await;
    assert_eq!(open["condition"], "refused", "{open:#}");
    assert!(open["count"].as_u64().unwrap() > 0, "{open:#}");
    let again = home.letters(&["replay", "--all"]).await;
    assert_eq!(again.status, Some(1), "{} {}", again.stdout, again.stderr);
    assert!(again.stdout.contains(&format!("{dead} refused again")), "{}", again.stdout);

    let received = bad.received();
    drop(bad);
    let good = siem(port, HecOptions::default()).await;
    let one = home.list().await[0]["id"].to_string();
    let refused = home.letters(&["drop", &one]).await;
    assert_eq!(refused.status, Some(2), "nobody can be asked: {}", refused.stderr);
    assert_eq!(home.letters(&["drop", &one, "--yes"]).await.status, Some(0));
    let rest = home.letters(&["replay", "--sink", "splunk", "--output", "json"]).await;
    assert_eq!(rest.status, Some(0), "{} {}", rest.stdout, rest.stderr);
    let report: Value = serde_json::from_str(&rest.stdout).unwrap();
    assert_eq!(report["replays"][0]["delivered"], dead - 1, "{report}");
    let closed = told("closed").await;
    assert_eq!(closed["postrider"]["record_id"], "dead_letters:splunk", "{closed:#}");
    assert_eq!(health(&home).iter().filter(|it| it["kind"] == "dead_letters").count(), 2);
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    let all = both(&received, &good.received());
    assert_eq!((all.len(), duplicates("HEC", &all)), (499, 0), "but the one that was dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_not_named_are_found_in_few_requests() {
    let (vendor, port, home) = (simulate(plain(2_048)).await, free_port(), Home::new());
    let siem = siem(port, HecOptions { unnumbered: true, ..poison(200) }).await;
    let extra = "batch = { max_events = 512, max_bytes = \"8MiB\" }\nstreams = [\"messages\"]";
    let dead = home.refused(&vendor, port, extra).await;
    let requests = siem.stats().hec_batches.batches;
    println!("{dead} bad events among 2048: {requests} requests");
    assert!(dead > 3, "{dead}");
    // Batches may be shorter where pages came late.
    assert!(requests <= dead * 2 * 9 + 2_048 / 50, "{requests}");
    let received = siem.received();
    assert_eq!(received.len() as u64 + dead, 2_048);
    assert_eq!(duplicates("HEC", &received), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_the_middle_of_a_replay_lose_nothing() {
    const TOGETHER: u64 = 10;
    let (vendor, port, home) = (simulate(plain(2_000)).await, free_port(), Home::new());
    let bad = siem(port, poison(2)).await;
    let extra = format!("batch = {{ max_events = {TOGETHER} }}\nstreams = [\"messages\"]");
    let dead = home.refused(&vendor, port, &extra).await;
    assert!(dead > 800, "{dead}");
    let received = bad.received();
    drop(bad);
    let good = siem(port, HecOptions::default()).await;
    let batches = || good.stats().hec_batches.batches;
    let mut kills = 0;
    // The command that was killed left its wish.
    for args in [&["dead-letters", "replay", "--all"][..], &["run"], &["run"]] {
        let from = batches();
        let process = home.start(args);
        until("batches", || (batches() >= from + 5).then_some(())).await;
        process.kill9().await;
        kills += 1;
    }
    let left = home.list().await.len();
    assert!(left > 0, "too late to show anything");
    home.once().await;
    assert_eq!(home.list().await.len(), 0);
    let all = both(&received, &good.received());
    assert_messages("HEC", &vendor, &all);
    let copies = duplicates("HEC", &all);
    println!("{dead} letters, {kills} kills, {left} left after them: {copies} duplicates");
    assert!(copies <= kills * TOGETHER, "{copies}");
    let status = home.status().await;
    assert_eq!(part(&status, "splunk")["delivered"], 2_000, "{status:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_a_sink_that_is_no_longer_configured_can_be_dropped() {
    let (vendor, port, home) = (simulate(plain(300)).await, free_port(), Home::new());
    let _bad = siem(port, poison(20)).await;
    let dead = home.refused(&vendor, port, "").await;
    home.configure(&[etd(&vendor.etd_url, ""), home.file_sink()]);
    let replay = home.letters(&["replay", "--all"]).await;
    assert_eq!(replay.status, Some(1), "{}", replay.stderr);
    assert!(replay.stderr.contains("splunk is no longer configured"), "{}", replay.stderr);
    assert_eq!(home.list().await.len() as u64, dead);
    let (status, table) = (home.status().await, home.run(&["status"]).await.stdout);
    assert_eq!(status["unconfigured"][0]["dead_letters"], dead, "{status:#}");
    assert!(table.contains("dead-letters drop --sink splunk"), "{table}");
    let unasked = home.letters(&["drop", "--sink", "splunk"]).await;
    assert_eq!(unasked.status, Some(2));
    for words in [&format!("{dead} dead letters of splunk"), "add --yes"] {
        assert!(unasked.stderr.contains(words), "{}", unasked.stderr);
    }
    assert_eq!(home.list().await.len() as u64, dead);
    let dropped = home.letters(&["drop", "--sink", "splunk", "--yes"]).await;
    assert_eq!(dropped.status, Some(0), "{}", dropped.stderr);
    assert!(home.list().await.is_empty());
    assert_eq!(home.letters(&["list", "--sink", "splunk"]).await.status, Some(2));
}
