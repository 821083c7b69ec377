//! A disk that is full, read-only or broken under the running process: collecting pauses, nothing
//! is lost, nothing is sent twice beyond what was on its way, and all goes on by itself.

use std::time::{Duration, Instant};

use postrider::simulator::{Rate, Simulation};

use crate::{
    calls::searches,
    check::assert_settled,
    faulty::{self, EIO, ENOSPC, EROFS, Faulty},
    harness::{Home, Process, etd, hec, plain, simulate, until},
    records::{assert_messages, duplicates},
};

const MESSAGES: u64 = 3_000;
/// Events of the batches that may be on their way.
const IN_FLIGHT: u64 = 4 * 100;

/// A vendor that takes some seconds to give all, and a process that has begun.
async fn begun() -> Option<(Simulation, Home, Process)> {
    let mut options = plain(MESSAGES);
    options.etd.limits.per_second = Some(Rate { rate: 50.0, burst: 10 });
    let simulation = simulate(options).await;
    let home = Home::new();
    let source = "rate_limit = { per_second = 10, burst = 5, per_day = 100000 }";
    home.configure(&[
        etd(&simulation.etd_url, source),
        hec(&simulation.hec_url, "max_in_flight = 4\nbatch = { max_events = 100 }"),
    ]);
    Faulty::default().set(&home);
    let process = faulty::start(&home, &["run"])?;
    until("a beginning", || (simulation.received().len() >= 300).then_some(())).await;
    Some((simulation, home, process))
}

/// Looks on for a while.
async fn watch(time: Duration) {
    let begun = Instant::now();
    until("the end of a while", || (begun.elapsed() >= time).then_some(())).await;
}

async fn all_arrives(simulation: &Simulation, home: &Home, process: Process, most: u64) {
    let all = |status: &serde_json::Value| {
        status["spool"]["events"] == 0
            && status["sinks"][0]["delivered"].as_u64().is_some_and(|count| count >= MESSAGES)
    };
    home.status_when("all delivered", all).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0), "{}", home.read("stderr.log"));
    let received = simulation.received();
    assert_messages("HEC", simulation, &received);
    let copies = duplicates("HEC", &received);
    println!("0 lost, {copies} duplicates (at most {most})");
    assert!(copies <= most, "{copies}");
    assert_settled(&home.status().await);
}

/// Breaks the disk for some seconds, and looks what is done meanwhile and afterwards.
async fn survives(name: &str, faults: Faulty, words: &str) {
    let Some((simulation, home, process)) = begun().await else { return };
    faults.set(&home);
    home.logged("the store cannot be written").await;
    let asked = searches(&simulation.stats());
    watch(Duration::from_secs(4)).await;
    let more = searches(&simulation.stats()) - asked;
    let log = home.read("stderr.log");
    let lines = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    let lines: Vec<&str> = lines.collect();
    println!("{name}: {more} searches and {} complaints while it lasted", lines.len());
    assert!(more <= 6, "{more}: nothing is asked for that cannot be stored");
    assert!(log.contains(words), "{log}");
    assert!(lines.len() <= 6, "told once: {lines:#?}");
    // Whoever looks can.
    let status = home.status().await;
    assert_eq!(status["running"], true, "{status:#}");
    Faulty::default().set(&home);
    home.logged("the store can be written again").await;
    all_arrives(&simulation, &home, process, IN_FLIGHT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_pauses_collecting_and_loses_nothing() {
    let words = "database or disk is full";
    survives("ENOSPC", Faulty::disk(ENOSPC), words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_that_turns_read_only_pauses_collecting_and_loses_nothing() {
    survives("EROFS", Faulty::disk(EROFS), "the store cannot be written").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_error_pauses_collecting_and_loses_nothing() {
    survives("EIO", Faulty::disk(EIO), "disk I/O error").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_fsync_that_fails_is_not_believed_afterwards() {
    survives("fsync", Faulty::default().fail(EIO, "sync", "/state/"), "disk I/O error").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_be_read_either_loses_nothing() {
    let faults = Faulty::disk(EIO).fail(EIO, "read", "/state/").fail(EIO, "sync", "/state/");
    let Some((simulation, home, process)) = begun().await else { return };
    faults.set(&home);
    home.logged("cannot be ").await;
    watch(Duration::from_secs(4)).await;
    Faulty::default().set(&home);
    all_arrives(&simulation, &home, process, IN_FLIGHT).await;
}

/// Each in turn, while all goes on; killed in the midst of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_by_turns_and_a_kill_lose_nothing() {
    let Some((simulation, home, mut process)) = begun().await else { return };
    let mut kills = 0_usize;
    for turn in 0..9_usize {
        let code = [ENOSPC, EIO, EROFS][turn % 3];
        let operation = ["sync", "write", "truncate"][turn / 3];
        let file = ["-wal", "postrider.db", "/state/"][(turn + turn / 3) % 3];
        Faulty::default().fail(code, operation, file).set(&home);
        watch(Duration::from_millis(600)).await;
        if turn % 4 == 3 {
            process.kill9().await;
            kills += 1;
            Faulty::default().set(&home);
            process = faulty::start(&home, &["run"]).unwrap();
            // One that cannot even open its store ends, and rightly.
            let runs = || home.read("stderr.log").matches("postrider runs").count();
            until("a start", || (runs() > kills).then_some(())).await;
        }
        Faulty::default().set(&home);
        watch(Duration::from_millis(300)).await;
        assert!(process.is_running(), "{}", home.read("stderr.log"));
    }
    // A failed fsync may hide a mark that a crash then loses: as a kill does.
    all_arrives(&simulation, &home, process, (1 + kills as u64) * IN_FLIGHT).await;
}

/// A real file system of eight MiB that really is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_file_system_that_fills_up_loses_nothing() {
    let home = Home::new();
    let state = home.path("state");
    std::fs::create_dir(&state).unwrap();
    let shell = |command: String| {
        std::process::Command::new("sh").arg("-c").arg(command).status().is_ok_and(|s| s.success())
    };
    let state = state.display().to_string();
    if !shell(format!("mount -t tmpfs -o size=8m,mode=700 postrider-test {state} 2>/dev/null")) {
        println!("SKIPPED: a file system cannot be mounted here");
        return;
    }
    let mut options = plain(MESSAGES);
    options.etd.limits.per_second = Some(Rate { rate: 50.0, burst: 10 });
    let simulation = simulate(options).await;
    let source = "rate_limit = { per_second = 20, burst = 5, per_day = 100000 }";
    let hec = hec(&simulation.hec_url, "max_in_flight = 4\nbatch = { max_events = 100 }");
    home.configure(&[etd(&simulation.etd_url, source), hec]);
    // Others fill it, too.
    let fill = format!("dd if=/dev/zero of={state}/others bs=64k 2>/dev/null; true");
    let process = home.start(&["run"]);
    until("a beginning", || (simulation.received().len() >= 300).then_some(())).await;
    shell(fill);
    home.logged("the store cannot be written").await;
    watch(Duration::from_secs(2)).await;
    std::fs::remove_file(home.path("state/others")).unwrap();
    all_arrives(&simulation, &home, process, IN_FLIGHT).await;
    assert!(shell(format!("umount {state} || umount -l {state}")));
}
