//! The SER Admin API from end to end: days of usage and failures, and relay users.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use postrider::{
    app::{self, Mode, Outcome},
    clock::{Clock, ManualClock},
    config,
    coverage::report::{self, View},
    simulator::{Options, RelayUserChange, Simulation},
    status,
    store::Store,
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::harness::{Home, simulate};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The section of a source of the SER Admin API at `url`.
pub(crate) fn source(url: &str) -> String {
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

/// The sum of all differences of the rows by recipient, and how many of them are gone.
fn by_recipient(events: &[Value]) -> (i64, usize) {
    let of_day = |event: &&Value| {
        let own = &event["postrider"];
        own["report"] == "delivery_failures" && own["window_start"] == "2026-11-02T00:00:00Z"
    };
    let (mut sum, mut gone) = (0, 0);
    for event in of(events, "failures").into_iter().filter(of_day) {
        let own = &event["postrider"];
        sum += own["delta"]["status"]["count"].as_i64().unwrap();
        if own["change"] == "vanished" {
            gone += 1;
            assert_eq!(event["recipient"], "slow@example.net", "{event}");
            assert_eq!(own["changed"], serde_json::json!(["count"]), "{event}");
            let before = own["previous"]["count"].as_i64().unwrap();
            assert_eq!(own["delta"]["status"]["count"], -before, "{event}");
            assert!(own["relay_user"]["name"].is_string() && own["final"].is_boolean(), "{event}");
            assert!(own.get("details").is_none(), "{event}");
        }
    }
    (sum, gone)
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
    assert_eq!(by_recipient(&events), (i64::try_from(truth).unwrap(), 0));
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
    let (sum, gone) = by_recipient(&events);
    assert_eq!(sum, i64::try_from(settled).unwrap(), "what ended well is taken back");
    assert!(gone > 3, "{gone} rows of temporary failures are gone");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_user_that_is_deleted_is_told_at_the_next_full_reading() {
    let clock = Arc::new(ManualClock::at(at("2026-11-03T02:30:00Z")));
    let mut options = Options::plain();
    options.clock = clock.clone();
    let vendor = simulate(options).await;
    let home = Home::new();
    let user = |number: u32| format!("b30904d5-575e-503d-be50-{number:012x}");

    once(&home, &vendor.ser_url, &clock, "2026-11-03T02:30:00Z").await;
    clock.set(at("2026-11-03T10:10:00Z"));
    vendor.change_relay_user(4, &RelayUserChange::Delete);
    vendor.change_relay_user(7, &RelayUserChange::Status("disabled"));
    let events = once(&home, &vendor.ser_url, &clock, "2026-11-03T12:30:00Z").await;
    let users = of(&events, "relay_users").split_off(12);
    assert_eq!(users.len(), 1, "{users:#?}");
    assert_eq!(users[0]["relayUserId"], user(7));
    assert_eq!(users[0]["postrider"]["previous"]["status"], "active");

    let events = once(&home, &vendor.ser_url, &clock, "2026-11-04T01:30:00Z").await;
    let users = of(&events, "relay_users").split_off(13);
    assert_eq!(users.len(), 1, "{users:#?}");
    let own = &users[0]["postrider"];
    assert_eq!((&own["change"], &own["revision"]), (&"vanished".into(), &2.into()));
    assert_eq!(users[0]["relayUserId"], user(4));
    assert_eq!(users[0]["name"], "user-00004");
    assert_eq!(users[0].as_object().unwrap().len(), 3, "what named it");
    assert_eq!(own["previous"]["status"], "active");
    assert_eq!(own["previous"]["limits"]["messagesPer24Hours"], 100_000);
    let health = of(&events, "health");
    let conditions: Vec<&Value> = health.iter().map(|event| &event["condition"]).collect();
    assert!(conditions.contains(&&"disabled".into()), "{health:#?}");

    // Its credentials are no longer anybody's concern, and it may come back.
    vendor.change_relay_user(4, &RelayUserChange::Restore);
    let events = once(&home, &vendor.ser_url, &clock, "2026-11-04T02:30:00Z").await;
    let users = of(&events, "relay_users").split_off(14);
    assert_eq!(users.len(), 1, "{users:#?}");
    assert_eq!(users[0]["relayUserId"], user(4));
    let own = &users[0]["postrider"];
    assert_eq!((&own["change"], &own["revision"]), (&"changed".into(), &3.into()));
    assert_eq!(own["previous"]["status"], Value::Null);
}

/// The events by id; whatever came twice is the same to the byte.
fn distinct(home: &Home) -> BTreeMap<String, Value> {
    let mut all: BTreeMap<String, (String, Value)> = BTreeMap::new();
    for line in home.read("events.jsonl").lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let id = event["postrider"]["event_id"].as_str().unwrap().to_owned();
        let before = all.insert(id, (line.to_owned(), event));
        assert!(before.is_none_or(|(before, _)| before == line), "another text: {line}");
    }
    all.into_iter().map(|(id, (_, event))| (id, event)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_midst_of_a_day_loses_and_doubles_nothing() {
    let vendor = simulate(Options::plain()).await;
    let home = Home::new();
    let batch = "batch = { max_events = 20, max_age = \"1s\" }";
    home.configure(&[source(&vendor.ser_url), format!("{}\n{batch}", home.file_sink())]);
    let points = ["commit-page", "fetch"].into_iter().flat_map(|place| {
        let times = [2, 5, 9, 14, 3];
        times.map(|time| (place, if time % 2 == 0 { "before" } else { "after" }, time))
    });
    let mut kills = 0;
    for (place, moment, time) in points {
        let log = std::fs::File::create(home.path("stderr.log")).unwrap();
        let mut command = home.command(&["once"]);
        command.env("POSTRIDER_FAIL_POINT", format!("{place}:{moment}:{time}"));
        let status =
            command.stdout(std::process::Stdio::null()).stderr(log).status().await.unwrap();
        kills += usize::from(status.code().is_none());
    }
    assert!(kills > 5, "{kills} kills");
    home.once().await;

    let events = distinct(&home);
    let lines = home.read("events.jsonl").lines().count();
    assert!(lines <= events.len() + kills * 20, "{lines} lines, {} events", events.len());
    let events: Vec<Value> = events.into_values().collect();
    let reports = |report: &str| {
        let of = |event: &&Value| {
            event["postrider"]["report"] == report && event["postrider"]["stream"] != "health"
        };
        events.iter().filter(of).collect::<Vec<_>>()
    };
    let starts: std::collections::BTreeSet<&str> = reports("relay_user")
        .iter()
        .map(|event| event["postrider"]["window_start"].as_str().unwrap())
        .collect();
    let first: Timestamp = starts.first().unwrap().parse().unwrap();
    let sum = |report: &str, name: &str| -> u64 {
        let of_day = |event: &&&Value| event["postrider"]["window_start"] == first.to_string();
        let count = |event: &&Value| match &event[name] {
            Value::String(text) => text.parse().unwrap(),
            number => number.as_u64().unwrap(),
        };
        reports(report).iter().filter(of_day).map(count).sum()
    };
    // All its hours were older than a day already: what is counted again next is days away.
    let of_day = |it: &&Value| it["postrider"]["window_start"] == first.to_string();
    let mut of_day = events.iter().filter(of_day);
    assert!(of_day.all(|it| it["postrider"]["revision"] == 1), "no row is another's revision");
    let truth = vendor.summary([first, first + Duration::from_hours(24)]);
    let failed: u64 = truth.iter().map(|row| row.failure + row.temp_failure).sum();
    assert_eq!(sum("relay_user", "deliveryFailureMessages"), failed);
    assert_eq!(sum("delivery_failures", "count"), failed);
    assert_eq!(
        sum("traffic_summary", "totalMessages"),
        truth.iter().map(|row| row.total).sum::<u64>()
    );
    assert_eq!(of(&events, "relay_users").len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_is_of_days_and_of_nothing_else() {
    let vendor = simulate(Options::plain()).await;
    let home = Home::new();
    let source = source(&vendor.ser_url).replace("start = \"2d\"", "start = \"1d\"");
    home.configure(&[source, home.file_sink()]);
    home.once().await;
    let before = home.read("events.jsonl").lines().count();
    let day = crate::harness::ago(4 * 86_400).strftime("%Y-%m-%dT00:00:00Z").to_string();
    let to = (day.parse::<Timestamp>().unwrap() + Duration::from_hours(24)).to_string();
    let asked = ["backfill", "--source", "ser-admin", "--from", &day, "--to", &to, "--yes"];
    let ended = home.run(&asked).await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let text = home.read("events.jsonl");
    let events: Vec<Value> =
        text.lines().skip(before).map(|line| serde_json::from_str(line).unwrap()).collect();
    let truth = vendor.summary([day.parse().unwrap(), to.parse().unwrap()]);
    let failed: u64 = truth.iter().map(|row| row.failure + row.temp_failure).sum();
    let told = of(&events, "failures").into_iter();
    let told = told.filter(|event| event["postrider"]["report"] == "delivery_failures");
    assert_eq!(told.map(|event| event["count"].as_u64().unwrap()).sum::<u64>(), failed);
    assert!(of(&events, "relay_users").is_empty(), "what is so now has no past");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_stream_is_told_of_and_the_worst_is_the_source_s() {
    let clock = Arc::new(ManualClock::at(at("2026-11-03T02:30:00Z")));
    let mut options = Options::plain();
    options.clock = clock.clone();
    let vendor = simulate(options).await;
    let home = Home::new();
    once(&home, &vendor.ser_url, &clock, "2026-11-03T02:30:00Z").await;
    let look = || {
        let file = home.path("postrider.toml");
        let config = config::load(Some(&file), Vec::new(), clock.now()).unwrap().config;
        let store = Store::open_read_only(&config.state.directory).unwrap();
        let status = status::gather(&config, &store, false, clock.now()).unwrap();
        let coverage = report::gather(&config, &store, &View::default(), clock.now()).unwrap();
        (serde_json::to_value(&status).unwrap(), serde_json::to_value(&coverage).unwrap())
    };
    let (status, coverage) = look();
    let source = &status["sources"][0];
    assert_eq!(source["state"], "collecting", "{source:#}");
    let streams = |of: &Value| -> Vec<String> {
        let streams = of.as_array().unwrap().iter();
        streams.map(|it| it["stream"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(streams(&source["streams"]), ["usage", "relay_users"]);
    assert_eq!(streams(&coverage["sources"]), ["usage", "relay_users"]);

    // The relay users' server does not work: the days go on, and the source is failing.
    clock.set(at("2026-11-04T02:30:00Z"));
    let file = home.path("postrider.toml");
    let broken = home.read("postrider.toml").replace(
        &format!("relay_config_url = \"{}\"", vendor.ser_url),
        "relay_config_url = \"http://127.0.0.1:9\"",
    );
    std::fs::write(&file, broken).unwrap();
    let loaded = config::load(Some(&file), Vec::new(), clock.now()).unwrap();
    let store = Store::open(&loaded.config.state.directory).unwrap();
    let mode = Mode::Once { patience: Duration::from_secs(1) };
    let rng = StdRng::seed_from_u64(2);
    let shared = clock.clone() as Arc<dyn Clock>;
    let running = app::start(&loaded.config, store, shared, rng, mode).await.unwrap();
    assert_ne!(running.ended().await, Outcome::default());
    let (status, coverage) = look();
    let source = &status["sources"][0];
    assert_eq!(source["streams"][0]["state"], "collecting", "{source:#}");
    assert_eq!(source["streams"][0]["covered_to"], "2026-11-04T00:00:00Z");
    assert_ne!(source["state"], "collecting", "{source:#}");
    assert_eq!(source["state"], source["streams"][1]["state"]);
    assert_eq!(source["covered_to"], source["streams"][1]["covered_to"]);
    assert_eq!(coverage["sources"][0]["missing"], serde_json::json!([]));
    let missing = coverage["sources"][1]["missing"].as_array().unwrap();
    assert!(!missing.is_empty(), "{coverage:#}");
}
