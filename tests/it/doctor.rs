//! `check` as a doctor: of each thing that is wrong the cause, and a cure in a line of its own.

use std::net::TcpListener;

use postrider::simulator::{FaultKind, Faults, HecOptions, Simulation};
use serde_json::Value;

use crate::{
    harness::{Ended, Home, etd, hec, plain, ser, simulate},
    pki::Pki,
    tls_server::tls_server,
};

fn settings(home: &Home) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&home.root().display().to_string(), "[HOME]");
    settings.add_filter(r"(127\.0\.0\.1|localhost):\d+", "$1:[PORT]");
    settings.add_filter(r"sport = :\d+", "sport = :[PORT]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[TIME]");
    settings.add_filter(r"\d+ (message|row)s?", "[N] ${1}s");
    settings.add_filter(r"is \d+ s (ahead of|behind) the vendor's", "and the vendor's agree");
    settings.add_filter("─+", "───");
    settings.add_filter(r"  +", "  ");
    settings
}

async fn check(home: &Home) -> Ended {
    home.run(&["check"]).await
}

/// The cause and the cure of one thing.
async fn found(home: &Home, what: &str) -> (String, String) {
    let ended = home.run(&["check", "--output", "json"]).await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let tried = report["tried"].as_array().unwrap();
    let trial = tried.iter().find(|trial| trial["what"] == what).expect(what);
    let text = |name: &str| trial[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(trial["well"], trial["state"] != "mend", "{trial}");
    (text("found"), text("cure"))
}

fn all(vendor: &Simulation, home: &Home) -> Vec<String> {
    let [etd, ser] = [etd(&vendor.etd_url, ""), ser(&vendor.ser_url, "")];
    vec![etd, ser, hec(&vendor.hec_url, ""), home.file_sink()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_well_needs_no_cure() {
    let (vendor, home) = (simulate(plain(10)).await, Home::new());
    home.configure(&all(&vendor, &home));
    let ended = check(&home).await;
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    settings(&home).bind(|| insta::assert_snapshot!("doctor_well", ended.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_is_wrong_has_its_cause_and_its_cure() {
    let hec_options = HecOptions { use_ack: false, ..HecOptions::default() };
    let vendor = simulate(postrider::simulator::Options { hec: hec_options, ..plain(10) }).await;
    let (home, pki) = (Home::new(), Pki::new());
    let expired = pki.issue("expired", &["localhost"], true);
    let (tls, _server) = tls_server(&pki, &expired, false).await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::create_dir(home.path("a directory")).unwrap();
    let sections = [
        etd(&vendor.etd_url, "client_secret = \"wrong\""),
        ser("http://no-such-host.invalid", "allow_plain_http = true"),
        hec(&vendor.hec_url, "acknowledgements = \"required\""),
        hec(&vendor.hec_url, "token = \"22222222-2222-3333-4444-555555555555\"")
            .replace("splunk]", "wrong-token]"),
        format!(
            "[sinks.expired]\ntype = \"syslog\"\ntransport = \"tls\"\n\
             address = \"localhost:{tls}\"\ntls = {{ ca_file = {:?} }}",
            pki.ca_file()
        ),
        format!("[sinks.refused]\ntype = \"syslog\"\ntransport = \"tcp\"\naddress = \"{closed}\""),
        format!("[sinks.folder]\ntype = \"file\"\npath = {:?}", home.path("a directory")),
    ];
    home.configure(&sections);
    // Somebody else has the admin listener's port.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = home.read("postrider.toml");
    let text = text.replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
    std::fs::write(home.path("postrider.toml"), text).unwrap();
    let ended = check(&home).await;
    assert_eq!(ended.status, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout.matches("MEND").count(), ended.stdout.matches("mend: ").count());
    settings(&home).bind(|| insta::assert_snapshot!("doctor_ill", ended.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_has_had_enough_says_when_to_come_again() {
    let (vendor, home) = (simulate(plain(10)).await, Home::new());
    home.configure(&all(&vendor, &home));
    for (kind, cure) in [
        (FaultKind::Throttled, "lower `rate_limit`"),
        (FaultKind::QuotaSpent, "wait until 00:00 UTC"),
        (FaultKind::Forbidden, "check api_key"),
        (FaultKind::Unavailable, "try again in a minute"),
    ] {
        vendor.set_etd_faults(Faults { kinds: vec![kind], ..Faults::at_rate(1.0) });
        let (cause, told) = found(&home, "sources.etd").await;
        assert!(told.contains(cure) && !cause.contains(&told), "{kind:?}: {cause} / {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_machine_is_looked_at_too() {
    use std::os::unix::fs::PermissionsExt;
    let (vendor, home) = (simulate(plain(10)).await, Home::new());
    home.configure(&all(&vendor, &home));
    home.once().await;
    assert_eq!(found(&home, "store").await.1, "");
    std::fs::set_permissions(home.path("state"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(found(&home, "state.directory").await.1.contains("chmod 700"));
    let (clock, _) = found(&home, "clock").await;
    assert!(clock.contains("the vendor's"), "{clock}");
    std::fs::write(home.path("state/postrider.db"), "no database".repeat(999)).unwrap();
    for end in ["wal", "shm"] {
        std::fs::remove_file(home.path(&format!("state/postrider.db-{end}"))).ok();
    }
    let (cause, cure) = found(&home, "store").await;
    assert!(cause.contains("damaged") && cure.contains("restore a backup"), "{cause} / {cure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relative_directory_that_does_not_exist_yet_is_well() {
    let (vendor, home) = (simulate(plain(10)).await, Home::new());
    home.configure(&all(&vendor, &home));
    let (whole, text) = (format!("{:?}", home.path("state")), home.read("postrider.toml"));
    std::fs::write(home.path("postrider.toml"), text.replace(&whole, "\"new-state\"")).unwrap();
    let (cause, cure) = found(&home, "state.directory").await;
    assert!(cause.contains("can be written") && cure.is_empty(), "{cause} / {cure}");
    assert_eq!(found(&home, "state.max_spool").await.1, "");
    assert!(!home.path("new-state").exists(), "check makes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_authorities_is_told_what_to_install() {
    let (vendor, home) = (simulate(plain(10)).await, Home::new());
    home.configure(&all(&vendor, &home));
    let nothing = home.path("no-such-file");
    for (args, code) in [(["check"].as_slice(), 1), (&["run"], 1)] {
        let mut command = home.command(args);
        command.env("SSL_CERT_FILE", &nothing).env("SSL_CERT_DIR", &nothing);
        let output = command.output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("install its package ca-certificates, or name a file"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_proxy_is_named_and_not_the_vendor_behind_it() {
    let (vendor, home) = (simulate(plain(10)).await, Home::new());
    let peer = vendor.etd_url.trim_start_matches("http://").to_owned();
    let dead = "http://user:hunter2@127.0.0.1:9";
    for (settings, environment, cure) in [
        (format!("proxy = \"{dead}\""), "", "check `proxy`"),
        (String::new(), dead, "check HTTP_PROXY (or ALL_PROXY) in the environment"),
    ] {
        home.configure(&[etd(&vendor.etd_url, &settings), home.file_sink()]);
        let mut check = home.command(&["check"]);
        let output = check.env("HTTP_PROXY", environment).output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let words =
            format!("cannot connect to {peer} by the proxy 127.0.0.1:9: connection refused");
        assert!(said.contains(&words) && said.contains(cure), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("where only a proxy may"), "{said}");
    }
}
