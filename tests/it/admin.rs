//! The admin listener of the built program.

use std::{io::Write as _, process::Stdio, time::Duration};

use postrider::simulator::{FaultKind, Faults, HecOptions, Options};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Home, Process, etd, hec, plain, simulate, skipped, until};

const EACH_SECOND: &str = "schedule = { every = \"1s\" }\nlag = \"6m\"";

pub(crate) struct Admin {
    pub(crate) address: String,
    client: Client,
    process: Process,
}

impl Admin {
    /// Starts the daemon and finds where it listens.
    pub(crate) async fn start(home: &Home) -> Self {
        let process = home.start(&["run"]);
        let address = || {
            let log = home.read("stderr.log");
            let line = log.lines().find(|line| line.contains("the status page and metrics"))?;
            line.split("address=").nth(1).map(|address| address.trim().to_owned())
        };
        let address = until("the listener", address).await;
        Self { address, client: client(), process }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> (StatusCode, String) {
        let answer = self.get(path).await;
        (answer.status(), answer.text().await.unwrap())
    }

    async fn when(&self, path: &str, good: impl Fn(StatusCode, &str) -> bool) -> String {
        loop {
            let (status, text) = self.text(path).await;
            if good(status, &text) {
                return text;
            }
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn client() -> Client {
    // Another test may have done so.
    drop(rustls::crypto::ring::default_provider().install_default());
    #[expect(clippy::disallowed_methods, reason = "a person's, not Postrider's")]
    Client::new()
}

/// A series' value.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let of = |line: &&str| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' '));
    metrics.lines().find(of)?.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_say_what_was_done_and_how_things_are() {
    let simulation = simulate(plain(300)).await;
    let home = Home::new();
    let credentials = format!("{EACH_SECOND}\ncredentials_expire = 2030-01-01T00:00:00Z");
    home.configure(&[
        etd(&simulation.etd_url, &credentials),
        hec(&simulation.hec_url, ""),
        home.file_sink(),
    ]);
    let admin = Admin::start(&home).await;
    let delivered = "postrider_sink_delivered_events_total{sink=\"archive\"}";
    let all = |_: StatusCode, text: &str| value(text, delivered) >= Some(300.0);
    let metrics = admin.when("/metrics", all).await;
    let is =
        |series: &str| value(&metrics, series).unwrap_or_else(|| panic!("{series}\n{metrics}"));
    let version = env!("CARGO_PKG_VERSION");
    assert!(is(&format!("postrider_build_info{{version=\"{version}\"}}")) > 0.0);
    let events = "postrider_source_events_total{change=\"new\",source=\"etd\",stream=\"messages\"}";
    assert!(is(events) >= 300.0);
    let records =
        "postrider_source_records_total{pass=\"live\",source=\"etd\",stream=\"messages\"}";
    assert!(is(records) >= is(events));
    let calls = "postrider_http_requests_total{name=\"etd\",outcome=\"ok\",role=\"source\"}";
    assert!(is(calls) >= 3.0);
    assert!(is("postrider_sink_batches_total{outcome=\"accepted\",sink=\"archive\"}") > 0.0);
    assert!(is("postrider_sink_send_seconds_count{sink=\"archive\"}") > 0.0);
    let expiry = "postrider_source_credential_expiry_timestamp_seconds{source=\"etd\"}";
    assert!((is(expiry) - 1_893_456_000.0).abs() < 0.5);
    assert!(is("postrider_spool_limit_bytes") > is("postrider_spool_bytes"));
    assert!(is("postrider_source_lag_seconds{source=\"etd\"}") >= 360.0);
    assert!(
        is("postrider_coverage_gap_seconds{source=\"etd\",state=\"waiting\",stream=\"messages\"}")
            < 1e9
    );
    checked_by_promtool(&metrics);
    assert!(!metrics.contains("sim-secret"));
}

/// Prometheus's own linter, where it is installed (Debian: `prometheus`).
fn checked_by_promtool(metrics: &str) {
    let mut command = std::process::Command::new("promtool");
    let started = command
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        skipped("metrics are not linted: install promtool (Debian: prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_tells_what_cannot_work_and_recovers() {
    let simulation = simulate(plain(50)).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, EACH_SECOND),
        hec(&simulation.hec_url, ""),
        home.file_sink(),
    ]);
    let kinds = vec![FaultKind::Unavailable];
    simulation.set_hec_faults(Faults { rate: 1.0, kinds, ..Faults::default() });
    let admin = Admin::start(&home).await;
    assert_eq!(admin.text("/healthz").await, (StatusCode::OK, "ok\n".into()));
    let unready = |status, _: &str| status == StatusCode::SERVICE_UNAVAILABLE;
    let why = admin.when("/readyz", unready).await;
    assert!(why.starts_with("sink splunk failing: "), "{why}");
    assert_eq!(admin.text("/healthz").await.0, StatusCode::OK, "it lives");
    simulation.set_hec_faults(Faults::none());
    let ready = |status, text: &str| status == StatusCode::OK && text == "ready\n";
    admin.when("/readyz", ready).await;
    let status: Value = admin.get("/api/v1/status").await.json().await.unwrap();
    assert_eq!(status["sources"][0]["source"], "etd");
    let coverage: Value = admin.get("/api/v1/coverage").await.json().await.unwrap();
    assert_eq!(coverage["sources"][0]["source"], "etd");
}

/// The sink takes all that it is sent and never says that it has it: it is well, and the spool fills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_is_not_ready_though_no_sink_fails() {
    let hec_options = HecOptions {
        use_ack: true,
        ack_delay: Duration::from_secs(3_600),
        ..HecOptions::default()
    };
    let simulation = simulate(Options { hec: hec_options, ..plain(4_000) }).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, EACH_SECOND), hec(&simulation.hec_url, "")]);
    let config = home.read("postrider.toml");
    let small = config.replacen("[state]", "[state]\nmax_spool = \"200KiB\"", 1);
    std::fs::write(home.path("postrider.toml"), small).unwrap();
    let admin = Admin::start(&home).await;
    let full = |_, text: &str| text.contains("the spool is full");
    admin.when("/readyz", full).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_may_look_sees_and_nobody_changes() {
    let simulation = simulate(plain(5)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, EACH_SECOND), home.file_sink()]);
    let token = home.secret("token", "open sesame\n");
    let config = home.read("postrider.toml");
    let listen = "listen = \"127.0.0.1:0\"\n";
    std::fs::write(
        home.path("postrider.toml"),
        config.replace(listen, &format!("{listen}token = {token}\n")),
    )
    .unwrap();
    let admin = Admin::start(&home).await;
    assert_eq!(admin.text("/healthz").await.0, StatusCode::OK);
    for path in ["/metrics", "/readyz", "/api/v1/status", "/api/v1/coverage"] {
        let refused = admin.get(path).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
        let url = format!("http://{}{path}", admin.address);
        let ask = |token| admin.client.get(&url).bearer_auth(token).send();
        assert_eq!(ask("open sesam").await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let answer = ask("open sesame").await.unwrap();
        assert_ne!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        for (name, words) in [
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
        ] {
            assert!(answer.headers()[name].to_str().unwrap().contains(words), "{name}");
        }
        let changed = admin.client.post(&url).bearer_auth("open sesame").body("x").send().await;
        assert_eq!(changed.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    std::fs::write(home.path("token"), "another").unwrap();
    let url = format!("http://{}/metrics", admin.address);
    let answer = admin.client.get(&url).basic_auth("any", Some("another")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "a renewed token counts at once");
    assert!(!home.read("stderr.log").contains("sesame"));
}

async fn raw(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may close before it has read all of it.
    drop(stream.write_all(request).await);
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "it is never closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_bounded_in_size_time_and_number() {
    let simulation = simulate(plain(5)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, EACH_SECOND), home.file_sink()]);
    let admin = Admin::start(&home).await;
    let address = &admin.address;
    let get =
        |headers: &str| format!("GET /healthz HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    let own = raw(address, get("Host: localhost\r\n").as_bytes()).await;
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
    let rebound = raw(address, get("Host: evil.example\r\n").as_bytes()).await;
    assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
    let many = "X-Header: value\r\n".repeat(100);
    let many = raw(address, get(&format!("Host: localhost\r\n{many}")).as_bytes()).await;
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    let long = format!("Host: localhost\r\nX: {}\r\n", "x".repeat(64 << 10));
    let long = raw(address, get(&long).as_bytes()).await;
    assert!(!long.starts_with("HTTP/1.1 200"), "{long}");
    // More than it takes at a time, none of which ever asks.
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
        idle.push(stream);
    }
    let late = raw(address, get("Host: localhost\r\n").as_bytes()).await;
    assert!(late.starts_with("HTTP/1.1 200"), "who asks waits until they are given up: {late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_no_reason_not_to_collect() {
    let simulation = simulate(plain(20)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, EACH_SECOND), home.file_sink()]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = home.read("postrider.toml");
    let listen = format!("listen = \"{}\"", taken.local_addr().unwrap());
    let config = config.replace("listen = \"127.0.0.1:0\"", &listen);
    std::fs::write(home.path("postrider.toml"), config).unwrap();
    let process = home.start(&["run"]);
    home.logged("cannot be listened on").await;
    until("all", || (crate::records::so_far(&home) >= 20).then_some(())).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_listens_again_after_the_configuration_was_read_again() {
    let simulation = simulate(plain(5)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, EACH_SECOND), home.file_sink()]);
    let mut admin = Admin::start(&home).await;
    let fixed = format!("listen = \"{}\"", admin.address);
    let config = home.read("postrider.toml");
    let config = config.replace("listen = \"127.0.0.1:0\"", &fixed);
    std::fs::write(home.path("postrider.toml"), config).unwrap();
    for times in 2..5 {
        admin.process.signal("HUP");
        let listens = || home.read("stderr.log").matches("status page and metrics").count();
        until("it listens again", || (listens() == times).then_some(())).await;
        admin.client = client();
        assert_eq!(admin.text("/healthz").await.0, StatusCode::OK);
    }
    assert!(!home.read("stderr.log").contains("cannot be listened on"));
}
