use serde_json::Value;

use super::*;
use crate::{config::Secret, sink::tests::event_of};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn redactor(drop: &[&str], hash: &[&str]) -> Redactor {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let key = Some(Secret::plain(KEY));
    let privacy = config::Privacy { drop: names(drop), hash: names(hash), key, keep_domain: false };
    Redactor::new(&privacy).unwrap()
}

fn applied(redactor: &Redactor, json: &str) -> Value {
    serde_json::from_str(&redactor.apply(&event_of(1, json)).unwrap().json).unwrap()
}

const MESSAGE: &str = r#"{"postrider":{"event_id":"e","record_id":"r","revision":2,
    "changed":["verdict.techniques","subject"],
    "previous":{"verdict.techniques":[{"type":"t","description":"to ann@example.com"}],
        "subject":"the old secret","verdict":{"category":"bec","techniques":[{"description":"d"}]},
        "urls":["x.example/?ann"]}},
    "id":"r","subject":"the \u0073ecret","fromAddress":"Ann@Example.com","mailboxes":["ann@example.com","Bob <bob@example.com>"],
    "size":1.10,"urls":["https://x.example/a?u=ann","x.example/#ann"],"note":"see https:\/\/y.example/?u=ann now",
    "urlMetadata":[{"url":"https://x.example/a?u=ann"},"https://x.example/b?u=ann"],
    "attachments":[{"filename":"ann.pdf","SHA256":"ab"},"ann.doc"],
    "secureEmailGateway":{"originalCIP":"192.0.2.1","headerName":"h"},"clientIP":null,
    "verdict":{"category":"bec","techniques":[{"type":"t","description":"to ann@example.com"}]}}"#;

#[test]
fn what_is_dropped_is_nowhere() {
    let drop = ["subject", "sender", "recipients", "attachment_names", "client_ip"];
    let drop = [&drop[..], &["techniques_text", "url_query"]].concat();
    let left = applied(&redactor(&drop, &[]), MESSAGE);
    let text = left.to_string().to_lowercase();
    for gone in ["secret", "ann", "bob", "192.0.2.1", "fromaddress"] {
        assert!(!text.replace("\"subject\"]", "").contains(gone), "{gone} in {text}");
    }
    assert_eq!(left["postrider"]["event_id"], "e");
    assert_eq!(left["postrider"]["previous"]["verdict"]["category"], "bec");
    assert_eq!(left["postrider"]["previous"]["urls"][0], "x.example/");
    assert_eq!(left["urlMetadata"][0]["url"], "https://x.example/a");
    assert_eq!(left["note"], "see https://y.example/ now");
    assert_eq!(left["attachments"], serde_json::json!([{ "SHA256": "ab" }]));
    assert_eq!(left["verdict"]["techniques"][0]["type"], "t");
    assert_eq!(left["secureEmailGateway"], serde_json::json!({ "headerName": "h" }));
}

#[test]
fn equal_values_have_equal_hashes_wherever_they_stand() {
    let hash = ["subject", "sender", "recipients", "url", "attachments", "clientIP"];
    let left = applied(&redactor(&[], &hash), MESSAGE);
    let text = left.to_string();
    assert_eq!(left["fromAddress"], left["mailboxes"][0]);
    assert_ne!(left["mailboxes"][0], left["mailboxes"][1]);
    assert_eq!(left["urls"][0], left["urlMetadata"][0]["url"]);
    assert_ne!(left["subject"], left["postrider"]["previous"]["subject"]);
    assert_eq!(left["clientIP"], Value::Null, "nothing stays nothing");
    assert!(!text.contains("secret") && !text.contains("ann.pdf") && !text.contains("\"ab\""));
    assert!(left["attachments"][0]["SHA256"].as_str().unwrap().starts_with("blake3:"));
    assert!(left["urlMetadata"][1].as_str().unwrap().starts_with("blake3:"));
}

#[test]
fn what_is_not_named_stays_as_it_came() {
    let json = r#"{"postrider":{"schema":1},"a":{"b" : [1.10,"\u00e9"]},"subject":"s","c":12345678901234567890123}"#;
    let left = redactor(&["subject"], &[]).apply(&event_of(1, json)).unwrap().into_owned();
    assert_eq!(&*left.json, json.replace(r#","subject":"s""#, ""));
    let queries = redactor(&["url_query"], &[]).apply(&event_of(1, json)).unwrap().into_owned();
    assert_eq!(&*queries.json, json);
}

#[test]
fn a_member_is_known_however_the_vendor_writes_it() {
    let left = applied(
        &redactor(&["mailboxes[]", "fromAddress"], &["any:new_member.a"]),
        r#"
        {"postrider":{"previous":{"newMember.a.b":"x"}},"MAILBOXES":["ann"],"from_address":"ann","newMember":{"A":7,"b":1}}"#,
    );
    assert_eq!(left["newMember"]["b"], 1);
    assert!(left["newMember"]["A"].as_str().unwrap().starts_with("blake3:"));
    assert!(
        left["postrider"]["previous"]["newMember.a.b"].as_str().unwrap().starts_with("blake3:")
    );
    assert!(!left.to_string().contains("ann"));
}

#[test]
fn ser_counters_go_with_how_they_moved() {
    let json = r#"{"postrider":{"details":[{"code":"5.X.X","count":1}],"delta":{"status":{"total":3,"success":2},"details":{"5.X.X":1}},
        "previous":{"status.total":9,"details.5.X.X":0}},"status":{"total":12,"success":2},"details":{"5.X.X":1}}"#;
    let left = applied(&redactor(&["status.total", "details"], &[]), json);
    let expected =
        r#"{"postrider":{"delta":{"status":{"success":2}},"previous":{}},"status":{"success":2}}"#;
    assert_eq!(left, serde_json::from_str::<Value>(expected).unwrap());
}

#[test]
fn who_is_not_to_have_the_verdict_gets_no_severity_of_it() {
    let event = Event { verdict: Some("phishing".into()), ..event_of(1, MESSAGE) };
    for name in ["verdict", "verdict.latestVerdict", "verdict.originalVerdict"] {
        for redactor in [redactor(&[name], &[]), redactor(&[], &[name])] {
            assert_eq!(redactor.apply(&event).unwrap().verdict, None, "{name}");
        }
    }
    let others =
        redactor(&["verdict.techniques"], &["subject"]).apply(&event).unwrap().into_owned();
    assert_eq!(others.verdict.as_deref(), Some("phishing"));
}

#[test]
fn lists_that_are_too_deep_go_as_a_whole() {
    let deep = format!("{}\"ann\"{}", "[".repeat(90), "]".repeat(90));
    let json = format!(r#"{{"postrider":{{}},"attachments":{deep}}}"#);
    for (drop, hash) in [(&["attachment_names"][..], &[][..]), (&[], &["attachment_names"])] {
        let event = event_of(1, &json);
        let left = redactor(drop, hash).apply(&event).unwrap().into_owned();
        assert!(!left.json.contains("ann"), "{}", left.json);
    }
}

#[test]
fn what_cannot_be_read_is_not_sent() {
    let redactor = redactor(&["subject"], &[]);
    for json in ["", "[]", r#"{"postrider":{},"subject":"s"#, r#"{"postrider":1,"subject":"s"}"#] {
        redactor.apply(&event_of(1, json)).unwrap_err();
    }
}

#[test]
fn every_name_stands_for_something() {
    for name in members::names() {
        assert!(members::target(name).is_some(), "{name}");
        if let Some(Target::Members(paths)) = members::target(name) {
            assert!(paths.iter().all(|path| members::target(path).is_some()), "{name}");
        }
    }
    for name in ["", "subjct", "postrider", "postrider.previous", "any:", "any:postrider", "verd"] {
        assert_eq!(members::target(name), None, "{name}");
    }
    assert!(members::target("verdict").is_some() && members::target("details.2.X.X").is_some());
}

proptest::proptest! {
    /// Whatever is in them, the members that are dropped are gone and the rest is the same.
    #[test]
    fn any_text_is_taken_whole(subject in ".*", other in ".*") {
        let json = serde_json::json!({ "postrider": { "previous": { "subject": subject } },
            "subject": subject, "other": other, "toAddresses": [subject, { "x": subject }] });
        let left = applied(&redactor(&["subject", "recipients"], &[]), &json.to_string());
        let expected = serde_json::json!({ "postrider": { "previous": {} }, "other": other });
        proptest::prop_assert_eq!(left, expected);
        let hashed = applied(&redactor(&[], &["subject", "recipients"]), &json.to_string());
        proptest::prop_assert_eq!(&hashed["other"], &json["other"]);
        proptest::prop_assert_eq!(&hashed["subject"], &hashed["toAddresses"][1]["x"]);
        let is_hash = hashed["subject"].as_str().is_some_and(|it| it.starts_with("blake3:"));
        proptest::prop_assert!(is_hash || subject.is_empty());
    }
}

#[test]
fn a_line_of_the_log_export_tells_no_more_than_the_message() {
    const CHANGED: &str = r#"{"postrider":{"event_id":"e"},"id":"m","verdict":{"latestVerdict":"neutral","userId":"ann"},
        "action":{"type":"move","folder":"inbox"},
        "update":{"id":"m","internetMessageId":"<ann>","verdict":{"verdict":"neutral","user":"ann","reclassifiedBy":"user"},
            "action":{"action":"move","folder":"inbox","user":"ann"}}}"#;
    let dropped = redactor(&["verdict.userId", "action.userId", "internetMessageId"], &[]);
    let left = applied(&dropped, CHANGED);
    assert!(!left.to_string().contains("ann"), "{left}");
    assert_eq!(left["update"]["verdict"]["reclassifiedBy"], "user");
    let left = applied(&redactor(&["action"], &["id", "verdict.latestVerdict"]), CHANGED);
    assert!(left["update"].get("action").is_none(), "{left}");
    assert_eq!(left["update"]["id"], left["id"]);
    assert_eq!(left["update"]["verdict"]["verdict"], left["verdict"]["latestVerdict"]);
}
