//! Kills of the daemon at random, under load, all on one store.

use std::{
    collections::HashSet,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use postrider::simulator::{FaultKind, Faults, Mutation, MutationKind, Simulation, Stats};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    audit::{Audit, before, drained, in_file},
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

/// Counts what came again, as the file grows.
#[derive(Default)]
struct Copies {
    ids: HashSet<String>,
    read: u64,
    in_file: u64,
    sum: [u64; 3],
    /// Of each sink, between two looks.
    each: [Vec<u64>; 3],
}

impl Copies {
    fn look(&mut self, simulation: &Simulation, home: &Home) {
        let mut new = Vec::new();
        if let Ok(mut file) = File::open(home.path("events.jsonl")) {
            file.seek(SeekFrom::Start(self.read)).unwrap();
            file.read_to_end(&mut new).unwrap();
        }
        // The kill may have torn the last line, which the next start cuts off.
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in String::from_utf8_lossy(&new[..whole]).lines() {
            let id = line.split("\"event_id\":\"").nth(1).unwrap().split('"').next().unwrap();
            self.in_file += u64::from(!self.ids.insert(id.to_owned()));
        }
        self.read += whole as u64;
        let stats = simulation.stats();
        let now = [stats.hec_events.duplicates, stats.syslog_events.duplicates, self.in_file];
        for (n, sink) in self.each.iter_mut().enumerate() {
            sink.push(now[n] - self.sum[n]);
        }
        self.sum = now;
    }
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
    let mut copies = Copies::default();
    for _ in 0..count {
        let goal = seen(&simulation.stats()) + rng.random_range(1..=60);
        let mut process = home.start(&["run"]);
        // Looks are near each other: a kill some milliseconds later finds all of it marked.
        let mut looks = tokio::time::interval(Duration::from_millis(1));
        while seen(&simulation.stats()) < goal {
            assert!(process.is_running(), "{}", home.read("stderr.log"));
            looks.tick().await;
        }
        process.kill9().await;
        simulation.mutate(&Mutation::some(MutationKind::RetroVerdict, 2));
        simulation.mutate(&Mutation {
            ago: Duration::from_millis(rng.random_range(500..20_000)),
            ..Mutation::some(MutationKind::LateArrival, 1)
        });
        copies.look(&simulation, &home);
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

    drained(&simulation).await;
    // What a kill doubled comes with the next start.
    copies.look(&simulation, &home);
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
    let due: HashSet<String> = truth.iter().map(|message| message.id.to_string()).collect();
    let file: Vec<_> =
        arrived[2].iter().filter(|event| due.contains(&event.record_id)).cloned().collect();
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
        let each = &copies.each[n];
        let (mean, most) = (mean(&each[1..]), each.iter().max().unwrap());
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
