use serde_json::{Value, json};

use super::{Fixture, at};
use crate::simulator::{Limits, Options, Shape};

const SUMMARY: &str = "/v1/sercustomer/report/summary";

async fn token(fixture: &Fixture) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "sim-client"),
        ("client_secret", "sim-secret"),
    ];
    let url = format!("{}/v1/token", fixture.simulation.ser_url);
    let response = fixture.client.post(url).form(&form).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["expires_in"], 43_200);
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn get(fixture: &Fixture, token: &str, query: &str) -> (u16, String) {
    let url = format!("{}{SUMMARY}?{query}", fixture.simulation.ser_url);
    let response = fixture.client.get(url).bearer_auth(token).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

const HOUR: &str = "startTimeStamp=2026-11-20T03:00:00.000Z&endTimeStamp=2026-11-20T04:00:00.000Z";

#[tokio::test]
async fn a_summary_is_the_truth() {
    let fixture = Fixture::start(Options::default()).await;
    let (status, text) = get(&fixture, &token(&fixture).await, HOUR).await;
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let truth =
        fixture.simulation.summary([at("2026-11-20T03:00:00Z"), at("2026-11-20T04:00:00Z")]);
    let rows = answer["applicationUsers"].as_array().unwrap();
    assert_eq!(rows.len(), truth.len());
    for row in &truth {
        let same =
            |told: &&Value| told["applicationUserName"] == row.application_user_name.as_str();
        let told = rows.iter().find(same).unwrap();
        assert_eq!(told["status"]["total"], row.total);
        assert_eq!(told["details"]["4.X.X"], row.temp_failure);
    }
    assert_eq!(answer["entitlement"]["annual_throughput"], 536_870_912_000_u64);
    assert_eq!(answer["entitlement"]["license_start"].as_str().unwrap().len(), 24);
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let fixture = Fixture::start(Options::plain()).await;
    let token = token(&fixture).await;
    for (query, status) in [
        ("startTimeStamp=2026-11-20T03:00:00Z&endTimeStamp=2026-11-20T04:00:00.000Z", 400),
        ("startTimeStamp=2026-11-20T03:00:00.000Z&endTimeStamp=now", 400),
        ("startTimeStamp=2026-11-20T05:00:00.000Z&endTimeStamp=2026-11-20T04:00:00.000Z", 400),
    ] {
        assert_eq!(get(&fixture, &token, query).await.0, status, "{query}");
    }
    let (status, text) = get(&fixture, "no", HOUR).await;
    assert_eq!((status, text.as_str()), (401, r#"{"message":"Unauthorized"}"#));
    let url = format!("{}/v1/token", fixture.simulation.ser_url);
    let wrong = [("grant_type", "client_credentials"), ("client_id", "sim-client")];
    let response = fixture.client.post(&url).form(&wrong).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.json::<Value>().await.unwrap()["error"], "invalid_client");
    let response = fixture.client.post(&url).json(&json!({})).send().await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn a_forgotten_start_is_the_whole_licence() {
    let fixture = Fixture::start(Options::plain()).await;
    let token = token(&fixture).await;
    let total = |text: &str| {
        let answer: Value = serde_json::from_str(text).unwrap();
        let rows = answer["applicationUsers"].as_array().unwrap().clone();
        rows.iter().map(|row| row["status"]["total"].as_u64().unwrap()).sum::<u64>()
    };
    let hour = total(&get(&fixture, &token, HOUR).await.1);
    let misspelt = HOUR.replace("startTimeStamp", "startTimestamp");
    let all = total(&get(&fixture, &token, &misspelt).await.1);
    assert!(all > 1_000 * hour, "{all} {hour}");
}

#[tokio::test]
async fn shapes_differ_and_parse() {
    let names = [
        "normal",
        "flat",
        "wrapped",
        "keyed",
        "bare-list",
        "strings",
        "case",
        "bom",
        "details-in-status",
        "duplicate-key",
        "entitlement-null",
        "entitlement-list",
        "no-entitlement",
        "in-string",
        "unknown-members",
    ];
    let mut texts = Vec::new();
    for name in names {
        let mut options = Options::plain();
        options.ser.shape = name.parse::<Shape>().unwrap();
        let fixture = Fixture::start(options).await;
        let (_, text) = get(&fixture, &token(&fixture).await, HOUR).await;
        let plain = text.trim_start_matches('\u{feff}');
        assert!(serde_json::from_str::<Value>(plain).is_ok(), "{name}");
        assert!(!texts.contains(&text), "{name}");
        texts.push(text);
    }
    assert!("round".parse::<Shape>().is_err());
}

#[tokio::test]
async fn users_vanish_and_are_renamed() {
    let fixture = Fixture::start(Options::plain()).await;
    let window = [at("2026-11-20T00:00:00Z"), at("2026-11-20T06:00:00Z")];
    let before = fixture.simulation.summary(window);
    fixture.simulation.rename_user(0, None);
    fixture.simulation.rename_user(1, Some("new name".into()));
    let after = fixture.simulation.summary(window);
    assert_eq!(after.len(), before.len() - 1);
    assert_eq!(after[0].application_user_name, "new name");
    assert_eq!(after[0].total, before[1].total);
}

#[tokio::test]
async fn a_minute_has_its_limit() {
    let mut options = Options::plain();
    options.ser.limits = Limits { per_minute: Some(3), ..Limits::default() };
    let fixture = Fixture::start(options).await;
    let token = token(&fixture).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(get(&fixture, &token, HOUR).await.0);
    }
    assert_eq!(statuses, [200, 200, 429]);
}
