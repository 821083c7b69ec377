//! The day's calls: who may spend them.

use proptest::prelude::*;

use super::*;
use crate::{
    collect::budget::{self, Expected},
    config::{RateLimit, Resweep, Source as Config, Start},
    store::conditions::Party,
};

const MIDNIGHT: &str = "2026-11-21T00:00:00Z";

impl Bench {
    /// Counts calls, and no more than so many a day.
    fn limited(per_day: u32, change: impl FnOnce(&mut Config)) -> Self {
        let mut bench = Self::new(Vec::new());
        let mut config = (*bench.collector.config).clone();
        config.rate_limit = RateLimit {
            calls: 1_000_000,
            window: Duration::from_secs(1),
            burst: 1_000_000,
            per_day: Some(per_day),
        };
        change(&mut config);
        bench.collector.config = Arc::new(config);
        bench.restart(Vec::new());
        bench
    }

    /// What a new process begins with; its fetches cost so many calls, then one each.
    fn restart(&mut self, costs: Vec<u32>) {
        let pace = Arc::new(Pace::new(self.collector.config.rate_limit));
        let costs = Mutex::new(costs.into());
        self.collector.pace = pace.clone();
        self.collector.memory = Arc::new(Memory::new(StdRng::seed_from_u64(7)));
        self.collector.source = Arc::new(Script { pace: Some((pace, costs)), ..Script::default() });
        self.collector.activation.activate();
    }

    async fn tick(&mut self, by: Duration) -> Step {
        self.clock.advance(by);
        self.collector.activation.activate();
        self.run().await
    }

    fn calls_of(&self, pass: Pass) -> u64 {
        self.store().calls_of(&self.collector.config.name, &day(self.clock.now()), pass).unwrap()
    }

    fn held(&self) -> Option<budget::Held> {
        budget::held(self.store(), &self.collector.config, &Expected::default(), self.clock.now())
            .unwrap()
    }

    /// Calls that something else has spent today.
    async fn spend(&self, pass: Pass, count: u64) {
        let stream = self.collector.streams().await.unwrap()[&Stream::Messages];
        let (now, end) = (self.clock.now(), self.clock.now() + Duration::from_secs(1));
        let second = crate::domain::slice::Interval::new(now, end).unwrap();
        let frontier = Frontier { from: now, to: now };
        self.store().plan_live(stream, frontier, None, vec![second], 1).await.unwrap();
        let open = self.store().ready_slices(stream, Pass::Live, now, 1).unwrap();
        let calls =
            Calls { source: self.collector.config.name.clone(), day: day(now), pass, count };
        let error = "elsewhere".to_owned();
        self.store().set_back(open[0].id, Setback::Refused, error, calls).await.unwrap();
    }
}

fn resweep(after: Duration) -> Vec<Resweep> {
    vec![Resweep { after, verdicts: Vec::new() }]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Fetches side by side, tokens and repeated calls never pass the day's limit, restarts or not;
    /// and nearly all of it is used.
    #[test]
    fn no_day_passes_its_limit(
        per_day in 4..80_u32,
        flights in 1..=6_usize,
        costs in prop::collection::vec(prop::sample::select(vec![1, 1, 1, 1, 2]), 100),
        token in 0..20_usize,
        restart_after in prop::option::of(1..6_usize),
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let mut bench = Bench::limited(per_day, |config| {
                config.max_in_flight = flights;
                config.slice = Duration::from_mins(1);
                config.start = Start::Back(Duration::from_hours(3));
            });
            // One fetch has a 401: a token, and the same once more.
            let mut costs = costs;
            costs[token] = 4;
            bench.restart(costs);
            let mut calls = 0;
            for step in 0.. {
                let step_ended = bench.collector.step().await.unwrap();
                if matches!(step_ended, Step::Waiting { until, .. } if until > bench.clock.now()) {
                    break;
                }
                if Some(step) == restart_after {
                    calls += bench.collector.pace.calls();
                    bench.restart(Vec::new());
                }
                assert!(step < 500, "it goes round in circles");
            }
            calls += bench.collector.pace.calls();
            assert!(calls <= u64::from(per_day), "{calls} of {per_day}");
            assert!(calls + 4 > u64::from(per_day), "{calls} of {per_day}");
            assert_eq!(calls, bench.calls_of(Pass::Live));
            let condition = bench.store().condition(Party::Source("etd")).unwrap().unwrap();
            assert_eq!(condition.state, State::QuotaSpent);
            assert_eq!(condition.until.unwrap().to_string(), MIDNIGHT);
        });
    }
}

#[tokio::test]
async fn resweeps_wait_for_the_next_day_while_live_collection_goes_on() {
    let hour = Duration::from_hours(1);
    let mut bench = Bench::limited(200, |config| {
        config.schedule = Schedule::Every(hour);
        config.resweep = resweep(hour);
    });
    bench.spend(Pass::Backfill, 165).await;
    assert_eq!(bench.run().await, Step::Idle);
    for asked in 1..=5 {
        assert_eq!(bench.tick(hour).await, Step::Idle);
        assert_eq!(bench.asked().len(), asked, "one slice, and no resweep");
    }
    let held = bench.held().unwrap();
    assert_eq!((held.passes, held.until.to_string()), (vec![Pass::Resweep], MIDNIGHT.into()));
    let state = bench.store().condition(Party::Source("etd")).unwrap().unwrap().state;
    assert_eq!(state, State::Ok);

    // A restart in the middle of the day knows the same.
    bench.restart(Vec::new());
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(bench.tick(hour).await, Step::Idle);
    assert_eq!(bench.calls_of(Pass::Resweep), 0);

    bench.clock.set(MIDNIGHT.parse().unwrap());
    assert_eq!(bench.tick(Duration::ZERO).await, Step::Idle);
    assert!(bench.calls_of(Pass::Resweep) >= 5);
    assert_eq!(bench.held(), None);
}

#[tokio::test]
async fn what_comes_due_is_fetched_before_the_rest_of_a_long_resweep() {
    let hour = Duration::from_hours(1);
    let mut bench = Bench::limited(10_000, |config| {
        config.resweep = resweep(2 * hour);
        config.start = Start::Back(4 * hour);
    });
    bench.run().await;
    bench.clock.advance(3 * hour);
    let stream = bench.collector.streams().await.unwrap()[&Stream::Messages];
    let due = bench.store().open_due(stream, bench.clock.now()).await.unwrap();
    assert!(due > 1);
    // The activation comes while the resweeps are fetched.
    let asked = bench.asked().len();
    bench.collector.activation.activate();
    assert!(bench.collector.fetch_open(stream, Pass::Resweep).await.unwrap());
    let first = bench.asked()[asked].interval;
    assert_eq!(first.to_string(), "2026-11-20T09:00:00Z/2026-11-20T10:00:00Z");
}

#[tokio::test]
async fn when_all_is_spent_live_collection_waits_and_nothing_else_is_asked() {
    let hour = Duration::from_hours(1);
    let mut bench = Bench::limited(20, |config| config.resweep = resweep(hour));
    assert_eq!(bench.run().await, Step::Idle);
    bench.spend(Pass::Live, 19).await;
    let Step::Waiting { until, person: false, .. } = bench.tick(hour).await else { panic!() };
    assert_eq!(until.to_string(), MIDNIGHT);
    assert_eq!(bench.asked().len(), 1);
    assert_eq!(bench.held().unwrap().passes, [Pass::Resweep]);

    // A restart changes nothing; one with more calls a day goes on at once.
    bench.restart(Vec::new());
    assert!(matches!(bench.run().await, Step::Waiting { person: false, .. }));
    assert_eq!(bench.asked().len(), 0);
    let mut config = (*bench.collector.config).clone();
    config.rate_limit.per_day = Some(100);
    bench.collector.config = Arc::new(config);
    bench.restart(Vec::new());
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(bench.asked().len(), 1);
    let state = bench.store().condition(Party::Source("etd")).unwrap().unwrap().state;
    assert_eq!(state, State::Ok);
}
