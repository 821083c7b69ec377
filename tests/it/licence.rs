//! What is used of a licence: asked from the vendor for its whole period, told once a day and when
//! the entitlement changes.

use std::{sync::Arc, time::Duration};

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

use crate::harness::{Home, ser, simulate};

const LICENSED: &str = "2026-11-10T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn vendor(clock: &Arc<ManualClock>, annual_throughput: u64) -> Simulation {
    let mut options = Options::plain();
    options.clock = clock.clone();
    options.ser.license_start = Some(at(LICENSED));
    options.ser.annual_throughput = annual_throughput;
    simulate(options).await
}

/// Collects what is due at `now`, and gives all entitlement events there are.
async fn once(home: &Home, url: &str, clock: &Arc<ManualClock>, now: &str) -> Vec<Value> {
    clock.set(at(now));
    home.configure(&[ser(url, "start = \"2h\""), home.file_sink()]);
    let file = home.path("postrider.toml");
    let loaded = config::load(Some(&file), Vec::new(), at(now)).unwrap();
    let store = Store::open(&loaded.config.state.directory).unwrap();
    let mode = Mode::Once { patience: Duration::from_secs(5) };
    let rng = StdRng::seed_from_u64(1);
    let running = app::start(&loaded.config, store, clock.clone(), rng, mode).await.unwrap();
    assert_eq!(running.ended().await, Outcome::default());
    let events = home.read("events.jsonl");
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["postrider"]["stream"] == "entitlement").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_is_asked_from_the_vendor_and_told_daily_and_on_change() {
    let clock = Arc::new(ManualClock::at(at("2026-11-20T08:30:00Z")));
    let ser = vendor(&clock, 2_000_000_000).await;
    let home = Home::new();
    let told = once(&home, &ser.ser_url, &clock, "2026-11-20T08:30:00Z").await;
    let [first] = &told[..] else { panic!("{told:#?}") };
    let usage = &first["postrider"]["usage"];
    let rows = ser.summary([at(LICENSED), at("2026-11-20T08:00:00Z")]);
    let used: i128 = rows.iter().map(|row| i128::from(row.message_size_total)).sum();
    assert!(used > 0);
    assert_eq!(usage["used_bytes"].to_string(), used.to_string(), "far more than was collected");
    assert_eq!(usage["as_of"], "2026-11-20T08:00:00Z");
    let share = usage["share"].as_f64().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "four decimals are compared")]
    let expected = used as f64 / 2e9;
    assert!((share - expected).abs() < 1e-3, "{share} and {expected}");
    assert!(usage["exhausted_on"].is_string(), "{usage}");
    assert!(!usage["applications"].as_array().unwrap().is_empty());

    let again = once(&home, &ser.ser_url, &clock, "2026-11-20T23:50:00Z").await;
    assert_eq!(again.len(), 1, "once a day");
    let calls = ser.stats().ser.calls.values().sum::<u64>();
    let next_day = once(&home, &ser.ser_url, &clock, "2026-11-21T00:20:00Z").await;
    assert_eq!(next_day.len(), 2);
    assert_eq!(next_day[1]["postrider"]["revision"], 2);
    assert_eq!(next_day[1]["postrider"]["changed"], serde_json::json!(["postrider.usage"]));
    let spent = ser.stats().ser.calls.values().sum::<u64>() - calls;
    assert!(spent <= 32, "{spent} calls for a survey, a slice and a token");

    // Another contract, the same licence year: told the same day.
    let more = vendor(&clock, 4_000_000_000).await;
    let changed = once(&home, &more.ser_url, &clock, "2026-11-21T02:20:00Z").await;
    assert_eq!(changed.len(), 3);
    let last = &changed[2]["postrider"];
    let names = serde_json::json!(["annual_throughput", "postrider.usage"]);
    assert_eq!((&last["changed"], &last["revision"]), (&names, &3.into()));
    assert_eq!(last["previous"]["annual_throughput"], 2_000_000_000_u64);
}
