//! The syslog sink against rsyslog, a receiver that nobody of this project wrote.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{TcpListener, TcpStream},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use postrider::{
    config::{self, BatchLimits, Framing, SinkKind, SyslogHeader, Tls, Transport},
    domain::{
        event::{Change, Event, EventId, Origin},
        slice::Stream,
    },
    fault::{Fault, Kind},
    sink::{Outcome, Sink, syslog::Syslog},
};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio::time::sleep;

const EVENTS: usize = 10_000;
const BATCH: usize = 500;

/// rsyslog's default, which is not quite 8 KiB: a byte more arrives as two messages.
const LONGEST: usize = 8096;

const PROGRAMS: [&str; 2] = ["rsyslogd", "/usr/sbin/rsyslogd"];

/// A running rsyslogd with its own directory and ports; killed when it goes.
struct Rsyslog {
    directory: tempfile::TempDir,
    ports: [u16; 4],
    child: Child,
}

/// Stops the test it stands in, loudly, where there is no rsyslog.
macro_rules! rsyslog_or_skip {
    () => {
        match Rsyslog::start().await {
            Some(rsyslog) => rsyslog,
            None => {
                // Not eprintln!, which cargo test hides where a test passes.
                let text = "SKIPPED: rsyslogd is not installed (Debian: rsyslog, rsyslog-gnutls)";
                writeln!(std::io::stderr(), "{text}").unwrap();
                return;
            }
        }
    };
}

impl Rsyslog {
    async fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        make_certificates(directory.path());
        // All bound at once, so that no two are the same.
        let held = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.each_ref().map(|listener| listener.local_addr().unwrap().port());
        drop(held);
        let child = spawn(directory.path(), ports)?;
        let rsyslog = Self { directory, ports, child };
        rsyslog.wait_until_up().await;
        Some(rsyslog)
    }

    /// Starts it again where it was killed.
    async fn restart(&mut self) {
        self.child = spawn(self.directory.path(), self.ports).unwrap();
        self.wait_until_up().await;
    }

    async fn wait_until_up(&self) {
        for _ in 0..500 {
            if self.ports[1..].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        let log = std::fs::read_to_string(self.path("rsyslogd.log")).unwrap_or_default();
        panic!("rsyslogd does not come up: {log}");
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// It lives on, but reads nothing.
    fn freeze(&self) {
        let command = format!("kill -STOP {}", self.child.id());
        assert!(Command::new("sh").arg("-c").arg(command).status().unwrap().success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What came, once there are `count` lines, or ever fewer after a long wait.
    async fn received(&self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..500 {
            let text = std::fs::read(self.path("received")).unwrap_or_default();
            lines = String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
            if lines.len() >= count {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        lines
    }

    fn settings(&self, transport: Transport, framing: Framing) -> config::Syslog {
        let (host, port) = match transport {
            Transport::Udp => ("127.0.0.1", self.ports[0]),
            Transport::Tcp => ("127.0.0.1", self.ports[1]),
            Transport::Tls => ("localhost", self.ports[2]),
        };
        config::Syslog {
            address: format!("{host}:{port}"),
            transport,
            framing,
            header: SyslogHeader::Rfc5424,
            hostname: None,
            payload: config::Payload::Json,
            enterprise_number: 32473,
            max_message: LONGEST,
            tls: Tls { ca_file: Some(self.path("ca.pem")), ..Tls::default() },
            timeout: Duration::from_secs(10),
        }
    }

    fn mutual_settings(&self, client: Option<&str>) -> config::Syslog {
        let mut settings = self.settings(Transport::Tls, Framing::OctetCounting);
        settings.address = format!("localhost:{}", self.ports[3]);
        settings.tls.client_cert = client.map(|name| self.path(&format!("{name}.pem")));
        settings.tls.client_key = client.map(|name| self.path(&format!("{name}.key")));
        settings
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        // Dead already where the test killed it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(directory: &Path, ports: [u16; 4]) -> Option<Child> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rsyslog/rsyslog.conf");
    let log = std::fs::File::create(directory.join("rsyslogd.log")).unwrap();
    std::fs::remove_file(directory.join("pid")).ok();
    PROGRAMS.iter().find_map(|program| {
        Command::new(program)
            .arg("-n")
            .args(["-f".as_ref(), fixture.as_os_str()])
            .args(["-i".as_ref(), directory.join("pid").as_os_str()])
            .env("RS_DIRECTORY", directory)
            .env("RS_RECEIVED", directory.join("received"))
            .env("RS_CA", directory.join("ca.pem"))
            .env("RS_CERT", directory.join("server.pem"))
            .env("RS_KEY", directory.join("server.key"))
            .env("RS_UDP", ports[0].to_string())
            .env("RS_TCP", ports[1].to_string())
            .env("RS_TLS", ports[2].to_string())
            .env("RS_MTLS", ports[3].to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log.try_clone().unwrap())
            .spawn()
            .ok()
    })
}

/// An authority, a server's certificate, the client's that the server permits, and another client's.
fn make_certificates(directory: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    let key = KeyPair::generate().unwrap();
    std::fs::write(directory.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for (file, name, usage) in [
        ("server", "localhost", ExtendedKeyUsagePurpose::ServerAuth),
        ("client", "postrider-client", ExtendedKeyUsagePurpose::ClientAuth),
        ("stranger", "stranger", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(directory.join(format!("{file}.pem")), cert.pem()).unwrap();
        std::fs::write(directory.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

/// Of many sizes, with all that may be hard for a receiver to keep.
fn event(seq: usize) -> Event {
    let source = "etd-us".parse().unwrap();
    let id = EventId::new(&source, Stream::Messages, &seq.to_string(), 1);
    let json = format!(
        r#"{{"postrider":{{"event_id":"{id}","schema":1}},"id":"{seq}","subject":"Grüße 📧 \"q\" \\ \n\t\u0000 ]<134>1 %d {}","n":1.10}}"#,
        "x".repeat(seq * 37 % 6000),
    );
    Event {
        origin: Arc::new(Origin { source, stream: Stream::Messages, tags: BTreeMap::new() }),
        seq: seq as u64,
        id,
        revision: 1,
        change: Change::New,
        time_ms: 1_795_600_000_000 + i64::try_from(seq).unwrap(),
        verdict: seq.is_multiple_of(10).then(|| "phishing".into()),
        json: json.into(),
    }
}

fn sink(settings: &config::Syslog) -> Syslog {
    let sink = config::Sink {
        name: "rsyslog".parse().unwrap(),
        route: config::Route::default(),
        batch: BatchLimits {
            max_events: BATCH,
            max_bytes: 1 << 20,
            max_age: Duration::from_secs(1),
        },
        max_in_flight: 1,
        schema: config::Schema::default(),
        privacy: None,
        kind: SinkKind::Syslog(settings.clone()),
    };
    Syslog::new(&sink, settings, "collector").unwrap()
}

fn batch(sink: &Syslog, events: Range<usize>) -> (Bytes, Vec<Range<usize>>) {
    let mut body = Vec::new();
    let mut frames = Vec::new();
    for seq in events {
        let start = body.len();
        sink.frame(&event(seq), &mut body).unwrap();
        frames.push(start..body.len());
    }
    (body.into(), frames)
}

async fn send(sink: &Syslog, events: Range<usize>) -> Result<(), Fault> {
    let (body, frames) = batch(sink, events);
    match sink.send(body, &frames).await {
        Outcome::Accepted => Ok(()),
        Outcome::Failed(fault) => Err(fault),
        other => panic!("{other:?}"),
    }
}

/// Every event arrived, whole, once, in order, under the header that was meant.
fn assert_whole(received: &[String], input: &str, header: SyslogHeader) {
    assert_eq!(received.len(), EVENTS, "{:?}", received.first());
    for (seq, line) in received.iter().enumerate() {
        let event = event(seq);
        let pri = if event.verdict.is_some() { 132 } else { 134 };
        let json = &event.json;
        // After RFC 3164's tag the space belongs to the message.
        let expected = match header {
            SyslogHeader::Rfc5424 => format!("{input}\t{pri}\tpostrider\tmessages\t{json}"),
            SyslogHeader::Rfc3164 => format!("{input}\t{pri}\tpostrider\t-\t {json}"),
        };
        assert_eq!(*line, expected);
    }
}

async fn ten_thousand(rsyslog: &Rsyslog, input: &str, settings: &config::Syslog) {
    let sink = sink(settings);
    for start in (0..EVENTS).step_by(BATCH) {
        send(&sink, start..start + BATCH).await.unwrap();
    }
    assert_whole(&rsyslog.received(EVENTS).await, input, settings.header);
}

#[tokio::test]
async fn ten_thousand_events_arrive_whole_over_tcp_with_octet_counting() {
    let rsyslog = rsyslog_or_skip!();
    ten_thousand(&rsyslog, "tcp", &rsyslog.settings(Transport::Tcp, Framing::OctetCounting)).await;
}

#[tokio::test]
async fn ten_thousand_events_arrive_whole_over_tcp_with_newlines() {
    let rsyslog = rsyslog_or_skip!();
    ten_thousand(&rsyslog, "tcp", &rsyslog.settings(Transport::Tcp, Framing::Newline)).await;
}

#[tokio::test]
async fn ten_thousand_events_arrive_whole_over_tcp_with_the_old_header() {
    let rsyslog = rsyslog_or_skip!();
    let settings = config::Syslog {
        header: SyslogHeader::Rfc3164,
        ..rsyslog.settings(Transport::Tcp, Framing::OctetCounting)
    };
    ten_thousand(&rsyslog, "tcp", &settings).await;
}

#[tokio::test]
async fn ten_thousand_events_arrive_whole_over_tls() {
    let rsyslog = rsyslog_or_skip!();
    ten_thousand(&rsyslog, "tls", &rsyslog.settings(Transport::Tls, Framing::OctetCounting)).await;
}

#[tokio::test]
async fn ten_thousand_events_arrive_whole_over_mutual_tls() {
    let rsyslog = rsyslog_or_skip!();
    ten_thousand(&rsyslog, "mtls", &rsyslog.mutual_settings(Some("client"))).await;
}

#[tokio::test]
async fn a_client_that_rsyslog_does_not_permit_loses_nothing() {
    let rsyslog = rsyslog_or_skip!();
    for client in [None, Some("stranger")] {
        let sink = sink(&rsyslog.mutual_settings(client));
        let fault = send(&sink, 0..1).await.unwrap_err();
        assert!(matches!(fault.kind, Kind::Auth | Kind::Transient { .. }), "{}", fault.chain());
        assert!(fault.to_string().contains("client certificate"), "{}", fault.chain());
        assert!(sink.probe().await.is_err());
    }
    assert!(rsyslog.received(0).await.is_empty());
}

#[tokio::test]
async fn datagrams_arrive_as_messages() {
    let rsyslog = rsyslog_or_skip!();
    let sink = sink(&rsyslog.settings(Transport::Udp, Framing::Newline));
    send(&sink, 0..1).await.unwrap();
    let received = rsyslog.received(1).await;
    assert_eq!(received, [format!("udp\t132\tpostrider\tmessages\t{}", event(0).json)]);
}

#[tokio::test]
async fn killing_rsyslog_between_batches_loses_nothing_and_doubles_nothing() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut rsyslog = rsyslog_or_skip!();
        let settings = rsyslog.settings(transport, Framing::OctetCounting);
        let sink = sink(&settings);
        for start in (0..EVENTS).step_by(BATCH) {
            let events = start..start + BATCH;
            if start % 2500 == 0 {
                // What its kernel has, rsyslog has not yet; wait for that before the blow.
                assert_eq!(rsyslog.received(start).await.len(), start);
                rsyslog.kill();
                let fault = send(&sink, events.clone()).await.unwrap_err();
                assert!(matches!(fault.kind, Kind::Transient { .. }), "{}", fault.chain());
                rsyslog.restart().await;
            }
            send(&sink, events).await.unwrap();
        }
        let input = if transport == Transport::Tcp { "tcp" } else { "tls" };
        assert_whole(&rsyslog.received(EVENTS).await, input, settings.header);
    }
}

#[tokio::test]
async fn killing_rsyslog_within_a_batch_loses_nothing() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut rsyslog = rsyslog_or_skip!();
        let settings = rsyslog.settings(transport, Framing::OctetCounting);
        let sink = sink(&settings);
        send(&sink, 0..BATCH).await.unwrap();
        assert_eq!(rsyslog.received(BATCH).await.len(), BATCH);
        // All the rest in one batch is more than the kernels' buffers hold, so that some of it is
        // still here when rsyslog dies, and some of it is with a rsyslog that never read it.
        rsyslog.freeze();
        let (outcome, ()) = tokio::join!(send(&sink, BATCH..EVENTS), async {
            sleep(Duration::from_millis(500)).await;
            rsyslog.kill();
        });
        let fault = outcome.unwrap_err();
        assert!(matches!(fault.kind, Kind::Transient { .. }), "{}", fault.chain());
        rsyslog.restart().await;
        send(&sink, BATCH..EVENTS).await.unwrap();
        let input = if transport == Transport::Tcp { "tcp" } else { "tls" };
        assert_whole(&rsyslog.received(EVENTS).await, input, settings.header);
    }
}

#[tokio::test]
async fn a_message_as_long_as_max_message_arrives_whole() {
    let rsyslog = rsyslog_or_skip!();
    for (count, framing) in [Framing::OctetCounting, Framing::Newline].into_iter().enumerate() {
        let settings = rsyslog.settings(Transport::Tcp, framing);
        let sink = sink(&settings);
        let padded = |len: usize| {
            let json = format!("{{\"del\":\"\u{7f}\",\"ü\":\"{}\"}}", "x".repeat(len));
            Event { json: json.into(), ..event(0) }
        };
        let (mut body, mut len) = (Vec::new(), settings.max_message);
        while sink.frame(&padded(len), &mut body).is_err() {
            len -= 1;
        }
        let whole = 0..body.len();
        let outcome = sink.send(body.into(), std::slice::from_ref(&whole)).await;
        assert!(matches!(outcome, Outcome::Accepted), "{outcome:?}");
        let received = rsyslog.received(count + 1).await;
        let json = padded(len).json.replace('\u{7f}', "\\u007f");
        assert_eq!(received.len(), count + 1);
        assert_eq!(received[count], format!("tcp\t132\tpostrider\tmessages\t{json}"));
    }
}
