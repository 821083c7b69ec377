use std::collections::BTreeSet;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::*;
use crate::{
    clock::ManualClock,
    config::Secret,
    fault::Kind,
    source::{
        answer::Answer,
        testing::{Vendor, at, client, gzip, hour, pace, sample},
    },
};

const NOW: &str = "2026-11-20T12:00:00Z";
const SECRETS: [&str; 4] =
    ["s3cret-password", "s3cret-key", "bearer-", "Y2xpZW50OnMzY3JldC1wYXNzd29yZA=="];

pub(super) struct Bench {
    pub(super) vendor: Vendor,
    clock: Arc<ManualClock>,
    pub(super) etd: CiscoEtd,
}

fn granted(number: usize) -> ResponseTemplate {
    let body = json!({ "accessToken": format!("bearer-{number}"), "expiresIn": 3600 });
    ResponseTemplate::new(200).set_body_json(body)
}

pub(super) fn answer(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
}

pub(super) fn config(base_url: String) -> config::CiscoEtd {
    config::CiscoEtd {
        base_url,
        client_id: "client".into(),
        client_secret: Secret::plain("s3cret-password"),
        api_key: Some(Secret::plain("s3cret-key")),
        page_size: 100,
        filter: Filter::default(),
        reconcile: true,
    }
}

async fn bench_with(
    token: impl Fn(usize) -> ResponseTemplate + Send + Sync + 'static,
    answers: Vec<ResponseTemplate>,
    change: impl FnOnce(&mut config::CiscoEtd),
) -> Bench {
    let vendor = Vendor::start("/v1/oauth/token", token, answers).await;
    let clock = Arc::new(ManualClock::at(at(NOW)));
    let mut config = config(vendor.server.uri());
    change(&mut config);
    let etd = CiscoEtd::new(&config, client(), pace(), Arc::clone(&clock) as Arc<dyn Clock>);
    Bench { vendor, clock, etd }
}

pub(super) async fn bench(answers: Vec<ResponseTemplate>) -> Bench {
    bench_with(granted, answers, |_| ()).await
}

fn query() -> Query {
    Query { interval: hour(), page_token: None, page_size: 100, narrow: Filter::default() }
}

fn empty() -> ResponseTemplate {
    answer(200, r#"{"totalSize":0,"data":{"messages":[]}}"#)
}

#[tokio::test]
async fn requests_have_exactly_the_documented_shape() {
    let bench = bench_with(granted, vec![empty()], |config| {
        config.filter = Filter {
            verdicts: vec!["spam".into()],
            directions: vec!["incoming".into()],
            subject: "re:".into(),
            filename: "a.pdf".into(),
            file_sha256: "00ff".into(),
            url: "http".into(),
        };
    })
    .await;
    bench.etd.fetch(&query()).await.unwrap();
    let narrow = Filter { verdicts: vec!["bec".into(), "scam".into()], ..Filter::default() };
    let more = Query { page_token: Some("t:1".into()), page_size: 50, narrow, ..query() };
    bench.etd.fetch(&more).await.unwrap();

    let all = bench.vendor.server.received_requests().await.unwrap();
    let token = &all[0];
    assert_eq!((token.method.as_str(), token.url.path()), ("POST", "/v1/oauth/token"));
    assert_eq!(token.headers["authorization"], "Basic Y2xpZW50OnMzY3JldC1wYXNzd29yZA==");
    assert_eq!(token.headers["x-api-key"], "s3cret-key");
    assert_eq!(token.headers.get_all("content-length").iter().collect::<Vec<_>>(), ["0"]);
    assert!(token.body.is_empty() && token.url.query().is_none());

    let first = &all[1];
    assert_eq!((first.method.as_str(), first.url.path()), ("POST", "/v1/messages/search"));
    assert_eq!(first.headers["authorization"], "Bearer bearer-1");
    assert_eq!(first.headers["x-api-key"], "s3cret-key");
    assert_eq!(first.headers["content-type"], "application/json");
    let mut expected = json!({
        "timestamp": ["2026-11-20T08:00:00.000Z", "2026-11-20T09:00:00.000Z"],
        "verdicts": ["spam"], "directions": ["incoming"], "subject": "re:",
        "filename": "a.pdf", "fileSHA256": "00ff", "url": "http", "pageSize": 100,
    });
    assert_eq!(first.body_json::<Value>().unwrap(), expected);
    expected["verdicts"] = json!(["bec", "scam"]);
    expected["pageSize"] = json!(50);
    expected["pageToken"] = json!("t:1");
    assert_eq!(all[2].body_json::<Value>().unwrap(), expected);
}

#[tokio::test]
async fn nothing_that_is_not_configured_is_sent() {
    let bench = bench_with(granted, vec![empty()], |config| config.api_key = None).await;
    bench.etd.fetch(&query()).await.unwrap();
    let all = bench.vendor.server.received_requests().await.unwrap();
    assert!(all.iter().all(|request| !request.headers.contains_key("x-api-key")));
    let body: Value = all[1].body_json().unwrap();
    let members: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["pageSize", "timestamp"]));
}

#[tokio::test]
async fn a_token_serves_until_nine_tenths_of_its_life() {
    let bench = bench(vec![empty()]).await;
    for (seconds, tokens) in [(0, 1), (3_239, 1), (1, 2), (3_200, 2), (40, 3)] {
        bench.clock.advance(Duration::from_secs(seconds));
        bench.etd.fetch(&query()).await.unwrap();
        assert_eq!(bench.vendor.tokens(), tokens, "after {seconds} s more");
    }
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_renewed_and_the_page_repeated() {
    let expired = answer(401, r#"{"message":"Token expired, generate new token to proceed"}"#);
    let bench = bench(vec![empty(), expired, empty()]).await;
    bench.etd.fetch(&query()).await.unwrap();
    let second = Query { page_token: Some("t:2".into()), ..query() };
    bench.etd.fetch(&second).await.unwrap();
    assert_eq!(bench.vendor.tokens(), 2);
    let searches = bench.vendor.requests().await;
    assert_eq!(searches[1].body, searches[2].body);
    assert_eq!(searches[1].headers["authorization"], "Bearer bearer-1");
    assert_eq!(searches[2].headers["authorization"], "Bearer bearer-2");
}

#[tokio::test]
async fn a_second_refusal_in_a_row_is_a_matter_of_configuration() {
    for (status, body) in [(401, "Token expired"), (400, r#"{"message":"Bad Request"}"#)] {
        let bench = bench(vec![answer(status, body)]).await;
        let fault = bench.etd.fetch(&query()).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Auth, "{fault}");
        assert_eq!((bench.vendor.tokens(), bench.vendor.requests().await.len()), (2, 2));
    }
}

#[tokio::test]
async fn eight_slices_share_one_token_call() {
    let slow = |number| granted(number).set_delay(Duration::from_millis(100));
    let bench = bench_with(slow, vec![empty()], |_| ()).await;
    let query = query();
    let fetches = (0..8).map(|_| bench.etd.fetch(&query));
    let pages = futures_util::future::join_all(fetches).await;
    assert!(pages.iter().all(Result::is_ok));
    assert_eq!((bench.vendor.tokens(), bench.vendor.requests().await.len()), (1, 8));
    assert_eq!(bench.etd.pace.calls(), 9);
}

#[tokio::test]
async fn eight_slices_whose_token_is_refused_at_once_share_one_renewal() {
    let refused = answer(401, "Token expired").set_delay(Duration::from_millis(50));
    let mut answers = vec![refused; 8];
    answers.push(empty());
    let bench = bench(answers).await;
    let query = query();
    let pages = futures_util::future::join_all((0..8).map(|_| bench.etd.fetch(&query))).await;
    assert!(pages.iter().all(Result::is_ok), "{pages:?}");
    assert_eq!(bench.vendor.tokens(), 2);
}

#[tokio::test]
async fn eight_slices_share_one_failed_token_call() {
    let down = |_| answer(400, "Bad Request").set_delay(Duration::from_millis(100));
    let bench = bench_with(down, vec![empty()], |_| ()).await;
    let query = query();
    let pages = futures_util::future::join_all((0..8).map(|_| bench.etd.fetch(&query))).await;
    assert!(pages.iter().all(|page| page.as_ref().is_err_and(|fault| fault.kind == Kind::Auth)));
    assert_eq!(bench.vendor.tokens(), 1);
    bench.etd.fetch(&query).await.unwrap_err();
    assert_eq!(bench.vendor.tokens(), 2, "a later fetch tries again");
}

#[tokio::test]
async fn a_rotated_secret_is_read_for_the_next_token() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old\n").unwrap();
    let token = |number| if number == 1 { answer(400, "Bad Request") } else { granted(number) };
    let secret = Secret::file(file.path());
    let bench = bench_with(token, vec![empty()], |config| config.client_secret = secret).await;
    assert_eq!(bench.etd.fetch(&query()).await.unwrap_err().kind, Kind::Auth);
    std::fs::write(file.path(), "new\n").unwrap();
    bench.etd.fetch(&query()).await.unwrap();
    let all = bench.vendor.server.received_requests().await.unwrap();
    assert_ne!(all[0].headers["authorization"], all[1].headers["authorization"]);
    std::fs::write(file.path(), "").unwrap();
    bench.clock.advance(Duration::from_secs(3_600));
    let fault = bench.etd.fetch(&query()).await.unwrap_err();
    assert!(fault.kind == Kind::Auth && fault.chain().contains("is empty"), "{}", fault.chain());
}

#[tokio::test]
async fn a_rotated_api_key_counts_after_a_refusal() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old").unwrap();
    let key = Some(Secret::file(file.path()));
    let answers = vec![empty(), answer(403, "Forbidden"), empty()];
    let bench = bench_with(granted, answers, |config| config.api_key = key).await;
    bench.etd.fetch(&query()).await.unwrap();
    std::fs::write(file.path(), "new").unwrap();
    assert_eq!(bench.etd.fetch(&query()).await.unwrap_err().kind, Kind::Auth);
    bench.etd.fetch(&query()).await.unwrap();
    let searches = bench.vendor.requests().await;
    let keys: Vec<_> = searches.iter().map(|request| &request.headers["x-api-key"]).collect();
    assert_eq!(keys, ["old", "old", "new"]);
}

#[tokio::test]
async fn a_search_is_read_to_its_end() {
    let date = "Fri, 20 Nov 2026 12:00:07 GMT";
    let answers = ["page_first.json", "page_last.json"]
        .map(|name| answer(200, &sample("etd", name)).insert_header("Date", date));
    let bench = bench(answers.to_vec()).await;
    let first = bench.etd.fetch(&query()).await.unwrap();
    assert_eq!((first.records.len(), first.total), (2, Some(5)));
    assert_eq!(first.server_time, Some(at("2026-11-20T12:00:07Z")));
    let second = Query { page_token: first.next.clone(), ..query() };
    let last = bench.etd.fetch(&second).await.unwrap();
    assert_eq!((last.records.len(), last.next), (3, None));
    let body: Value = bench.vendor.requests().await[1].body_json().unwrap();
    assert_eq!(body["pageToken"].as_str(), first.next.as_deref());
}

#[tokio::test]
async fn what_is_no_page_is_transient_and_says_what_it_is() {
    let page = sample("etd", "page_first.json");
    let half: String = page.chars().take(page.len() / 2).collect();
    let table = [
        (answer(200, "<!doctype html><title>Sign in</title>"), "Sign in"),
        (answer(200, &half), "not whole JSON"),
        (answer(200, ""), "not whole JSON"),
        (answer(200, "{}"), "neither data"),
        (answer(302, "").insert_header("Location", "/elsewhere"), "redirects are not followed"),
        (answer(503, "down"), "503: down"),
        (answer(200, "x").insert_header("Content-Encoding", "gzip"), "broke off"),
    ];
    for (response, text) in table {
        let bench = bench(vec![response]).await;
        let fault = bench.etd.fetch(&query()).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Transient { retry_after: None }, "{fault}");
        assert!(fault.to_string().contains(text), "{fault}");
        assert_eq!(bench.vendor.requests().await.len(), 1);
    }
}

#[tokio::test]
async fn nobody_listening_is_transient() {
    let bench = bench_with(granted, vec![empty()], |config| {
        config.base_url = "http://127.0.0.1:1".into();
    })
    .await;
    let fault = bench.etd.fetch(&query()).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Transient { retry_after: None });
    let said = "POST /v1/oauth/token: cannot connect to 127.0.0.1:1: connection refused";
    assert_eq!(fault.chain(), said);
}

#[tokio::test]
async fn gzip_byte_order_marks_and_bad_utf8_cost_nothing() {
    let page = sample("etd", "page_last.json");
    let zipped = ResponseTemplate::new(200).set_body_bytes(gzip(&page));
    let marked = ResponseTemplate::new(200).set_body_string(format!("\u{feff} {page}\n"));
    let bad = page.replace("Sender", "S\u{1}nder").into_bytes();
    let bad: Vec<u8> = bad.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    let bad = ResponseTemplate::new(200).set_body_bytes(bad);
    let answers = vec![zipped.insert_header("Content-Encoding", "gzip"), marked, bad];
    let bench = bench(answers).await;
    for _ in 0..3 {
        assert_eq!(bench.etd.fetch(&query()).await.unwrap().records.len(), 3);
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_as_seconds_and_as_a_date() {
    for (value, seconds) in [("7", 7), ("Fri, 20 Nov 2026 12:00:30 GMT", 30)] {
        let retry_after = Some(Duration::from_secs(seconds));
        let busy = answer(429, "Too Many Requests").insert_header("Retry-After", value);
        let down = answer(503, "").insert_header("Retry-After", value);
        let bench = bench(vec![busy, down]).await;
        let fault = bench.etd.fetch(&query()).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Throttled { retry_after });
        let fault = bench.etd.fetch(&query()).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Transient { retry_after });
    }
}

#[tokio::test]
async fn an_answer_beyond_the_cap_is_too_large() {
    let bench = bench(vec![answer(200, &"x".repeat(1_000))]).await;
    let request = client().get(bench.vendor.server.uri());
    let fault = Answer::to(&client(), request, "GET /", 999).await.err().unwrap();
    assert_eq!(fault.kind, Kind::TooLarge);
    let request = client().get(bench.vendor.server.uri());
    assert_eq!(
        Answer::to(&client(), request, "GET /", 1_000).await.ok().unwrap().text().len(),
        1_000
    );
}

#[tokio::test]
async fn a_probe_says_what_it_found() {
    let answers = vec![answer(200, r#"{"totalSize":12,"data":{"messages":[{"id":"1"}]}}"#)];
    let bench = bench(answers).await;
    let text = bench.etd.probe(at("2026-11-20T12:00:00.5Z")).await.unwrap();
    assert_eq!(
        text,
        "token and search work; 12 messages between 2026-11-20T11:00:00Z and 2026-11-20T11:45:00Z"
    );
    let body: Value = bench.vendor.requests().await[0].body_json().unwrap();
    assert_eq!(body["pageSize"], 1);
}

#[tokio::test]
async fn a_probe_counts_messages_as_people_do() {
    for (body, found) in [
        (r#"{"totalSize":1,"data":{"messages":[{"id":"1"}]}}"#, "; 1 message between"),
        (r#"{"totalSize":0,"data":{"messages":[]}}"#, "; 0 messages between"),
        (r#"{"data":{"messages":[{"id":"1"}]}}"#, "; at least 1 message between"),
    ] {
        let bench = bench(vec![answer(200, body)]).await;
        let text = bench.etd.probe(at("2026-11-20T12:00:00Z")).await.unwrap();
        assert!(text.contains(found), "{text}");
    }
}

#[tokio::test]
async fn no_secret_is_in_a_fault_or_in_debug() {
    // A vendor that sends back all that it was sent, as a careless proxy does.
    let mut texts = Vec::new();
    for status in [200, 302, 400, 401, 403, 404, 418, 429, 500] {
        let first = answer(status, "Bearer bearer-1 s3cret-key");
        let bench = bench(vec![first, answer(status, "bearer-1 bearer-2 s3cret-key")]).await;
        let fault = bench.etd.fetch(&query()).await.unwrap_err();
        let bearer = bench.etd.bearer(None).await.unwrap();
        texts.extend([fault.chain(), format!("{fault:?} {:?} {bearer:?}", bench.etd)]);
    }
    let echo = "s3cret-key s3cret-password Y2xpZW50OnMzY3JldC1wYXNzd29yZA==";
    for bench in [
        bench_with(move |_| answer(403, echo), vec![empty()], |_| ()).await,
        bench_with(move |_| answer(200, echo), vec![empty()], |_| ()).await,
        bench_with(|_| answer(200, &"x".repeat(2 << 20)), vec![empty()], |_| ()).await,
        bench_with(|_| answer(200, r#"{"jwt":"bearer-1"}"#), vec![empty()], |_| ()).await,
        bench_with(|_| answer(200, r#"{"accessToken":"bearer-\n1"}"#), vec![empty()], |_| ()).await,
        bench_with(granted, vec![empty()], |config| {
            config.api_key = Some(Secret::plain("s3cret-key\nx"));
        })
        .await,
    ] {
        let fault = bench.etd.fetch(&query()).await.unwrap_err();
        assert!(matches!(fault.kind, Kind::Auth | Kind::Transient { .. }), "{fault}");
        texts.extend([fault.chain(), format!("{fault:?}")]);
    }
    for text in texts {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
