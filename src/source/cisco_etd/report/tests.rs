use std::sync::Arc;

use serde_json::{Value, json};

use super::{super::tests::*, *};
use crate::{
    clock::{Clock, ManualClock},
    config::Secret,
    fault::Kind,
    simulator::{Options, Simulation},
    source::{
        Query, Source as _,
        testing::{at, client, pace},
    },
};

fn day() -> Interval {
    Interval::new(at("2026-11-18T00:00:00Z"), at("2026-11-19T00:00:00Z")).unwrap()
}

fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

fn counted() -> wiremock::ResponseTemplate {
    let body = json!({ "data": { "aggregationInterval": "1d", "totalMessages": 8, "aggregations": [
        { "startTimestamp": "2026-11-18T00:00:00Z", "messageCount": 8,
          "messages": { "incoming": 5, "outgoing": 3 } }
    ] } });
    answer(200, &body.to_string())
}

fn not_understood() -> wiremock::ResponseTemplate {
    answer(400, r#"{"message":"Unable to deserialize request body"}"#)
}

async fn bodies(bench: &Bench) -> Vec<Value> {
    bench.vendor.requests().await.iter().map(|request| request.body_json().unwrap()).collect()
}

#[tokio::test]
async fn a_request_has_exactly_the_documented_shape() {
    let bench = bench(vec![counted()]).await;
    let found = bench.etd.count(day()).await.unwrap();
    assert_eq!(found, Some(counts(&[("incoming", 5), ("outgoing", 3)])));
    let requests = bench.vendor.requests().await;
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/v1/messages/report"));
    assert_eq!(request.headers["authorization"], "Bearer bearer-1");
    assert_eq!(request.headers["x-api-key"], "s3cret-key");
    assert_eq!(request.headers["content-type"], "application/json");
    let expected = json!({
        "aggregationInterval": "1d",
        "timestamp": ["2026-11-18T00:00:00.000Z", "2026-11-19T00:00:00.000Z"],
        "aggregateBy": "directions",
    });
    assert_eq!(bodies(&bench).await, [expected]);
    assert_eq!((bench.vendor.tokens(), bench.etd.pace.calls()), (1, 2));
}

#[tokio::test]
async fn the_other_spelling_is_tried_once_and_remembered() {
    let bench = bench(vec![not_understood(), counted(), counted(), not_understood()]).await;
    for _ in 0..2 {
        bench.etd.count(day()).await.unwrap();
    }
    let fault = bench.etd.count(day()).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Refused);
    assert!(fault.to_string().contains("neither spelling"), "{fault}");
    let asked = bodies(&bench).await;
    let asked: Vec<_> = asked.iter().map(|body| body["aggregateBy"].as_str().unwrap()).collect();
    assert_eq!(asked, ["directions", "direction", "direction", "direction", "directions"]);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let refused = answer(401, "Token expired, generate new token to proceed");
    let renewed = bench(vec![refused.clone(), counted()]).await;
    renewed.etd.count(day()).await.unwrap();
    assert_eq!((renewed.vendor.tokens(), renewed.vendor.requests().await.len()), (2, 2));
    let bench = bench(vec![refused]).await;
    assert_eq!(bench.etd.count(day()).await.unwrap_err().kind, Kind::Auth);
    assert_eq!((bench.vendor.tokens(), bench.vendor.requests().await.len()), (2, 2));
}

#[tokio::test]
async fn each_refusal_has_its_kind() {
    let transient = Kind::Transient { retry_after: None };
    let table = [
        (404, "", Kind::Refused),
        (403, r#"{"message":"Missing Authentication Token"}"#, Kind::Refused),
        (403, "Forbidden", Kind::Refused),
        (403, "<html>blocked</html>", transient),
        (400, "Bad Request", Kind::Refused),
        (400, "Invalid daterange", Kind::Refused),
        (429, "Limit exceeded", Kind::QuotaSpent),
        (429, "Too Many Requests", Kind::Throttled { retry_after: None }),
        (502, "a response that exceeds the limit. Please reduce the page size", transient),
        (503, "", transient),
        (302, "", transient),
    ];
    for (status, body, expected) in table {
        let bench = bench(vec![answer(status, body)]).await;
        let fault = bench.etd.count(day()).await.unwrap_err();
        assert_eq!(fault.kind, expected, "{fault}");
        assert!(fault.to_string().starts_with("POST /v1/messages/report answered"), "{fault}");
        let unavailable = matches!(status, 403 | 404) && expected == Kind::Refused;
        assert_eq!(fault.to_string().contains("not available"), unavailable, "{fault}");
        // The token is good: a search goes on with it.
        assert_eq!(bench.etd.bearer(None).await.map(|_| bench.vendor.tokens()).unwrap(), {
            if body == "Bad Request" { 2 } else { 1 }
        });
    }
    let bench = bench(vec![answer(400, "Invalid daterange")]).await;
    let (today, old) = (["2026-11-20", "2026-11-21"], ["2026-08-01", "2026-08-02"]);
    for (ends, expected) in [(today, Kind::TooEarly), (old, Kind::PastRetention)] {
        let [start, end] = ends.map(|day| at(&format!("{day}T00:00:00Z")));
        let fault = bench.etd.count(Interval::new(start, end).unwrap()).await.unwrap_err();
        assert_eq!(fault.kind, expected, "{fault}");
    }
}

#[tokio::test]
async fn what_is_no_report_is_transient_and_shows_no_secret() {
    let echo = "{\"error\":\"bearer-1 s3cret-key\"}";
    for body in ["<html>Sign in</html>", "", "{}", echo, "bearer-1 s3cret-key"] {
        let bench = bench(vec![answer(200, body)]).await;
        let fault = bench.etd.count(day()).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Transient { retry_after: None }, "{fault}");
        let text = fault.chain();
        assert!(text.contains("answered 200, but"), "{text}");
        assert!(!text.contains("bearer-") && !text.contains("s3cret"), "{text}");
    }
    for status in [400, 401, 403, 500] {
        let first = answer(status, "Bearer bearer-1 s3cret-key");
        let bench = bench(vec![first, answer(status, "bearer-1 bearer-2 s3cret-key")]).await;
        let text = bench.etd.count(day()).await.unwrap_err().chain();
        assert!(!text.contains("bearer-") && !text.contains("s3cret"), "{text}");
    }
}

/// An answer with these aggregations.
fn of(aggregations: &Value) -> String {
    json!({ "data": { "aggregations": aggregations } }).to_string()
}

#[test]
fn each_shape_is_read_or_is_no_count() {
    let start = "2026-11-18T00:00:00.000Z";
    let one = |messages: Value| of(&json!([{ "startTimestamp": start, "messages": messages }]));
    let numbered = |count: Value| of(&json!([{ "startTimestamp": start, "messageCount": count }]));
    let at = |start: Value| of(&json!([{ "startTimestamp": start, "messages": { "mixed": 1 } }]));
    let known = counts(&[("incoming", 5), ("mixed", 1)]);
    let mixed = Ok(counts(&[("mixed", 1)]));
    let table = [
        (of(&json!([])), Ok(counts(&[]))),
        (r#"{"data":{"totalMessages":0}}"#.to_owned(), Ok(counts(&[]))),
        (r#"{"totalMessages":"0","aggregations":null}"#.to_owned(), Ok(counts(&[]))),
        (one(json!({ "Incoming": 3, "incoming ": "2", "MIXED": 1.0, "x": null })), Ok(known)),
        (one(json!({ "incoming": 0 })), Ok(counts(&[("incoming", 0)]))),
        (numbered(json!(7)), Ok(counts(&[("all", 7)]))),
        (numbered(json!("7")), Ok(counts(&[("all", 7)]))),
        (numbered(json!(0)), Ok(counts(&[]))),
        (at(json!("2026-11-18")), mixed.clone()),
        (at(json!(1_794_960_000)), mixed.clone()),
        (at(json!("1794960000000")), mixed.clone()),
        (at(json!("2026-11-18T23:59:59.999Z")), mixed),
        // Midnight, at an inclusive end.
        (at(json!("2026-11-19T00:00:00Z")), Ok(counts(&[]))),
        (at(json!("2026-11-17T05:00:00Z")), Err(())),
        (at(json!("2026-11-19T05:00:00Z")), Err(())),
        (at(json!("yesterday")), Err(())),
        (at(json!(null)), Err(())),
        (one(json!({ "incoming": -1 })), Err(())),
        (one(json!({ "incoming": 1.5 })), Err(())),
        (one(json!({ "incoming": { "count": 1 } })), Err(())),
        (one(json!([{ "incoming": 1 }])), Err(())),
        (one(json!({})), Err(())),
        (numbered(json!("many")), Err(())),
        (of(&json!({ "incoming": 1 })), Err(())),
        (of(&json!([7])), Err(())),
        (r#"{"data":{"totalMessages":3}}"#.to_owned(), Err(())),
        (r#"{"data":{"totalMessages":3,"aggregations":[]}}"#.to_owned(), Err(())),
        (r#"{"data":null}"#.to_owned(), Err(())),
        ("[]".to_owned(), Err(())),
    ];
    for (body, expected) in table {
        assert_eq!(read(&body, day()).map_err(|_| ()), expected, "{body}");
    }
    let two = json!([
        { "startTimestamp": "2026-11-18T00:00:00Z", "messages": { "incoming": 5 } },
        { "startTimestamp": "2026-11-18T12:00:00Z", "messages": { "incoming": 2 } },
        { "startTimestamp": "2026-11-19T00:00:00Z", "messages": { "incoming": 9 } },
        { "startTimestamp": "2026-11-17T00:00:00Z", "messages": { "incoming": 0 } },
    ]);
    assert_eq!(read(&of(&two), day()), Ok(counts(&[("incoming", 7)])));
}

/// Two days of messages, and a driver for them.
async fn simulated() -> (Simulation, CiscoEtd) {
    let clock = Arc::new(ManualClock::at(at("2026-11-20T12:00:00Z")));
    let mut options = Options { clock: Arc::clone(&clock) as _, ..Options::default() };
    options.etd.messages = 3_000;
    options.etd.range = Some([at("2026-11-18T00:00:00Z"), at("2026-11-20T00:00:00Z")]);
    let simulation = Simulation::start(options).await.unwrap();
    let config = crate::config::CiscoEtd {
        client_id: "sim-client".into(),
        client_secret: Secret::plain("sim-secret"),
        api_key: Some(Secret::plain("sim-api-key")),
        ..config(simulation.etd_url.clone())
    };
    let etd = CiscoEtd::new(&config, client(), pace(), clock as Arc<dyn Clock>);
    (simulation, etd)
}

#[tokio::test]
async fn a_days_count_is_what_a_search_of_the_day_finds() {
    let (simulation, etd) = simulated().await;
    let next = Interval::new(at("2026-11-19T00:00:00Z"), at("2026-11-20T00:00:00Z")).unwrap();
    let mut all = 0;
    for day in [day(), next] {
        let narrow = crate::domain::filter::Filter::default();
        let mut query = Query { interval: day, page_token: None, page_size: 100, narrow };
        let mut found = BTreeMap::new();
        loop {
            let page = etd.fetch(&query).await.unwrap();
            for record in page.records {
                let message: Value = serde_json::from_str(&record.json).unwrap();
                found.insert(record.id, message["direction"].as_str().unwrap().to_owned());
            }
            query.page_token = page.next;
            if query.page_token.is_none() {
                break;
            }
        }
        let mut expected = BTreeMap::new();
        for direction in found.values() {
            *expected.entry(direction.clone()).or_default() += 1;
        }
        assert!(expected.len() > 1, "{expected:?}");
        assert_eq!(etd.count(day).await.unwrap(), Some(expected));
        all += found.len();
    }
    assert_eq!(all, 3_000);
    let empty = Interval::new(at("2026-11-17T00:00:00Z"), at("2026-11-18T00:00:00Z")).unwrap();
    assert_eq!(etd.count(empty).await.unwrap(), Some(BTreeMap::new()));
    let today = Interval::new(at("2026-11-20T00:00:00Z"), at("2026-11-21T00:00:00Z")).unwrap();
    assert_eq!(etd.count(today).await.unwrap_err().kind, Kind::TooEarly);
    simulation.stop().await;
}
