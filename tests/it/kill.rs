//! `kill -9` at any moment.

use postrider::simulator::{Quirks, Simulation};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    calls::searches,
    check::assert_settled,
    harness::{Home, etd, hec, plain, ser, simulate, syslog, until},
    records::{assert_messages, assert_same_in_file, duplicates, lines},
};

const KILLS: u64 = 30;
const HEC_IN_FLIGHT: u64 = 4;
const HEC_EVENTS: u64 = 100;
const EVENTS: u64 = 200;

/// How far all is, in calls, batches and frames: rises with each.
fn progress(simulation: &Simulation) -> u64 {
    let stats = simulation.stats();
    searches(&stats) + stats.hec_batches.batches + stats.syslog_events.received / EVENTS
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_kills_lose_nothing_and_double_only_what_was_on_its_way() {
    let mut options = plain(20_000);
    options.etd.quirks = Quirks { retro_every: 0, late_verdict_every: 0, ..Quirks::default() };
    let simulation = simulate(options).await;
    let home = Home::new();
    let batch = format!("batch = {{ max_events = {EVENTS}, max_age = \"1s\" }}");
    home.configure(&[
        etd(&simulation.etd_url, "slice = \"20m\""),
        ser(&simulation.ser_url, ""),
        hec(
            &simulation.hec_url,
            &format!("max_in_flight = {HEC_IN_FLIGHT}\nbatch = {{ max_events = {HEC_EVENTS} }}"),
        ),
        syslog(simulation.syslog_addr, &batch),
        format!("{}\n{batch}", home.file_sink()),
    ]);

    let mut rng = StdRng::seed_from_u64(20_261_122);
    let mut kills = 0;
    while kills < KILLS {
        let from = progress(&simulation);
        let more = rng.random_range(1..=20);
        let mut process = home.start(&["run"]);
        until("progress between two kills", || {
            assert!(process.is_running(), "{}", home.read("stderr.log"));
            (progress(&simulation) >= from + more).then_some(())
        })
        .await;
        process.kill9().await;
        kills += 1;
    }
    let collected_by_then = searches(&simulation.stats());
    home.once().await;

    let received = simulation.received();
    assert_messages("HEC", &simulation, &received);
    let by_syslog = simulation.received_by_syslog();
    assert_messages("syslog", &simulation, &by_syslog);
    let copies = [
        duplicates("HEC", &received),
        duplicates("syslog", &by_syslog),
        assert_same_in_file(&lines(&home), &received),
    ];
    println!("{kills} kills, the last after {collected_by_then} searches: duplicates {copies:?}");
    assert!(copies[0] <= KILLS * HEC_IN_FLIGHT * HEC_EVENTS, "HEC: {copies:?}");
    assert!(copies[1] <= KILLS * EVENTS, "syslog: {copies:?}");
    assert!(copies[2] <= KILLS * EVENTS, "file: {copies:?}");
    assert_settled(&home.status().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_last_line_does_not_stay() {
    let simulation = simulate(plain(300)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    std::fs::write(home.path("events.jsonl"), "{\"postrider\":{\"event_id\":\"torn").unwrap();
    home.once().await;
    let text = home.read("events.jsonl");
    assert_eq!(lines(&home).len(), 300, "{}", text.lines().next().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_no_lock() {
    let simulation = simulate(plain(10)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    let process = home.start(&["run"]);
    home.logged("postrider runs").await;
    let (first, pid) = (home.run(&["once"]).await, process.pid());
    assert_eq!(first.status, Some(1));
    assert!(first.stderr.contains(&format!("another postrider (process {pid})")), "{first:?}");
    process.kill9().await;
    assert!(home.path("state/postrider.lock").exists());
    home.once().await;
}
