//! Email Threat Defense: what changes after delivery arrives, once, as what it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use postrider::{
    clock::{Clock as _, ManualClock},
    domain::slice::{Pass, Stream},
    http,
    simulator::{EtdOptions, Mutation, MutationKind, Options, Simulation, content},
    source::cisco_etd::CiscoEtd,
    store::{budget::day, ledger::Key},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use uuid::Uuid;

use super::{Event, Month, begin, hours};

const KINDS: [MutationKind; 4] = [
    MutationKind::RetroVerdict,
    MutationKind::Clearance,
    MutationKind::Remediation,
    MutationKind::Release,
];
const TICK: Duration = Duration::from_mins(30);
const LAG: Duration = Duration::from_mins(6);
const SWEEPS: [u64; 3] = [1, 24, 7 * 24];

/// Messages over `days`, whose lists come in another order at each read, and a vendor that does
/// nothing by itself.
async fn vendor(clock: &Arc<ManualClock>, messages: u64, days: u64) -> Simulation {
    let mut options = Options { clock: clock.clone(), ..Options::plain() };
    options.etd = EtdOptions {
        messages,
        range: Some([begin(), begin() + hours(days * 24)]),
        token_life: hours(60 * 24),
        quirks: options.etd.quirks,
        ..EtdOptions::default()
    };
    options.etd.quirks.shuffle = true;
    Simulation::start(options).await.unwrap()
}

pub(super) async fn month(
    seed: u64,
    clock: &Arc<ManualClock>,
    simulation: &Simulation,
    extra: &str,
) -> Month<CiscoEtd> {
    let toml = format!(
        "[sources.etd]\ntype = \"cisco_etd\"\nbase_url = \"{}\"\nclient_id = \"sim-client\"\n\
         client_secret = \"sim-secret\"\napi_key = \"sim-api-key\"\nstart = \"{}\"\n\
         schedule = {{ every = \"30m\" }}\n\
         rate_limit = {{ per_second = 100000, burst = 100000 }}\n\
         reconcile = false\n{extra}\n",
        simulation.etd_url,
        begin(),
    );
    Month::new(seed, clock, &toml, |config, pace, clock| {
        let postrider::config::Vendor::CiscoEtd(etd) = &config.vendor else { panic!("no ETD") };
        CiscoEtd::new(etd, http::client(&config.http).unwrap(), pace, clock)
    })
    .await
}

/// A change at the vendor.
#[derive(Clone)]
struct Planned {
    at: Timestamp,
    mutation: Mutation,
}

/// When each message is delivered.
pub(super) fn deliveries(
    clock: &ManualClock,
    simulation: &Simulation,
) -> BTreeMap<Uuid, Timestamp> {
    let now = clock.now();
    clock.set(begin() + hours(60 * 24));
    let all = simulation.truth().map(|message| (message.id, message.time)).collect();
    clock.set(now);
    all
}

/// Changes 5 minutes, 3 hours, 2 days and 6.9 days after delivery, some messages twice; and
/// messages that turn up late.
fn changes(deliveries: &BTreeMap<Uuid, Timestamp>, rng: &mut StdRng) -> Vec<Planned> {
    let delays = [300, 3 * 3600, 2 * 86_400, 596_160].map(Duration::from_secs);
    let mut planned = Vec::new();
    for (n, (id, delivered)) in deliveries.iter().filter(|_| rng.random_ratio(1, 6)).enumerate() {
        let first = n % 4;
        for second in [first, first + 1].into_iter().take(1 + usize::from(n % 5 == 0)) {
            let kind = KINDS[(n / 4 + second) % 4];
            if let Some(delay) = delays.get(second) {
                let mutation = Mutation::of(kind, *id);
                planned.push(Planned { at: *delivered + *delay, mutation });
            }
        }
    }
    for n in 0..120_u64 {
        let minutes = [40, 200, 30 * 60, 6 * 24 * 60][usize::try_from(n % 4).unwrap()];
        let ago = Duration::from_mins(minutes);
        let mutation = Mutation { ago, ..Mutation::some(MutationKind::LateArrival, 1) };
        planned.push(Planned { at: begin() + hours(150 + n * 4), mutation });
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

/// When a message is read: live, then once for each sweep.
fn readings(delivered: Timestamp) -> Vec<Timestamp> {
    let tick = |due: Timestamp| {
        let (step, since) = (TICK.as_millis(), due.duration_since(begin()).as_millis());
        let ticks = u64::try_from(since).unwrap().div_ceil(u64::try_from(step).unwrap());
        begin() + TICK * u32::try_from(ticks).unwrap()
    };
    let hour = delivered.as_second().div_euclid(3600) * 3600;
    let end = Timestamp::from_second(hour + 3600).unwrap();
    // A slice ends at a whole second, and has not what falls on its end.
    let after = Timestamp::from_second(delivered.as_second() + 1).unwrap();
    let sweeps = SWEEPS.map(|after| tick(end + hours(after)));
    [tick(after + LAG)].into_iter().chain(sweeps).collect()
}

/// What an event has at a path; an empty object says no more than none.
fn lookup<'v>(event: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(event, |value, name| value.get(name)).filter(|value| something(value))
}

fn something(value: &Value) -> bool {
    !value.is_null() && value.as_object().is_none_or(|members| !members.is_empty())
}

/// That a message's events are its first version and then each change, seen together with those
/// that the same reading saw.
fn check(events: &[&Event], delivered: Timestamp, changes: &[&Planned], seed: u64) {
    let readings = readings(delivered);
    let mut seen: BTreeMap<usize, Vec<&Planned>> = BTreeMap::new();
    for change in changes {
        let reading = readings.iter().position(|at| change.at <= *at);
        seen.entry(reading.expect("there is a sweep after it")).or_default().push(change);
    }
    seen.remove(&0);
    let context = || format!("seed {seed}, delivered {delivered}: {}", events[0].text);
    assert_eq!(events.len(), 1 + seen.len(), "{}", context());
    assert_eq!((events[0].text("change"), events[0].text("pass")), ("new", "live"));
    assert_eq!(events[0].time.as_millisecond(), delivered.as_millisecond());
    for ((pair, (reading, changes)), number) in events.windows(2).zip(&seen).zip(2..) {
        let [before, event] = pair else { unreachable!() };
        assert_eq!(event.revision(), number, "{}", context());
        assert_eq!((event.text("change"), event.text("pass")), ("changed", "resweep"));
        assert_eq!(event.at("collected_at"), readings[*reading], "{}", context());
        let times = changes.iter().map(|change| match change.mutation.kind {
            // Its move to quarantine follows three seconds later.
            MutationKind::RetroVerdict => change.at + Duration::from_secs(3),
            _ => change.at,
        });
        let newest = times.max().unwrap().as_millisecond();
        assert_eq!(event.time.as_millisecond(), newest, "{}", context());
        let mut roots = BTreeSet::new();
        for change in changes {
            match change.mutation.kind {
                MutationKind::RetroVerdict => roots.extend(["verdict", "action"]),
                MutationKind::Clearance => roots.extend(["verdict"]),
                _ => roots.extend(["action"]),
            }
        }
        let changed = event.post("changed").as_array().unwrap();
        let changed: Vec<&str> = changed.iter().filter_map(Value::as_str).collect();
        let found: BTreeSet<&str> =
            changed.iter().map(|path| path.split('.').next().unwrap()).collect();
        assert_eq!(found, roots, "{}", context());
        let previous = event.post("previous").as_object().unwrap();
        assert!(previous.keys().map(String::as_str).eq(changed.iter().copied()), "{}", event.text);
        for (path, was) in previous {
            let was = Some(was).filter(|was| something(was));
            assert_eq!(was, lookup(&before.json, path), "{}", event.text);
        }
    }
}

#[tokio::test]
async fn thirty_days_of_changes_arrive_once_each() {
    let seed = 20_240_210;
    let clock = Arc::new(ManualClock::at(begin()));
    let simulation = vendor(&clock, 2_400, 30).await;
    let deliveries = deliveries(&clock, &simulation);
    let planned = changes(&deliveries, &mut StdRng::seed_from_u64(seed));
    let mut month = month(seed, &clock, &simulation, "").await;
    let stream = month.store().stream(&month.config.name, Stream::Messages).await.unwrap();
    let (mut coming, mut late) = (planned.iter().peekable(), BTreeSet::new());
    let end = begin() + hours(39 * 24);
    let mut at = begin() + TICK;
    while at <= end {
        while let Some(change) = coming.next_if(|change| change.at <= at) {
            clock.set(change.at.max(clock.now()));
            let ids = simulation.mutate(&change.mutation);
            assert_eq!(ids.len(), 1);
            if change.mutation.kind == MutationKind::LateArrival {
                late.extend(ids);
            }
        }
        clock.set(at);
        month.activate().await;
        if at.duration_since(begin()).as_secs() % 86_400 == 0 {
            month.drain().await;
            let days = at.duration_since(begin()).as_hours() / 24;
            let yesterday = day(at - Duration::from_secs(1));
            let calls = month.store().calls_of(&month.config.name, &yesterday, Pass::Resweep);
            if (9..30).contains(&days) {
                assert_eq!(calls.unwrap(), 72, "one call a slice on day {days}, seed {seed}");
            }
            // The ledger knows what a sweep may return and for a day more; it forgets whole days.
            for (id, delivered) in deliveries.iter().step_by(30) {
                let key = Key::at(*delivered, &id.to_string());
                let known = month.store().look_up(stream, &[key]).unwrap()[0].is_some();
                let age = at.duration_since(*delivered).as_hours();
                let expected = (1..8 * 24).contains(&age);
                assert!(known == expected || (8 * 24..9 * 24 + 4).contains(&age) || age == 0);
            }
        }
        // After the last message there are sweeps only.
        at += if at < begin() + hours(31 * 24) { TICK } else { hours(1) };
    }
    assert!(coming.next().is_none() && late.len() == 120);

    let mut records: BTreeMap<Uuid, Vec<&Event>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in &month.events {
        assert!(ids.insert(event.id), "twice, seed {seed}: {}", event.text);
        records.entry(event.text("record_id").parse().unwrap()).or_default().push(event);
    }
    let mut changes: BTreeMap<Uuid, Vec<&Planned>> = BTreeMap::new();
    for change in &planned {
        if let Some(id) = change.mutation.id {
            changes.entry(id).or_default().push(change);
        }
    }
    let mut messages = 0;
    for message in simulation.truth() {
        let events = records.remove(&message.id).unwrap_or_else(|| panic!("{message:?}"));
        let newest = content(&events.last().unwrap().text);
        assert_eq!(newest, message.content, "seed {seed}: {message:?}");
        if late.contains(&message.id) {
            assert_eq!(events.len(), 1, "seed {seed}: {}", events[0].text);
            assert_eq!((events[0].text("change"), events[0].text("pass")), ("new", "resweep"));
        } else {
            let none = Vec::new();
            check(&events, message.time, changes.get(&message.id).unwrap_or(&none), seed);
        }
        messages += 1;
    }
    assert_eq!((messages, records.len()), (2_400 + 120, 0));
    assert!(month.restarts > 10, "{} restarts", month.restarts);
}

/// Searches that the vendor answered.
fn searches(simulation: &Simulation) -> u64 {
    simulation.stats().etd.calls["POST /v1/messages/search 200"]
}

#[tokio::test]
async fn a_day_without_changes_costs_calls_only() {
    for sweep in [24, 7 * 24] {
        let clock = Arc::new(ManualClock::at(begin() + hours(24) + LAG));
        let simulation = vendor(&clock, 2_500, 1).await;
        let extra = format!("resweep = [ {{ after = \"{sweep}h\" }} ]");
        let mut month = month(sweep, &clock, &simulation, &extra).await;
        month.activate().await;
        month.drain().await;
        assert_eq!(month.events.len(), 2_500);
        let before = searches(&simulation);
        clock.advance(hours(sweep));
        month.activate().await;
        let (name, today) = (&month.config.name, day(clock.now()));
        let resweep = month.store().calls_of(name, &today, Pass::Resweep).unwrap();
        let live = month.store().calls_of(name, &today, Pass::Live).unwrap();
        assert_eq!(searches(&simulation) - before, resweep + live);
        assert!(resweep <= 25 + 24, "{resweep} calls {sweep} hours later");
        month.drain().await;
        assert_eq!(month.events.len(), 2_500);
    }
}

#[tokio::test]
async fn a_narrowed_sweep_sees_convictions_and_concludes_nothing_from_absence() {
    let clock = Arc::new(ManualClock::at(begin()));
    let simulation = vendor(&clock, 60, 1).await;
    let deliveries = deliveries(&clock, &simulation);
    let sweeps = "resweep = [ { after = \"1h\", verdicts = [\"phishing\", \"malicious\"] },
        { after = \"24h\" } ]";
    let mut month = month(2, &clock, &simulation, sweeps).await;
    let first = begin() + hours(10);
    let (convicted, cleared): (Vec<_>, Vec<_>) = deliveries
        .iter()
        .filter(|(_, at)| **at < first - LAG)
        .partition(|(id, _)| id.as_u128() % 2 == 0);
    assert!(convicted.len() > 5 && cleared.len() > 5);
    clock.set(first);
    month.activate().await;
    for (ids, kind) in
        [(&convicted, MutationKind::RetroVerdict), (&cleared, MutationKind::Clearance)]
    {
        for (id, _) in ids {
            simulation.mutate(&Mutation::of(kind, **id));
        }
    }
    // The first sweep of what was older is over.
    let swept: BTreeSet<String> = deliveries
        .iter()
        .filter(|(id, at)| **at >= begin() + hours(9) && convicted.iter().any(|c| c.0 == *id))
        .map(|(id, _)| id.to_string())
        .collect();
    for hour in 11..=40 {
        clock.set(begin() + hours(hour));
        month.activate().await;
        month.drain().await;
        let changed = month.events.iter().filter(|event| event.revision() > 1);
        let changed: BTreeSet<String> =
            changed.map(|event| event.text("record_id").to_owned()).collect();
        if hour < 24 {
            assert!(changed.is_subset(&swept), "{changed:?}");
            assert!(hour < 12 || changed == swept, "{changed:?} {swept:?}");
        }
    }
    assert!(!swept.is_empty());
    for event in &month.events {
        assert_ne!(event.text("change"), "vanished");
        assert_eq!(event.revision() > 1, event.text("change") == "changed", "{}", event.text);
    }
    for message in simulation.truth() {
        let id = message.id.to_string();
        let events: Vec<&Event> =
            month.events.iter().filter(|event| event.text("record_id") == id).collect();
        let mutated = message.time < first - LAG;
        assert_eq!(events.len(), 1 + usize::from(mutated), "{message:?}");
        assert_eq!(content(&events.last().unwrap().text), message.content);
    }
}
