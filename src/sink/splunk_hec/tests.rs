use std::{collections::BTreeSet, io::Read, time::Duration};

use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{body_string, header, method, path},
};

use super::*;
use crate::{
    clock::SystemClock,
    config::{Http, Secret},
    fault::Kind,
    sink::tests::{batch, event_of, sink},
};

mod acknowledgement;

const EVENT_PATH: &str = "/services/collector/event";

fn settings(endpoints: &[&MockServer], token: Secret) -> config::SplunkHec {
    config::SplunkHec {
        endpoints: endpoints.iter().map(|server| server.uri()).collect(),
        token,
        index: Some("email".to_owned()),
        host: None,
        acknowledgements: Acknowledgements::Auto,
        ack_timeout: Duration::from_secs(300),
        gzip: true,
        http: Http { timeout: Duration::from_secs(5), ..Http::default() },
    }
}

fn hec(settings: &config::SplunkHec) -> SplunkHec {
    let mut rng = StdRng::seed_from_u64(1);
    SplunkHec::new(&sink(), settings, "collector", Arc::new(SystemClock), &mut rng).unwrap()
}

fn plain() -> Secret {
    Secret::plain("hunter2")
}

fn answer(status: u16, code: u32) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(serde_json::json!({ "text": "said", "code": code }))
}

async fn answering(status: u16, code: u32) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path(EVENT_PATH)).respond_with(answer(status, code)).mount(&server).await;
    server
}

async fn send(hec: &SplunkHec) -> Outcome {
    let (body, frames) = batch(hec, 3);
    hec.send(body, &frames).await
}

fn channel(request: &Request) -> String {
    request.headers.get("x-splunk-request-channel").unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_batch_goes_out_with_all_headers_and_the_frames_to_the_byte() {
    let server = answering(200, 0).await;
    let hec = hec(&settings(&[&server], plain()));
    let (body, frames) = batch(&hec, 3);
    assert!(matches!(hec.send(body.clone(), &frames).await, Outcome::Accepted));
    let requests = server.received_requests().await.unwrap();
    let request = &requests[0];
    let get = |name: &str| request.headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(get("authorization"), "Splunk hunter2");
    assert_eq!(get("content-type"), "application/json");
    assert_eq!(get("content-encoding"), "gzip");
    assert_eq!(get("user-agent"), http::USER_AGENT);
    let channel = channel(request);
    assert_eq!(channel, channel.to_lowercase());
    assert_eq!(channel.parse::<uuid::Uuid>().unwrap().get_version_num(), 8);
    let mut sent = Vec::new();
    flate2::read::GzDecoder::new(&request.body[..]).read_to_end(&mut sent).unwrap();
    assert_eq!(sent, body);
    for (frame, line) in frames.iter().zip(sent.split_inclusive(|byte| *byte == b'\n')) {
        assert_eq!(&body[frame.clone()], line);
        assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
    }
}

#[tokio::test]
async fn without_compression_the_body_is_the_frames() {
    let server = answering(200, 0).await;
    let hec = hec(&config::SplunkHec { gzip: false, ..settings(&[&server], plain()) });
    let (body, frames) = batch(&hec, 2);
    assert!(matches!(hec.send(body.clone(), &frames).await, Outcome::Accepted));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests[0].body, body);
    assert!(!requests[0].headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_for_the_next_on_another_channel() {
    let (down, up) = (answering(503, 9).await, answering(200, 0).await);
    let hec = hec(&settings(&[&down, &up], plain()));
    assert!(matches!(send(&hec).await, Outcome::Failed(_)));
    for _ in 0..3 {
        assert!(matches!(send(&hec).await, Outcome::Accepted));
    }
    let (at_down, at_up) =
        (down.received_requests().await.unwrap(), up.received_requests().await.unwrap());
    assert_eq!((at_down.len(), at_up.len()), (1, 3));
    let channels: BTreeSet<_> = at_up.iter().map(channel).collect();
    assert_eq!(channels.len(), 1);
    assert!(!channels.contains(&channel(&at_down[0])));
}

#[tokio::test]
async fn an_unreachable_endpoint_and_a_captive_portal_fail_over_too() {
    let portal = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_string("<html>Sign in</html>");
    Mock::given(path(EVENT_PATH)).respond_with(page).mount(&portal).await;
    let up = answering(200, 0).await;
    let mut settings = settings(&[&portal, &portal, &up], plain());
    settings.endpoints[0] = "http://127.0.0.1:1".to_owned();
    let hec = hec(&settings);
    let Outcome::Failed(fault) = send(&hec).await else { panic!() };
    assert_eq!(fault.chain(), "cannot connect to 127.0.0.1:1: connection refused");
    let Outcome::Failed(fault) = send(&hec).await else { panic!() };
    assert!(fault.to_string().ends_with("answered 200 without HEC's JSON"), "{fault}");
    assert!(matches!(send(&hec).await, Outcome::Accepted));
}

#[tokio::test]
async fn a_rotated_token_is_read_again_at_once() {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "Splunk new"))
        .respond_with(answer(200, 0))
        .mount(&server)
        .await;
    Mock::given(header("authorization", "Splunk old"))
        .respond_with(answer(403, 4))
        .mount(&server)
        .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old\n").unwrap();
    let hec = hec(&settings(&[&server], Secret::file(file.path())));
    let Outcome::Failed(fault) = send(&hec).await else { panic!() };
    assert_eq!(fault.kind, Kind::Auth);
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "the same one: not again");
    std::fs::write(file.path(), "new\n").unwrap();
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    std::fs::remove_file(file.path()).unwrap();
    assert!(matches!(send(&hec).await, Outcome::Accepted), "kept while it works");
}

#[tokio::test]
async fn a_missing_or_impossible_token_holds() {
    let server = answering(200, 0).await;
    for token in [Secret::file("/nonexistent/token"), Secret::plain("a\nb")] {
        let hec = hec(&settings(&[&server], token));
        let Outcome::Failed(fault) = send(&hec).await else { panic!() };
        assert_eq!(fault.kind, Kind::Auth);
    }
    assert!(server.received_requests().await.unwrap().is_empty());
    let gone = Secret::file("/nonexistent/token");
    let hec = hec(&settings(&[&server, &server], gone));
    let Outcome::Failed(_) = send(&hec).await else { panic!() };
    assert_eq!(hec.route().endpoint(), 0, "the endpoint is not to blame");
}

#[tokio::test]
async fn retry_after_and_poison_arrive() {
    let busy = MockServer::start().await;
    let later = answer(429, 26).insert_header("retry-after", "7");
    Mock::given(path(EVENT_PATH)).respond_with(later).mount(&busy).await;
    let Outcome::Failed(fault) = send(&hec(&settings(&[&busy], plain()))).await else { panic!() };
    assert_eq!(fault.kind, Kind::Throttled { retry_after: Some(Duration::from_secs(7)) });

    let server = MockServer::start().await;
    let poison = ResponseTemplate::new(400).set_body_json(serde_json::json!({
        "text": "Error in handling indexed fields", "code": 15, "invalid-event-number": 1
    }));
    Mock::given(path(EVENT_PATH)).respond_with(poison).mount(&server).await;
    let off = Acknowledgements::Off;
    let settings = config::SplunkHec { acknowledgements: off, ..settings(&[&server], plain()) };
    let outcome = send(&hec(&settings)).await;
    assert!(matches!(outcome, Outcome::Poison { index: 1, .. }), "{outcome:?}");
}

#[test]
fn an_event_above_splunks_limit_is_unfit_and_leaves_no_bytes() {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let server = MockServer::start().await;
        let hec = hec(&settings(&[&server], plain()));
        let mut out = b"before".to_vec();
        let big = event_of(1, &format!(r#"{{"x":"{}"}}"#, "y".repeat(MAX_EVENT)));
        let unfit = hec.frame(&big, &mut out).unwrap_err();
        assert!(unfit.to_string().ends_with("Splunk takes at most 5242880"), "{unfit}");
        assert_eq!(out, b"before");
    });
}

#[tokio::test]
async fn a_probe_tells_a_good_token_from_a_bad_one() {
    let server = MockServer::start().await;
    // fluent-bit knows the one health page, others the other.
    Mock::given(path("/services/collector/health/1.0"))
        .respond_with(answer(200, 17))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path(EVENT_PATH))
        .and(body_string(""))
        .and(header("authorization", "Splunk hunter2"))
        .respond_with(answer(400, 5))
        .mount(&server)
        .await;
    Mock::given(path("/services/collector/ack"))
        .and(body_string(r#"{"acks":[0]}"#))
        .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"acks":{"0":false}}"#))
        .mount(&server)
        .await;
    Mock::given(method("POST")).respond_with(answer(403, 4)).mount(&server).await;
    let with = |acknowledgements| {
        hec(&config::SplunkHec { acknowledgements, ..settings(&[&server], plain()) })
    };
    let text = with(Acknowledgements::Auto).probe().await.unwrap();
    assert_eq!(
        text,
        format!(
            "{}: it is healthy, and it takes the token, with indexer acknowledgement. This does \
             not prove that the index \"email\" exists.",
            server.uri()
        )
    );
    assert!(with(Acknowledgements::Required).probe().await.is_ok());
    let off = with(Acknowledgements::Off).probe().await.unwrap();
    assert!(off.contains("whose acknowledgements are not asked for"), "{off}");
    let fault = hec(&settings(&[&server], Secret::plain("bad"))).probe().await.unwrap_err();
    assert_eq!(fault.kind, Kind::Auth);
    assert!(fault.to_string().contains("the token is wrong"), "{fault}");
    assert!(!fault.chain().contains("bad"));
}

#[tokio::test]
async fn a_probe_says_whether_the_server_acknowledges() {
    for (given, auto, required) in [
        (answer(400, 14), ", without indexer acknowledgement. This", "switch it on in Splunk"),
        (answer(404, 404), ", without indexer acknowledgement. This", "switch it on in Splunk"),
        (answer(503, 9), "; whether it acknowledges is unknown (http", "answered 503"),
        (ResponseTemplate::new(200), "is unknown (http", "without HEC's JSON"),
    ] {
        let server = MockServer::start().await;
        let ack = path("/services/collector/ack");
        Mock::given(ack).respond_with(given).mount(&server).await;
        Mock::given(path(EVENT_PATH)).respond_with(answer(400, 5)).mount(&server).await;
        let probe = async |acknowledgements| {
            let settings = settings(&[&server], plain());
            hec(&config::SplunkHec { acknowledgements, ..settings }).probe().await
        };
        let text = probe(Acknowledgements::Auto).await.unwrap();
        assert!(text.contains(auto), "{text}");
        let fault = probe(Acknowledgements::Required).await.unwrap_err();
        assert!(fault.to_string().contains(required), "{fault}");
    }
}
