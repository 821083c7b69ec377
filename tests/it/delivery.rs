//! Complete delivery, whatever goes wrong on the way.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use postrider::simulator::{FaultKind, Faults, Quirks};

use crate::{
    check::assert_settled,
    harness::{Home, etd, hec, now, plain, ser, simulate, syslog},
    records::{assert_messages, assert_rows, assert_same_in_file, duplicates, lines},
};

/// A fifth of all calls fails, in every way, quickly.
fn a_fifth() -> Faults {
    Faults {
        retry_after: Duration::from_millis(50),
        slow_body: Duration::from_millis(100),
        ..Faults::at_rate(0.2)
    }
}

pub(crate) fn hour(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(3600) * 3600).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_messages_reach_three_sinks_whole_while_a_fifth_of_the_calls_fails() {
    let mut options = plain(50_000);
    // Everything odd but what changes messages later.
    options.etd.quirks = Quirks { retro_every: 0, late_verdict_every: 0, ..Quirks::default() };
    options.ser.shuffle = true;
    options.faults = a_fifth();
    let simulation = simulate(options).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, "slice = \"30m\""),
        ser(&simulation.ser_url, "lag = \"2h\""),
        hec(&simulation.hec_url, "batch = { max_events = 1000, max_bytes = \"4MiB\" }"),
        syslog(simulation.syslog_addr, ""),
        home.file_sink(),
    ]);
    let began = now();
    home.once().await;
    let took = now().duration_since(began);

    let received = simulation.received();
    assert_messages("HEC", &simulation, &received);
    let by_syslog = simulation.received_by_syslog();
    assert_messages("syslog", &simulation, &by_syslog);
    assert_eq!(received.len(), by_syslog.len());
    let lines = lines(&home);
    let copies = [
        duplicates("HEC", &received),
        duplicates("syslog", &by_syslog),
        assert_same_in_file(&lines, &received),
    ];
    assert_eq!(copies[1..], [0, 0], "only a lost reply makes a duplicate");
    let to = hour(began.checked_sub(SignedDuration::from_hours(2)).unwrap());
    let from = hour(began.checked_sub(SignedDuration::from_hours(24)).unwrap());
    assert_rows(&simulation, &lines, from, to);
    assert_settled(&home.status().await);
    let stats = simulation.stats();
    for calls in [&stats.etd, &stats.hec] {
        assert!(calls.faults.values().sum::<u64>() > 10, "{calls:?}");
    }
    assert_eq!(stats.hec_batches.dropped_silently, 0);
    println!("lost 0, duplicates {copies:?}, {took:#}, calls {:?}", stats.etd.calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_fault_alone_loses_nothing() {
    futures_util::future::join_all(FaultKind::PASSING.map(one_of)).await;
}

async fn one_of(kind: FaultKind) {
    let simulation = simulate(plain(300)).await;
    let once = Faults { next: [kind].into(), rate: 0.0, ..a_fifth() };
    simulation.set_etd_faults(once.clone());
    simulation.set_ser_faults(once.clone());
    simulation.set_hec_faults(once);
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, "page_size = 25"),
        ser(&simulation.ser_url, "lag = \"2h\"\nstart = \"5h\""),
        hec(&simulation.hec_url, "batch = { max_events = 100 }"),
        home.file_sink(),
    ]);
    home.once().await;
    let received = simulation.received();
    assert_messages(kind.name(), &simulation, &received);
    let copies = duplicates(kind.name(), &received);
    if kind != FaultKind::LostReply && kind != FaultKind::CutBody {
        assert_eq!(copies, 0, "{kind}");
    }
    assert_eq!(assert_same_in_file(&lines(&home), &received), 0, "{kind}");
    assert_eq!(simulation.stats().etd.faults.len(), 1, "{kind}: it happened");
    assert_settled(&home.status().await);
}
