//! Three days without the vendor, without the network, without a sink; wrong credentials; a spent
//! quota: what an operator is told at each moment, as one story each.

pub(crate) mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use postrider::{
    cli,
    clock::Clock as _,
    coverage::report::{self, View},
    simulator::{FaultKind, Faults},
    status,
};
use serde_json::Value;

use self::world::{World, hours};
use crate::records::{health, lines};

/// What is told at each moment of a story.
struct Story {
    world: World,
    text: String,
}

impl Story {
    /// Begins after a day on which all was well.
    async fn begin(extra: &str) -> Self {
        let mut story = Self { world: World::new(extra).await, text: String::new() };
        story.after("before", hours(34)).await;
        story
    }

    /// Lets time pass, then tells how things are.
    async fn after(&mut self, moment: &str, time: Duration) {
        let world = &mut self.world;
        world.pass(time).await;
        let now = world.clock.now();
        let status = status::gather(&world.config, &world.store, true, now).unwrap();
        let coverage = report::gather(&world.config, &world.store, &View::default(), now).unwrap();
        let told = health(&world.home);
        writeln!(self.text, "##### {moment}: {now}\n\n{}\n", cli::status::table(&status)).unwrap();
        writeln!(self.text, "{}\n", cli::coverage::text(&coverage, 80)).unwrap();
        for event in &told[world.shown..] {
            writeln!(self.text, "{}", spoken(event)).unwrap();
        }
        if told.len() == world.shown {
            self.text += "no health events\n";
        }
        self.text += "\n";
        world.shown = told.len();
    }

    /// Compares the story with the one that is known.
    fn check(&self, name: &str) {
        let filters = [(r"127\.0\.0\.1:\d+", "[address]"), (r"[\d.]+ MiB of", "[size] of")];
        insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, self.text) });
    }

    /// That both sinks have each event once, and all that the vendor has.
    fn assert_delivered(&self) {
        let Self { world, .. } = self;
        let now = world.clock.now();
        let mut archived = BTreeMap::new();
        for line in lines(&world.home) {
            let before = archived.insert(line.id().to_owned(), line.text);
            assert_eq!(before, None, "twice in the file");
        }
        let health: Vec<Value> = health(&world.home);
        let ids: BTreeSet<String> = health
            .iter()
            .map(|event| event["postrider"]["event_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), health.len(), "twice in the file");
        let received = world.siem.received();
        let twice: Vec<_> = received.iter().filter(|event| event.times > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let at_hec: BTreeSet<String> = received.into_iter().map(|event| event.event_id).collect();
        let in_file: BTreeSet<String> = archived.into_keys().chain(ids).collect();
        assert_eq!(at_hec, in_file);
        let due = now - Duration::from_mins(20);
        let records = lines(&world.home);
        let have: BTreeSet<&str> = records.iter().map(|l| l.json["id"].as_str().unwrap()).collect();
        let mut missing = world.vendor.truth().filter(|message| {
            message.time < due && !have.contains(message.id.to_string().as_str())
        });
        assert_eq!(missing.next().map(|message| message.time), None);
    }
}

/// A health event in a line or two.
fn spoken(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let (header, state) = (&event["postrider"], text("state"));
    format!(
        "{} {} {} {} {} {}/{} r{}\n    {}",
        header["collected_at"].as_str().unwrap_or_default(),
        text("severity"),
        state,
        text("kind"),
        text("condition"),
        header["source"].as_str().unwrap_or_default(),
        header["record_id"].as_str().unwrap_or_default(),
        header["revision"],
        text("message"),
    )
}

/// The moments of an outage that begins and ends in between.
macro_rules! three_days {
    ($story:ident, $begin:expr, $end:expr) => {
        $begin;
        $story.after("one minute in", Duration::from_mins(1)).await;
        $story.after("one hour in", Duration::from_mins(59)).await;
        $story.after("one day in", hours(23)).await;
        $story.after("three days in", hours(48)).await;
        $end;
        $story.after("right after", Duration::from_mins(1)).await;
        $story.after("a quarter of an hour after", Duration::from_mins(14)).await;
        $story.after("a day after", hours(24)).await;
    };
}

fn down() -> Faults {
    Faults { kinds: vec![FaultKind::Unavailable], ..Faults::at_rate(1.0) }
}

#[tokio::test]
async fn the_vendor_is_out_for_three_days() {
    let mut story = Story::begin("").await;
    let calls = |story: &Story| story.world.vendor.stats().etd.calls.values().sum::<u64>();
    let (before, asked);
    three_days!(
        story,
        {
            before = calls(&story);
            story.world.vendor.set_etd_faults(down());
        },
        {
            asked = calls(&story) - before;
            story.world.vendor.set_etd_faults(Faults::none());
        }
    );
    assert!(asked < 3 * 24 * 20, "{asked} calls for nothing");
    story.assert_delivered();
    story.check("vendor");
}

#[tokio::test]
async fn the_network_is_out_for_three_days() {
    let mut story = Story::begin("").await;
    three_days!(story, story.world.vendor.down().await, story.world.vendor.up().await);
    story.assert_delivered();
    story.check("network");
}

#[tokio::test]
async fn a_sink_is_out_for_three_days() {
    let mut story = Story::begin("").await;
    three_days!(
        story,
        story.world.siem.set_hec_faults(down()),
        story.world.siem.set_hec_faults(Faults::none())
    );
    story.assert_delivered();
    story.check("sink");
}

#[tokio::test]
async fn the_credentials_are_wrong_until_the_file_has_the_new_ones() {
    let mut story = Story::begin("").await;
    story.world.vendor.options.etd.client_secret = "another".into();
    story.world.vendor.down().await;
    story.world.vendor.up().await;
    story.after("six minutes in", Duration::from_mins(6)).await;
    story.after("a day in", hours(24)).await;
    story.world.home.secret("secret", "another");
    story.after("a quarter of an hour after", Duration::from_mins(15)).await;
    story.after("half an hour after", Duration::from_mins(15)).await;
    story.assert_delivered();
    story.check("credentials");
}

#[tokio::test]
async fn resweeps_leave_live_collection_the_calls_that_it_needs() {
    let quota = "rate_limit = { per_second = 1000, burst = 100, per_day = 370 }";
    let mut story = Story::begin(quota).await;
    story.after("in the afternoon", hours(6)).await;
    story.after("in the evening", hours(7)).await;
    story.after("on the next day", hours(2)).await;
    story.assert_delivered();
    story.check("quota");
}
