//! What a sink is not to have reaches it by no way and in no format.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{
    check::part,
    harness::{Home, etd, hec, plain, simulate, syslog},
    records::{Line, lines},
};

const PRIVACY: &str = "drop = [\"subject\", \"url_query\", \"attachment_names\"]\n\
    hash = [\"sender\", \"recipients\"]\nkey = { file = \"key\" }";
const KEY: &str = "a key for nothing but this test";

/// Takes all that comes over TCP.
fn listener() -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, got) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
    let all = got.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, all) = (stream.unwrap(), all.clone());
            std::thread::spawn(move || {
                let mut piece = [0; 8_192];
                while let Ok(count @ 1..) = stream.read(&mut piece) {
                    all.lock().unwrap().extend_from_slice(&piece[..count]);
                }
            });
        }
    });
    (address, got)
}

fn texts<'v>(value: &'v Value, to: &mut BTreeSet<&'v str>) {
    match value {
        Value::String(text) => drop(to.insert(text)),
        Value::Array(list) => list.iter().for_each(|item| texts(item, to)),
        Value::Object(members) => members.values().for_each(|item| texts(item, to)),
        _ => {}
    }
}

/// Texts of the original events that must be nowhere.
fn private(original: &[Line]) -> BTreeSet<&str> {
    let mut all = BTreeSet::new();
    for name in [
        "subject",
        "fromAddress",
        "senderName",
        "envelopeFrom",
        "returnPath",
        "replyTo",
        "toAddresses",
        "ccAddresses",
        "mailboxes",
        "deliveredTo",
    ] {
        for line in original {
            texts(&line.json[name], &mut all);
        }
    }
    // Shorter ones, such as names of one word, are in other texts by chance.
    all.into_iter().filter(|text| text.len() > 12).collect()
}

fn assert_none(what: &str, got: &str, private: &BTreeSet<&str>) {
    assert!(!got.is_empty(), "{what}");
    let quoted = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
    let found: Vec<_> =
        private.iter().filter(|text| got.contains(**text) || got.contains(&quoted(text))).collect();
    assert!(found.is_empty(), "{what} has {found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_format_and_no_way_has_what_is_kept_from_a_sink() {
    let (vendor, home, splunk) =
        (simulate(plain(120)).await, Home::new(), MockServer::start().await);
    let ok = r#"{"text":"Success","code":0}"#;
    let answer = ResponseTemplate::new(200).set_body_raw(ok, "application/json");
    Mock::given(any()).respond_with(answer).mount(&splunk).await;
    let (cef, got_cef) = listener();
    let (tiny, got_tiny) = listener();
    home.secret("key", KEY);
    let kept = |name: &str| format!("\n[sinks.{name}.privacy]\n{PRIVACY}");
    let file = |name: &str, schema: &str| {
        let path = home.path(&format!("{name}.jsonl"));
        let kept = kept(name);
        format!("[sinks.{name}]\ntype = \"file\"\npath = {path:?}\nschema = \"{schema}\"{kept}")
    };
    let cef = syslog(cef, "payload = \"cef\"\nmax_message = \"64KiB\"").replace("siem", "cef");
    let small = |max: &str| {
        let streams = "streams = [\"messages\"]\n";
        syslog(tiny, &format!("{streams}max_message = \"{max}\"")).replace("siem", "tiny")
            + &kept("tiny")
    };
    let common = [
        etd(&vendor.etd_url, ""),
        home.file_sink(),
        file("json", "postrider"),
        file("ecs", "ecs"),
        file("ocsf", "ocsf"),
        cef + &kept("cef"),
        hec(&splunk.uri(), "compression = \"none\"") + &kept("splunk"),
    ];
    home.configure(&[&common[..], &[small("480B")]].concat());
    home.once().await;
    let original = lines(&home);
    let private = private(&original);
    assert!(private.len() > 100, "{}", private.len());
    let received = splunk.received_requests().await.unwrap();
    let received: String =
        received.iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect();
    assert_none("HEC", &received, &private);
    for name in ["json", "ecs", "ocsf"] {
        assert_none(name, &home.read(&format!("{name}.jsonl")), &private);
    }
    assert_none("CEF", &String::from_utf8_lossy(&got_cef.lock().unwrap()), &private);

    // The same events, known by the same ids, and equal where they were equal.
    let json = home.read("json.jsonl");
    let sent: Vec<Value> =
        json.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let sent: BTreeMap<&str, &Value> = sent
        .iter()
        .map(|event| (event["postrider"]["event_id"].as_str().unwrap(), event))
        .collect();
    let mut hashes: BTreeMap<String, &str> = BTreeMap::new();
    let mut compared = 0;
    for line in &original {
        let Some(event) = sent.get(line.id()) else { continue };
        compared += 1;
        assert_eq!(event["postrider"], line.json["postrider"]);
        assert!(event.get("subject").is_none() && event["id"] == line.json["id"]);
        let (Some(from), Some(hash)) =
            (line.json["fromAddress"].as_str(), event["fromAddress"].as_str())
        else {
            continue;
        };
        assert!(hash.starts_with("blake3:"), "{hash}");
        assert_eq!(*hashes.entry(from.to_lowercase()).or_insert(hash), hash, "{from}");
    }
    assert!(compared > 110 && hashes.len() > 1, "{compared} {}", hashes.len());

    // Dead letters.
    let dead = part(&home.status().await, "tiny")["dead_letters"].as_u64().unwrap();
    assert!(dead > 8, "{dead}");
    for letter in home.list().await.iter().take(10) {
        let shown = home.run(&["dead-letters", "show", &letter["id"].to_string()]).await;
        assert_none("show", &shown.stdout, &private);
        assert!(shown.stdout.contains("blake3:"), "{}", shown.stdout);
    }
    home.configure(&[&common[..], &[small("64KiB")]].concat());
    let replay = home.run(&["dead-letters", "replay", "--all"]).await;
    assert_eq!(replay.status, Some(0), "{} {}", replay.stdout, replay.stderr);
    let got = String::from_utf8_lossy(&got_tiny.lock().unwrap()).into_owned();
    assert_none("replayed letters", &got, &private);
    assert!(original.iter().all(|line| got.contains(line.id())), "all came");

    // What is configured can be seen, without the key.
    let check = home.run(&["check", "--offline"]).await;
    for word in ["is sent without", "subject", "query strings of all URLs", "mailboxes", "replyTo"]
    {
        assert!(check.stdout.contains(word), "{word}: {}", check.stdout);
    }
    let check = home.run(&["check", "--offline", "--output", "json"]).await;
    let report: Value = serde_json::from_str(&check.stdout).unwrap();
    let first = &report["privacy"][0];
    assert_eq!(
        (&first["sink"], &first["drops"][0]),
        (&"cef".into(), &"subject".into()),
        "{report}"
    );
    assert!(!(check.stdout + &check.stderr).contains(KEY));
}
