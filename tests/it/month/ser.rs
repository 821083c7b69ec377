//! Secure Email Relay: what a window's rows are told to be until its week is over, and that sums of
//! `delta` follow it to the unit.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use postrider::{
    clock::{Clock as _, ManualClock},
    http,
    simulator::{Options, RowTruth, SerOptions, Simulation},
    source::proofpoint_ser::ProofpointSer,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Event, Month, begin, hours, tables::Tables};
use crate::sums::{Sums, add, counters, nonzero, told};

const WEEK: u64 = 7 * 24;
const PARTS: [&str; 5] = ["success", "failure", "tempFailure", "partialSuccess", "inProgress"];

async fn vendor(clock: &Arc<ManualClock>) -> Simulation {
    let mut options = Options { clock: clock.clone(), ..Options::default() };
    options.ser =
        SerOptions { users: 4, odd: true, token_life: hours(60 * 24), ..SerOptions::default() };
    // Each day's survey asks for the whole period.
    options.ser.license_start = Some(begin());
    Simulation::start(options).await.unwrap()
}

async fn month(
    seed: u64,
    clock: &Arc<ManualClock>,
    simulation: &Simulation,
) -> Month<ProofpointSer> {
    let url = &simulation.ser_url;
    let toml = format!(
        "[sources.ser]\ntype = \"proofpoint_ser\"\nbase_url = \"{url}\"\n\
         token_url = \"{url}/v1/token\"\nclient_id = \"sim-client\"\n\
         client_secret = \"sim-secret\"\nstart = \"{}\"\nschedule = {{ every = \"1h\" }}\n\
         rate_limit = {{ per_minute = 1000000, burst = 100000 }}\n",
        begin(),
    );
    Month::new(seed, clock, &toml, |config, pace, clock| {
        let postrider::config::Vendor::ProofpointSer(ser) = &config.vendor else {
            panic!("no SER")
        };
        ProofpointSer::new(ser, http::client(&config.http).unwrap(), pace, clock)
    })
    .await
}

/// Names change, and answers are empty once or twice.
fn trouble(simulation: &Simulation, hour: u64, rng: &mut StdRng) {
    if rng.random_ratio(1, 40) {
        let name = rng.random_bool(0.7).then(|| format!("renamed at {hour}"));
        simulation.rename_user(rng.random_range(0..4), name);
    }
    // Not on a window's last reading, after which nothing could mend it.
    if let Some(last) = hour.checked_sub(WEEK + 1) {
        simulation.empty_summary(begin() + hours(last), 0);
    }
    let age = rng.random_range(2..60);
    if hour > age && rng.random_ratio(1, 8) {
        simulation.empty_summary(begin() + hours(hour - age), rng.random_range(1..=2));
    }
}

/// What a SIEM knows of one row.
#[derive(Default)]
struct Row {
    revision: usize,
    vanished: bool,
    /// The last value of each counter that was given.
    last: Sums,
    sum: Sums,
}

/// Takes in an event, which must fit what came before.
fn take(rows: &mut HashMap<String, Row>, event: &Event) {
    let row = rows.entry(event.text("record_id").to_owned()).or_default();
    row.revision += 1;
    assert_eq!(event.revision(), row.revision, "{}", event.text);
    assert_eq!(event.time, event.at("window_start"), "{}", event.text);
    let week = event.at("collected_at").duration_since(event.at("window_end"));
    assert_eq!(event.post("final"), week.as_hours() >= 7 * 24, "{}", event.text);
    let (given, delta) = (counters(&event.json), counters(event.post("delta")));
    let known = ["new", "vanished", "changed"].iter().position(|c| *c == event.text("change"));
    match known.unwrap() {
        0 => assert_eq!(row.revision, 1, "{}", event.text),
        1 => {
            assert!(!row.vanished, "vanished twice: {}", event.text);
            assert!(given.is_empty(), "{}", event.text);
        }
        _ => {
            assert!(row.revision > 1, "{}", event.text);
            assert_ne!(event.post("changed").as_array().unwrap().len(), 0, "{}", event.text);
        }
    }
    row.vanished = event.text("change") == "vanished";
    add(&mut row.sum, &delta);
    if row.vanished {
        row.last.clear();
    } else {
        assert!(given.keys().eq(delta.keys()), "{}", event.text);
        row.last.extend(given.clone());
    }
    assert_eq!(nonzero(&row.sum), nonzero(&row.last), "{}", event.text);
    let part = |name: &&str| given.get(&format!("status.{name}")).copied();
    let parts: Vec<i128> = PARTS.iter().filter_map(part).collect();
    let (sum, total) = (parts.iter().sum::<i128>(), given.get("status.total").copied());
    let odd = total.is_some_and(|total| sum > total || parts.len() == 5 && sum != total);
    assert_eq!(flagged(event, "total_mismatch"), odd, "{}", event.text);
}

fn flagged(event: &Event, flag: &str) -> bool {
    event.post("flags").as_array().is_some_and(|flags| flags.iter().any(|f| f == flag))
}

fn user(event: &Event) -> String {
    event.json["applicationUserName"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn sums_of_deltas_are_what_the_vendor_says_at_last() {
    let seed = 20_240_211;
    let clock = Arc::new(ManualClock::at(begin()));
    let simulation = vendor(&clock).await;
    let mut month = month(seed, &clock, &simulation).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut truth: BTreeMap<Timestamp, Vec<RowTruth>> = BTreeMap::new();
    let tables = Tables::new();
    for hour in 1..=30 * 24 {
        trouble(&simulation, hour, &mut rng);
        let at = begin() + hours(hour) + Duration::from_mins(20);
        clock.set(at.max(clock.now()));
        month.activate().await;
        if let Some(last) = hour.checked_sub(WEEK + 1) {
            // The window's last reading was just now.
            let window = begin() + hours(last);
            truth.insert(window, simulation.summary([window, window + hours(1)]));
        }
        if hour % 24 == 0 {
            month.drain().await;
            tables.take(&mut month.spooled).await;
        }
    }
    tables.check(&truth);
    tables.check_export(&month);
    let (mut rows, mut ids) = (HashMap::new(), BTreeSet::new());
    let mut sums: BTreeMap<(Timestamp, String), Sums> = BTreeMap::new();
    let mut there: BTreeMap<(Timestamp, String), BTreeSet<&str>> = BTreeMap::new();
    let rows_only = month.events.iter().filter(|event| event.text("stream") == "summary");
    for event in rows_only.clone() {
        assert!(ids.insert(event.id), "twice, seed {seed}: {}", event.text);
        take(&mut rows, event);
        let key = (event.at("window_start"), user(event));
        add(sums.entry(key.clone()).or_default(), &counters(event.post("delta")));
        let present = there.entry(key).or_default();
        if event.text("change") == "vanished" {
            present.remove(event.text("record_id"));
        } else {
            present.insert(event.text("record_id"));
        }
    }
    assert_eq!(truth.len(), 552);
    for (window, told_rows) in &truth {
        let mut expected: BTreeMap<&str, (Sums, usize)> = BTreeMap::new();
        for row in told_rows {
            let (sum, count) = expected.entry(&row.application_user_name).or_default();
            add(sum, &told(row));
            *count += 1;
        }
        for ((_, user), sum) in
            sums.range((*window, String::new())..(*window + hours(1), String::new()))
        {
            let (expected, count) = expected.remove(user.as_str()).unwrap_or_default();
            assert_eq!(nonzero(sum), nonzero(&expected), "seed {seed}, {window} {user}");
            assert_eq!(
                there[&(*window, user.clone())].len(),
                count,
                "seed {seed}, {window} {user}"
            );
        }
        assert!(expected.is_empty(), "seed {seed}, {window}: never told {expected:?}");
    }
    // That all this happened.
    let count = |what: &dyn Fn(&&Event) -> bool| rows_only.clone().filter(what).count();
    assert!(count(&|event| event.text("change") == "vanished") > 100);
    assert!(count(&|event| flagged(event, "duplicate_key")) > 100);
    assert!(count(&|event| flagged(event, "total_mismatch")) > 100);
    assert!(count(&|event| event.post("final") == true) > 100);
    assert!(count(&|event| event.json["status"].as_object().is_some_and(|s| s.len() == 8)) > 100);
    assert!(month.restarts > 10, "{} restarts", month.restarts);
}
