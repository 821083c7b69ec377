//! A clock that steps an hour or a year, both ways, under the real collector: nothing is lost,
//! nothing is covered that was not read, and nothing waits longer than it should.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng, rngs::StdRng};

use super::{
    Forgetter, Memory,
    testing::{Bench, messages},
};
use crate::{
    clock::{Clock, ManualClock, SteadyClock},
    fault::Kind,
    store::conditions::{Party, State},
    supervisor::Task,
};

const BEGIN: &str = "2026-11-10T07:00:00Z";
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A collector on a machine whose clock is not the vendor's.
struct Machine {
    bench: Bench,
    wall: Arc<ManualClock>,
    steady: SteadyClock,
    forgetter: Forgetter,
}

impl Machine {
    /// One whose clock is so far ahead from the start.
    async fn new(ahead: SignedDuration) -> Self {
        let begin: Timestamp = BEGIN.parse().unwrap();
        let from = begin.checked_sub(SignedDuration::from_hours(5)).unwrap();
        let messages = messages(from, 24 * 6, &mut StdRng::seed_from_u64(7));
        let mut bench = Bench::new(begin, messages, 7).await;
        let wall = Arc::new(ManualClock::at(begin + ahead));
        let steady = SteadyClock::new(wall.clone());
        bench.collector.clock = Arc::new(steady.clone());
        let forgetter = forgetter(&bench, &steady);
        Self { bench, wall, steady, forgetter }
    }

    fn step(&self, by: SignedDuration) {
        self.wall.set(self.wall.now() + by);
    }

    async fn pass(&mut self, hours: u64) {
        for _ in 0..hours * 6 {
            let time = Duration::from_mins(10);
            tokio::time::advance(time).await;
            self.wall.advance(time);
            self.steady.now();
            self.bench.tick(time).await;
            self.forgetter.step().await.unwrap();
        }
    }

    /// The process starts anew, with whatever the clock says.
    fn restart(&mut self) {
        self.steady = SteadyClock::new(self.wall.clone());
        self.forgetter = forgetter(&self.bench, &self.steady);
        let collector = &mut self.bench.collector;
        collector.clock = Arc::new(self.steady.clone());
        collector.memory = Arc::new(Memory::new(StdRng::seed_from_u64(8)));
    }

    /// Everything that the vendor had until now has come in its newest version, once each; nothing
    /// is lost; nothing is said to be known of time to come.
    fn assert_whole(&self) {
        let truth = self.bench.clock.now();
        let due = truth.checked_sub(SignedDuration::from_hours(22)).unwrap();
        let events = self.bench.events();
        let mut ids = std::collections::BTreeSet::new();
        for event in &events {
            assert!(ids.insert(event["postrider"]["event_id"].as_str().unwrap()), "{event}");
        }
        let begin: Timestamp = BEGIN.parse().unwrap();
        for message in self.bench.vendor().messages.lock().unwrap().iter() {
            // Each is read last twenty hours after its slice.
            let last = message.at + SignedDuration::from_hours(20);
            if message.at < begin || last > due || message.appears > last {
                continue;
            }
            let of_it = events.iter().filter(|event| event["id"] == message.id.as_str());
            let newest = of_it.filter_map(|event| event["verdict"]["version"].as_u64()).max();
            let wanted = message.version(last) as u64;
            assert!(newest.is_some_and(|it| it >= wanted), "{message:?}: {newest:?}");
        }
        let recorded = self.bench.store().recorded(self.bench.stream, truth, Timestamp::MIN);
        let recorded = recorded.unwrap();
        for (round, covered) in &recorded.covered {
            assert!(covered.end() <= truth, "{round:?} {covered}");
        }
        let streams = self.bench.store().streams().unwrap();
        assert_eq!(streams[0].lost, 0, "{streams:?}");
        let lag = truth.duration_since(streams[0].covered_to.unwrap());
        assert!(lag < HOUR, "{lag}: nothing waits");
    }
}

fn forgetter(bench: &Bench, clock: &SteadyClock) -> Forgetter {
    Forgetter {
        store: bench.store().clone(),
        clock: Arc::new(clock.clone()),
        sources: vec![Arc::clone(&bench.collector.config)],
        due: Timestamp::MIN,
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_step_that_is_taken_back_changes_nothing() {
    for by in [HOUR, -HOUR, YEAR, -YEAR] {
        let mut machine = Machine::new(SignedDuration::ZERO).await;
        machine.pass(24).await;
        machine.step(by);
        machine.pass(10).await;
        machine.step(-by);
        machine.pass(36).await;
        machine.assert_whole();
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_during_an_outage_gives_nothing_up() {
    for by in [HOUR, -HOUR, YEAR, -YEAR] {
        let mut machine = Machine::new(SignedDuration::ZERO).await;
        machine.pass(24).await;
        let end = machine.bench.clock.now() + SignedDuration::from_hours(8);
        machine.bench.mood().down_until = Some(end);
        machine.pass(1).await;
        machine.step(by);
        machine.pass(6).await;
        machine.step(-by);
        machine.pass(40).await;
        machine.assert_whole();
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_from_the_start_and_corrected_later_costs_nothing() {
    for ahead in [HOUR, -HOUR, YEAR] {
        let mut machine = Machine::new(ahead).await;
        machine.pass(5).await;
        machine.step(-ahead);
        machine.pass(40).await;
        machine.assert_whole();
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_a_wrong_clock_forgets_and_loses_nothing() {
    for ahead in [HOUR, -HOUR, YEAR, -YEAR] {
        let mut machine = Machine::new(SignedDuration::ZERO).await;
        machine.pass(24).await;
        let end = machine.bench.clock.now() + SignedDuration::from_hours(4);
        machine.bench.mood().down_until = Some(end);
        machine.step(ahead);
        machine.restart();
        machine.pass(5).await;
        machine.step(-ahead);
        machine.restart();
        machine.pass(40).await;
        machine.assert_whole();
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_a_wrong_clock_wrote_down_holds_nobody() {
    let mut machine = Machine::new(SignedDuration::ZERO).await;
    machine.pass(1).await;
    let name = machine.bench.collector.config.name.clone();
    let until = machine.bench.clock.now() + YEAR;
    let party = Party::Source(name.as_str());
    let store = machine.bench.store().clone();
    store.set_condition(party, State::QuotaSpent, Some(until), None, until).await.unwrap();
    machine
        .bench
        .mood()
        .faults
        .push_back(Kind::Transient { retry_after: Some(Duration::from_hours(9_000)) });
    machine.pass(30).await;
    machine.assert_whole();
}
