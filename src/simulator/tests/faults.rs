use std::time::Instant;

use serde_json::Value;

use super::{Fixture, whole_range};
use crate::{
    clock::Clock as _,
    fault::retry_after,
    simulator::{FaultKind, Faults, Options},
};

async fn next(
    fixture: &Fixture,
    kind: FaultKind,
) -> reqwest::Result<(u16, Option<String>, String)> {
    let token = fixture.token().await;
    let first: Value = fixture.search(&token, &whole_range()).await.json().await?;
    let mut query = whole_range();
    query["pageToken"] = first["nextPageToken"].clone();
    let faults = Faults {
        next: [kind].into(),
        slow_body: std::time::Duration::from_millis(60),
        ..Faults::none()
    };
    fixture.simulation.set_etd_faults(faults);
    let response = fixture.search_request(&token, &query).send().await?;
    let status = response.status().as_u16();
    let wait = response.headers().get("retry-after").map(|text| text.to_str().unwrap().to_owned());
    Ok((status, wait, response.text().await?))
}

#[tokio::test]
async fn each_fault_looks_as_intended() {
    let fixture = Fixture::start(Options::plain()).await;
    for (kind, status, text) in [
        (FaultKind::ThrottledSeconds, 429, "Too Many Requests"),
        (FaultKind::ThrottledDate, 429, "Too Many Requests"),
        (FaultKind::Throttled, 429, "Too Many Requests"),
        (FaultKind::ServerError, 500, "Internal Server Error"),
        (FaultKind::BadGateway, 502, "Internal server error"),
        (FaultKind::Unavailable, 503, "<html>"),
        (FaultKind::GatewayTimeout, 504, "timed out"),
        (FaultKind::Html, 200, "<!doctype html>"),
        (FaultKind::TokenExpired, 401, "Token expired, generate new token to proceed"),
        (FaultKind::PageTokenExpired, 400, "page token"),
        (FaultKind::QuotaSpent, 429, "Limit exceeded"),
        (FaultKind::Forbidden, 403, "Forbidden"),
    ] {
        let (told, wait, body) = next(&fixture, kind).await.unwrap();
        assert_eq!(told, status, "{kind}");
        assert!(body.contains(text), "{kind}: {body}");
        let wait = retry_after(wait.as_deref(), fixture.clock.now());
        let waits = matches!(kind, FaultKind::ThrottledSeconds | FaultKind::ThrottledDate);
        assert_eq!(wait.map(|wait| wait.as_secs()), waits.then_some(1), "{kind}");
    }
}

#[tokio::test]
async fn connections_break_before_and_within_an_answer() {
    let fixture = Fixture::start(Options::plain()).await;
    for kind in [FaultKind::Reset, FaultKind::LostReply] {
        let error = next(&fixture, kind).await.unwrap_err();
        assert!(error.is_request() && error.status().is_none(), "{kind}: {error:?}");
    }
    let token = fixture.token().await;
    let faults = Faults { next: [FaultKind::CutBody].into(), ..Faults::none() };
    fixture.simulation.set_etd_faults(faults);
    let mut response = fixture.search(&token, &whole_range()).await;
    assert_eq!(response.status(), 200);
    let announced = response.content_length().unwrap();
    let mut read = 0;
    let error = loop {
        match response.chunk().await {
            Ok(chunk) => read += chunk.expect("the body ended as if it were whole").len() as u64,
            Err(error) => break error,
        }
    };
    assert!(error.is_decode() || error.is_body(), "{error:?}");
    assert_eq!(read, announced / 2);
}

#[tokio::test]
async fn a_slow_body_is_whole_in_the_end() {
    let fixture = Fixture::start(Options::plain()).await;
    let begun = Instant::now();
    let (status, _, body) = next(&fixture, FaultKind::SlowBody).await.unwrap();
    assert!(begun.elapsed().as_millis() >= 60);
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<Value>(&body).is_ok());
}

#[tokio::test]
async fn a_rate_makes_faults_by_seed() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let mut options = Options { seed, ..Options::plain() };
        options.faults = Faults {
            kinds: vec![FaultKind::ServerError, FaultKind::Reset, FaultKind::CutBody],
            ..Faults::at_rate(0.4)
        };
        let fixture = Fixture::start(options).await;
        let mut run = Vec::new();
        for _ in 0..40 {
            let answer = fixture.token_request().send().await;
            run.push(answer.map_or(0, |answer| answer.status().as_u16()));
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(runs[0].contains(&0) && runs[0].contains(&500) && runs[0].contains(&200));
}

#[tokio::test]
async fn stopping_ends_open_connections() {
    let fixture = Fixture::start(Options::plain()).await;
    let url = fixture.simulation.etd_url.clone();
    fixture.token().await;
    fixture.simulation.stop().await;
    assert!(fixture.client.get(url).send().await.is_err());
}
