use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use super::{FROM, Fixture, TO, whole_range};
use crate::simulator::{
    EtdOptions, LastToken, Limits, Mutation, MutationKind, Options, Quirks, Rate, TotalSize,
    content,
};

/// Whether a message is among those that a filter should let through.
type Wanted = Box<dyn Fn(&Value) -> bool>;

fn ids(messages: &[Value]) -> BTreeSet<String> {
    messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
}

fn with(quirks: Quirks, messages: u64) -> Options {
    Options { etd: EtdOptions { messages, quirks, ..EtdOptions::default() }, ..Options::plain() }
}

#[tokio::test]
async fn paging_to_the_end_gives_exactly_the_truth() {
    for quirks in [Quirks::plain(), Quirks::default()] {
        let fixture = Fixture::start(with(quirks, 2_345)).await;
        let truth: BTreeMap<_, _> = fixture
            .simulation
            .truth()
            .map(|message| (message.id.to_string(), message.content.unwrap()))
            .collect();
        assert_eq!(truth.len(), 2_345);
        let mut found = BTreeMap::new();
        for page in fixture.pages(whole_range()).await {
            let page: Value = serde_json::from_str(&page).unwrap();
            assert!(page["data"]["messages"].as_array().unwrap().len() <= 100);
            for message in page["data"]["messages"].as_array().unwrap() {
                // Unshuffled numbers aside, a text that went through a `Value` says the same.
                let id = message["id"].as_str().unwrap().to_owned();
                found.insert(id, message.clone());
            }
        }
        assert!(found.keys().eq(truth.keys()));
        for (id, message) in found.iter().filter(|(_, message)| message["x-new"].is_null()) {
            let hash = content::hash(&message.to_string(), "").unwrap();
            assert_eq!(format!("{hash:016x}"), truth[id], "{message}");
        }
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes() {
    let mut answers = Vec::new();
    for seed in [5, 5, 6] {
        let options = Options { seed, ..with(Quirks::default(), 500) };
        answers.push(Fixture::start(options).await.pages(whole_range()).await);
    }
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0], answers[2]);
}

#[tokio::test]
async fn messages_are_as_large_as_real_ones() {
    let fixture = Fixture::start(with(Quirks::default(), 1_000)).await;
    let bytes: usize = fixture.pages(whole_range()).await.iter().map(String::len).sum();
    assert!((2_300_000..2_900_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn both_ends_are_inclusive() {
    let fixture = Fixture::start(with(Quirks::plain(), 5_000)).await;
    let hour = |from, to| json!({ "timestamp": [from, to], "pageSize": 100 });
    let middle = "2026-11-20T03:00:00Z";
    let before = ids(&fixture.messages(hour("2026-11-20T02:30:00Z", middle)).await);
    let after = ids(&fixture.messages(hour(middle, "2026-11-20T03:30:00Z")).await);
    assert!(before.intersection(&after).count() >= 1);
}

#[tokio::test]
async fn filters_are_applied() {
    let fixture = Fixture::start(with(Quirks::default(), 2_000)).await;
    let all = fixture.messages(whole_range()).await;
    let latest = |message: &Value| message["verdict"]["latestVerdict"].as_str().map(str::to_owned);
    let cases: [(&str, Value, Wanted); 6] = [
        (
            "verdicts",
            json!(["phishing", "bec"]),
            Box::new(move |message| matches!(latest(message).as_deref(), Some("phishing" | "bec"))),
        ),
        ("verdicts", json!(["noVerdict"]), Box::new(move |message| latest(message).is_none())),
        ("directions", json!(["internal"]), Box::new(|message| message["direction"] == "internal")),
        (
            "subject",
            json!("🎉 You"),
            Box::new(|message| message["subject"].as_str().unwrap().starts_with("🎉 You")),
        ),
        (
            "filename",
            json!("scan.zip"),
            Box::new(|message| {
                let files = message["attachments"].as_array();
                files.into_iter().flatten().any(|file| file["filename"] == "scan.zip")
            }),
        ),
        (
            "url",
            json!("http://login."),
            Box::new(|message| message.to_string().contains("\"http://login.")),
        ),
    ];
    for (name, value, wanted) in cases {
        let mut query = whole_range();
        query[name] = value;
        let found = ids(&fixture.messages(query.clone()).await);
        let expected: Vec<_> = all.iter().filter(|message| wanted(message)).cloned().collect();
        assert_eq!(found, ids(&expected), "{query}");
        assert!(!found.is_empty(), "{query}");
    }
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let fixture = Fixture::start(Options::plain()).await;
    let token = fixture.token().await;
    let date = "date range";
    let body = "Unable to deserialize request body";
    let cases = [
        (json!({}), body),
        (json!({ "timestamp": [FROM] }), body),
        (json!({ "timestamp": [FROM, "2026-11-20 06:00:00Z"] }), body),
        (json!({ "timestamp": [FROM, "2026-11-20T06:00:00+00:00"] }), body),
        (json!({ "timestamp": [FROM, TO], "directions": [] }), body),
        (json!({ "timestamp": [FROM, TO], "directions": ["up"] }), body),
        (json!({ "timestamp": [FROM, TO], "verdicts": ["bad"] }), body),
        (json!({ "timestamp": [FROM, TO], "verdicts": "spam" }), body),
        (json!({ "timestamp": [FROM, TO], "unknown": 1 }), body),
        (json!({ "timestamp": [FROM, TO], "pageSize": 101 }), body),
        (json!({ "timestamp": [FROM, TO], "pageSize": "10" }), body),
        (json!({ "timestamp": [TO, FROM] }), date),
        (json!({ "timestamp": [FROM, "2026-11-20T07:55:01Z"] }), date),
        (json!({ "timestamp": ["2026-10-18T00:00:00Z", FROM] }), date),
        (json!({ "timestamp": ["2026-08-22T07:00:00Z", "2026-08-23T07:00:00Z"] }), date),
        (json!({ "timestamp": [FROM, TO], "pageToken": "1:2" }), "page token"),
    ];
    for (query, text) in cases {
        let response = fixture.search(&token, &query).await;
        assert_eq!(response.status(), 400, "{query}");
        let answer = response.text().await.unwrap().replace("daterange", "date range");
        assert!(answer.contains(text), "{query}: {answer}");
    }
    let good = json!({ "timestamp": [FROM, "2026-11-20T07:55:00Z"] });
    assert_eq!(fixture.search(&token, &good).await.status(), 200);
}

#[tokio::test]
async fn credentials_are_checked() {
    let fixture = Fixture::start(Options::plain()).await;
    let url = format!("{}/v1/oauth/token", fixture.simulation.etd_url);
    let keyless = fixture.client.post(&url).basic_auth("sim-client", Some("sim-secret"));
    assert_eq!(keyless.send().await.unwrap().status(), 403);
    let wrong = fixture.client.post(&url).basic_auth("sim-client", Some("no"));
    let wrong = wrong.header("x-api-key", "sim-api-key").send().await.unwrap();
    assert_eq!(
        (wrong.status().as_u16(), wrong.text().await.unwrap().as_str()),
        (400, "Bad Request")
    );

    assert_eq!(fixture.search("made-up", &whole_range()).await.status(), 400);
    let token = fixture.token().await;
    assert_eq!(fixture.search(&token, &whole_range()).await.status(), 200);
    fixture.clock.advance(Duration::from_secs(3_600));
    let late = fixture.search(&token, &whole_range()).await;
    assert_eq!(late.status(), 401);
    let text = late.text().await.unwrap();
    assert!(text.contains("Token expired, generate new token to proceed"), "{text}");
}

#[tokio::test]
async fn a_page_token_is_bound_to_its_query_and_expires() {
    let fixture = Fixture::start(Options::plain()).await;
    let token = fixture.token().await;
    let first: Value = fixture.search(&token, &whole_range()).await.json().await.unwrap();
    let mut query = whole_range();
    query["pageToken"] = first["nextPageToken"].clone();
    assert_eq!(fixture.search(&token, &query).await.status(), 200);
    query["pageSize"] = json!(10);
    assert_eq!(fixture.search(&token, &query).await.status(), 200);
    let mut other = query.clone();
    other["directions"] = json!(["incoming"]);
    assert_eq!(fixture.search(&token, &other).await.status(), 400);
    fixture.clock.advance(Duration::from_secs(1_800));
    assert_eq!(fixture.search(&token, &query).await.status(), 400);
}

#[tokio::test]
async fn a_late_arrival_moves_no_page() {
    let fixture = Fixture::start(with(Quirks { newest_first: true, ..Quirks::plain() }, 300)).await;
    let token = fixture.token().await;
    let range = json!({ "timestamp": [FROM, "2026-11-20T07:50:00Z"], "pageSize": 100 });
    let first: Value = fixture.search(&token, &range).await.json().await.unwrap();
    let late = fixture.simulation.mutate(&Mutation::some(MutationKind::LateArrival, 2));
    assert_eq!(late.len(), 2);
    let mut next = range.clone();
    next["pageToken"] = first["nextPageToken"].clone();
    let second: Value = fixture.search(&token, &next).await.json().await.unwrap();
    let (first, second) = (&first["data"]["messages"], &second["data"]["messages"]);
    let (first, second) = (ids(first.as_array().unwrap()), ids(second.as_array().unwrap()));
    assert_eq!((first.len(), second.len(), first.intersection(&second).count()), (100, 100, 0));
    let all = ids(&fixture.messages(range).await);
    assert_eq!(all.len(), 302);
    assert!(late.iter().all(|id| all.contains(&id.to_string())));
}

#[tokio::test]
async fn a_change_is_seen_at_the_next_read_and_keeps_the_time() {
    let fixture = Fixture::start(with(Quirks::plain(), 50)).await;
    let before = fixture.messages(whole_range()).await;
    let hashes: BTreeMap<_, _> =
        fixture.simulation.truth().map(|message| (message.id, message.content)).collect();
    for kind in [MutationKind::RetroVerdict, MutationKind::Clearance, MutationKind::Release] {
        let changed = fixture.simulation.mutate(&Mutation::some(kind, 1))[0];
        let after = fixture.messages(whole_range()).await;
        let of = |messages: &[Value]| {
            messages.iter().find(|message| message["id"] == changed.to_string()).unwrap().clone()
        };
        let (old, new) = (of(&before), of(&after));
        assert_eq!(old["timestamp"], new["timestamp"]);
        assert!(old["verdict"] != new["verdict"] || old["action"] != new["action"]);
        let truth = fixture.simulation.truth().find(|message| message.id == changed).unwrap();
        assert!(truth.changes >= 1);
        assert_ne!(truth.content, hashes[&changed]);
    }
    let nobody = Mutation::of(MutationKind::Release, uuid::Uuid::nil());
    assert!(fixture.simulation.mutate(&nobody).is_empty());
}

#[tokio::test]
async fn messages_keep_appearing() {
    let mut options = with(Quirks::plain(), 10);
    options.etd.live_per_second = 2.0;
    options.etd.searchable_after = Duration::from_secs(60);
    let fixture = Fixture::start(options).await;
    let before = fixture.simulation.truth().count();
    // Times have jitter, and neighbours may share one.
    assert!(before.abs_diff(10 + (2 * 3_600 - 60) * 2) <= 4, "{before}");
    fixture.clock.advance(Duration::from_secs(100));
    let after = fixture.simulation.truth().count();
    assert!(after.abs_diff(before + 200) <= 8, "{before} {after}");
}

#[tokio::test]
async fn size_and_end_of_a_search_are_told_as_wished() {
    for (last_token, total_size, end, total) in [
        (LastToken::Empty, TotalSize::Exact, Some(json!("")), 150),
        (LastToken::Null, TotalSize::Zero, Some(Value::Null), 0),
        (LastToken::Absent, TotalSize::Capped, None, 150),
    ] {
        let quirks = Quirks { last_token, total_size, ..Quirks::plain() };
        let fixture = Fixture::start(with(quirks, 150)).await;
        let pages = fixture.pages(whole_range()).await;
        let last: Value = serde_json::from_str(&pages[1]).unwrap();
        assert_eq!(last.get("nextPageToken").cloned(), end);
        assert_eq!(last["totalSize"], total);
    }
}

#[tokio::test]
async fn too_large_answers_are_refused() {
    let large = Quirks { too_large_above: Some(50), ..Quirks::plain() };
    let fat = Quirks { fat_message: Some((120, 10)), ..Quirks::plain() };
    for (quirks, page) in [(large, 0), (fat, 1)] {
        let fixture = Fixture::start(with(quirks, 200)).await;
        let token = fixture.token().await;
        let mut query = whole_range();
        for _ in 0..page {
            let answer: Value = fixture.search(&token, &query).await.json().await.unwrap();
            query["pageToken"] = answer["nextPageToken"].clone();
        }
        let response = fixture.search(&token, &query).await;
        assert_eq!(response.status(), 502);
        assert!(response.text().await.unwrap().contains("reduce the page size or time range"));
        query["pageSize"] = json!(10);
        assert_eq!(fixture.search(&token, &query).await.status(), 200);
    }
}

#[tokio::test]
async fn limits_answer_429() {
    let mut options = Options::plain();
    let rate = Rate { rate: 2.0, burst: 4 };
    options.etd.limits = Limits { per_second: Some(rate), per_day: Some(6), per_minute: None };
    let fixture = Fixture::start(options).await;
    let token = fixture.token().await;
    let mut seen = Vec::new();
    for step in 0..8 {
        if step == 5 {
            fixture.clock.advance(Duration::from_secs(10));
        }
        let response = fixture.search(&token, &whole_range()).await;
        seen.push((response.status().as_u16(), response.text().await.unwrap()));
    }
    let statuses: Vec<u16> = seen.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429, 200, 200, 429]);
    assert!(seen[3].1.contains("Too Many Requests") && seen[7].1.contains("Limit exceeded"));
    let stats = fixture.simulation.stats().etd;
    assert_eq!((stats.limited, stats.most_calls_in_a_minute), (3, 9));
    assert_eq!(stats.calls["POST /v1/messages/search 200"], 5);
}

#[tokio::test]
async fn other_processes_can_ask_and_change() {
    let fixture = Fixture::start(with(Quirks::plain(), 450)).await;
    let url = |path: &str| format!("{}/sim/{path}", fixture.simulation.etd_url);
    let get = async |path: &str| fixture.client.get(url(path)).send().await.unwrap();
    let truth = get("truth").await.text().await.unwrap();
    assert_eq!(truth.lines().count(), 450);
    let line: Value = serde_json::from_str(truth.lines().next().unwrap()).unwrap();
    assert!(line["content"].is_string() && line["changes"] == 0, "{line}");
    let body = json!({ "kind": "retro_verdict", "count": 3 });
    let changed = fixture.client.post(url("mutate")).json(&body).send().await.unwrap();
    let changed: Value = changed.json().await.unwrap();
    assert_eq!(changed["ids"].as_array().unwrap().len(), 3);
    let faults = json!({ "rate": 1.0, "kinds": ["server_error"] });
    let set = fixture.client.post(url("faults")).json(&faults).send().await.unwrap();
    assert_eq!(set.json::<Value>().await.unwrap()["retry_after_ms"], 1_000);
    assert_eq!(fixture.token_request().send().await.unwrap().status(), 500);
    let stats: Value = get("stats").await.json().await.unwrap();
    assert_eq!(stats["fewest_search_calls"], 5);
    assert_eq!(stats["faults"]["server_error"], 1);
    assert_eq!(get("nothing").await.status(), 404);
}

#[tokio::test]
async fn a_report_counts_what_a_search_finds() {
    let fixture = Fixture::start(with(Quirks::default(), 700)).await;
    let token = fixture.token().await;
    let url = format!("{}/v1/messages/report", fixture.simulation.etd_url);
    let ask = async |by: &str| {
        let query =
            json!({ "aggregationInterval": "1h", "timestamp": [FROM, TO], "aggregateBy": by });
        let request = fixture.client.post(&url).header("x-api-key", "sim-api-key");
        request.bearer_auth(&token).json(&query).send().await.unwrap()
    };
    for by in ["directions", "verdicts"] {
        let answer: Value = ask(by).await.json().await.unwrap();
        assert_eq!(answer["data"]["totalMessages"], 700);
        let hours = answer["data"]["aggregations"].as_array().unwrap();
        assert_eq!(hours.len(), 6);
        assert_eq!(hours[1]["startTimestamp"], "2026-11-20T01:00:00.000Z");
        let counts = hours.iter().map(|hour| hour["messageCount"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), 700);
    }
    assert_eq!(ask("subjects").await.status(), 400);
}
