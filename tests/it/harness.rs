//! A home for one Postrider: a temporary directory with its configuration, state and files, and
//! the binary run in it.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use postrider::{
    clock::{Clock, SystemClock},
    simulator::{EtdOptions, Options, Simulation},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK: Duration = Duration::from_millis(5);

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

pub(crate) fn ago(seconds: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(LOOK);
    let looking = async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask() {
                break answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// A vendor without quirks whose messages are old enough to be asked for, and do not change.
pub(crate) fn plain(messages: u64) -> Options {
    let mut options = Options::plain();
    options.etd = EtdOptions {
        messages,
        range: Some([ago(6 * 3600), ago(600)]),
        quirks: options.etd.quirks,
        ..EtdOptions::default()
    };
    options
}

pub(crate) async fn simulate(options: Options) -> Simulation {
    Simulation::start(options).await.unwrap()
}

/// Says loudly that something was not tested; with `SKIP_NOTHING` in the environment that fails. Not eprintln!, which cargo test hides where a test passes.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("SKIP_NOTHING").is_none(), "{why}");
    std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("SKIPPED: {why}\n")).unwrap();
}

pub(crate) struct Home {
    directory: TempDir,
}

/// How a finished process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Writes a file as private as a secret must be.
    pub(crate) fn secret(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        format!("{{ file = {:?} }}", path.display().to_string())
    }

    /// Writes the configuration: `sections` after what all have in common.
    pub(crate) fn configure(&self, sections: &[String]) {
        self.configure_with("info", sections);
    }

    pub(crate) fn configure_with(&self, level: &str, sections: &[String]) {
        let state = self.path("state");
        let mut text = format!(
            "[state]\ndirectory = {state:?}\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = {level:?}\n"
        );
        for section in sections {
            writeln!(text, "{section}").unwrap();
        }
        std::fs::write(self.path("postrider.toml"), text).unwrap();
    }

    /// The section of a file sink that writes `events.jsonl` here.
    pub(crate) fn file_sink(&self) -> String {
        format!(
            "[sinks.archive]\ntype = \"file\"\npath = {:?}\nrotation = \"never\"",
            self.path("events.jsonl")
        )
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.env_clear().current_dir(self.root()).arg("--config").arg("postrider.toml");
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        let mut command = self.command(args);
        let output = tokio::time::timeout(PATIENCE, command.output());
        let output = output.await.unwrap_or_else(|_| panic!("{args:?} does not end")).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Ended { status: output.status.code(), stdout, stderr }
    }

    /// Runs `once` to its end, which must be a good one.
    pub(crate) async fn once(&self) -> Ended {
        let ended = self.run(&["once"]).await;
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        ended
    }

    /// Starts a command; what it says is added to `stderr.log` and `stdout.log`.
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        self.start_with(args, &[])
    }

    /// The same with an environment.
    pub(crate) fn start_with(&self, args: &[&str], env: &[(&str, &str)]) -> Process {
        let log = |name| OpenOptions::new().append(true).create(true).open(self.path(name));
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        let (out, err): (File, File) = (log("stdout.log").unwrap(), log("stderr.log").unwrap());
        Process { child: command.stdout(out).stderr(err).spawn().unwrap() }
    }

    pub(crate) async fn status(&self) -> Value {
        let ended = self.run(&["status", "--output", "json"]).await;
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Asks for the status until it is as wanted.
    pub(crate) async fn status_when(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let mut last = Value::Null;
        let looking = async {
            loop {
                ticks.tick().await;
                if self.path("state/postrider.db").exists() {
                    let ended = self.run(&["status", "--output", "json"]).await;
                    last = serde_json::from_str(&ended.stdout).unwrap_or_default();
                    // While the store is made there is none to tell of.
                    if !last.is_null() && good(&last) {
                        break last.clone();
                    }
                }
            }
        };
        let Ok(status) = tokio::time::timeout(PATIENCE, looking).await else {
            panic!("never: {what}: {last:#}\n{}", self.read("stderr.log"));
        };
        status
    }

    /// Waits until the log says `words`.
    pub(crate) async fn logged(&self, words: &str) {
        until(words, || self.read("stderr.log").contains(words).then_some(())).await;
    }
}

/// A running Postrider; killed when dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) async fn kill9(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends a signal by its name, such as TERM.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.pid());
        let sent = std::process::Command::new("sh").arg("-c").arg(command).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) async fn ended(mut self) -> Option<i32> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("the process ends").unwrap().code()
    }
}

/// The section of an ETD source at `url`; `extra` lines replace the defaults of the same key.
pub(crate) fn etd(url: &str, extra: &str) -> String {
    let head = "[sources.etd]\ntype = \"cisco_etd\"\nclient_id = \"sim-client\"";
    let defaults = [
        "client_secret = \"sim-secret\"",
        "api_key = \"sim-api-key\"",
        "start = \"7h\"",
        "resweep = []",
        "rate_limit = { per_second = 1000, burst = 100, per_day = 1000000 }",
    ];
    section(head, &[&format!("base_url = {url:?}")], &defaults, extra)
}

/// The section of a SER source at `url`.
pub(crate) fn ser(url: &str, extra: &str) -> String {
    let head = "[sources.ser]\ntype = \"proofpoint_ser\"\nclient_id = \"sim-client\"";
    let urls = [format!("base_url = {url:?}"), format!("token_url = \"{url}/v1/token\"")];
    let defaults = [
        "client_secret = \"sim-secret\"",
        "start = \"24h\"",
        "resweep = []",
        "rate_limit = { per_minute = 60000, burst = 100 }",
    ];
    section(head, &[&urls[0], &urls[1]], &defaults, extra)
}

/// The section of a HEC sink at `url`.
pub(crate) fn hec(url: &str, extra: &str) -> String {
    let head = "[sinks.splunk]\ntype = \"splunk_hec\"";
    let endpoints = format!("endpoints = [{url:?}]");
    let token = "token = \"11111111-2222-3333-4444-555555555555\"";
    section(head, &[], &[&endpoints, token], extra)
}

/// The section of a syslog sink over TCP.
pub(crate) fn syslog(address: std::net::SocketAddr, extra: &str) -> String {
    let head = "[sinks.siem]\ntype = \"syslog\"\ntransport = \"tcp\"";
    section(head, &[&format!("address = \"{address}\"")], &["max_message = \"1MiB\""], extra)
}

fn section(head: &str, fixed: &[&str], defaults: &[&str], extra: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let given: Vec<String> = extra.lines().map(key).collect();
    let mut text = head.to_owned();
    let defaults = defaults.iter().filter(|line| !given.contains(&key(line)));
    for line in fixed.iter().chain(defaults) {
        write!(text, "\n{line}").unwrap();
    }
    text + "\n" + extra
}
