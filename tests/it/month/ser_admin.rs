//! The SER Admin API: days that are counted again for a week, and relay users whose people change
//! them; with 429 storms, tokens that expire in the midst of a day, and kills.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{Timestamp, civil::Date};
use postrider::{
    clock::{Clock as _, ManualClock},
    http,
    simulator::{FaultKind, Faults, Options, RelayUserChange, RowTruth, SerOptions, Simulation},
    source::{Source, proofpoint_ser_admin::ProofpointSerAdmin},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use super::{Event, Month, begin, hours};

const DAYS: u64 = 30;
const USERS: u32 = 7;
/// After its last resweep a day is told as it is for good.
const SETTLED: u64 = 9;

async fn vendor(clock: &Arc<ManualClock>) -> Simulation {
    let mut options = Options { clock: clock.clone(), ..Options::default() };
    // More than a page of five; tokens end within a day's reading and between two.
    let token_life = Duration::from_mins(45);
    options.ser = SerOptions { users: USERS, token_life, ..SerOptions::default() };
    options.ser.license_start = Some(begin());
    Simulation::start(options).await.unwrap()
}

async fn month<S: Source>(
    (seed, relay_users): (u64, bool),
    clock: &Arc<ManualClock>,
    simulation: &Simulation,
    source: impl FnOnce(ProofpointSerAdmin) -> S,
) -> Month<S> {
    let url = &simulation.ser_url;
    let toml = format!(
        "[sources.ser-admin]\ntype = \"proofpoint_ser_admin\"\nreporting_url = \"{url}\"\n\
         relay_config_url = \"{url}\"\ntoken_url = \"{url}/v1/token\"\n\
         client_id = \"sim-client\"\nclient_secret = \"sim-secret\"\nstart = \"{}\"\n\
         schedule = {{ every = \"1h\" }}\nrate_limit = {{ per_minute = 1000000, burst = 100000 }}\n",
        begin(),
    );
    let mut month = Month::new(seed, clock, &toml, |config, pace, clock| {
        let postrider::config::Vendor::ProofpointSerAdmin(admin) = &config.vendor else {
            panic!("no SER Admin API")
        };
        source(ProofpointSerAdmin::new(admin, http::client(&config.http).unwrap(), pace, clock))
    })
    .await;
    let sliced = month.config.sliced();
    let (_, as_collected) = sliced.into_iter().nth(usize::from(relay_users)).unwrap();
    month.config = Arc::new(as_collected.into_owned());
    month.restart();
    month
}

/// Storms of refusals, tokens that are no longer taken, answers that break off.
fn trouble(simulation: &Simulation, rng: &mut StdRng) {
    let kinds = [
        (FaultKind::Throttled, 6),
        (FaultKind::ThrottledSeconds, 6),
        (FaultKind::TokenExpired, 1),
        (FaultKind::CutBody, 2),
        (FaultKind::Html, 1),
        (FaultKind::Unavailable, 3),
    ];
    let (kind, most) = kinds[rng.random_range(0..kinds.len())];
    let next = std::iter::repeat_n(kind, rng.random_range(1..=most)).collect();
    simulation.set_ser_faults(Faults { next, ..Faults::none() });
}

/// What events say of one row, as a SIEM adds it up.
#[derive(Default)]
struct Row {
    revision: usize,
    sum: BTreeMap<String, i128>,
    is_gone: bool,
    last: Value,
}

fn whole(of: &Value) -> i128 {
    let text = of.as_str().map_or_else(|| of.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|_| panic!("{of} is no whole number"))
}

fn take(rows: &mut BTreeMap<String, Row>, event: &Event) {
    let row = rows.entry(event.text("record_id").to_owned()).or_default();
    row.revision += 1;
    assert_eq!(event.revision(), row.revision, "{}", event.text);
    assert_eq!(event.time, event.at("window_start"), "{}", event.text);
    assert_eq!(row.revision == 1, event.text("change") == "new", "{}", event.text);
    let was_gone = std::mem::replace(&mut row.is_gone, event.text("change") == "vanished");
    assert!(!(was_gone && row.is_gone), "gone twice: {}", event.text);
    for (name, delta) in event.post("delta")["status"].as_object().unwrap() {
        *row.sum.entry(name.clone()).or_default() += whole(delta);
    }
    row.last = event.json.clone();
    // What the deltas add up to is what the row says now; nothing where it is gone.
    for (name, sum) in &row.sum {
        let spelt = if name == "blockedMessages" { "blockedMessage" } else { name };
        let now = event.json.get(spelt).map_or(0, whole);
        assert_eq!(*sum, if row.is_gone { 0 } else { now }, "{name}: {}", event.text);
    }
}

/// Sums of a day by report and counter.
fn sums<'r>(rows: impl Iterator<Item = &'r Row>) -> BTreeMap<(String, String), i128> {
    let mut all = BTreeMap::new();
    for row in rows {
        let report = row.last["postrider"]["report"].as_str().unwrap();
        for (name, sum) in &row.sum {
            *all.entry((report.to_owned(), name.clone())).or_default() += sum;
        }
    }
    all
}

fn assert_day(rows: &BTreeMap<String, Row>, day: Timestamp, truth: &[RowTruth]) {
    let of_day =
        rows.values().filter(|row| row.last["postrider"]["window_start"] == day.to_string());
    let sums = sums(of_day);
    let sum = |of: fn(&RowTruth) -> u64| i128::from(truth.iter().map(of).sum::<u64>());
    let total = sum(|row| row.total);
    let failed = sum(|row| row.failure + row.temp_failure);
    let expected = [
        ("traffic_summary", "totalMessages", total),
        ("traffic_summary", "deliveredMessages", sum(|row| row.success)),
        ("traffic_summary", "acceptedThroughput", sum(|row| row.message_size_total)),
        ("traffic_summary", "sentThroughput", sum(|row| row.delivered_size_total)),
        ("message_trend", "sentMessages", total),
        ("message_trend", "deliveredMessages", sum(|row| row.success)),
        ("data_trend", "throughput", sum(|row| row.message_size_total)),
        ("relay_user", "deliveryFailureMessages", failed),
        ("relay_user", "policyViolationMessages", sum(|row| row.partial_success)),
        ("delivery_failures", "count", failed),
        ("policy_violations", "count", sum(|row| row.partial_success)),
        ("message_filtering", "count", sum(|row| row.in_progress)),
    ];
    for (report, name, expected) in expected {
        let found = sums.get(&(report.to_owned(), name.to_owned())).copied().unwrap_or_default();
        assert_eq!(found, expected, "{day}: {name} of {report}");
    }
}

#[tokio::test]
async fn days_are_what_the_vendor_says_at_last() {
    let seed = 20_240_213;
    let clock = Arc::new(ManualClock::at(begin()));
    let simulation = vendor(&clock).await;
    let days = |admin: ProofpointSerAdmin| admin.days();
    let mut month = month((seed, false), &clock, &simulation, days).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut rows = BTreeMap::new();
    let (mut taken, mut ids, mut checked) = (0, BTreeSet::new(), 0);
    for hour in 1..=(DAYS * 24) {
        if rng.random_ratio(1, 6) {
            trouble(&simulation, &mut rng);
        }
        if rng.random_ratio(1, 24) {
            month.restart();
            month.restarts += 1;
        }
        let at = begin() + hours(hour) + Duration::from_mins(20);
        clock.set(at.max(clock.now()));
        month.activate().await;
        if hour % 24 != 2 {
            continue;
        }
        month.drain().await;
        for event in &month.events[taken..] {
            assert!(ids.insert(event.id), "twice: {}", event.text);
            let counted = ["usage", "failures"].contains(&event.text("stream"));
            if counted && event.text("report") != "overview" {
                take(&mut rows, event);
            }
        }
        taken = month.events.len();
        if let Some(day) = (hour / 24).checked_sub(SETTLED) {
            let day = begin() + hours(day * 24);
            let window = [day, day + hours(24)];
            assert_day(&rows, day, &simulation.summary(window));
            checked += 1;
        }
    }
    assert_eq!(checked, DAYS - SETTLED);
    let gone = rows.values().filter(|row| row.is_gone).count();
    let again = rows.values().filter(|row| row.revision > 2).count();
    assert!(gone > 50 && again > 50, "{gone} gone, {again} of many revisions");
    let overviews = month.events.iter().filter(|event| event.text("report") == "overview");
    assert!(overviews.clone().count() >= 25, "one a day: {}", overviews.count());
    assert!(month.restarts > 10, "{} restarts", month.restarts);
    assert_faulty(&simulation, ["throttled", "token_expired", "cut_body"]);
}

fn assert_faulty<const N: usize>(simulation: &Simulation, kinds: [&str; N]) {
    let injected = simulation.stats().ser.faults;
    for kind in kinds {
        assert!(injected.get(kind).is_some_and(|count| *count > 3), "{kind}: {injected:?}");
    }
}

/// What somebody does to a relay user now and then.
fn change(simulation: &Simulation, rng: &mut StdRng) {
    let user = rng.random_range(0..USERS);
    let change = match rng.random_range(0..8) {
        0 => RelayUserChange::Status("disabled"),
        1 => RelayUserChange::Status("revoked"),
        2 => RelayUserChange::Status("active"),
        3 => RelayUserChange::Expires(None),
        4 => RelayUserChange::Expires(Some(Date::constant(2024, 4, rng.random_range(1..=28)))),
        5 => RelayUserChange::Delete,
        6 => RelayUserChange::Restore,
        _ => RelayUserChange::Limit(rng.random_range(1..1_000)),
    };
    simulation.change_relay_user(user, &change);
}

/// The newest version of each relay user that is there, without what Postrider adds.
fn snapshot(newest: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let there = newest.iter().filter(|(_, event)| event["postrider"]["change"] != "vanished");
    let bare = |(id, event): (&String, &Value)| {
        let mut bare = event.clone();
        bare.as_object_mut().unwrap().remove("postrider");
        (id.clone(), bare)
    };
    there.map(bare).collect()
}

#[tokio::test]
async fn relay_users_are_what_the_vendor_has_at_the_end_of_each_day() {
    let seed = 20_240_214;
    let clock = Arc::new(ManualClock::at(begin()));
    let simulation = vendor(&clock).await;
    let users = |admin: ProofpointSerAdmin| admin.relay_users().unwrap();
    let mut month = month((seed, true), &clock, &simulation, users).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    let (mut taken, mut ids) = (0, BTreeSet::new());
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    for hour in 1..=(DAYS * 24) {
        let at = begin() + hours(hour) + Duration::from_mins(5);
        clock.set(at.max(clock.now()));
        // What is changed in the day's first hours is seen with that day's first reading of all.
        if (3..23).contains(&(hour % 24)) && rng.random_ratio(1, 5) {
            change(&simulation, &mut rng);
        }
        if rng.random_ratio(1, 10) {
            trouble(&simulation, &mut rng);
        }
        clock.set(clock.now() + Duration::from_mins(10));
        month.activate().await;
        if hour % 24 != 1 {
            continue;
        }
        month.drain().await;
        for event in &month.events[taken..] {
            assert!(ids.insert(event.id), "twice: {}", event.text);
            let id = event.json["relayUserId"].as_str().unwrap();
            assert_eq!(event.text("record_id"), id);
            let before = newest.insert(id.to_owned(), event.json.clone());
            let revision = before.as_ref().map_or(0, |it| whole(&it["postrider"]["revision"]));
            assert_eq!(i128::try_from(event.revision()).unwrap(), revision + 1, "{}", event.text);
            if let Some(before) = &before {
                assert_previous(before, event);
            }
            *words.entry(event.text("change").to_owned()).or_default() += 1;
        }
        taken = month.events.len();
        let truth = simulation.relay_users().into_iter();
        let truth = truth.map(|user| (user["relayUserId"].as_str().unwrap().to_owned(), user));
        assert_eq!(snapshot(&newest), truth.collect(), "hour {hour}, seed {seed}");
    }
    assert!(words["changed"] > 30 && words["vanished"] > 3, "{words:?}");
    assert!(month.restarts > 5, "{} restarts", month.restarts);
    assert_faulty(&simulation, ["throttled"]);
}

/// Of each member at the top that differs, `previous` tells what it was.
fn assert_previous(before: &Value, event: &Event) {
    let was_gone = before["postrider"]["change"] == "vanished";
    for (name, previous) in event.post("previous").as_object().unwrap() {
        let pointer = format!("/{}", name.replace('.', "/"));
        let was = before.pointer(&pointer).filter(|_| !was_gone).unwrap_or(&Value::Null);
        assert_eq!(previous, was, "{name}: {}", event.text);
    }
    assert_ne!(event.post("changed").as_array().unwrap().len(), 0, "{}", event.text);
}
