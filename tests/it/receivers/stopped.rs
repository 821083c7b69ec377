//! Receivers that are stopped (SIGTERM) and killed (SIGKILL), and come again.
//!
//! What a receiver's kernel has acknowledged, and the connection still standing 30 ms later, counts as
//! delivered. A receiver that is asked to end works off what it has read, and closing the connection
//! tells us of the rest, which goes again. One that is killed loses what it has read and not written:
//! that no sender can see.

use std::{cell::Cell, collections::BTreeSet, ops::Range, time::Duration};

use futures_util::future::join_all;
use postrider::{fault::Kind, sink::syslog::Syslog};
use tokio::time::sleep;

use super::{
    events::{self, BATCH, assert_meant, send, sink},
    programs::{Program, Way},
    receiver::Receiver,
};

const EVENTS: usize = 10_000;

/// While a receiver is stopped again and again.
const FLOW: usize = 5_000;

const WAYS: [Way; 2] = [Way::Octets, Way::Tls];

/// Everything came, these events in this order.
async fn assert_came(receiver: &mut Receiver, way: Way, seqs: impl Iterator<Item = usize>) {
    let seqs: Vec<usize> = seqs.collect();
    let received = receiver.all(seqs.len()).await;
    assert_eq!(received.len(), seqs.len());
    let settings = receiver.settings(way);
    for (seq, received) in seqs.into_iter().zip(&received) {
        assert_meant(receiver.program, received, seq, &settings);
    }
}

async fn killed_between_batches(program: Program, way: Way) {
    let Some(mut receiver) = Receiver::start(program).await else { return };
    let sink = sink(&receiver.settings(way));
    for start in (0..EVENTS).step_by(BATCH) {
        let events = start..start + BATCH;
        if start % 2500 == 0 {
            // What its kernel has, the receiver has not yet; wait for that before the blow.
            assert_eq!(receiver.received(start).await.len(), start);
            receiver.kill();
            let fault = send(&sink, events.clone()).await.unwrap_err();
            assert!(matches!(fault.kind, Kind::Transient { .. }), "{}", fault.chain());
            receiver.restart().await;
        }
        send(&sink, events).await.unwrap();
    }
    assert_came(&mut receiver, way, 0..EVENTS).await;
}

async fn killed_within_a_batch(program: Program, way: Way) {
    let Some(mut receiver) = Receiver::start(program).await else { return };
    let sink = sink(&receiver.settings(way));
    send(&sink, 0..BATCH).await.unwrap();
    assert_eq!(receiver.received(BATCH).await.len(), BATCH);
    // All the rest in one batch is more than the kernels' buffers hold, so that some of it is
    // still here when the receiver dies, and some of it is with one that never read it.
    receiver.freeze();
    let (outcome, ()) = tokio::join!(send(&sink, BATCH..EVENTS), async {
        sleep(Duration::from_millis(500)).await;
        receiver.kill();
    });
    let fault = outcome.unwrap_err();
    assert!(matches!(fault.kind, Kind::Transient { .. }), "{}", fault.chain());
    receiver.restart().await;
    send(&sink, BATCH..EVENTS).await.unwrap();
    // By the reset, the receiver may not have read what was accepted before, either.
    assert_came(&mut receiver, way, (0..BATCH).chain(0..EVENTS)).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Stop,
    Kill,
}

/// Sends without a pause, each batch again until it was accepted; tells how far it is.
async fn keep_sending(sink: &Syslog, accepted: &Cell<usize>) {
    let batch = 250;
    for start in (0..FLOW).step_by(batch) {
        while send(sink, start..start + batch).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
        accepted.set(start + batch);
    }
}

/// Four times while events come. For each blow the events that were accepted and not seen at the
/// receiver.
async fn strike(receiver: &mut Receiver, accepted: &Cell<usize>, blow: Blow) -> Vec<Range<usize>> {
    let mut in_doubt = Vec::new();
    for count in 1..=4 {
        let seqs = events::seqs();
        let seen = receiver.received(count * FLOW / 5).await;
        let seen = seen.iter().map(|received| seqs[received.event_id().unwrap()]).max();
        match blow {
            Blow::Stop => receiver.stop().await,
            Blow::Kill => receiver.kill(),
        }
        in_doubt.push(seen.unwrap() + 1..accepted.get());
        receiver.restart().await;
    }
    in_doubt
}

/// How many were lost; only those in doubt may be.
async fn in_the_midst(program: Program, blow: Blow, way: Way) -> usize {
    let Some(mut receiver) = Receiver::start(program).await else { return 0 };
    let settings = receiver.settings(way);
    let sink = sink(&settings);
    let accepted = Cell::new(0);
    let ((), in_doubt) =
        tokio::join!(keep_sending(&sink, &accepted), strike(&mut receiver, &accepted, blow));
    let seqs = events::seqs();
    let mut missing: BTreeSet<usize> = (0..FLOW).collect();
    let received = receiver.all(FLOW).await;
    for received in &received {
        let seq = seqs[received.event_id().expect("a message of ours")];
        missing.remove(&seq);
        assert_meant(program, received, seq, &settings);
    }
    let doubles = received.len() + missing.len() - FLOW;
    println!("{program:?} {way:?} {blow:?}: {} lost, {doubles} twice", missing.len());
    let is_in_doubt = |seq: &usize| in_doubt.iter().any(|range| range.contains(seq));
    assert!(missing.iter().all(is_in_doubt), "{missing:?} not within {in_doubt:?}");
    missing.len()
}

async fn stopped_in_the_midst(program: Program, way: Way) {
    assert_eq!(in_the_midst(program, Blow::Stop, way).await, 0, "{program:?} over {way:?}");
}

#[tokio::test]
async fn killing_rsyslog_between_batches_loses_nothing_and_doubles_nothing() {
    let each = WAYS.map(|way| killed_between_batches(Program::Rsyslog, way));
    join_all(each).await;
}

#[tokio::test]
async fn killing_syslog_ng_between_batches_loses_nothing_and_doubles_nothing() {
    let each = WAYS.map(|way| killed_between_batches(Program::SyslogNg, way));
    join_all(each).await;
}

#[tokio::test]
async fn killing_rsyslog_within_a_batch_loses_nothing() {
    let each = WAYS.map(|way| killed_within_a_batch(Program::Rsyslog, way));
    join_all(each).await;
}

#[tokio::test]
async fn killing_syslog_ng_within_a_batch_loses_nothing() {
    let each = WAYS.map(|way| killed_within_a_batch(Program::SyslogNg, way));
    join_all(each).await;
}

#[tokio::test]
async fn stopping_rsyslog_while_events_come_loses_nothing() {
    let each = WAYS.map(|way| stopped_in_the_midst(Program::Rsyslog, way));
    join_all(each).await;
}

#[tokio::test]
async fn stopping_syslog_ng_while_events_come_loses_nothing() {
    let each = WAYS.map(|way| stopped_in_the_midst(Program::SyslogNg, way));
    join_all(each).await;
}

#[tokio::test]
async fn killing_rsyslog_while_events_come_loses_only_what_it_had_read() {
    let each = WAYS.map(|way| in_the_midst(Program::Rsyslog, Blow::Kill, way));
    join_all(each).await;
}

#[tokio::test]
async fn killing_syslog_ng_while_events_come_loses_only_what_it_had_read() {
    let each = WAYS.map(|way| in_the_midst(Program::SyslogNg, Blow::Kill, way));
    join_all(each).await;
}
