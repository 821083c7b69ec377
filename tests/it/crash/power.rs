//! Power cuts: the store's files as they were at some moment while the process wrote, and as a
//! disk may have left them that lied about what it had. Each copy goes on with sinks that remember
//! what they had by then.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use postrider::simulator::{Received, Stats};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    audit::{Audit, drained, in_file},
    matrix::mean,
    scene::{IN_FLIGHT, MESSAGES, Scene},
    torn::{Log, checkpointed},
};
use crate::harness::{Home, until};

const DATABASE: &str = "state/postrider.db";
const WAL: &str = "state/postrider.db-wal";
const INDEX: &str = "state/postrider.db-shm";
const SIDE_BY_SIDE: usize = 4;

/// The world at one moment.
struct Moment {
    database: Vec<u8>,
    wal: Vec<u8>,
    index: Vec<u8>,
    file: Vec<u8>,
    received: [Vec<Received>; 2],
}

/// What may be expected of a disk that leaves such files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Disk {
    /// It kept all that it said it had.
    Honest,
    /// It lost the end of what it said it had.
    Forgetful,
    /// It kept later writes and lost earlier ones.
    Unordered,
}

struct Copy {
    what: &'static str,
    disk: Disk,
    moment: usize,
    database: Vec<u8>,
    wal: Vec<u8>,
}

/// What came of a copy.
struct Outcome {
    what: &'static str,
    disk: Disk,
    refused: bool,
    audit: Audit,
}

/// Runs `once` and stops it `count` times for a copy of everything, within so many requests.
async fn moments(scene: &Scene, count: usize, requests: u64) -> Vec<Moment> {
    let process = scene.home.start(&["once"]);
    let pid = Pid::from_raw(i32::try_from(process.pid()).unwrap());
    let seen = |stats: &Stats| {
        let calls = [&stats.etd, &stats.hec].map(|calls| calls.calls.values().sum::<u64>());
        calls.iter().sum::<u64>() + stats.syslog_events.received / 10
    };
    let mut moments = Vec::new();
    for n in 0..count as u64 {
        let goal = 4 + n * requests / count as u64;
        until("requests", || (seen(&scene.simulation.stats()) >= goal).then_some(())).await;
        kill(pid, Signal::SIGSTOP).unwrap();
        until("the stop", || all_stopped(pid).then_some(())).await;
        let read = |name| std::fs::read(scene.home.path(name)).unwrap_or_default();
        let [database, wal, index] = [DATABASE, WAL, INDEX].map(read);
        let file = read("events.jsonl");
        drained(&scene.simulation).await;
        let received = [scene.simulation.received(), scene.simulation.received_by_syslog()];
        moments.push(Moment { database, wal, index, file, received });
        kill(pid, Signal::SIGCONT).unwrap();
    }
    assert_eq!(process.ended().await, Some(0), "{}", scene.home.read("stderr.log"));
    moments
}

/// Whether each thread is stopped: one that is in the disk's hands still is for a while.
fn all_stopped(pid: Pid) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(Result::unwrap).all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

/// What a power cut may leave of the moments; of each log, `cuts` cuts into what was committed.
fn copies(moments: &[Moment], cuts: usize) -> Vec<Copy> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut copies = Vec::new();
    for (n, moment) in moments.iter().enumerate() {
        let mut add = |what, disk, database: &[u8], wal: &[u8]| {
            let (database, wal) = (database.to_vec(), wal.to_vec());
            copies.push(Copy { what, disk, moment: n, database, wal });
        };
        let Moment { database, wal, index, .. } = moment;
        add("as it was", Disk::Honest, database, wal);
        let log = Log::read(wal);
        let end = log.commits.last().copied().unwrap_or(0);
        if end > 0 {
            // A transaction that was being written: a whole frame and half of another.
            let torn = [&wal[..end], &wal[32..end.min(32 + log.frame * 3 / 2)]].concat();
            add("an unfinished transaction behind the last", Disk::Honest, database, &torn);
            let mut noise = wal[..end].to_vec();
            noise.extend((0..5_000).map(|_| rng.random::<u8>()));
            add("noise behind the last transaction", Disk::Honest, database, &noise);
        }
        if wal.len() > end {
            let cut = rng.random_range(end..wal.len());
            add("cut in what was not committed", Disk::Honest, database, &wal[..cut]);
        }
        // Below this the database has what the log would take back.
        let kept = 32 + usize::try_from(checkpointed(index)).unwrap() * log.frame;
        let disk =
            |cut: usize| if cut < kept && kept > 32 { Disk::Unordered } else { Disk::Forgetful };
        if let [.., before, last] = log.commits[..] {
            for cut in [before, before + 1, before + log.frame + 7, last - 1] {
                let cut = cut.min(last - 1);
                add("the last transaction cut", disk(cut), database, &wal[..cut]);
            }
        }
        for _ in 0..if end > 0 { cuts } else { 0 } {
            let cut = rng.random_range(0..end);
            add("earlier transactions cut", disk(cut), database, &wal[..cut]);
        }
        let Some(earlier) = n.checked_sub(1).map(|n| &moments[n]) else { continue };
        let same = earlier.database == *database;
        let ordered = if same { Disk::Honest } else { Disk::Unordered };
        add("the database of the moment before", ordered, &earlier.database, wal);
        let ordered = if same { Disk::Forgetful } else { Disk::Unordered };
        add("the log of the moment before", ordered, database, &earlier.wal);
    }
    copies
}

/// Goes on with a copy, and looks at what its sinks have then.
async fn go_on(scene: &Scene, moments: &[Moment], copy: Copy) -> Outcome {
    let (home, siem) = (Home::new(), Scene::other_sinks().await);
    scene.configure_copy(&siem, &home);
    std::fs::create_dir(home.path("state")).unwrap();
    let moment = &moments[copy.moment];
    for (name, bytes) in
        [(DATABASE, &copy.database), (WAL, &copy.wal), ("events.jsonl", &moment.file)]
    {
        std::fs::write(home.path(name), bytes).unwrap();
    }
    let Copy { what, disk, .. } = copy;
    let ended = home.run(&["once", "--patience", "10s"]).await;
    assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr);
    let mut outcome = Outcome { what, disk, refused: false, audit: Audit::default() };
    if ended.status != Some(0) {
        outcome.refused = true;
        let told = ended.stderr.contains("is damaged") && ended.stderr.contains("restore a backup");
        let may = disk == Disk::Unordered && told;
        outcome.audit.fail_unless(may, || format!("{what}: {}", ended.stderr));
        return outcome;
    }
    drained(&siem).await;
    let [hec, syslog] = &moment.received;
    let arrived =
        [merged(hec, &siem.received()), merged(syslog, &siem.received_by_syslog()), in_file(&home)];
    let audit = Audit { disk_lies: disk != Disk::Honest, ..Audit::default() };
    outcome.audit = scene.audit_of(&home, &arrived, audit).await;
    let copies = outcome.audit.copies;
    let within = copies.iter().zip(IN_FLIGHT).all(|(copies, allowed)| *copies <= allowed);
    outcome.audit.fail_unless(within || disk != Disk::Honest, || format!("{copies:?} copies"));
    outcome
}

/// What a sink had and what came to it later.
fn merged(had: &[Received], came: &[Received]) -> Vec<Received> {
    let mut all: BTreeMap<&str, Received> = BTreeMap::new();
    for event in had.iter().chain(came) {
        let known = all.get_mut(event.event_id.as_str());
        let Some(known) = known else {
            all.insert(&event.event_id, event.clone());
            continue;
        };
        known.times += event.times;
        known.identical &= event.identical && event.content == known.content;
    }
    all.into_values().collect()
}

async fn run(messages: u64, stops: usize, cuts: usize) {
    let scene = Scene::with_messages(2, messages).await;
    // Vendors and sinks are asked some 80 times for 400 messages.
    let moments = moments(&scene, stops, messages * 72 / 400).await;
    let copies = copies(&moments, cuts);
    let outcomes: Vec<Outcome> = futures_util::stream::iter(copies)
        .map(|copy| go_on(&scene, &moments, copy))
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    println!(
        "| the store's files | disk | copies | damage told | lost | duplicates: mean | most |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let kinds: BTreeSet<_> = outcomes.iter().map(|outcome| (outcome.disk, outcome.what)).collect();
    for (disk, what) in kinds {
        let of = |o: &&Outcome| (o.disk, o.what) == (disk, what);
        let these: Vec<_> = outcomes.iter().filter(of).collect();
        let refused = these.iter().filter(|outcome| outcome.refused).count();
        let lost: u64 = these.iter().map(|outcome| outcome.audit.lost).sum();
        let again: Vec<u64> = these.iter().map(|o| o.audit.copies.iter().sum()).collect();
        let (mean, most) = (mean(&again), again.iter().max().unwrap());
        println!(
            "| {what} | {disk:?} | {} | {refused} | {lost} | {mean:.1} | {most} |",
            these.len()
        );
    }
    let bad: Vec<_> = outcomes
        .iter()
        .filter(|o| o.disk != Disk::Unordered)
        .filter(|o| o.audit.lost > 0 || !o.audit.wrong.is_empty())
        .map(|o| format!("{}: lost {}, {:#?}", o.what, o.audit.lost, o.audit.wrong))
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_that_was_synced() {
    run(MESSAGES, 3, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_power_cut_at_many_moments_loses_nothing_that_was_synced() {
    // The log of so many has been taken into the database once or twice.
    run(5 * MESSAGES, 12, 3).await;
}
