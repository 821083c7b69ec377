//! A clock that steps under the running process, and a time zone with summer time.

use std::collections::BTreeSet;

use postrider::simulator::Simulation;
use serde_json::Value;

use crate::{
    faulty::{self, Faulty},
    harness::{Home, Process, etd, hec, now, plain, simulate, until},
    records::{duplicates, health, lines},
};

const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;

/// A vendor with new messages all the time, and a process that asks for them each second.
async fn begun(ahead: i64) -> Option<(Simulation, Home, Process)> {
    let simulation = simulate(crate::signals::live(20.0)).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, crate::signals::EACH_SECOND),
        hec(&simulation.hec_url, ""),
        home.file_sink(),
    ]);
    Faulty::clock(ahead).set(&home);
    let process = faulty::start(&home, &["run"])?;
    Some((simulation, home, process))
}

fn received(simulation: &Simulation) -> usize {
    simulation.received().iter().filter(|event| event.stream == "messages").count()
}

async fn more(what: &str, simulation: &Simulation) {
    let before = received(simulation);
    until(what, || (received(simulation) >= before + 60).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_of_an_hour_and_a_year_both_ways_lose_nothing_and_stop_nothing() {
    let Some((simulation, home, process)) = begun(0).await else { return };
    more("a beginning", &simulation).await;
    for ahead in [HOUR, 0, -HOUR, 0, YEAR, 0, -YEAR, 0] {
        Faulty::clock(ahead).set(&home);
        more(&format!("collecting with a clock {ahead} s ahead"), &simulation).await;
    }
    let log = home.read("stderr.log");
    assert!(log.contains("this machine's clock has jumped"), "{log}");
    assert_everything(&simulation, &home, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_a_year_ahead_at_the_start_is_told_of_and_set_right() {
    let Some((simulation, home, process)) = begun(YEAR).await else { return };
    more("collecting", &simulation).await;
    let told = |event: &Value| event["kind"] == "clock" && event["condition"] == "ahead";
    until("a health event", || health(&home).iter().any(told).then_some(())).await;
    Faulty::clock(0).set(&home);
    let over = |event: &Value| event["kind"] == "clock" && event["state"] == "closed";
    until("its end", || health(&home).iter().any(over).then_some(())).await;
    more("collecting", &simulation).await;
    assert_everything(&simulation, &home, process).await;
}

/// All that the vendor has by now arrives, once.
async fn assert_everything(simulation: &Simulation, home: &Home, process: Process) {
    let end = now();
    let wanted = simulation.truth().filter(|message| message.time < end);
    let wanted: BTreeSet<String> = wanted.map(|message| message.id.to_string()).collect();
    assert!(wanted.len() > 100);
    until("everything", || {
        let received = simulation.received();
        let there: BTreeSet<&String> = received.iter().map(|event| &event.record_id).collect();
        wanted.iter().all(|id| there.contains(id)).then_some(())
    })
    .await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0), "{}", home.read("stderr.log"));
    assert_eq!(duplicates("HEC", &simulation.received()), 0);
    let status = home.status().await;
    assert_eq!(status["sources"][0]["lost_slices"], 0, "{status:#}");
}

/// 2026-03-08T07:00Z is when New York's clocks are set forward.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_zone_with_summer_time_changes_nothing() {
    let simulation = simulate(plain(300)).await;
    let mut told = Vec::new();
    for zone in ["UTC", "America/New_York", ":/nonexistent"] {
        let home = Home::new();
        home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
        let process = home.start_with(&["once"], &[("TZ", zone)]);
        assert_eq!(process.ended().await, Some(0), "{}", home.read("stderr.log"));
        let mut events: Vec<Value> = lines(&home).into_iter().map(|line| line.json).collect();
        for event in &mut events {
            let ours = event["postrider"].as_object_mut().unwrap();
            assert!(ours["collected_at"].as_str().unwrap().ends_with('Z'), "{ours:?}");
            // When it was asked for differs.
            ours.retain(|name, _| name != "collected_at" && name != "slice");
        }
        events.sort_by_key(|event| event["id"].to_string());
        assert_eq!(events.len(), 300);
        let log = home.read("stderr.log");
        let mut times =
            log.lines().filter(|line| line.contains(" INFO ")).map(str::split_whitespace);
        assert!(times.all(|mut words| words.next().unwrap().ends_with('Z')), "{log}");
        told.push(events);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
}
