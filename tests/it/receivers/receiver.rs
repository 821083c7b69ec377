//! A running rsyslog or syslog-ng with its own directory, certificates and ports.

use std::{
    fs::File,
    io::Read,
    net::{TcpListener, TcpStream},
    process::Child,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use postrider::config::{self, Framing, SyslogHeader, Tls, Transport};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::programs::{Program, Way, configuration, spawn};
use crate::pki::{Identity, Pki};

const LOOK: Duration = Duration::from_millis(10);

const PATIENCE: Duration = Duration::from_secs(10);

/// What `deploy/syslog` lets both receive: 64 KiB.
pub(super) const LONGEST: usize = 65_536;

/// A message as the receiver's own parser understood it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Received {
    pub(super) input: String,
    pub(super) priority: String,
    pub(super) time: String,
    pub(super) host: String,
    pub(super) program: String,
    pub(super) stream: String,
    pub(super) data: String,
    pub(super) message: String,
}

/// Killed when it goes.
pub(super) struct Receiver {
    pub(super) program: Program,
    /// How long nothing may come before nothing more is waited for.
    pub(super) patience: Duration,
    directory: tempfile::TempDir,
    pki: Pki,
    client: Identity,
    ports: [u16; 5],
    child: Child,
}

impl Receiver {
    /// `None`, and a loud line, where it is not installed.
    pub(super) async fn start(program: Program) -> Option<Self> {
        Self::start_with(program, str::to_owned).await
    }

    /// The same with a configuration that differs from the deployed one.
    pub(super) async fn start_with(
        program: Program,
        change: impl Fn(&str) -> String,
    ) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        pki.issue("server", &["localhost"], false);
        let client = pki.issue("client", &["postrider-client"], false);
        // All bound at once, so that no two are the same.
        let held = [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let mut ports = held.each_ref().map(|listener| listener.local_addr().unwrap().port());
        drop(held);
        if program == Program::Rsyslog {
            // It recognises framing and header by itself.
            (ports[2], ports[3]) = (ports[1], ports[1]);
        }
        let text = change(&configuration(program, directory.path(), &pki, ports));
        std::fs::write(directory.path().join("configuration"), text).unwrap();
        let Some(child) = spawn(program, directory.path()) else {
            crate::harness::skipped(&format!(
                "{program:?} is not installed (Debian: rsyslog, rsyslog-gnutls; syslog-ng by \
                 tests/install.sh)"
            ));
            return None;
        };
        let mut receiver =
            Self { program, patience: PATIENCE, directory, pki, client, ports, child };
        receiver.wait_until_up().await;
        Some(receiver)
    }

    /// Starts it again where it was stopped or killed.
    pub(super) async fn restart(&mut self) {
        self.child = spawn(self.program, self.directory.path()).unwrap();
        self.wait_until_up().await;
    }

    async fn wait_until_up(&mut self) {
        for _ in 0..1_000 {
            if self.ports[1..].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
                return;
            }
            if self.child.try_wait().unwrap().is_some() {
                break;
            }
            sleep(LOOK).await;
        }
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        panic!("{:?} does not come up: {log}", self.program);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Asks it to end, as systemd does, and waits for that.
    pub(super) async fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        while self.child.try_wait().unwrap().is_none() {
            sleep(LOOK).await;
        }
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// It lives on, but reads nothing.
    pub(super) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// What came, once there are `count` messages, or fewer if no more come.
    pub(super) async fn received(&self, count: usize) -> Vec<Received> {
        self.arrived(count).await;
        self.read()
    }

    /// All that came in the end. It is stopped, so that nothing can come after.
    pub(super) async fn all(&mut self, count: usize) -> Vec<Received> {
        self.arrived(count).await;
        self.stop().await;
        self.read()
    }

    /// Waits for `count` messages, or until no more come.
    pub(super) async fn arrived(&self, count: usize) {
        let (mut lines, mut since) = (0, Instant::now());
        let (mut file, mut text) = (None, Vec::new());
        while lines < count && since.elapsed() < self.patience {
            if file.is_none() {
                file = File::open(self.directory.path().join("received.jsonl")).ok();
            }
            text.clear();
            if let Some(file) = &mut file {
                file.read_to_end(&mut text).unwrap();
            }
            if text.is_empty() {
                sleep(LOOK).await;
            } else {
                lines += memchr::memchr_iter(b'\n', &text).count();
                since = Instant::now();
            }
        }
    }

    fn read(&self) -> Vec<Received> {
        let text = std::fs::read(self.directory.path().join("received.jsonl")).unwrap_or_default();
        // A line may be on its way into the file.
        let whole = memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1);
        text[..whole].split_inclusive(|byte| *byte == b'\n').map(Received::of).collect()
    }

    pub(super) fn address(&self, way: Way) -> String {
        let host = if way == Way::Tls { "localhost" } else { "127.0.0.1" };
        format!("{host}:{}", self.ports[way as usize])
    }

    pub(super) fn settings(&self, way: Way) -> config::Syslog {
        config::Syslog {
            address: self.address(way),
            transport: match way {
                Way::Udp => Transport::Udp,
                Way::Tls => Transport::Tls,
                _ => Transport::Tcp,
            },
            framing: match way {
                Way::Lines | Way::Old => Framing::Newline,
                _ => Framing::OctetCounting,
            },
            header: if way == Way::Old { SyslogHeader::Rfc3164 } else { SyslogHeader::Rfc5424 },
            hostname: None,
            payload: config::Payload::Json,
            enterprise_number: 32473,
            max_message: LONGEST,
            tls: self.tls(Some(&self.client)),
            timeout: Duration::from_secs(10),
        }
    }

    pub(super) fn tls(&self, client: Option<&Identity>) -> Tls {
        Tls {
            ca_file: Some(self.pki.ca_file()),
            client_cert: client.map(|client| client.cert.clone()),
            client_key: client.map(|client| client.key.clone()),
            ..Tls::default()
        }
    }

    /// A client's certificate of the same authority with another name, and one of another.
    pub(super) fn strangers(&self) -> [Identity; 2] {
        [
            self.pki.issue("stranger", &["stranger"], false),
            self.pki.self_signed("unknown", &["postrider-client"]),
        ]
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Dead already where the test killed it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Received {
    fn of(line: &[u8]) -> Self {
        serde_json::from_slice(line)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)))
    }

    /// The event's id in the structured data.
    pub(super) fn event_id(&self) -> Option<&str> {
        self.data.split_once("event_id=\"")?.1.split('"').next()
    }
}
