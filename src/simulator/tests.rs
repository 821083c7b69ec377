//! The simulators asked over real HTTP.

mod etd;
mod export;
mod faults;
mod receivers;
mod ser;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Options, Simulation};
use crate::clock::ManualClock;

const FROM: &str = "2026-11-20T00:00:00Z";
const TO: &str = "2026-11-20T06:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A client without time-outs of its own and without a pool: each call sees its own connection.
#[expect(clippy::disallowed_methods, reason = "the simulators are tested without our own client")]
fn client() -> Client {
    // Another test may have been first.
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::builder().no_proxy().pool_max_idle_per_host(0).user_agent("test").build().unwrap()
}

struct Fixture {
    simulation: Simulation,
    clock: Arc<ManualClock>,
    client: Client,
}

impl Fixture {
    /// Starts with the clock at 08:00, two hours after the messages' range.
    async fn start(mut options: Options) -> Self {
        let clock = Arc::new(ManualClock::at(at("2026-11-20T08:00:00Z")));
        options.clock = Arc::clone(&clock) as _;
        options.etd.range = Some([at(FROM), at(TO)]);
        options.faults.slow_body = Duration::from_millis(20);
        let simulation = Simulation::start(options).await.unwrap();
        Self { simulation, clock, client: client() }
    }

    fn token_request(&self) -> RequestBuilder {
        let url = format!("{}/v1/oauth/token", self.simulation.etd_url);
        let request = self.client.post(url).basic_auth("sim-client", Some("sim-secret"));
        request.header("x-api-key", "sim-api-key")
    }

    async fn token(&self) -> String {
        let answer: Value = self.token_request().send().await.unwrap().json().await.unwrap();
        answer["accessToken"].as_str().unwrap().to_owned()
    }

    fn search_request(&self, token: &str, body: &Value) -> RequestBuilder {
        let url = format!("{}/v1/messages/search", self.simulation.etd_url);
        let request = self.client.post(url).bearer_auth(token).header("x-api-key", "sim-api-key");
        request.json(body)
    }

    async fn search(&self, token: &str, body: &Value) -> Response {
        self.search_request(token, body).send().await.unwrap()
    }

    /// Reads a search to its end and returns the pages' texts.
    async fn pages(&self, mut query: Value) -> Vec<String> {
        let token = self.token().await;
        let mut pages = Vec::new();
        loop {
            let response = self.search(&token, &query).await;
            assert_eq!(response.status(), 200);
            let text = response.text().await.unwrap();
            let page: Value = serde_json::from_str(&text).unwrap();
            pages.push(text);
            match page["nextPageToken"].as_str() {
                None | Some("") => return pages,
                Some(next) => query["pageToken"] = json!(next),
            }
            assert!(pages.len() < 10_000, "paging does not end");
        }
    }

    async fn messages(&self, query: Value) -> Vec<Value> {
        let pages = self.pages(query).await;
        let pages = pages.iter().map(|page| serde_json::from_str::<Value>(page).unwrap());
        pages.flat_map(|page| page["data"]["messages"].as_array().unwrap().clone()).collect()
    }
}

fn whole_range() -> Value {
    json!({ "timestamp": [FROM, TO], "pageSize": 100 })
}
