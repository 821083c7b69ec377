//! Sinks that refuse, hold, or are not there.

use std::net::TcpListener;

use postrider::simulator::{HecOptions, Listen, Options, Simulation};
use serde_json::Value;

use crate::{
    check::{assert_settled, part},
    harness::{Home, etd, hec, plain, simulate, syslog},
    records::{assert_messages, assert_same_in_file, duplicates, lines},
};

fn with_hec(messages: u64, hec: HecOptions) -> Options {
    Options { hec, ..plain(messages) }
}

/// A port where nobody listens now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn assert_all(simulation: &Simulation, home: &Home) {
    let received = simulation.received();
    assert_messages("HEC", simulation, &received);
    assert_eq!(duplicates("HEC", &received), 0);
    assert_eq!(assert_same_in_file(&lines(home), &received), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_holds_everything_until_its_file_is_rotated() {
    let simulation = simulate(plain(500)).await;
    let home = Home::new();
    let token = format!("token = {}", home.secret("token", "00000000-dead-beef-0000-000000000000"));
    home.configure(&[
        etd(&simulation.etd_url, ""),
        hec(&simulation.hec_url, &token),
        home.file_sink(),
    ]);
    let process = home.start(&["run"]);
    let held = home
        .status_when("the sink holds", |status| {
            part(status, "splunk")["state"] == "auth_failed"
                && part(status, "archive")["delivered"] == 500
        })
        .await;
    assert_eq!(part(&held, "splunk")["dead_letters"], 0, "{held:#}");
    assert_eq!(part(&held, "splunk")["waiting"], 500, "{held:#}");
    let error = part(&held, "splunk")["error"].as_str().unwrap();
    assert!(error.contains("check `token`"), "{error}");
    assert!(simulation.received().is_empty());

    home.secret("token", "11111111-2222-3333-4444-555555555555");
    // Health events may have come on top.
    let all = |s: &Value| part(s, "splunk")["delivered"].as_u64() >= Some(500);
    let well = home.status_when("delivery", all).await;
    assert_eq!(part(&well, "splunk")["state"], "ok", "{well:#}");
    assert_eq!(home.read("stderr.log").matches("postrider runs").count(), 1, "no restart");
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    assert_all(&simulation, &home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_index_holds_and_drops_nothing() {
    let hec_options = HecOptions { indexes: vec!["email".into()], ..HecOptions::default() };
    let simulation = simulate(with_hec(300, hec_options)).await;
    let home = Home::new();
    let source = etd(&simulation.etd_url, "");
    let wrong = hec(&simulation.hec_url, "index = \"emial\"");
    home.configure(&[source.clone(), wrong, home.file_sink()]);
    let ended = home.run(&["once"]).await;
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("the index \"emial\" does not exist"), "{}", ended.stderr);
    let status = home.status().await;
    assert_eq!(part(&status, "splunk")["state"], "auth_failed", "{status:#}");
    assert_eq!(part(&status, "splunk")["dead_letters"], 0, "{status:#}");
    assert!(simulation.received().is_empty());

    home.configure(&[source, hec(&simulation.hec_url, "index = \"email\""), home.file_sink()]);
    home.once().await;
    assert_all(&simulation, &home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poisoned_events_become_dead_letters_and_all_others_arrive() {
    let poisoned = HecOptions { poison_every: 50, ..HecOptions::default() };
    let simulation = simulate(with_hec(2_000, poisoned)).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, ""),
        hec(&simulation.hec_url, "batch = { max_events = 100 }\nstreams = [\"messages\"]"),
        home.file_sink(),
    ]);
    let ended = home.once().await;
    assert!(ended.stderr.contains("a dead letter"), "said in the log");
    let received = simulation.received();
    let status = home.status().await;
    let dead = part(&status, "splunk")["dead_letters"].as_u64().unwrap();
    println!("{dead} dead letters");
    assert!(dead > 10, "{status:#}");
    assert_eq!(received.len() as u64 + dead, 2_000);
    assert_eq!(part(&status, "splunk")["delivered"], 2_000 - dead);
    assert_eq!(part(&status, "splunk")["waiting"], 0);
    assert_eq!(part(&status, "archive")["dead_letters"], 0);
    assert_eq!(status["spool"]["events"], 0, "dead letters are kept apart: {status:#}");
    assert_eq!(lines(&home).len(), 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_too_large_for_the_sink_become_dead_letters() {
    let small = HecOptions { max_event_size: 2_600, ..HecOptions::default() };
    let simulation = simulate(with_hec(300, small)).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, ""),
        hec(&simulation.hec_url, "batch = { max_events = 50 }\nstreams = [\"messages\"]"),
        home.file_sink(),
    ]);
    home.once().await;
    let status = home.status().await;
    let dead = part(&status, "splunk")["dead_letters"].as_u64().unwrap();
    let received = simulation.received().len() as u64;
    println!("{dead} dead letters, {received} received");
    assert!(dead > 0 && received > 0, "{dead} {received}");
    assert_eq!(received + dead, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collecting_goes_on_while_a_sink_is_down_and_all_arrives_when_it_comes_up() {
    let port = free_port();
    let vendor = simulate(plain(1_000)).await;
    let home = Home::new();
    let url = format!("http://127.0.0.1:{port}");
    home.configure(&[etd(&vendor.etd_url, ""), hec(&url, "")]);
    let process = home.start(&["run"]);
    let status = home
        .status_when("collected", |status| {
            status["spool"]["events"] == 1_000 && part(status, "splunk")["state"] == "failing"
        })
        .await;
    assert_eq!(part(&status, "etd")["open_slices"], 0, "{status:#}");
    let listen = Listen { hec: port, ..Listen::default() };
    let siem = simulate(Options { listen, ..plain(0) }).await;
    home.status_when("delivered", |status| part(status, "splunk")["delivered"] == 1_000).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    assert_messages("HEC", &vendor, &siem.received());
    assert_eq!(duplicates("HEC", &siem.received()), 0);
    assert_settled(&home.status().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_added_later_gets_the_spool_and_a_removed_one_frees_it() {
    let simulation = simulate(plain(400)).await;
    let home = Home::new();
    let source = etd(&simulation.etd_url, "");
    let down = hec(&format!("http://127.0.0.1:{}", free_port()), "");
    home.configure(&[source.clone(), down.clone()]);
    assert_eq!(home.run(&["once", "--patience", "1s"]).await.status, Some(1));
    assert_eq!(home.status().await["spool"]["events"], 400);

    home.configure(&[source.clone(), down, home.file_sink()]);
    assert_eq!(home.run(&["once", "--patience", "1s"]).await.status, Some(1));
    assert_eq!(lines(&home).len(), 400);
    assert_eq!(home.status().await["spool"]["events"], 400);

    home.configure(&[source, home.file_sink()]);
    home.once().await;
    assert_settled(&home.status().await);
    assert_eq!(lines(&home).len(), 400, "the sink that stayed gets nothing twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_endpoint_among_several_costs_nothing() {
    let simulation = simulate(plain(2_000)).await;
    let home = Home::new();
    let dead = format!("http://127.0.0.1:{}", free_port());
    let endpoints = format!("endpoints = [{dead:?}, {:?}]", simulation.hec_url);
    let sink = hec("", &format!("{endpoints}\nbatch = {{ max_events = 100 }}"));
    home.configure(&[etd(&simulation.etd_url, ""), sink, home.file_sink()]);
    home.once().await;
    assert_all(&simulation, &home);
    assert_settled(&home.status().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syslog_receiver_that_hangs_up_all_the_time_gets_everything() {
    let simulation = simulate(Options { syslog_close_every: 150, ..plain(2_000) }).await;
    let home = Home::new();
    let sink = syslog(simulation.syslog_addr, "batch = { max_events = 100 }");
    home.configure(&[etd(&simulation.etd_url, ""), sink]);
    home.once().await;
    let received = simulation.received_by_syslog();
    assert_messages("syslog", &simulation, &received);
    println!("{} duplicates", duplicates("syslog", &received));
    assert_settled(&home.status().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_stops_collecting_until_there_is_room() {
    let simulation = simulate(plain(4_000)).await;
    let home = Home::new();
    let port = free_port();
    home.configure(&[etd(&simulation.etd_url, ""), hec(&format!("http://127.0.0.1:{port}"), "")]);
    let config = home.read("postrider.toml");
    let small = config.replacen("[state]", "[state]\nmax_spool = \"200KiB\"", 1);
    std::fs::write(home.path("postrider.toml"), small).unwrap();
    let process = home.start(&["run"]);
    let full = home.status_when("full", |s| part(s, "etd")["state"] == "behind").await;
    let bytes = full["spool"]["bytes"].as_u64().unwrap();
    println!("{} events in {bytes} bytes", full["spool"]["events"]);
    assert!(bytes <= 200 * 1024, "{bytes}");
    assert!(full["spool"]["events"].as_u64().unwrap() < 4_000, "{full:#}");
    let listen = Listen { hec: port, ..Listen::default() };
    let siem = simulate(Options { listen, ..plain(0) }).await;
    home.status_when("delivered", |s| part(s, "splunk")["delivered"] == 4_000).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    assert_messages("HEC", &simulation, &siem.received());
    assert_settled(&home.status().await);
}
