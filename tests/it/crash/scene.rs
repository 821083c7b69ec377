//! A small world with everything in it, and the acts in which a process may be killed.

use std::{
    collections::BTreeSet, os::unix::process::ExitStatusExt as _, process::ExitStatus,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use postrider::simulator::{
    EtdOptions, FaultKind, Faults, Mutation, MutationKind, Options, Simulation,
};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use super::audit::{Arrived, Audit, before, drained, in_file};
use crate::{
    delivery::hour,
    harness::{Home, ago, etd, hec, now, ser, simulate, syslog, until},
    records::{assert_rows, lines},
};

/// Events in a batch, and batches on the way to HEC; the others have one.
pub(super) const EVENTS: u64 = 25;
pub(super) const HEC_IN_FLIGHT: u64 = 2;
/// Events in the batches on the way, by sink.
pub(super) const IN_FLIGHT: [u64; 3] = [HEC_IN_FLIGHT * EVENTS, EVENTS, EVENTS];

pub(super) const MESSAGES: u64 = 400;
const HOURS: i64 = 74;
const POISON_EVERY: u32 = 60;
/// How long after the start the last whole window is to be read again.
const SOON: i64 = 12;
const WINDOW: i64 = 12 * 3600;

/// What a process is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// All that is due, by `once`.
    Collect,
    /// `once`, when resweeps are due and messages changed.
    Resweep,
    /// A backfill of the whole range, after some messages changed.
    Backfill,
    /// A backfill that is under way is cancelled.
    Cancel,
    /// `once` with shorter resweeps: what is past them is forgotten.
    Forget,
    /// The dead letters go again, and are refused again.
    Replay,
    /// The dead letters are dropped.
    Drop,
    /// The daemon, until it rests.
    Rest,
}

pub(super) struct Scene {
    pub(super) simulation: Simulation,
    pub(super) home: Home,
    /// An account without messages whose report does not work.
    empty: Option<MockServer>,
    began: Timestamp,
    changed: BTreeSet<String>,
    /// Dead letters that there were and are dropped.
    dropped: u64,
    /// Kills so far.
    pub(super) kills: u64,
}

impl Scene {
    pub(super) async fn new(seed: u64) -> Self {
        Self::with_messages(seed, MESSAGES).await
    }

    pub(super) async fn with_messages(seed: u64, messages: u64) -> Self {
        let mut options = Options { seed, ..Options::plain() };
        options.etd = EtdOptions {
            messages,
            range: Some([ago(HOURS * 3600 - 60), ago(600)]),
            quirks: options.etd.quirks,
            ..EtdOptions::default()
        };
        options.etd.now_margin = Duration::ZERO;
        options.etd.quirks.shuffle = true;
        options.ser.users = 4;
        options.hec.poison_every = POISON_EVERY;
        let simulation = simulate(options).await;
        let next = [FaultKind::ServerError, FaultKind::CutBody, FaultKind::Html].into();
        simulation.set_etd_faults(Faults { next, ..Faults::none() });
        let next = [FaultKind::Unavailable].into();
        simulation.set_hec_faults(Faults { next, ..Faults::none() });
        let (home, empty) = (Home::new(), Some(without_messages().await));
        let changed = BTreeSet::new();
        let (began, dropped, kills) = (now(), 0, 0);
        let scene = Self { simulation, home, empty, began, changed, dropped, kills };
        scene.configure("120h");
        scene
    }

    /// Two ages of resweeps: the second keeps the ledger long.
    fn configure(&self, second: &str) {
        let (simulation, home) = (&self.simulation, &self.home);
        home.configure(&self.sections(simulation, home, second));
    }

    /// The configuration with the sinks of `siem` and files in `home`.
    fn sections(&self, siem: &Simulation, home: &Home, second: &str) -> Vec<String> {
        let vendor = &self.simulation;
        let batch = format!("batch = {{ max_events = {EVENTS}, max_age = \"1s\" }}");
        let expire = ago(-20 * 24 * 3600);
        let etd_extra = format!(
            "start = \"{HOURS}h\"\nslice = \"12h\"\npage_size = 20\nmax_in_flight = 2\n\
             lag = \"1s\"\ncredentials_expire = {expire}\n\
             resweep = [{{ after = \"{}s\" }}, {{ after = \"{second}\" }}]",
            self.age()
        );
        let empty = etd(
            &self.empty.as_ref().map(MockServer::uri).unwrap_or_default(),
            // A whole day that is two hours old, at whatever hour of the day.
            "start = \"74h\"\nslice = \"24h\"\nresweep = [{ after = \"7d\" }]",
        );
        vec![
            etd(&vendor.etd_url, &etd_extra),
            empty.replace("[sources.etd]", "[sources.empty]"),
            ser(&vendor.ser_url, "start = \"6h\"\nlag = \"2h\""),
            // Until a process knows whether a server acknowledges, what came before a bad event goes
            // again; that is not the kill's doing.
            hec(
                &siem.hec_url,
                &format!("acknowledgements = \"off\"\nmax_in_flight = {HEC_IN_FLIGHT}\n{batch}"),
            ),
            syslog(siem.syslog_addr, &batch),
            format!("{}\n{batch}", home.file_sink()),
        ]
    }

    /// Sinks that have nothing yet, but are as choosy.
    pub(super) async fn other_sinks() -> Simulation {
        let mut options = Options::plain();
        options.hec.poison_every = POISON_EVERY;
        simulate(options).await
    }

    /// The configuration for a store in another place.
    pub(super) fn configure_copy(&self, siem: &Simulation, home: &Home) {
        home.configure(&self.sections(siem, home, "120h"));
    }

    /// Does what has to be done before the act.
    pub(super) async fn prepare(&mut self, act: Act) {
        if act > Act::Collect {
            self.finish(Act::Collect).await;
        }
        match act {
            Act::Resweep => {
                let end = self.window_end();
                self.change(end - SignedDuration::from_secs(WINDOW), end, 5);
                let due = self.began.checked_add(SignedDuration::from_secs(SOON)).unwrap();
                until("the resweep is due", || (now() > due).then_some(())).await;
            }
            Act::Backfill => self.change(Timestamp::MIN, Timestamp::MAX, 10),
            Act::Cancel => {
                let killed = self.play_to(Act::Backfill, "plan-backfill:after:1").await;
                assert!(killed, "a backfill is planned");
            }
            Act::Forget => self.configure("2h"),
            Act::Drop => {
                let status = self.home.status().await;
                self.dropped = Audit::default().settled(&status);
                assert!(self.dropped > 0, "dead letters: {status}");
            }
            Act::Replay | Act::Collect | Act::Rest => {}
        }
    }

    /// The end of the last whole window that is read again at once.
    fn window_end(&self) -> Timestamp {
        let began = self.began.as_second();
        Timestamp::from_second(began - began.rem_euclid(WINDOW)).unwrap()
    }

    /// The first resweep's age, in seconds. It is due for one window: that of the present is put
    /// off with each slice that comes, and for older ones it has passed.
    fn age(&self) -> i64 {
        self.began.as_second() - self.window_end().as_second() + SOON
    }

    /// Another verdict for one message in `every` of those delivered between the two.
    fn change(&mut self, from: Timestamp, to: Timestamp, every: usize) {
        let between = from..to;
        let those = self.simulation.truth().filter(|message| between.contains(&message.time));
        for message in those.step_by(every).collect::<Vec<_>>() {
            self.simulation.mutate(&Mutation::of(MutationKind::RetroVerdict, message.id));
            self.changed.insert(message.id.to_string());
        }
        assert!(self.changed.len() > 5, "{} messages changed", self.changed.len());
    }

    fn arguments(&self, act: Act) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        match act {
            Act::Collect | Act::Resweep | Act::Forget => words(&["once"]),
            Act::Rest => words(&["run"]),
            Act::Replay => words(&["dead-letters", "replay", "--all"]),
            Act::Drop => words(&["dead-letters", "drop", "--all", "--yes"]),
            Act::Cancel => words(&["backfill", "cancel", "1"]),
            Act::Backfill => {
                let from = self.began.checked_sub(SignedDuration::from_hours(HOURS)).unwrap();
                let to = self.began.checked_sub(SignedDuration::from_secs(540)).unwrap();
                let (from, to) = (from.to_string(), to.to_string());
                let asked = ["backfill", "--source", "etd", "--from", &from, "--to", &to, "--yes"];
                words(&asked)
            }
        }
    }

    async fn start(&self, act: Act, with: [(&str, &str); 1]) -> ExitStatus {
        let arguments = self.arguments(act);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let log = self.home.path("stderr.log");
        let log = std::fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
        let mut command = self.home.command(&arguments);
        let child = command.envs(with).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = child.spawn().unwrap();
        if act == Act::Rest && with[0].0 == LOG {
            until("rest", || self.log().contains("shrink:after").then_some(())).await;
            let pid = i32::try_from(child.id().unwrap()).unwrap();
            let term = nix::sys::signal::Signal::SIGTERM;
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), term).unwrap();
        }
        let ended = tokio::time::timeout(Duration::from_secs(120), child.wait());
        let Ok(ended) = ended.await else {
            panic!("{act:?} with {with:?} does not end\n{}", self.home.read("stderr.log"));
        };
        ended.unwrap()
    }

    /// Has the act played until it dies at `point`; false where it ended by itself.
    pub(super) async fn play_to(&mut self, act: Act, point: &str) -> bool {
        let status = self.start(act, [(KILL, point)]).await;
        let killed = status.signal() == Some(9);
        self.kills += u64::from(killed);
        assert!(killed || is_well(act, status), "{status}\n{}", self.home.read("stderr.log"));
        killed
    }

    /// Plays the act to its end, as whoever restarts a killed process does.
    pub(super) async fn finish(&self, act: Act) {
        let again = if act == Act::Rest { Act::Collect } else { act };
        if act == Act::Resweep {
            // Resweeps are opened once a vendor has told the time, by an answer to what is live.
            let later = now().checked_add(SignedDuration::from_secs(3)).unwrap();
            until("something live", || (now() > later).then_some(())).await;
        }
        self.whole(again).await;
        // What was under way when a command was killed is for the next run.
        if matches!(again, Act::Backfill | Act::Cancel | Act::Replay | Act::Drop) {
            self.whole(Act::Collect).await;
        }
    }

    async fn whole(&self, act: Act) {
        let status = self.start(act, [("NOTHING", "")]).await;
        assert!(is_well(act, status), "{act:?}: {status}\n{}", self.home.read("stderr.log"));
    }

    /// Plays the act and tells the places that it came to, in order.
    pub(super) async fn places(&self, act: Act) -> Vec<String> {
        let log = self.home.path("places.log");
        let status = self.start(act, [(LOG, log.to_str().unwrap())]).await;
        assert!(is_well(act, status), "{status}\n{}", self.home.read("stderr.log"));
        self.log().lines().map(ToOwned::to_owned).collect()
    }

    fn log(&self) -> String {
        self.home.read("places.log")
    }

    async fn arrived(&self) -> Arrived {
        let simulation = &self.simulation;
        drained(simulation).await;
        [simulation.received(), simulation.received_by_syslog(), in_file(&self.home)]
    }

    /// Compares what arrived with what should have.
    pub(super) async fn audit(&self) -> Audit {
        self.audit_of(&self.home, &self.arrived().await, Audit::default()).await
    }

    /// The same for what arrived from `home`'s store.
    pub(super) async fn audit_of(&self, home: &Home, arrived: &Arrived, mut audit: Audit) -> Audit {
        let dead = self.dropped + audit.settled(&home.status().await);
        let ago = |seconds| self.began.checked_sub(SignedDuration::from_secs(seconds)).unwrap();
        audit.covered(&coverage(home).await, |stream| match stream {
            "messages" => ago(1),
            _ => hour(ago(2 * 3600)),
        });
        audit.sinks(arrived, dead);
        let [_, _, file] = arrived;
        audit.revisions(file, |id| self.changed.contains(id));
        audit.messages(&before(self.simulation.truth(), now()), file, now());
        let [from, to] = [6, 2].map(|hours| hour(ago(hours * 3600)));
        // An hour may have ended meanwhile.
        let mut rows = lines(home);
        rows.retain(|line| {
            let start = line.json["postrider"]["window_start"].as_str();
            start.is_some_and(|start| start.parse::<Timestamp>().unwrap() < to)
        });
        assert_rows(&self.simulation, &rows, from, to);
        audit
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // It blocks when it ends, for good where the task has used up its turn.
        let empty = self.empty.take();
        std::thread::spawn(move || drop(empty));
    }
}

const KILL: &str = "POSTRIDER_FAIL_POINT";
const LOG: &str = "POSTRIDER_FAIL_POINT_LOG";

/// What is refused again is a failure, as it should be.
fn is_well(act: Act, status: ExitStatus) -> bool {
    status.success() || act == Act::Replay && status.code() == Some(1)
}

pub(super) async fn coverage(home: &Home) -> Value {
    let ended = home.run(&["coverage", "--output", "json"]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// A vendor account in which nothing is, and whose report fails.
async fn without_messages() -> MockServer {
    let server = MockServer::start().await;
    let token = json!({ "accessToken": "x", "tokenType": "Bearer", "expiresIn": 3600 });
    let page = json!({ "data": { "messages": [], "pageToken": "", "totalSize": 0 } });
    for (at, answer) in [
        ("/v1/oauth/token", ResponseTemplate::new(200).set_body_json(token)),
        ("/v1/messages/search", ResponseTemplate::new(200).set_body_json(page)),
        ("/v1/messages/report", ResponseTemplate::new(500)),
    ] {
        Mock::given(method("POST")).and(path(at)).respond_with(answer).mount(&server).await;
    }
    server
}
