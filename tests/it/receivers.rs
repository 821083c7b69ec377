//! The syslog sink against rsyslog and syslog-ng: what they understand by their own parsers is what
//! was sent, whatever an e-mail's sender wrote.

use std::time::Duration;

use futures_util::future::join_all;
use postrider::config::{Leef, Payload};

use self::{
    events::{BATCH, SUBJECTS, assert_meant, send, sink},
    programs::{Program, Way},
    receiver::Receiver,
};

mod binary;
mod events;
mod limits;
mod parsers;
mod programs;
mod receiver;
mod stopped;
mod table;

/// Of each payload.
const EVENTS: usize = 3_500;

/// Sends them, and each arrives whole, once and in order, and nothing else does.
async fn arrive(program: Program, way: Way, payloads: &[Payload], count: usize) {
    let Some(mut receiver) = Receiver::start(program).await else { return };
    let mut sent = Vec::new();
    for payload in payloads {
        let mut settings = receiver.settings(way);
        settings.payload = *payload;
        let sink = sink(&settings);
        for start in (0..count).step_by(BATCH) {
            send(&sink, start..start + BATCH).await.unwrap();
        }
        // The next one's connection is read side by side with this one's.
        receiver.arrived((sent.len() + 1) * count).await;
        sent.push(settings);
    }
    let received = receiver.all(sent.len() * count).await;
    assert_eq!(received.len(), sent.len() * count);
    for (index, received) in received.iter().enumerate() {
        assert_meant(program, received, index % count, &sent[index / count]);
    }
}

/// 10,500 events.
async fn all_payloads(program: Program, way: Way) {
    let payloads = [Payload::Json, Payload::Cef, Payload::Leef(Leef::V2)];
    arrive(program, way, &payloads, EVENTS).await;
}

#[test]
fn there_are_a_hundred_hostile_subjects() {
    assert!(SUBJECTS.lines().count() >= 100);
}

#[tokio::test]
async fn rsyslog_understands_events_over_tcp_with_octet_counting() {
    all_payloads(Program::Rsyslog, Way::Octets).await;
}

#[tokio::test]
async fn rsyslog_understands_events_over_tcp_with_newlines() {
    all_payloads(Program::Rsyslog, Way::Lines).await;
}

#[tokio::test]
async fn rsyslog_understands_events_over_tls_with_a_client_certificate() {
    all_payloads(Program::Rsyslog, Way::Tls).await;
}

#[tokio::test]
async fn syslog_ng_understands_events_over_tcp_with_octet_counting() {
    all_payloads(Program::SyslogNg, Way::Octets).await;
}

#[tokio::test]
async fn syslog_ng_understands_events_over_tcp_with_newlines() {
    all_payloads(Program::SyslogNg, Way::Lines).await;
}

#[tokio::test]
async fn syslog_ng_understands_events_over_tls_with_a_client_certificate() {
    all_payloads(Program::SyslogNg, Way::Tls).await;
}

#[tokio::test]
async fn both_understand_the_old_header_and_leef_1() {
    for program in [Program::Rsyslog, Program::SyslogNg] {
        let all = [Payload::Json, Payload::Cef, Payload::Leef(Leef::V2), Payload::Leef(Leef::V1)];
        arrive(program, Way::Old, &all, BATCH).await;
        arrive(program, Way::Octets, &[Payload::Leef(Leef::V1)], BATCH).await;
    }
}

/// Datagrams may be lost, but none is torn, doubled or made up.
async fn datagrams(program: Program, payload: Payload) {
    let Some(mut receiver) = Receiver::start(program).await else { return };
    receiver.patience = Duration::from_secs(1);
    let mut settings = receiver.settings(Way::Udp);
    settings.payload = payload;
    let sink = sink(&settings);
    for start in (0..EVENTS).step_by(50) {
        send(&sink, start..start + 50).await.unwrap();
    }
    let received = receiver.all(EVENTS).await;
    let lost = EVENTS - received.len();
    println!("{program:?} {payload:?}: {lost} of {EVENTS} datagrams lost");
    let mut before = None;
    for received in &received {
        let seq = events::seqs()[received.event_id().expect("a message of ours")];
        assert!(before < Some(seq), "out of order or twice: {seq}");
        assert_meant(program, received, seq, &settings);
        before = Some(seq);
    }
    assert!(!received.is_empty());
}

#[tokio::test]
async fn datagrams_arrive_as_they_were_sent_or_not_at_all() {
    for program in [Program::Rsyslog, Program::SyslogNg] {
        let payloads = [Payload::Json, Payload::Cef, Payload::Leef(Leef::V2)];
        join_all(payloads.map(|payload| datagrams(program, payload))).await;
    }
}
