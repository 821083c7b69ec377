//! The SER Admin API from end to end: days of usage and failures, and relay users.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use postrider::{
    app::{self, Mode, Outcome},
    clock::ManualClock,
    config,
    simulator::{Options, Simulation},
    store::Store,
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::harness::{Home, simulate};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn source(url: &str) -> String {
    format!(
        "[sources.ser-admin]\ntype = \"proofpoint_ser_admin\"\nreporting_url = \"{url}\"\n\
         relay_config_url = \"{url}\"\ntoken_url = \"{url}/v1/token\"\n\
         client_id = \"sim-client\"\nclient_secret = \"sim-secret\"\nstart = \"2d\"\n\
         rate_limit = {{ per_second = 10000, burst = 1000 }}\n"
    )
}

/// Collects what is due at `now`, and gives all events there are.
async fn once(home: &Home, url: &str, clock: &Arc<ManualClock>, now: &str) -> Vec<Value> {
    clock.set(at(now));
    home.configure(&[source(url), home.file_sink()]);
    let file = home.path("postrider.toml");
    let loaded = config::load(Some(&file), Vec::new(), at(now)).unwrap();
    let store = Store::open(&loaded.config.state.directory).unwrap();
    let mode = Mode::Once { patience: Duration::from_secs(5) };
    let rng = StdRng::seed_from_u64(1);
    let running = app::start(&loaded.config, store, clock.clone(), rng, mode).await.unwrap();
    assert_eq!(running.ended().await, Outcome::default());
    let events = home.read("events.jsonl");
    events.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'e>(events: &'e [Value], stream: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["postrider"]["stream"] == stream).collect()
}

/// What the vendor would tell of the failures of 2 November.
fn failures(vendor: &Simulation, now: &str) -> u64 {
    let rows = vendor.summary_at([at("2026-11-02T00:00:00Z"), at("2026-11-03T00:00:00Z")], at(now));
    rows.iter().map(|row| row.failure + row.temp_failure).sum()
}

/// The same by the events: the newest revisions, and the sum of all differences.
fn collected(events: &[Value]) -> (u64, i64) {
    let mut newest = BTreeMap::new();
    let mut sum = 0;
    for event in of(events, "failures") {
        let own = &event["postrider"];
        if own["report"] == "relay_user" && own["window_start"] == "2026-11-02T00:00:00Z" {
            assert_eq!(own["relay_user"]["id"], event["relayUserId"]);
            let count: u64 = event["deliveryFailureMessages"].as_str().unwrap().parse().unwrap();
            newest.insert(own["record_id"].to_string(), count);
            sum += own["delta"]["status"]["deliveryFailureMessages"].as_i64().unwrap();
        }
    }
    assert_eq!(newest.len(), 12, "three pages of relay users");
    (newest.values().sum(), sum)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_add_up_through_reclassification_and_nothing_is_written() {
    let (first, later) = ("2026-11-03T02:30:00Z", "2026-11-14T03:00:00Z");
    let clock = Arc::new(ManualClock::at(at(first)));
    let mut options = Options::plain();
    options.clock = clock.clone();
    let vendor = simulate(options).await;
    let home = Home::new();

    let events = once(&home, &vendor.ser_url, &clock, first).await;
    let truth = failures(&vendor, first);
    assert_eq!(collected(&events), (truth, i64::try_from(truth).unwrap()));
    let usage = of(&events, "usage");
    let overview = usage.iter().filter(|event| event["postrider"]["report"] == "overview");
    assert_eq!(overview.count(), 1);
    assert!(usage.iter().any(|event| event["blockedMessage"] == 0), "as it came");
    let users = of(&events, "relay_users");
    assert_eq!(users.len(), 12, "each once");
    assert!(users.iter().all(|user| user["somethingNew"]["a"] == 1), "with its details");

    let events = once(&home, &vendor.ser_url, &clock, later).await;
    let settled = failures(&vendor, later);
    assert_ne!(settled, truth, "temporary failures have ended");
    assert_eq!(collected(&events), (settled, i64::try_from(settled).unwrap()));
    let changed: Vec<&Value> =
        events.iter().filter(|event| event["postrider"]["change"] == "changed").collect();
    let told = |event: &&&Value| {
        let own = &event["postrider"];
        own["report"] == "relay_user"
            && own["changed"].as_array().unwrap().iter().any(|it| it == "deliveryFailureMessages")
            && own["previous"]["deliveryFailureMessages"].is_number()
    };
    assert!(changed.iter().any(|event| told(&event)), "{changed:#?}");
    assert_eq!(of(&events, "relay_users").len(), 12, "nothing has changed");
    let ids: std::collections::BTreeSet<String> =
        events.iter().map(|event| event["postrider"]["event_id"].to_string()).collect();
    assert_eq!(ids.len(), events.len(), "each event once");

    // A third of the users' credentials end on 10 December.
    let health = of(&events, "health");
    let near = health.iter().filter(|event| event["condition"] == "expire_within_30_days");
    assert_eq!(near.count(), 4, "{health:#?}");

    let calls = vendor.stats().ser.calls;
    assert!(calls.keys().all(|call| call.starts_with("GET /") || call.starts_with("POST /v1/")));
    assert!(calls.keys().all(|call| call.ends_with(" 200")), "{calls:#?}");
    assert!(calls.keys().all(|call| !call.starts_with("POST /v1/relay-users")));
}
