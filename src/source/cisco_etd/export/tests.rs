use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{super::tests::*, lines::Line, *};
use crate::{
    fault::Kind,
    http,
    source::{
        Source as _,
        testing::{at, gzip, sample},
    },
};

mod simulated;

impl Download {
    /// The next line; `None` after the last.
    async fn next(&mut self) -> Result<Option<Line>, Fault> {
        loop {
            if let Some(line) = self.ready()? {
                return Ok(Some(line));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// False where the file ends before.
    async fn skip_to(&mut self, position: u64) -> Result<bool, Fault> {
        while self.position < position {
            if self.next().await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

const NOW: &str = "2026-11-20T12:00:00Z";

fn ask() -> Ask {
    hours::last(1, &LogType::ALL, at("2026-11-20T09:20:00Z"))
}

fn found(messages: &[&str]) -> ResponseTemplate {
    answer(200, &json!({ "data": { "message": messages, "audit": [] } }).to_string())
}

/// The link of a file at the bench's own server.
fn link(bench: &Bench) -> links::Link {
    let url =
        format!("{}/log_date=2026-11-20/hour=08/a.jsonl?X-Sig=s3cret", bench.vendor.server.uri());
    let body = json!({ "data": { "message": [url] } }).to_string();
    let mut links = links::read(&body, &ask(), true).unwrap();
    links.of.remove(&LogType::Message).unwrap().remove(0)
}

fn file(body: impl Into<Vec<u8>>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body, "binary/octet-stream")
}

#[tokio::test]
async fn links_are_asked_for_as_documented() {
    let bench = bench(vec![found(&["https://h/a?X=1"])]).await;
    assert_eq!(LogExport(&bench.etd).links(&ask()).await.unwrap().of[&LogType::Message].len(), 1);
    let requests = bench.vendor.requests().await;
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/v1/logs/downloadLinks"));
    assert_eq!(request.headers["authorization"], "Bearer bearer-1");
    assert_eq!(request.headers["x-api-key"], "s3cret-key");
    let body: Value = request.body_json().unwrap();
    let expected = json!({
        "timeRange": ["2026-11-20T08", "2026-11-20T09"], "logTypes": ["message", "audit"],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_file_is_fetched_without_any_header_of_ours_and_from_where_it_was_left() {
    let text = sample("etd_export", "log_message.ndjson");
    for body in [text.clone().into_bytes(), gzip(&text)] {
        let bench = bench(vec![file(body)]).await;
        let link = link(&bench);
        let mut whole = LogExport(&bench.etd).open(&link).await.unwrap();
        let mut lines = Vec::new();
        while let Some(Line::Text(line)) = whole.next().await.unwrap() {
            lines.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(lines, text.lines().collect::<Vec<_>>());
        assert_eq!(whole.position, 3);
        let mut rest = LogExport(&bench.etd).open(&link).await.unwrap();
        assert!(rest.skip_to(2).await.unwrap());
        let line = Line::Text(lines.remove(2).into_bytes());
        assert_eq!(rest.next().await.unwrap(), Some(line));
        assert!(!LogExport(&bench.etd).open(&link).await.unwrap().skip_to(4).await.unwrap());
        for request in bench.vendor.requests().await {
            assert!(!request.headers.contains_key("authorization"));
            assert!(!request.headers.contains_key("x-api-key"));
            assert_eq!(request.url.query(), Some("X-Sig=s3cret"));
        }
        // Nor did it take a token, or a call of the day.
        assert_eq!((bench.vendor.tokens(), bench.etd.pace.calls()), (0, 0));
    }
}

#[tokio::test]
async fn what_is_no_file_is_a_fault_that_does_not_tell_the_signature() {
    let expired = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message>\
                   <Signature>s3cret</Signature></Error>";
    let transient = Kind::Transient { retry_after: None };
    let broken = &gzip("{}\n{}\n")[..12];
    // As block pages are.
    let page =
        "<html><meta http-equiv=refresh content='0; url=https://proxy/?https://h/a?X-Sig=s3cret'>";
    let table = [
        (
            ResponseTemplate::new(403).set_body_string(expired),
            Kind::PageTokenRejected,
            "has expired",
        ),
        (ResponseTemplate::new(403), Kind::PageTokenRejected, "no longer good"),
        (
            ResponseTemplate::new(302).insert_header("location", "https://h/?s3cret"),
            Kind::PageTokenRejected,
            "answered 302 (it leads elsewhere",
        ),
        (ResponseTemplate::new(404), Kind::Refused, "not there"),
        (ResponseTemplate::new(503), transient, "answered 503"),
        (file(page), Kind::PageTokenRejected, "a web page came in its place"),
        (file("{\"a\":1}\n{\"b"), Kind::Refused, "ends in the middle of a line"),
        (file(broken), Kind::Refused, "its gzip is broken"),
    ];
    for (answer, kind, expected) in table {
        let bench = bench(vec![answer]).await;
        let fault = match LogExport(&bench.etd).open(&link(&bench)).await {
            Err(fault) => fault,
            Ok(mut download) => loop {
                match download.next().await {
                    Ok(line) => assert!(line.is_some(), "{expected}"),
                    Err(fault) => break fault,
                }
            },
        };
        assert_eq!(fault.kind, kind, "{fault}");
        let text = format!("{fault:?} {}", fault.chain());
        assert!(text.contains(expected) && !text.contains("s3cret"), "{text}");
    }
    // A port that nobody listens at.
    let body = r#"{"data":{"message":["http://127.0.0.1:1/a?X-Sig=s3cret"]}}"#;
    let mut links = links::read(body, &ask(), true).unwrap();
    let link = links.of.remove(&LogType::Message).unwrap().remove(0);
    let gone = LogExport(&bench(vec![file("")]).await.etd).open(&link).await;
    let text = gone.map(|_| ()).unwrap_err().chain();
    assert!(text.contains("cannot connect") && !text.contains("s3cret"), "{text}");
}

/// What the files' host does, in the network's place.
struct Host(fn() -> Option<Fault>);

impl http::Peer for Host {
    fn answer(
        &self,
        _: reqwest::Request,
    ) -> futures_util::future::BoxFuture<'static, Result<reqwest::Response, Fault>> {
        let fault = (self.0)();
        Box::pin(async {
            match fault {
                Some(fault) => Err(fault),
                None => std::future::pending().await,
            }
        })
    }
}

async fn asked_of(host: Host) -> Fault {
    let mut bench = bench(vec![]).await;
    let link = link(&bench);
    bench.etd.http = bench.etd.http.clone().to_peer(std::sync::Arc::new(host));
    LogExport(&bench.etd).open(&link).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn that_the_files_host_is_not_trusted_says_nothing_of_the_source() {
    let fault = asked_of(Host(|| Some(Fault::auth("the certificate of h has expired")))).await;
    assert_eq!(fault.kind, Kind::Transient { retry_after: None });
    assert!(fault.chain().contains("certificate of h has expired"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_files_host_that_says_nothing_is_not_waited_for() {
    let began = tokio::time::Instant::now();
    let fault = asked_of(Host(|| None)).await;
    assert!(fault.chain().contains("silent for 30 s"), "{fault}");
    assert!(began.elapsed() <= std::time::Duration::from_secs(31), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_its_content_encoding_breaks_is_a_broken_file_and_no_broken_connection() {
    let whole = gzip("{}\n{}\n");
    let packed = |body: &[u8]| file(body).insert_header("content-encoding", "gzip");
    let mut garbled = whole.clone();
    garbled[12] ^= 0xff;
    for body in [&whole[..12], &garbled, b"{}\n{}\n"] {
        let bench = bench(vec![packed(body)]).await;
        let mut download = LogExport(&bench.etd).open(&link(&bench)).await.unwrap();
        let fault = loop {
            match download.next().await {
                Ok(line) => assert!(line.is_some()),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.kind, Kind::Refused, "{fault}");
        assert!(fault.chain().contains("its gzip is broken"), "{fault}");
    }
    let bench = bench(vec![packed(&whole)]).await;
    let mut download = LogExport(&bench.etd).open(&link(&bench)).await.unwrap();
    assert!(download.skip_to(2).await.unwrap() && download.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_refusal_of_links_has_its_meaning() {
    let date = r#"{"message":"Invalid daterange"}"#;
    let table = [
        (answer(400, date), Kind::TooEarly),
        (answer(403, "Forbidden"), Kind::Refused),
        (answer(400, r#"{"message":"Unable to deserialize request body"}"#), Kind::Refused),
        (answer(429, "Limit exceeded"), Kind::QuotaSpent),
        (
            answer(200, r#"{"data":{"message":["x?s3cret"]}}"#),
            Kind::Transient { retry_after: None },
        ),
    ];
    for (answer, kind) in table {
        let bench = bench(vec![answer]).await;
        let fault = LogExport(&bench.etd).links(&ask()).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(!fault.chain().contains("s3cret"), "{fault}");
    }
    let bench = bench(vec![answer(400, date)]).await;
    let old = hours::last(1, &LogType::ALL, at("2026-10-01T09:20:00Z"));
    assert_eq!(LogExport(&bench.etd).links(&old).await.unwrap_err().kind, Kind::PastRetention);
}

#[tokio::test]
async fn check_says_in_words_that_logs_are_switched_off() {
    let search = || answer(200, r#"{"totalSize":0,"data":{"messages":[]}}"#);
    let mut told = Vec::new();
    for body in [
        r#"{"data":{"message":["http://127.0.0.1:1/a?s3cret"],"audit":[]}}"#,
        r#"{"data":{"message":[],"audit":[]}}"#,
        r#"{"data":{"audit":[]}}"#,
        r#"{"data":{}}"#,
    ] {
        let mut bench = bench(vec![search(), answer(200, body)]).await;
        bench.etd.config.log_export = true;
        told.push(match bench.etd.probe(at(NOW)).await {
            Ok(text) => text,
            Err(fault) => format!("mend: {}", fault.chain()),
        });
    }
    insta::assert_snapshot!(told.join("\n"));
}
