//! Days compared with the vendor's own count, its report asked for as a real one would be.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use postrider::{
    clock::Clock as _,
    coverage::report::{self, View},
    domain::{filter::Filter, slice::Interval},
    simulator::{Mutation, MutationKind},
    store::requests::NewRequest,
};
use serde_json::{Value, json};

use crate::{
    outage::world::{World, hours},
    records::{Line, health, lines},
};

/// Each compared day of `coverage`, oldest first: its state, and the sum of all differences.
fn days(world: &World) -> Vec<(String, String, i64)> {
    let now = world.clock.now();
    let report = report::gather(&world.config, &world.store, &View::default(), now).unwrap();
    let report = serde_json::to_value(&report).unwrap();
    let day = |day: &Value| {
        let text = |name: &str| day[name].as_str().unwrap().to_owned();
        let directions = day["directions"].as_object().unwrap().values();
        let difference = directions.map(|it| it["difference"].as_i64().unwrap()).sum();
        (text("day"), text("state"), difference)
    };
    let days = report["sources"][0]["reconciliation"].as_array().unwrap();
    days.iter().rev().map(day).collect()
}

fn day(date: &str, state: &str, difference: i64) -> (String, String, i64) {
    (date.to_owned(), state.to_owned(), difference)
}

/// Calls for the report since this simulation began.
fn reports(world: &World) -> u64 {
    let calls = world.vendor.stats().etd.calls.into_iter();
    calls.filter(|(call, _)| call.starts_with("POST /v1/messages/report")).map(|(_, n)| n).sum()
}

/// What health told of comparing: condition, state, day.
fn told(world: &World) -> Vec<Value> {
    let events = health(&world.home).into_iter();
    let events = events.filter(|event| event["kind"] == "reconciliation");
    events.map(|event| json!([event["condition"], event["state"], event["day"]])).collect()
}

#[tokio::test]
async fn days_that_are_equal_cost_one_call_each() {
    let mut world = World::new("").await;
    world.pass(hours(25)).await;
    assert_eq!(days(&world), [], "a day is over for two hours");
    world.pass(hours(48 + 2)).await;
    let equal = ["2024-02-10", "2024-02-11", "2024-02-12"].map(|date| day(date, "equal", 0));
    assert_eq!(days(&world), equal);
    assert_eq!(reports(&world), 3);
    assert!(told(&world).is_empty());
}

#[tokio::test]
async fn what_was_late_is_found_by_reading_the_day_once_more() {
    let mut world = World::new("").await;
    // After the one-hour resweep of its window and long before the next.
    world.pass(hours(25)).await;
    let late = Mutation { ago: hours(10), ..Mutation::some(MutationKind::LateArrival, 1) };
    let ids = world.vendor.mutate(&late);
    world.pass(hours(2)).await;
    assert_eq!(days(&world), [day("2024-02-10", "equal", 0)]);
    assert_eq!(reports(&world), 2);
    let found: Vec<_> =
        lines(&world.home).into_iter().filter(|l| l.json["id"] == ids[0].to_string()).collect();
    let [line] = &found[..] else { panic!("{} events", found.len()) };
    assert_eq!(line.json["postrider"]["pass"], "resweep");
    assert!(told(&world).is_empty());
    world.pass(hours(24)).await;
    assert_eq!(reports(&world), 3);
    let all = lines(&world.home).len();
    world.pass(Duration::from_mins(5)).await;
    assert_eq!(lines(&world.home).len(), all, "nothing came again");
}

#[tokio::test]
async fn what_stays_different_is_told_once_until_a_backfill_finds_it_mended() {
    let mut world = World::new("").await;
    world.vendor.down().await;
    world.vendor.options.etd.quirks.miscount = 2;
    world.vendor.up().await;
    world.pass(hours(27)).await;
    assert_eq!(days(&world), [day("2024-02-10", "differs", 2)]);
    assert_eq!(told(&world), [json!(["differs", "open", "2024-02-10"])]);
    world.pass(hours(20)).await;
    assert_eq!(reports(&world), 2, "twice a day at most");

    world.vendor.down().await;
    world.vendor.options.etd.quirks.miscount = 0;
    world.vendor.up().await;
    world.pass(hours(1)).await;
    assert_eq!(reports(&world), 0, "nobody asked again");
    let begin: Timestamp = "2024-02-10T00:00:00Z".parse().unwrap();
    let end = begin.checked_add(SignedDuration::from_hours(24)).unwrap();
    let source = world.config.sources.values().next().unwrap();
    let stream = source.vendor.streams()[0];
    let stream = world.store.stream(&source.name, stream).await.unwrap();
    let range = Interval::new(begin, end).unwrap();
    let new = NewRequest { stream, range, narrow: Filter::default(), resend: false };
    world.store.ask(new, world.clock.now()).await.unwrap();
    world.pass(Duration::from_mins(11)).await;
    assert_eq!(days(&world), [day("2024-02-10", "equal", 0)]);
    let again = |line: &Line| line.json["postrider"]["pass"] == "backfill";
    assert!(!lines(&world.home).iter().any(again), "what is known is not sent again");
    let closed = json!(["differs", "closed", "2024-02-10"]);
    assert_eq!(told(&world)[1..], [closed]);
    assert_eq!(reports(&world), 1);
    world.pass(hours(5)).await;
    assert_eq!(days(&world).last(), Some(&day("2024-02-11", "equal", 0)));
    assert_eq!(reports(&world), 2);
}

#[tokio::test]
async fn without_reconcile_nothing_is_asked() {
    let mut world = World::new("reconcile = false").await;
    world.pass(hours(51)).await;
    assert_eq!((days(&world), reports(&world)), (Vec::new(), 0));
}
