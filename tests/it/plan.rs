//! What `plan` predicts, against what the simulated vendors count.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use postrider::{
    app::{self, AnySource},
    clock::{Clock, ManualClock},
    collect::{Collector, Memory, budget},
    config::{self, load},
    estimate::{self, Volume, What},
    schedule::Activation,
    simulator::{Options, Simulation},
    source::{Source, pace::Pace},
    store::Store,
    supervisor::{Step, Task},
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    calls::searches,
    harness::{Home, etd, plain, ser, simulate, until},
};

const DAY: Duration = Duration::from_secs(86_400);
/// Long past: the simulated servers' `Date` is the machine's, and must not be earlier.
const MIDNIGHT: &str = "2026-03-02T00:00:00Z";

/// A collector whose days pass as fast as it works.
struct Run<S> {
    collector: Collector<S>,
    clock: Arc<ManualClock>,
    _home: Home,
}

impl<S: Source> Run<S> {
    /// Activates it, and has it do all that is due.
    async fn tick(&mut self, at: Timestamp) {
        self.clock.set(at);
        self.collector.activation.activate();
        loop {
            match self.collector.step().await.unwrap() {
                Step::Worked => {}
                Step::Idle => return,
                waiting @ Step::Waiting { .. } => panic!("at {at}: {waiting:?}"),
            }
        }
    }

    /// Ticks for a day after `from`.
    async fn day(&mut self, from: Timestamp, every: Duration) {
        let ticks = u32::try_from(DAY.as_secs() / every.as_secs()).unwrap();
        for tick in 1..=ticks {
            self.tick(from + every * tick).await;
        }
    }
}

fn clock(at: Timestamp) -> Arc<ManualClock> {
    Arc::new(ManualClock::at(at))
}

/// A tenant with so many messages a day, ten days back and from now on.
async fn tenant(messages: u32, clock: &Arc<ManualClock>) -> Simulation {
    let now = clock.now();
    let mut options = Options { clock: clock.clone(), ..Options::plain() };
    options.etd.messages = 10 * u64::from(messages);
    options.etd.range = Some([now - 10 * DAY, now]);
    options.etd.live_per_second = f64::from(messages) / DAY.as_secs_f64();
    simulate(options).await
}

fn configured(home: &Home, section: String, now: Timestamp) -> config::Source {
    home.configure(&[section, home.file_sink()]);
    let loaded = load(Some(&home.path("postrider.toml")), Vec::new(), now).unwrap();
    loaded.config.sources.values().next().unwrap().clone()
}

fn start<S: Source>(
    config: &config::Source,
    clock: &Arc<ManualClock>,
    home: Home,
    source: impl FnOnce(AnySource) -> Option<S>,
) -> Run<S> {
    let pace = Arc::new(Pace::new(config.rate_limit));
    let as_clock: Arc<dyn Clock> = clock.clone();
    let source = source(app::source(config, &pace, &as_clock).unwrap()).unwrap();
    let collector = Collector {
        scope: postrider::collect::backfill::Scope::Everything,
        config: Arc::new(config.clone()),
        source: Arc::new(source),
        pace,
        store: Store::open(&home.path("state")).unwrap(),
        clock: as_clock,
        max_spool: 1 << 40,
        activation: Arc::new(Activation::default()),
        stop: CancellationToken::new(),
        memory: Arc::new(Memory::new(StdRng::seed_from_u64(1))),
    };
    Run { collector, clock: clock.clone(), _home: home }
}

#[track_caller]
fn assert_near(what: &str, predicted: u64, counted: u64) {
    let (low, high) = (counted * 95 / 100, counted * 105 / 100);
    println!("{what}: {predicted} calls predicted, {counted} counted");
    assert!((low..=high).contains(&predicted), "{what}: {predicted} predicted, {counted} counted");
}

/// The calls of a day of an ETD tenant, resweeps included: predicted, counted.
async fn etd_day(messages: u32, begin: Timestamp, every: Duration, extra: &str) -> [u64; 2] {
    let clock = clock(begin);
    let simulation = tenant(messages, &clock).await;
    let home = Home::new();
    let extra =
        format!("{extra}\nrate_limit = {{ per_second = 100000, burst = 1000, per_day = 1000000 }}");
    let config = configured(&home, etd(&simulation.etd_url, &extra), begin);
    let plan = estimate::day(&config, u64::from(messages), begin);
    let mut run = start(&config, &clock, home, |source| match source {
        AnySource::Etd(source) => Some(source),
        AnySource::Ser(_) | AnySource::SerAdmin(_) => None,
    });
    run.tick(begin).await;
    // Files of the log export are fetched from elsewhere, and count against nothing.
    let counted = || {
        let calls = simulation.stats().etd.calls;
        calls.iter().filter(|(call, _)| !call.contains("log file")).map(|(_, count)| count).sum()
    };
    let before: u64 = counted();
    run.day(begin, every).await;
    assert!(plan.of(What::Resweep).1 > 0);
    let counted = counted() - before;
    assert_near(extra.lines().next().unwrap(), plan.calls, counted);
    [plan.calls, counted]
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_etd_is_predicted() {
    let midnight: Timestamp = MIDNIGHT.parse().unwrap();
    // A process starts at any second.
    let any = midnight + Duration::from_secs(17);
    let often = "schedule = { every = \"5m\" }\npage_size = 20\nstart = \"24h\"\n\
                 resweep = [ { after = \"1h\" }, { after = \"24h\" } ]";
    let weekly = "schedule = { every = \"15m\" }\nslice = \"30m\"\npage_size = 10\nstart = \"7d\"\n\
                  resweep = [ { after = \"1h\" }, { after = \"24h\" }, { after = \"7d\" } ]";
    let narrowed = "schedule = { cron = \"0 */10 * * * *\" }\nslice = \"2h\"\nstart = \"24h\"\n\
                    resweep = [ { after = \"30m\" }, \
                    { after = \"24h\", verdicts = [\"phishing\", \"malicious\"] } ]";
    futures_util::join!(
        etd_day(3_000, any, minutes(5), often),
        etd_day(1_000, any, minutes(15), weekly),
        etd_day(4_000, midnight, minutes(10), narrowed),
    );
}

/// A day with the default schedule and resweeps, without and with the log export.
async fn etd_days(messages: u32) {
    let mut calls = Vec::new();
    for log_export in [false, true] {
        let extra = format!(
            "log_export = {log_export}\nstart = \"7d\"\nschedule = {{ every = \"1m\" }}\n\
             resweep = [{{ after = \"1h\" }}, {{ after = \"24h\" }}, {{ after = \"7d\" }}]"
        );
        calls.extend(etd_day(messages, MIDNIGHT.parse().unwrap(), minutes(1), &extra).await);
    }
    let [planned, counted, planned_with, counted_with] = calls[..] else { panic!() };
    println!(
        "{messages} messages a day: {planned} planned, {counted} counted; \
         with the log export {planned_with} planned, {counted_with} counted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_with_the_log_export_is_predicted() {
    etd_days(1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn days_of_larger_tenants_with_the_log_export_are_predicted() {
    for messages in [10_000, 100_000, 250_000] {
        etd_days(messages).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_ser_is_predicted() {
    let begin = MIDNIGHT.parse::<Timestamp>().unwrap() + Duration::from_secs(17);
    let clock = clock(begin);
    let simulation = simulate(Options { clock: clock.clone(), ..Options::plain() }).await;
    let home = Home::new();
    let extra = "start = \"72h\"\nresweep = [ { after = \"1h\" }, { after = \"6h\" }, \
                 { after = \"24h\" }, { after = \"72h\" } ]";
    let config = configured(&home, ser(&simulation.ser_url, extra), begin);
    let plan = estimate::day(&config, 0, begin);
    let mut run = start(&config, &clock, home, |source| match source {
        AnySource::Ser(source) => Some(source),
        AnySource::Etd(_) | AnySource::SerAdmin(_) => None,
    });
    run.tick(begin).await;
    let counted = || simulation.stats().ser.calls.values().sum::<u64>();
    let before = counted();
    run.day(begin, minutes(5)).await;
    assert_near("ser", plan.calls, counted() - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_ser_s_admin_api_is_predicted() {
    let begin = MIDNIGHT.parse::<Timestamp>().unwrap() + minutes(30);
    let clock = clock(begin);
    let mut options = Options { clock: clock.clone(), ..Options::plain() };
    options.ser.users = 12;
    let simulation = simulate(options).await;
    let url = &simulation.ser_url;
    let section = format!(
        "[sources.ser-admin]\ntype = \"proofpoint_ser_admin\"\nreporting_url = \"{url}\"\n\
         relay_config_url = \"{url}\"\ntoken_url = \"{url}/v1/token\"\n\
         client_id = \"sim-client\"\nclient_secret = \"sim-secret\"\nstart = \"10d\"\n\
         rate_limit = {{ per_second = 100000, burst = 1000 }}\n"
    );
    let config = configured(&Home::new(), section.clone(), begin);
    let counted = || simulation.stats().ser.calls.values().sum::<u64>();

    // What reports a day takes depends on how many kinds of failure each relay user has.
    let home = Home::new();
    let mut run = start(&config, &clock, home, |source| match source {
        AnySource::SerAdmin(source) => Some(source.days()),
        AnySource::Etd(_) | AnySource::Ser(_) => None,
    });
    run.tick(begin).await;
    let seen = budget::seen(&run.collector.store, &config).unwrap().unwrap();
    let plan = estimate::day(&config, seen, begin);
    let before = counted();
    run.day(begin, minutes(15)).await;
    let days = counted() - before;
    let (predicted, users) = (plan.calls, plan.of(What::RelayUsers).1);
    println!("days: {} predicted, {days} counted", predicted - users);
    assert!((predicted - users).abs_diff(days) * 4 <= days, "{plan:?}: {days} counted");

    // Relay users are as many as they are.
    let (_, hourly) = config.sliced().pop().unwrap();
    clock.set(begin);
    let mut run = start(&hourly, &clock, Home::new(), |source| match source {
        AnySource::SerAdmin(source) => source.relay_users(),
        AnySource::Etd(_) | AnySource::Ser(_) => None,
    });
    run.tick(begin).await;
    let seen = budget::seen(&run.collector.store, &config).unwrap();
    assert_eq!(seen, None, "of days nothing is known here");
    let plan = estimate::day(&config, Volume { records: 0, relay_users: 12 }, begin);
    let before = counted();
    run.day(begin, minutes(15)).await;
    let tokens = 2;
    assert_near("relay users", plan.of(What::RelayUsers).1 + tokens, counted() - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_days_calls_are_counted_over_restarts_and_never_passed() {
    let mut options = plain(12_000);
    options.etd.limits.per_day = Some(60);
    let simulation = simulate(options).await;
    let home = Home::new();
    let limit = "max_in_flight = 4\nrate_limit = { per_second = 100, burst = 1, per_day = 60 }";
    home.configure(&[etd(&simulation.etd_url, limit), home.file_sink()]);
    // Two processes are stopped in order, in the middle; two more find nothing left to spend.
    for _ in 0..2 {
        let process = home.start(&["run"]);
        let goal = searches(&simulation.stats()) + 15;
        until("searches", || (searches(&simulation.stats()) >= goal).then_some(())).await;
        process.signal("TERM");
        assert_eq!(process.ended().await, Some(0));
    }
    for _ in 0..2 {
        let ended = home.run(&["once", "--patience", "1s"]).await;
        assert_eq!(ended.status, Some(1));
        assert!(ended.stderr.contains("(rate_limit.per_day) are spent"), "{}", ended.stderr);
    }
    let stats = simulation.stats().etd;
    assert_eq!(stats.limited, 0, "{stats:?}");
    let made: u64 = stats.calls.values().sum();
    assert!((57..=60).contains(&made), "{stats:?}");
    assert_eq!(home.status().await["sources"][0]["calls_today"], made);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_ends_well_and_says_what_waits_for_the_next_day() {
    let simulation = simulate(plain(100)).await;
    let home = Home::new();
    // Each second a call: live collection needs all that is left, at any time of the day.
    let extra = "schedule = { every = \"1s\" }\nresweep = [ { after = \"1m\" } ]\n\
                 rate_limit = { per_second = 1000, burst = 100, per_day = 3000 }";
    home.configure(&[etd(&simulation.etd_url, extra), home.file_sink()]);
    home.once().await;
    let ended = home.once().await;
    assert!(ended.stderr.contains("etd: resweep waits until 2"), "{}", ended.stderr);
    let plan = home.run(&["plan"]).await;
    assert_eq!(plan.status, Some(1));
    assert!(plan.stdout.contains("today resweep waits until 2"), "{}", plan.stdout);
    assert!(plan.stdout.contains("messages a day, as collected so far"), "{}", plan.stdout);
}

#[tokio::test]
async fn plan_needs_neither_store_nor_network() {
    let home = Home::new();
    let nobody = "http://127.0.0.1:1";
    let usual = "resweep = [ { after = \"1h\" }, { after = \"24h\" } ]\n\
                 rate_limit = { per_second = 2, per_day = 10000 }";
    home.configure(&[etd(nobody, usual), ser(nobody, ""), home.file_sink()]);
    let ended = home.run(&["plan"]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    for words in [
        "resweep after 1d",
        "of 10000 calls a day",
        "it fits",
        "20000 messages a day are assumed",
        "an answer has no pages",
    ] {
        assert!(ended.stdout.contains(words), "{words} in\n{}", ended.stdout);
    }
    assert!(!home.path("state").exists());

    let json = home.run(&["plan", "--source", "etd", "--output", "json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json[0]["source"], "etd");
    assert_eq!(json[0]["records_from"], "assumed");
    assert_eq!(json[0]["lines"][0]["calls"], 1464);
    assert_eq!(json[0]["fits"], true);

    let ended = home.run(&["plan", "--source", "etd", "--records-per-day", "330000"]).await;
    assert_eq!(ended.status, Some(1), "{}", ended.stdout);
    for words in ["it does NOT fit", "resweep = [ { after = \"1d\" } ] ("] {
        assert!(ended.stdout.contains(words), "{words} in\n{}", ended.stdout);
    }

    let range = ["--from", "2026-03-01T00:00:00Z", "--to", "2026-03-11T00:00:00Z"];
    let ended = home.run(&[&["plan", "--source", "etd"], &range[..]].concat()).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains(": 240 slices, 21"), "{}", ended.stdout);

    assert_eq!(home.run(&["plan", "--source", "none"]).await.status, Some(2));
    assert_eq!(home.run(&["plan", "--from", "2026-03-01T00:00:00Z"]).await.status, Some(2));
}
