//! HEC indexer acknowledgement: a batch counts once the indexers have it, whatever becomes of
//! batches, acknowledgements and processes on the way.

use std::time::Duration;

use postrider::simulator::{AckAnswers, HecOptions, Options, Simulation};

use crate::{
    check::{assert_settled, part},
    harness::{Home, etd, hec, plain, simulate, until},
    records::{assert_messages, duplicates},
};

const EVENTS: u64 = 50;
/// `max_in_flight`, and how many times that may wait for the indexers.
const IN_FLIGHT: u64 = 4;
const AHEAD: u64 = 4;

fn acknowledging() -> HecOptions {
    HecOptions { use_ack: true, ack_polls: 1, ..HecOptions::default() }
}

fn with_hec(messages: u64, hec: HecOptions) -> Options {
    Options { hec, ..plain(messages) }
}

fn sink(simulation: &Simulation, extra: &str) -> String {
    let timeout = if extra.contains("ack_timeout") { "" } else { "ack_timeout = \"2s\"\n" };
    let batch = format!("batch = {{ max_events = {EVENTS} }}\n");
    hec(&simulation.hec_url, &(batch + timeout + extra))
}

/// Collects and delivers all of it; the copies beyond the first, and the batches that were sent.
async fn deliver(messages: u64, hec: HecOptions, extra: &str) -> (u64, Simulation) {
    let simulation = simulate(with_hec(messages, hec)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), sink(&simulation, extra)]);
    let ended = home.once().await;
    let received = simulation.received();
    assert_messages("HEC", &simulation, &received);
    assert_settled(&home.status().await);
    assert!(!ended.stderr.contains("panic"), "{}", ended.stderr);
    (duplicates("HEC", &received), simulation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_acknowledgements_that_are_lost_come_again() {
    let options = HecOptions { lose_batch_every: 7, ..acknowledging() };
    let (copies, simulation) = deliver(2_000, options, "").await;
    let lost = simulation.stats().hec_batches.lost;
    assert!(lost >= 5 * EVENTS, "{lost} events were lost by the indexers");
    assert_eq!(copies, 0, "what was lost there is no copy");

    let options = HecOptions { lose_ack_every: 7, ..acknowledging() };
    let (copies, _) = deliver(2_000, options, "").await;
    assert!((5 * EVENTS..=20 * EVENTS).contains(&copies), "{copies}");

    let options = HecOptions { lose_ack_answer_every: 3, ..acknowledging() };
    let (copies, simulation) = deliver(2_000, options, "").await;
    let lost = simulation.stats().hec_batches.lost_ack_answers;
    assert!(lost > 0 && copies <= lost * IN_FLIGHT * AHEAD * EVENTS, "{lost} {copies}");
    println!("{lost} lost answers to questions: {copies} duplicates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_splunk_that_forgets_its_channels_gets_everything() {
    let options = HecOptions { forget_channels_every: 25, ..acknowledging() };
    let (copies, simulation) = deliver(2_000, options, "").await;
    println!("{copies} duplicates in {} batches", simulation.stats().hec_batches.batches);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_nodes_behind_one_address_are_told_apart_by_their_cookie() {
    let (copies, _) = deliver(2_000, HecOptions { nodes: 3, ..acknowledging() }, "").await;
    assert_eq!(copies, 0);
    // Without a cookie it is slow and has copies, but nothing is lost.
    let options = HecOptions { nodes: 2, sticky: false, ..acknowledging() };
    let (copies, _) = deliver(1_000, options, "ack_timeout = \"10s\"").await;
    println!("two nodes without a cookie: {copies} duplicates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_while_acknowledgements_are_pending_loses_nothing() {
    const KILLS: u64 = 8;
    let options = HecOptions { ack_delay: Duration::from_millis(300), ..acknowledging() };
    let simulation = simulate(with_hec(8_000, options)).await;
    let home = Home::new();
    let sink = sink(&simulation, &format!("ack_timeout = \"20s\"\nmax_in_flight = {IN_FLIGHT}"));
    home.configure(&[etd(&simulation.etd_url, ""), sink]);
    for kill in 1..=KILLS {
        let before = simulation.stats().hec_batches.batches;
        let mut process = home.start(&["run"]);
        until("batches wait for the indexers", || {
            assert!(process.is_running(), "{}", home.read("stderr.log"));
            (simulation.stats().hec_batches.batches >= before + 2 + 3 * kill).then_some(())
        })
        .await;
        process.kill9().await;
    }
    home.once().await;
    let received = simulation.received();
    assert_messages("HEC", &simulation, &received);
    let copies = duplicates("HEC", &received);
    println!("{KILLS} kills: {copies} duplicates");
    assert!(copies > 0, "batches were pending");
    assert!(copies <= KILLS * IN_FLIGHT * AHEAD * EVENTS, "{copies}");
    assert_settled(&home.status().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgement_that_is_switched_off_at_the_server_in_the_middle() {
    let options = HecOptions { ack_delay: Duration::from_millis(100), ..acknowledging() };
    let simulation = simulate(with_hec(4_000, options.clone())).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), sink(&simulation, "ack_timeout = \"20s\"")]);
    let process = home.start(&["run"]);
    until("some batches", || (simulation.stats().hec_batches.batches > 20).then_some(())).await;
    simulation.change_hec(|hec| hec.use_ack = false);
    home.status_when("all delivered", |status| part(status, "splunk")["delivered"] == 4_000).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    let received = simulation.received();
    assert_messages("HEC", &simulation, &received);
    let copies = duplicates("HEC", &received);
    assert!(copies <= IN_FLIGHT * AHEAD * EVENTS, "{copies}");

    // Where it is required, the sink holds until it is on again.
    let simulation = simulate(with_hec(1_000, HecOptions { use_ack: false, ..options })).await;
    let home = Home::new();
    let required = sink(&simulation, "acknowledgements = \"required\"");
    home.configure(&[etd(&simulation.etd_url, ""), required]);
    let check = home.run(&["check"]).await;
    assert_eq!(check.status, Some(1));
    let said = check.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("switch it on in Splunk"), "{said}");
    let process = home.start(&["run"]);
    let held =
        home.status_when("held", |status| part(status, "splunk")["state"] == "auth_failed").await;
    let error = part(&held, "splunk")["error"].as_str().unwrap();
    assert!(error.contains("has no indexer acknowledgement for the token"), "{error}");
    assert_eq!(simulation.stats().hec_events.received, 0, "nothing is sent");
    simulation.change_hec(|hec| hec.use_ack = true);
    home.status_when("all delivered", |status| part(status, "splunk")["delivered"] == 1_000).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    assert_messages("HEC", &simulation, &simulation.received());
    assert_eq!(home.run(&["check"]).await.status, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_confirms_nothing_is_left_for_the_next() {
    let answers = [
        AckAnswers::Refused,
        AckAnswers::Unavailable,
        AckAnswers::ServerError,
        AckAnswers::Html,
        AckAnswers::Redirect,
        AckAnswers::ProxyNotFound,
    ];
    futures_util::future::join_all(answers.map(one_that_answers)).await;
}

async fn one_that_answers(ack_answers: AckAnswers) {
    let options = HecOptions { ack_answers, ..acknowledging() };
    let silent = simulate(with_hec(300, options)).await;
    let well = simulate(with_hec(0, acknowledging())).await;
    let home = Home::new();
    let endpoints = format!("endpoints = [{:?}, {:?}]", silent.hec_url, well.hec_url);
    home.configure(&[etd(&silent.etd_url, ""), sink(&silent, &endpoints)]);
    let ended = home.once().await;
    assert_messages("HEC", &silent, &well.received());
    assert!(ended.stderr.contains("its indexers did not confirm it"), "{ack_answers:?}");
    assert_settled(&home.status().await);
}
