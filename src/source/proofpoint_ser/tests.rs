use std::time::Duration;

use serde_json::json;
use wiremock::ResponseTemplate;

use super::*;
use crate::{
    clock::ManualClock,
    config::Secret,
    fault::Kind,
    source::testing::{Vendor, at, client, gzip, hour, pace, sample},
};

const PATH: &str = "/v1/sercustomer/report/summary";
/// With what a form must encode.
const SECRET: &str = "s3cret+&=% ü";

pub(super) struct Bench {
    pub(super) vendor: Vendor,
    clock: Arc<ManualClock>,
    pub(super) ser: ProofpointSer,
}

fn granted(number: usize) -> ResponseTemplate {
    let body = json!({ "access_token": format!("bearer-{number}"), "expires_in": "43200" });
    ResponseTemplate::new(200).set_body_json(body)
}

pub(super) fn answer(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "text/plain")
}

fn normal() -> ResponseTemplate {
    answer(200, &sample("ser", "summary_normal.json"))
}

async fn bench_with(
    token: impl Fn(usize) -> ResponseTemplate + Send + Sync + 'static,
    answers: Vec<ResponseTemplate>,
) -> Bench {
    let vendor = Vendor::start("/v1/token", token, answers).await;
    let config = config::ProofpointSer {
        base_url: vendor.server.uri(),
        token_url: format!("{}/v1/token", vendor.server.uri()),
        summary_path: PATH.into(),
        client_id: "key".into(),
        client_secret: Secret::plain(SECRET),
    };
    let clock = Arc::new(ManualClock::at(at("2026-11-20T12:00:00Z")));
    let ser = ProofpointSer::new(&config, client(), pace(), Arc::clone(&clock) as Arc<dyn Clock>);
    Bench { vendor, clock, ser }
}

pub(super) async fn bench(answers: Vec<ResponseTemplate>) -> Bench {
    bench_with(granted, answers).await
}

fn query() -> Query {
    Query { interval: hour(), page_token: None, page_size: 1, narrow: Filter::default() }
}

#[tokio::test]
async fn requests_have_exactly_the_documented_shape() {
    let bench = bench(vec![normal()]).await;
    let page = bench.ser.fetch(&query()).await.unwrap();
    assert_eq!((page.received, page.records.len(), page.next, page.total), (4, 5, None, None));
    assert!(page.server_time.is_some());

    let all = bench.vendor.server.received_requests().await.unwrap();
    let token = &all[0];
    assert_eq!((token.method.as_str(), token.url.path()), ("POST", "/v1/token"));
    assert_eq!(token.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(!token.headers.contains_key("authorization"));
    assert_eq!(
        std::str::from_utf8(&token.body).unwrap(),
        "grant_type=client_credentials&client_id=key&client_secret=s3cret%2B%26%3D%25+%C3%BC"
    );
    let summary = &all[1];
    assert_eq!((summary.method.as_str(), summary.url.path()), ("GET", PATH));
    assert_eq!(summary.headers["authorization"], "Bearer bearer-1");
    assert_eq!(summary.headers["accept"], "application/json");
    let parameters: Vec<(String, String)> = summary.url.query_pairs().into_owned().collect();
    assert_eq!(
        parameters,
        [
            ("startTimeStamp".to_owned(), "2026-11-20T08:00:00.000Z".to_owned()),
            ("endTimeStamp".to_owned(), "2026-11-20T09:00:00.000Z".to_owned()),
        ]
    );
    assert!(summary.body.is_empty());
}

#[tokio::test]
async fn a_token_serves_until_nine_tenths_of_its_life() {
    let bench = bench(vec![normal()]).await;
    for (seconds, tokens) in [(0, 1), (38_879, 1), (1, 2)] {
        bench.clock.advance(Duration::from_secs(seconds));
        bench.ser.fetch(&query()).await.unwrap();
        assert_eq!(bench.vendor.tokens(), tokens, "after {seconds} s more");
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let refused = answer(401, r#"{"message":"Unauthorized"}"#);
    let renewed = bench(vec![refused.clone(), normal()]).await;
    renewed.ser.fetch(&query()).await.unwrap();
    assert_eq!((renewed.vendor.tokens(), renewed.vendor.requests().await.len()), (2, 2));
    let bench = bench(vec![refused]).await;
    assert_eq!(bench.ser.fetch(&query()).await.unwrap_err().kind, Kind::Auth);
    assert_eq!((bench.vendor.tokens(), bench.vendor.requests().await.len()), (2, 2));
}

#[tokio::test]
async fn eight_slices_share_one_token_call() {
    let slow = |number| granted(number).set_delay(Duration::from_millis(100));
    let bench = bench_with(slow, vec![normal()]).await;
    let query = query();
    let pages = futures_util::future::join_all((0..8).map(|_| bench.ser.fetch(&query))).await;
    assert!(pages.iter().all(Result::is_ok));
    assert_eq!((bench.vendor.tokens(), bench.ser.pace.calls()), (1, 9));
}

#[tokio::test]
async fn what_is_no_summary_is_transient_and_shows_its_beginning() {
    let table = [
        ("not_json.html", "<"),
        ("text_urlencoded.txt", "applicationName=SAP"),
        ("text_uuencoded.txt", "begin 644"),
        ("truncated.json", "not whole JSON"),
        ("empty_body.txt", "not whole JSON"),
        ("error_with_200.json", "try again later"),
    ];
    for (name, text) in table {
        let bench = bench(vec![answer(200, &sample("ser", name))]).await;
        let fault = bench.ser.fetch(&query()).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Transient { retry_after: None }, "{name}");
        assert!(fault.to_string().contains(text), "{name}: {fault}");
    }
    let bench = bench(vec![answer(302, "").insert_header("Location", "/login")]).await;
    let fault = bench.ser.fetch(&query()).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Transient { retry_after: None });
    assert_eq!(bench.vendor.requests().await.len(), 1, "the redirect is not followed");
}

#[tokio::test]
async fn gzip_and_byte_order_marks_cost_nothing() {
    let zipped = ResponseTemplate::new(200)
        .set_body_bytes(gzip(&sample("ser", "summary_normal.json")))
        .insert_header("Content-Encoding", "gzip");
    let bench = bench(vec![zipped, answer(200, &sample("ser", "json_with_bom.json"))]).await;
    assert_eq!(bench.ser.fetch(&query()).await.unwrap().received, 4);
    assert_eq!(bench.ser.fetch(&query()).await.unwrap().received, 1);
}

#[tokio::test]
async fn retry_after_is_obeyed_as_seconds_and_as_a_date() {
    for (value, seconds) in [("7", 7), ("Fri, 20 Nov 2026 12:00:30 GMT", 30)] {
        let bench = bench(vec![answer(429, "").insert_header("Retry-After", value)]).await;
        let retry_after = Some(Duration::from_secs(seconds));
        let fault = bench.ser.fetch(&query()).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Throttled { retry_after });
    }
}

#[tokio::test]
async fn a_probe_asks_for_the_last_full_hour() {
    let bench = bench(vec![normal()]).await;
    let text = bench.ser.probe(at("2026-11-20T12:34:56.7Z")).await.unwrap();
    assert_eq!(
        text,
        "token and summary work; 4 rows between 2026-11-20T11:00:00Z and 2026-11-20T12:00:00Z"
    );
    let bench = self::bench(vec![answer(200, &sample("ser", "json_with_bom.json"))]).await;
    let text = bench.ser.probe(at("2026-11-20T12:34:56.7Z")).await.unwrap();
    assert!(text.contains("; 1 row between"), "{text}");
}

#[tokio::test]
async fn no_secret_is_in_a_fault_or_in_debug() {
    let mut texts = Vec::new();
    for status in [200, 302, 400, 401, 403, 404, 429, 500] {
        let first = answer(status, "Bearer bearer-1");
        let bench = bench(vec![first, answer(status, "bearer-1 bearer-2")]).await;
        let fault = bench.ser.fetch(&query()).await.unwrap_err();
        let bearer = bench.ser.bearer(None).await.unwrap();
        texts.extend([fault.chain(), format!("{fault:?} {:?} {bearer:?}", bench.ser)]);
    }
    for status in [200, 400, 500] {
        let echo = move |_| answer(status, "client_secret=s3cret%2B%26%3D%25+%C3%BC s3cret+&=% ü");
        let bench = bench_with(echo, vec![normal()]).await;
        texts.push(bench.ser.fetch(&query()).await.unwrap_err().chain());
    }
    for text in texts {
        assert!(!text.contains("bearer-") && !text.contains("s3cret"), "{text}");
    }
}
