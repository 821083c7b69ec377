//! The command line: help, examples, and what it says to a bad configuration.

use std::fmt::Write as _;

use crate::harness::{Ended, Home};

fn settings(home: &Home) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&home.root().display().to_string(), "[HOME]");
    settings
}

fn shown(ended: &Ended) -> String {
    let Ended { status, stdout, stderr } = ended;
    format!("exit {status:?}\n--- stdout\n{stdout}--- stderr\n{stderr}")
}

const MANY: &str = r#"
[state]
directory = 7
max_spool = "2 gigabytes"

[log]
level = "chatty,,=x"
fromat = "json"

[sources.etd-us]
type = "cisco_etd"
regoin = "us"
client_id = "id"
client_secret = { file = "/nowhere/secret" }
schedule = { cron = "0 0 0 30 2 *" }
lag = "soon"
page_size = 1000

[sources.ser]
type = "proofpoint_ser"
base_url = "http://ser.example.com"
client_id = "id"
client_secret = { env = "NOT_SET" }

[sinks.one]
type = "file"
path = "/tmp/events.jsonl"

[sinks.two]
type = "file"
path = "/tmp/events.jsonl"
sources = ["elsewhere"]

[sinks.three]
type = "splunk"
"#;

#[tokio::test]
async fn all_errors_of_a_configuration_are_said_at_once() {
    let home = Home::new();
    std::fs::write(home.path("postrider.toml"), MANY).unwrap();
    let table = home.run(&["check", "--offline"]).await;
    let json = home.run(&["check", "--offline", "--output", "json"]).await;
    assert_eq!((table.status, json.status), (Some(2), Some(2)));
    let parsed: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let problems = parsed["configuration"].as_array().unwrap().len();
    assert!(problems >= 12, "{problems}");
    settings(&home).bind(|| {
        insta::assert_snapshot!("all_errors", shown(&table));
        insta::assert_snapshot!("all_errors_json", shown(&json));
    });
    for command in ["run", "once", "status"] {
        let ended = home.run(&[command]).await;
        assert_eq!(ended.status, Some(2), "{command}");
        assert!(ended.stderr.contains("regoin"), "{command}: {}", ended.stderr);
        assert!(!home.path("state").exists(), "{command} touched the disk");
    }
}

#[tokio::test]
async fn a_missing_file_and_a_syntax_error_are_said_with_their_place() {
    let home = Home::new();
    let missing = home.run(&["check", "--offline"]).await;
    std::fs::write(home.path("postrider.toml"), "[state\ndirectory = 1").unwrap();
    let syntax = home.run(&["check", "--offline"]).await;
    assert_eq!((missing.status, syntax.status), (Some(2), Some(2)));
    settings(&home).bind(|| {
        insta::assert_snapshot!("missing_file", shown(&missing));
        insta::assert_snapshot!("syntax_error", shown(&syntax));
    });
}

#[tokio::test]
async fn the_examples_are_good_but_for_the_secrets_that_they_name() {
    for (args, name) in
        [(&["config", "example"][..], "full"), (&["config", "example", "--minimal"], "minimal")]
    {
        let home = Home::new();
        let example = home.run(args).await;
        assert_eq!(example.status, Some(0), "{name}");
        std::fs::write(home.path("postrider.toml"), &example.stdout).unwrap();
        let bare = home.run(&["check", "--offline", "--output", "json"]).await;
        let parsed: serde_json::Value = serde_json::from_str(&bare.stdout).unwrap();
        for problem in parsed["configuration"].as_array().unwrap() {
            let text = problem.to_string();
            let of_a_secret = ["secret", "token", "api_key", "CREDENTIALS_DIRECTORY", "directory"];
            assert!(of_a_secret.iter().any(|word| text.contains(word)), "{name}: {text}");
        }
        // With the credentials that systemd would provide it can be used.
        for secret in ["etd-client-secret", "etd-api-key", "hec-token", "ser-secret"] {
            home.secret(secret, "a-secret");
        }
        let text =
            example.stdout.replace("/etc/postrider/", &format!("{}/", home.root().display()));
        std::fs::write(home.path("postrider.toml"), text).unwrap();
        let mut command = home.command(&["check", "--offline"]);
        let good = command.env("CREDENTIALS_DIRECTORY", home.root()).output().await.unwrap();
        let said = String::from_utf8_lossy(&good.stderr).into_owned();
        assert_eq!(good.status.code(), Some(0), "{name}: {said}");
    }
}

#[tokio::test]
async fn each_command_explains_itself() {
    let home = Home::new();
    let mut all = String::new();
    for command in [&[][..], &["run"], &["once"], &["check"], &["status"], &["config"]] {
        let mut args = command.to_vec();
        args.push("--help");
        let ended = home.run(&args).await;
        assert_eq!(ended.status, Some(0), "{args:?}");
        writeln!(all, "$ postrider {}\n{}", args.join(" "), ended.stdout).unwrap();
    }
    insta::assert_snapshot!("help", all);
}

#[tokio::test]
async fn wrong_use_exits_with_two() {
    let home = Home::new();
    for args in [&[][..], &["fly"], &["once", "--patience", "soon"], &["status", "--output", "xml"]]
    {
        let ended = home.run(args).await;
        assert_eq!(ended.status, Some(2), "{args:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty(), "{args:?}");
    }
}
