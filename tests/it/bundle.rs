//! A support archive says how things are, whatever is broken, and has no secret and no event in it.

use std::{collections::BTreeMap, io::Read, os::unix::fs::PermissionsExt};

use postrider::simulator::{HecOptions, Options};

use crate::harness::{Home, etd, hec, plain, ser, simulate, until};

const PLAIN: &str = "Zk7-plain-client-secret";
const FILE: &str = "Qx9-file-api-key";
const VARIABLE: &str = "Wv3-variable-secret";
const CREDENTIAL: &str = "0badcafe-1111-4222-8333-5ec2e7000000";
const PROXY: &str = "Pp4-proxy-password";
const ADMIN: &str = "Ad8-admin-token";
const COMMENT: &str = "Cc5-in-a-comment";
const UNKNOWN: &str = "Uu6-under-an-unknown-key";
const LAID: &str = "Ll2-laid-over-by-the-environment";
const ALL: [&str; 9] = [PLAIN, FILE, VARIABLE, CREDENTIAL, PROXY, ADMIN, COMMENT, UNKNOWN, LAID];

/// What the archive has, by name, and what the command said.
async fn bundle(home: &Home, env: &[(&str, &str)]) -> (BTreeMap<String, String>, String) {
    let mut command = home.command(&["bundle", "--out", "bundle.tar.gz"]);
    let output = command.envs(env.iter().copied()).output().await.unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let file = std::fs::File::open(home.path("bundle.tar.gz")).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        files.insert(path.file_name().unwrap().to_string_lossy().into_owned(), text);
    }
    (files, said)
}

fn assert_nowhere(files: &BTreeMap<String, String>, said: &str, words: &[&str]) {
    for (name, text) in
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())).chain([("said", said)])
    {
        for word in words {
            assert!(!text.contains(word), "{word} is in {name}: {text}");
        }
    }
}

/// A `journalctl` that has seen everything.
fn journal(home: &Home) -> String {
    let lines: Vec<String> = ALL
        .iter()
        .flat_map(|secret| {
            let begin = "echo '2026-11-22T02:54:46+0000 host postrider[7]: 2026-11-22T02:54:46Z";
            let level = if [COMMENT, UNKNOWN].contains(secret) { "DEBUG" } else { " INFO" };
            [
                format!("{begin} {level} postrider: {secret}'"),
                format!("{begin}  INFO postrider: runs'"),
            ]
        })
        .collect();
    std::fs::create_dir(home.path("bin")).unwrap();
    let path = home.path("bin/journalctl");
    std::fs::write(&path, format!("#!/bin/sh\n{}\n", lines.join("\n"))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", home.path("bin").display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_no_event_is_in_it() {
    let mut options = Options {
        hec: HecOptions { token: CREDENTIAL.into(), poison_every: 5, ..HecOptions::default() },
        ..plain(200)
    };
    options.etd.client_secret = PLAIN.into();
    options.etd.api_key = Some(FILE.into());
    options.ser.client_secret = VARIABLE.into();
    let vendor = simulate(options).await;
    let home = Home::new();
    home.secret("hec", CREDENTIAL);
    let token = home.secret("admin", ADMIN);
    let sections = [
        etd(
            &vendor.etd_url,
            &format!(
                "client_secret = \"{PLAIN}\" # {COMMENT}\napi_key = {}",
                home.secret("key", FILE)
            ),
        ),
        ser(&vendor.ser_url, "client_secret = { env = \"SER_SECRET\" }"),
        hec(&vendor.hec_url, "token = { credential = \"hec\" }"),
        home.file_sink(),
        format!(
            "[sinks.elsewhere]\ntype = \"splunk_hec\"\nendpoints = [\"http://127.0.0.1:1\"]\n\
             proxy = \"http://me:{PROXY}@127.0.0.1:1\"\ntoken = \"to be laid over\"\nstreams = [\"health\"]"
        ),
    ];
    home.configure(&sections);
    let text = home.read("postrider.toml");
    let text = text.replace("[admin]\n", &format!("[admin]\ntoken = {token}\n"));
    std::fs::write(home.path("postrider.toml"), &text).unwrap();
    let (root, path) = (home.root().display().to_string(), journal(&home));
    let env = [
        ("CREDENTIALS_DIRECTORY", root.as_str()),
        ("SER_SECRET", VARIABLE),
        ("POSTRIDER__SINKS__ELSEWHERE__TOKEN", LAID),
        ("PATH", path.as_str()),
    ];
    let daemon = home.start_with(&["run"], &env);
    until("delivered", || (home.read("events.jsonl").lines().count() >= 200).then_some(())).await;
    // What must not be in it of the events: subjects, addresses, names of files.
    let first: serde_json::Value = serde_json::from_str(
        home.read("events.jsonl").lines().find(|line| line.contains("\"subject\"")).unwrap(),
    )
    .unwrap();
    let subject = first["subject"].as_str().unwrap().to_owned();
    let id = first["id"].as_str().unwrap().to_owned();
    let told = || home.read("events.jsonl").contains("\"kind\":\"dead_letters\"");
    until("dead letters", || told().then_some(())).await;
    // As an operator's address; the daemon has found its own port.
    let address = home.read("stderr.log");
    let address = address.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
    std::fs::write(home.path("postrider.toml"), text.replace("127.0.0.1:0", address)).unwrap();
    let (files, said) = bundle(&home, &env).await;
    let never = ALL.iter().copied().chain([subject.as_str(), id.as_str()]).collect::<Vec<_>>();
    assert_nowhere(&files, &said, &never);
    for (name, words) in [
        ("MANIFEST", "dead-letters.json"),
        ("versions.txt", "SQLite"),
        ("configuration.toml", "credential = \"hec\""),
        ("configuration.toml", "[secret: plain]"),
        ("configuration.toml", "POSTRIDER__SINKS__ELSEWHERE__TOKEN"),
        ("check.json", "\"configuration\""),
        ("status.json", "\"running\": true"),
        ("status.txt", "etd messages"),
        ("coverage.txt", "nothing is missing"),
        ("coverage.json", "\"sources\""),
        ("health.json", "dead_letters"),
        ("dead-letters.json", "\"reason\""),
        ("store.txt", "postrider.db "),
        ("store.txt", "chunk "),
        ("metrics.txt", "postrider_"),
        ("logs.txt", "postrider: runs"),
        ("logs.txt", "2 lines left out"),
    ] {
        assert!(files[name].contains(words), "{name} has no {words}: {}", files[name]);
    }
    assert!(said.contains("No event is in it") && said.contains("may quote"), "{said}");
    // With an unknown key the configuration cannot be used; what can be told is.
    drop(daemon);
    let unknown = text.replace("[log]\n", &format!("[log]\npassword = \"{UNKNOWN}\"\n"));
    std::fs::write(home.path("postrider.toml"), &unknown).unwrap();
    let (files, said) = bundle(&home, &env).await;
    assert_nowhere(&files, &said, &never);
    assert!(files["check.json"].contains("no key `password`"), "{}", files["check.json"]);
    assert!(files["status.txt"].contains("absent: the configuration cannot be used"));
    assert!(files["dead-letters.json"].contains("\"reason\""), "{}", files["dead-letters.json"]);
    // Half a file.
    std::fs::write(home.path("postrider.toml"), unknown.replacen("[state]", "[state", 1)).unwrap();
    let (files, said) = bundle(&home, &env).await;
    assert_nowhere(&files, &said, &never);
    assert!(files["configuration.toml"].contains("client_secret = [not shown]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_said_and_the_rest_goes_on() {
    let (vendor, home) = (simulate(plain(20)).await, Home::new());
    home.configure(&[etd(&vendor.etd_url, ""), home.file_sink()]);
    let (files, _) = bundle(&home, &[]).await;
    assert!(files["status.json"].contains("there is no store in"), "{}", files["status.json"]);
    std::fs::create_dir(home.path("state")).unwrap();
    std::fs::write(home.path("state/postrider.db"), "no database".repeat(999)).unwrap();
    let (files, said) = bundle(&home, &[]).await;
    for name in ["status.txt", "coverage.txt", "store.txt"] {
        assert!(files[name].contains("damaged"), "{name}: {}", files[name]);
    }
    assert!(files["logs.txt"].contains("add it by hand"), "{}", files["logs.txt"]);
    assert!(said.contains("absent"), "{said}");
    for (out, why) in [("nowhere/bundle.tar.gz", "cannot write"), ("state", "no regular file")] {
        let ended = home.run(&["bundle", "--out", out]).await;
        assert_eq!(ended.status, Some(1));
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_a_names_place_is_in_no_file() {
    let (vendor, home) = (simulate(plain(1)).await, Home::new());
    for (form, trouble) in [("env", "is not set"), ("file", "cannot be read")] {
        let secret = format!("client_secret = {{ {form} = \"S3cr3t-Value9\" }}");
        home.configure(&[etd(&vendor.etd_url, &secret), home.file_sink()]);
        let (files, said) = bundle(&home, &[("EMAIL", "postrider@example.org")]).await;
        assert_nowhere(&files, &said, &["S3cr3t-Value9"]);
        assert!(files["check.json"].contains(trouble), "{}", files["check.json"]);
        assert!(files["versions.txt"].contains("postrider"), "{}", files["versions.txt"]);
    }
}
