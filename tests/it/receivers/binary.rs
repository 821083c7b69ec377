//! The built program between a vendor and a receiver, the receiver being stopped meanwhile.

use std::collections::BTreeMap;

use postrider::config::{Leef, Payload};

use super::{
    events::{self, SUBJECTS, body},
    programs::{Program, Way},
    receiver::{Received, Receiver},
};
use crate::{
    check::assert_settled,
    harness::{Home, ago, etd, plain, simulate},
    hostile::Hostile,
    records::lines,
};

const PAYLOADS: [(Payload, &str, Way); 3] = [
    (Payload::Json, "json", Way::Tls),
    (Payload::Cef, "cef", Way::Octets),
    (Payload::Leef(Leef::V2), "leef", Way::Lines),
];

/// A sink for each payload, each on a way of its own.
fn sections(receiver: &Receiver) -> Vec<String> {
    let of = |(_, payload, way): &(Payload, &str, Way)| {
        let settings = receiver.settings(*way);
        let tls = settings.tls;
        let path = |path: &Option<std::path::PathBuf>| path.clone().unwrap().display().to_string();
        let how = match way {
            Way::Tls => format!(
                "transport = \"tls\"\ntls = {{ ca_file = {:?}, client_cert = {:?}, client_key = {:?} }}",
                path(&tls.ca_file),
                path(&tls.client_cert),
                path(&tls.client_key)
            ),
            Way::Lines => "transport = \"tcp\"\nframing = \"newline\"".to_owned(),
            _ => "transport = \"tcp\"".to_owned(),
        };
        format!(
            "[sinks.{payload}]\ntype = \"syslog\"\naddress = {:?}\npayload = {payload:?}\n\
             max_message = \"64KiB\"\nstreams = [\"messages\"]\nbatch = {{ max_events = 100 }}\n{how}",
            settings.address
        )
    };
    PAYLOADS.iter().map(of).collect()
}

/// What came of a payload, by the event's id; the same for each of its copies.
fn by_id<'r>(received: &'r [Received], prefix: &str) -> BTreeMap<&'r str, &'r str> {
    let mut all = BTreeMap::new();
    for received in received.iter().filter(|received| received.message.starts_with(prefix)) {
        let id = received.event_id().expect("a message of ours");
        let before = all.insert(id, &*received.message);
        assert!(before.is_none_or(|before| before == received.message), "copies differ");
    }
    all
}

/// Each payload has each event of the file, as it is there, and nothing else came.
fn assert_as_in_file(home: &Home, received: &[Received]) {
    let file = lines(home);
    for ((payload, ..), prefix) in PAYLOADS.iter().zip(["{", "CEF:0|", "LEEF:2.0|"]) {
        let came = by_id(received, prefix);
        assert_eq!(came.len(), file.len(), "{payload:?}");
        for line in &file {
            let event = events::event_of_line(line);
            assert_eq!(came[line.id()], body(&event, *payload));
        }
    }
    let is_ours =
        |received: &Received| received.program == "postrider" && received.stream == "messages";
    assert!(received.iter().all(is_ours));
}

async fn the_whole_way(program: Program) {
    let Some(mut receiver) = Receiver::start(program).await else { return };
    let count = 2_000;
    let simulation = simulate(plain(count as u64)).await;
    let home = Home::new();
    let mut all = sections(&receiver);
    all.extend([etd(&simulation.etd_url, ""), home.file_sink()]);
    home.configure(&all);
    let process = home.start(&["run"]);
    for part in 1..4 {
        receiver.arrived(part * count / 2).await;
        receiver.stop().await;
        receiver.restart().await;
    }
    // A status is read piece by piece: what one has of the spool may be newer than what it has of a sink.
    home.status_when("delivered", |status| {
        lines(&home).len() == count && status["spool"]["events"] == 0
    })
    .await;
    assert_settled(&home.status().await);
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    let received = receiver.all(3 * count).await;
    println!("{program:?}: {} twice", received.len() - 3 * count);
    assert_as_in_file(&home, &received);
}

/// One page with a message for each subject.
async fn vendor() -> Hostile {
    let time = format!("\"timestamp\":\"{}\"", ago(3_600));
    let messages: Vec<String> = (0..SUBJECTS.lines().count())
        .map(|seq| events::record(seq).replace(r#""timestamp":"2026-11-20T08:00:00Z""#, &time))
        .collect();
    let page = format!(
        r#"{{"totalSize":{},"data":{{"messages":[{}]}}}}"#,
        messages.len(),
        messages.join(",")
    );
    Hostile::with_body("", page.as_bytes()).await
}

async fn hostile_subjects(program: Program) {
    let Some(mut receiver) = Receiver::start(program).await else { return };
    let vendor = vendor().await;
    let home = Home::new();
    let mut all = sections(&receiver);
    all.extend([etd(&vendor.url, "start = \"2h\"\nslice = \"2h\""), home.file_sink()]);
    home.configure(&all);
    home.once().await;
    let count = SUBJECTS.lines().count();
    let received = receiver.all(3 * count).await;
    assert_eq!(received.len(), 3 * count, "no event is two");
    assert_as_in_file(&home, &received);
    let file = home.read("events.jsonl");
    for subject in SUBJECTS.lines() {
        assert!(file.contains(&format!("\"subject\":{subject},")), "{subject}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_vendor_to_rsyslog_which_is_stopped_meanwhile() {
    the_whole_way(Program::Rsyslog).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_vendor_to_syslog_ng_which_is_stopped_meanwhile() {
    the_whole_way(Program::SyslogNg).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_subjects_from_the_vendor_to_rsyslog() {
    hostile_subjects(Program::Rsyslog).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_subjects_from_the_vendor_to_syslog_ng() {
    hostile_subjects(Program::SyslogNg).await;
}
