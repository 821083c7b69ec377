//! Kills of the daemon at random, under load, all on one store.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use postrider::simulator::{FaultKind, Faults, Mutation, MutationKind, Simulation, Stats};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    audit::{Audit, before, in_file},
    matrix::mean,
    scene::{EVENTS, HEC_IN_FLIGHT, IN_FLIGHT, coverage},
};
use crate::{
    harness::{Home, etd, hec, now, ser, simulate, syslog},
    signals::live,
};

const SEED: u64 = 20_261_122;
const PER_SECOND: f64 = 60.0;

/// Faults that spare what was processed: any other duplicate is the kill's.
fn faults() -> Faults {
    let kinds = vec![
        FaultKind::Throttled,
        FaultKind::ServerError,
        FaultKind::BadGateway,
        FaultKind::Unavailable,
        FaultKind::Reset,
        FaultKind::Html,
    ];
    let retry_after = Duration::from_millis(50);
    Faults { kinds, retry_after, ..Faults::at_rate(0.05) }
}

/// Requests that the servers saw, and events that the syslog receiver did.
fn seen(stats: &Stats) -> u64 {
    let calls = [&stats.etd, &stats.ser, &stats.hec].map(|calls| calls.calls.values().sum::<u64>());
    calls.iter().sum::<u64>() + stats.syslog_events.received / EVENTS
}

fn copies(simulation: &Simulation, home: &Home) -> [u64; 3] {
    let stats = simulation.stats();
    let in_file = in_file(home).iter().map(|event| u64::from(event.times) - 1).sum();
    [stats.hec_events.duplicates, stats.syslog_events.duplicates, in_file]
}

async fn kills(count: u64) {
    let mut options = live(PER_SECOND);
    options.faults = faults();
    options.ser.users = 4;
    let simulation = simulate(options).await;
    let home = Home::new();
    let began = now();
    let batch = format!("batch = {{ max_events = {EVENTS}, max_age = \"1s\" }}");
    let etd_extra = "schedule = { every = \"1s\" }\nlag = \"1s\"\nslice = \"5s\"\nstart = \"2m\"\n\
        page_size = 20\nreconcile = false\nresweep = [{ after = \"2s\" }, { after = \"8s\" }]";
    home.configure_with(
        "warn",
        &[
            etd(&simulation.etd_url, etd_extra),
            ser(&simulation.ser_url, "start = \"6h\"\nlag = \"2h\""),
            hec(&simulation.hec_url, &format!("max_in_flight = {HEC_IN_FLIGHT}\n{batch}")),
            syslog(simulation.syslog_addr, &batch),
            format!("{}\n{batch}", home.file_sink()),
        ],
    );

    let mut rng = StdRng::seed_from_u64(SEED);
    let mut each: [Vec<u64>; 3] = Default::default();
    let mut sum = [0; 3];
    // What a kill doubled comes with the next start.
    let mut note = |copies: [u64; 3]| {
        for (n, sink) in each.iter_mut().enumerate() {
            sink.push(copies[n] - sum[n]);
        }
        sum = copies;
    };
    for _ in 0..count {
        let goal = seen(&simulation.stats()) + rng.random_range(1..=60);
        let mut process = home.start(&["run"]);
        // Without a pause between looks: a kill some milliseconds later finds all of it marked.
        while seen(&simulation.stats()) < goal {
            assert!(process.is_running(), "{}", home.read("stderr.log"));
            tokio::task::yield_now().await;
        }
        process.kill9().await;
        simulation.mutate(&Mutation::some(MutationKind::RetroVerdict, 2));
        simulation.mutate(&Mutation {
            ago: Duration::from_millis(rng.random_range(500..20_000)),
            ..Mutation::some(MutationKind::LateArrival, 1)
        });
        note(copies(&simulation, &home));
    }

    // What changed after its last resweep is found by reading all of it once more.
    simulation.set_etd_faults(Faults::none());
    simulation.set_hec_faults(Faults::none());
    home.once().await;
    let from = began.checked_sub(SignedDuration::from_secs(119)).unwrap().to_string();
    let to = now().checked_sub(SignedDuration::from_secs(2)).unwrap();
    let range = ["backfill", "--source", "etd", "--from", &from, "--to", &to.to_string(), "--yes"];
    let ended = home.run(&range).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);

    note(copies(&simulation, &home));
    let arrived = [simulation.received(), simulation.received_by_syslog(), in_file(&home)];
    let mut audit = Audit::default();
    let dead = audit.settled(&home.status().await);
    let hour = began.as_second() - began.as_second() % 3600 - 2 * 3600;
    audit.covered(&coverage(&home).await, |stream| match stream {
        "messages" => to,
        _ => Timestamp::from_second(hour).unwrap(),
    });
    audit.sinks(&arrived, dead);
    audit.revisions(&arrived[2], |_| true);
    // What came after the end of that is not looked at.
    let truth = before(simulation.truth(), to);
    let due = |id: &str| truth.iter().any(|message| message.id.to_string() == id);
    let file: Vec<_> = arrived[2].iter().filter(|e| due(&e.record_id)).cloned().collect();
    // A verdict comes some seconds after the message, perhaps after that.
    let settled = to.checked_sub(SignedDuration::from_secs(60)).unwrap();
    audit.messages(&truth, &file, settled);
    let stats = simulation.stats();
    println!(
        "{count} kills, {} messages, {} events, lost {}",
        truth.len(),
        arrived[2].len(),
        audit.lost
    );
    let calls = seen(&stats);
    println!("{calls} requests, faults {:?}, {:?}", stats.etd.faults, stats.hec.faults);
    println!(
        "| sink | duplicates | a kill, mean | most | in flight |\n| --- | --- | --- | --- | --- |"
    );
    let names = ["HEC", "syslog", "file"];
    for (n, name) in names.into_iter().enumerate() {
        let (mean, most) = (mean(&each[n][1..]), each[n].iter().max().unwrap());
        println!("| {name} | {} | {mean:.1} | {most} | {} |", audit.copies[n], IN_FLIGHT[n]);
        audit.fail_unless(audit.copies[n] <= count * IN_FLIGHT[n], || format!("{name}: copies"));
    }
    assert!(audit.lost == 0 && audit.wrong.is_empty(), "lost {}: {:#?}", audit.lost, audit.wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_random_kills_under_load_lose_nothing() {
    kills(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn two_hundred_random_kills_under_load_lose_nothing() {
    kills(200).await;
}
