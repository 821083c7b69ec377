//! No secret is in anything that Postrider says or writes.

use std::path::Path;

use postrider::simulator::{FaultKind, Faults, HecOptions};

use crate::harness::{Home, ago, etd, hec, plain, ser, simulate, syslog};

/// Also of the libraries that are quiet by default.
const TRACE: &str = "trace,hyper=trace,hyper_util=trace,reqwest=trace,h2=trace,rustls=trace";
const CLIENT: &str = "Zk7-the-client-secret";
const KEY: &str = "Qx9-the-api-key";
const SER: &str = "Wv3-the-other-client-secret";
const HEC: &str = "0badcafe-1111-4222-8333-5ec2e7000000";
const WRONG: &str = "Jn5-a-wrong-secret";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_or_written_even_at_the_level_trace() {
    let mut options = plain(200);
    options.etd.client_secret = CLIENT.into();
    options.etd.api_key = Some(KEY.into());
    options.ser.client_secret = SER.into();
    options.hec = HecOptions { token: HEC.into(), ..HecOptions::default() };
    let simulation = simulate(options).await;
    let kinds = vec![FaultKind::TokenExpired, FaultKind::Forbidden, FaultKind::Html];
    let home = Home::new();
    let sections = [
        etd(
            &simulation.etd_url,
            &format!("client_secret = \"{CLIENT}\"\napi_key = {}", home.secret("key", KEY)),
        ),
        ser(&simulation.ser_url, &format!("client_secret = {}", home.secret("ser", SER))),
        hec(&simulation.hec_url, &format!("token = {}", home.secret("hec", HEC))),
        syslog(simulation.syslog_addr, ""),
        home.file_sink(),
    ];
    home.configure_with(TRACE, &sections);
    let mut said = String::new();
    let commands: &[&[&str]] = &[
        &["check", "--offline", "--output", "json"],
        &["check"],
        &["once", "--patience", "1s"],
        &["status"],
        &["status", "--output", "json"],
        &["once"],
        &["check", "--output", "json"],
    ];
    for (index, command) in commands.iter().enumerate() {
        let faults = Faults { kinds: kinds.clone(), ..Faults::at_rate(0.5) };
        let faults = if index < 5 { faults } else { Faults::none() };
        simulation.set_etd_faults(faults.clone());
        simulation.set_ser_faults(faults.clone());
        simulation.set_hec_faults(faults);
        let ended = home.run(command).await;
        said += &(ended.stdout + &ended.stderr);
    }
    // Refused for good, which is when most is said.
    let wrong = home.secret("wrong", WRONG);
    home.configure_with(
        TRACE,
        &[
            etd(&simulation.etd_url, &format!("client_secret = {wrong}\napi_key = {wrong}")),
            ser(&simulation.ser_url, &format!("client_secret = {wrong}")),
            hec(&simulation.hec_url, &format!("token = {wrong}")),
        ],
    );
    for command in [&["check"][..], &["once", "--patience", "1s"], &["status"]] {
        let ended = home.run(command).await;
        said += &(ended.stdout + &ended.stderr);
    }
    assert!(said.contains("TRACE"), "the level took effect");
    assert!(said.contains("403"), "refusals were seen");
    let stored = bytes_below(&home.path("state"));
    let delivered = home.read("events.jsonl");
    for secret in [CLIENT, KEY, SER, HEC, WRONG, "eyJhbGciOiJIUzI1NiJ9."] {
        for form in [secret.to_owned(), base64(secret)] {
            assert!(!said.contains(&form), "{secret} was said");
            let written = stored.windows(form.len()).any(|window| window == form.as_bytes());
            assert!(!written, "{secret} is in the state directory");
            assert!(!delivered.contains(&form), "{secret} was delivered");
        }
    }
}

fn bytes_below(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(!bytes.is_empty());
    bytes
}

/// As in a Basic authorization after `sim-client:`, as far as whole groups of three go.
fn base64(secret: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("sim-client:{secret}");
    let mut out = String::new();
    for group in text.as_bytes().chunks_exact(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for shift in [18, 12, 6, 0] {
            out.push(char::from(DIGITS[bits >> shift & 63]));
        }
    }
    // The first groups are the public client id.
    out.split_off(16)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_look_need_no_credentials_beside_the_daemon() {
    let simulation = simulate(plain(50)).await;
    let home = Home::new();
    home.secret("etd", "sim-secret");
    home.secret("api", "sim-api-key");
    let secrets = "client_secret = { credential = \"etd\" }\napi_key = { credential = \"api\" }";
    let often = "schedule = { every = \"1s\" }\nlag = \"6m\"";
    home.configure(&[
        etd(&simulation.etd_url, &format!("{secrets}\n{often}")),
        hec(&simulation.hec_url, "token = { env = \"HEC_TOKEN\" }"),
        home.file_sink(),
    ]);
    let directory = home.root().display().to_string();
    let token = "11111111-2222-3333-4444-555555555555";
    let given = [("CREDENTIALS_DIRECTORY", directory.as_str()), ("HEC_TOKEN", token)];
    let process = home.start_with(&["run"], &given);
    home.status_when("all is delivered", |status| {
        status["sinks"].as_array().unwrap().iter().all(|sink| sink["delivered"] == 50)
    })
    .await;
    let [from, to] = [30 * 3_600, 29 * 3_600].map(|seconds| ago(seconds).to_string());
    let past = ["backfill", "--source", "etd", "--yes", "--from", &from, "--to", &to];
    let commands: &[&[&str]] = &[
        &["status"],
        &["coverage"],
        &["plan"],
        &past,
        &["dead-letters", "list"],
        &["dead-letters", "replay", "--all"],
        &["dead-letters", "drop", "--all", "--yes"],
    ];
    for command in commands {
        let ended = home.run(command).await;
        assert_eq!(ended.status, Some(0), "{command:?}: {}{}", ended.stdout, ended.stderr);
        assert!(!ended.stderr.contains("CREDENTIALS_DIRECTORY"), "{command:?}: {}", ended.stderr);
    }
    process.signal("TERM");
    process.ended().await;
    // Without one they would have to do it themselves.
    for command in [past.as_slice(), &["dead-letters", "replay", "--all"], &["once"]] {
        let ended = home.run(command).await;
        assert_eq!(ended.status, Some(2), "{command:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("CREDENTIALS_DIRECTORY is not set"), "{}", ended.stderr);
    }
    assert_eq!(home.run(&["status"]).await.status, Some(0));
}
