use std::io::Write as _;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::Fixture;
use crate::simulator::{FaultKind, Faults, HecOptions, Options};

const CHANNEL: &str = "6a8f1c7e-3b5d-4c11-9f0e-5d2a7c0b9e11";
const TOKEN: &str = "11111111-2222-3333-4444-555555555555";

fn event(id: &str) -> String {
    let event = json!({
        "time": 1_795_260_000.12, "host": "h", "source": "postrider:etd", "index": "email",
        "sourcetype": "cisco:etd:message",
        "event": { "postrider": { "event_id": id, "record_id": "r", "revision": 1 }, "id": "1" },
        "fields": { "event_id": id, "revision": "1" },
    });
    event.to_string()
}

fn post(fixture: &Fixture, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let url = format!("{}/services/collector/event", fixture.simulation.hec_url);
    let request = fixture.client.post(url).header("authorization", format!("Splunk {TOKEN}"));
    request.header("x-splunk-request-channel", CHANNEL).body(body)
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

async fn start(hec: HecOptions) -> Fixture {
    Fixture::start(Options { hec, ..Options::plain() }).await
}

#[tokio::test]
async fn batches_are_judged_to_the_letter() {
    let hec = HecOptions { indexes: vec!["email".into()], ..HecOptions::default() };
    let fixture = start(hec).await;
    let good = event("e1");
    let object = |more: &str| format!("{good}{more}");
    // Body, status, code, the number told, objects accepted.
    let cases = [
        (object(&event("e2")), 200, 0, None, 2),
        (format!("{good}\n{}\n", event("e2")), 200, 0, None, 2),
        (object(r#"{"time":"1795260001.5","event":"x","fields":{"a":["b"]}}"#), 200, 0, None, 2),
        (String::new(), 400, 5, None, 0),
        (object("{\"event\":"), 400, 6, Some(1), 1),
        (object("{\"time\":1}"), 400, 12, Some(1), 1),
        (object("{\"event\":null}"), 400, 12, Some(1), 1),
        (r#"{"event":""}"#.to_owned(), 400, 13, Some(0), 0),
        (r#"{"event":"x","fields":{"a":{"b":1}}}"#.to_owned(), 400, 15, Some(0), 0),
        (r#"{"event":"x","time":"1,5"}"#.to_owned(), 400, 15, Some(0), 0),
        (object(r#"{"event":"x","index":"secret"}"#) + &good, 400, 7, Some(2), 1),
        (format!("[{good}]"), 400, 6, Some(0), 0),
        (object(r#"{"event":"x","unknown":1}"#) + &good, 200, 0, None, 1),
        (r#"{"event":"x","unknown":1}"#.to_owned(), 400, 5, None, 0),
    ];
    for (body, status, code, number, accepted) in cases {
        let before = fixture.simulation.stats().hec_events;
        let told = answer(post(&fixture, body.clone())).await;
        assert_eq!((told.0, &told.1["code"]), (status, &json!(code)), "{body}");
        assert_eq!(told.1["invalid-event-number"].as_u64(), number, "{body}");
        let after = fixture.simulation.stats().hec_events;
        let both = |stats: crate::simulator::ReceivedStats| stats.received + stats.foreign;
        assert_eq!(both(after) - both(before), accepted, "{body}");
    }
    assert_eq!(fixture.simulation.stats().hec_batches.dropped_silently, 3);
}

#[tokio::test]
async fn tokens_channels_and_encodings_are_checked() {
    let fixture = start(HecOptions::default()).await;
    let url = format!("{}/services/collector/event", fixture.simulation.hec_url);
    let bare = || fixture.client.post(&url).body(event("e"));
    for (request, status, code) in [
        (bare(), 401, 2),
        (bare().header("authorization", "Splunk no"), 403, 4),
        (bare().header("authorization", format!("Bearer {TOKEN}")), 401, 3),
        (bare().query(&[("token", TOKEN)]), 400, 16),
        (post(&fixture, event("e")).header("content-encoding", "deflate"), 415, 0),
        (bare().header("authorization", format!("Splunk {TOKEN}")), 200, 0),
    ] {
        let told = answer(request).await;
        assert_eq!((told.0, told.1["code"].as_u64().unwrap_or(0)), (status, code));
    }
    let bad = bare().header("authorization", format!("Splunk {TOKEN}"));
    let bad = bad.header("x-splunk-request-channel", "abc");
    assert_eq!(answer(bad).await.1["code"], 11);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all((event("z1") + &event("z2")).as_bytes()).unwrap();
    let zipped = post(&fixture, gzip.finish().unwrap()).header("content-encoding", "gzip");
    assert_eq!(answer(zipped).await.0, 200);
    for path in ["health", "health/1.0"] {
        let url = format!("{}/services/collector/{path}", fixture.simulation.hec_url);
        assert_eq!(
            answer(fixture.client.get(url)).await,
            (
                200,
                json!({
                    "text": "HEC is healthy", "code": 17
                })
            )
        );
    }
    let url = format!("{}/services/collector/ack", fixture.simulation.hec_url);
    let ack = fixture.client.post(url).header("authorization", format!("Splunk {TOKEN}"));
    assert_eq!(answer(ack.body("{\"acks\":[0]}")).await.1["code"], 14);
}

#[tokio::test]
async fn a_body_has_its_longest_length() {
    for (cloud, status, code) in [(false, 413, None), (true, 400, Some(6))] {
        let hec = HecOptions { max_content_length: 400, cloud, ..HecOptions::default() };
        let fixture = start(hec).await;
        let told = answer(post(&fixture, event("e1") + &event("e2"))).await;
        assert_eq!((told.0, told.1["code"].as_u64()), (status, code));
        assert_eq!(answer(post(&fixture, event("e1"))).await.0, 200);
    }
}

#[tokio::test]
async fn acknowledgements_count_from_zero_and_may_be_lost() {
    let hec =
        HecOptions { use_ack: true, ack_polls: 1, lose_batch_every: 3, ..HecOptions::default() };
    let fixture = start(hec).await;
    for number in 0..3 {
        let told = answer(post(&fixture, event(&format!("e{number}")))).await.1;
        assert_eq!(told["ackId"], number);
    }
    let url = format!("{}/services/collector/ack", fixture.simulation.hec_url);
    let poll = || {
        let request = fixture.client.post(&url).header("authorization", format!("Splunk {TOKEN}"));
        request.header("x-splunk-request-channel", CHANNEL).body("{\"acks\":[0,1,2]}")
    };
    for told in [[false, false, false], [true, true, false], [false, false, false]] {
        let answer = answer(poll()).await.1;
        assert_eq!(answer["acks"], json!({ "0": told[0], "1": told[1], "2": told[2] }));
    }
    let stats = fixture.simulation.stats();
    assert_eq!((stats.hec_events.events, stats.hec_batches.lost), (2, 1));
    let url = format!("{}/services/collector/event", fixture.simulation.hec_url);
    let request = fixture.client.post(url).header("authorization", format!("Splunk {TOKEN}"));
    assert_eq!(answer(request.body(event("e"))).await.1["code"], 10);
}

#[tokio::test]
async fn a_lost_reply_was_received() {
    let fixture = start(HecOptions::default()).await;
    for (kind, events) in [(FaultKind::Reset, 0), (FaultKind::LostReply, 1)] {
        fixture.simulation.set_hec_faults(Faults { next: [kind].into(), ..Faults::none() });
        assert!(post(&fixture, event("e1")).send().await.is_err());
        assert_eq!(fixture.simulation.stats().hec_events.events, events);
    }
    fixture.simulation.set_hec_faults(Faults {
        next: [FaultKind::Unavailable, FaultKind::ServerError, FaultKind::Throttled].into(),
        ..Faults::none()
    });
    for (status, code) in [(503, 9), (500, 8), (429, 26), (200, 0)] {
        let told = answer(post(&fixture, event("e1"))).await;
        assert_eq!((told.0, told.1["code"].as_u64().unwrap()), (status, code));
    }
    let received = fixture.simulation.received();
    assert_eq!((received[0].times, received[0].identical), (2, true));
    assert_eq!(received[0].record_id, "r");
    assert_eq!(answer(post(&fixture, event("e1").replace("\"h\"", "\"i\""))).await.0, 200);
    assert!(!fixture.simulation.received()[0].identical);
    let url = format!("{}/sim/received", fixture.simulation.hec_url);
    let lines = fixture.client.get(url).send().await.unwrap().text().await.unwrap();
    let line: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&line["event_id"], &line["times"]), (&json!("e1"), &json!(3)));
}

#[tokio::test]
async fn syslog_is_read_in_both_framings() {
    let fixture = Fixture::start(Options::plain()).await;
    let frame = |id: &str| {
        let data = format!(r#"[postrider@32473 event_id="{id}" revision="1"]"#);
        let payload = format!(r#"{{"postrider":{{"event_id":"{id}","record_id":"é"}}}}"#);
        format!("<13>1 2026-11-20T08:00:00Z h postrider - - {data} {payload}")
    };
    for framed in [
        ["a", "b", "a"].map(|id| format!("{} {}", frame(id).len(), frame(id))).concat(),
        ["c", "d"].map(|id| frame(id) + "\n").concat(),
        "<13>1 2026-11-20T08:00:00Z other - - - - no id\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(fixture.simulation.syslog_addr).await.unwrap();
        stream.write_all(framed.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        // The receiver closes when it has read everything.
        let end = tokio::io::AsyncReadExt::read(&mut stream, &mut [0]).await.unwrap();
        assert_eq!(end, 0);
    }
    let received = fixture.simulation.received_by_syslog();
    let told: Vec<_> =
        received.iter().map(|event| (event.event_id.as_str(), event.times)).collect();
    assert_eq!(told, [("a", 2), ("b", 1), ("c", 1), ("d", 1)]);
    assert_eq!(received[0].record_id, "é");
    assert_eq!(fixture.simulation.stats().syslog_events.foreign, 1);
}

#[tokio::test]
async fn a_poisoned_event_is_refused_each_time_and_named() {
    let fixture = start(HecOptions { poison_every: 20, ..HecOptions::default() }).await;
    let ids: Vec<String> = (0..100).map(|number| format!("e{number}")).collect();
    let mut refused = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let told = answer(post(&fixture, event(id))).await;
        if told.0 != 200 {
            assert_eq!((&told.1["code"], &told.1["invalid-event-number"]), (&json!(6), &json!(0)));
            refused.push(number);
        }
    }
    assert!((1..15).contains(&refused.len()), "{refused:?}");
    let batch: String = ids.iter().map(|id| event(id)).collect();
    assert_eq!(answer(post(&fixture, batch)).await.1["invalid-event-number"], refused[0]);
}
