//! Covered slices are read again, after what is live.

use super::*;
use crate::{
    config::{Resweep, Start},
    source::Limits,
};

/// Lets an hour pass, with an activation, during one of its calls; that one has a second page.
struct Busy {
    clock: Arc<ManualClock>,
    activation: Arc<Activation>,
    call: usize,
    asked: Mutex<Vec<Query>>,
}

impl Source for Busy {
    fn vendor(&self) -> &'static str {
        "cisco_etd"
    }

    fn stream(&self) -> Stream {
        Stream::Messages
    }

    fn limits(&self) -> Limits {
        Limits { retention: None, aligned: false, page_size: 100 }
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(query.clone());
        if asked.len() != self.call {
            return Ok(Page::default());
        }
        self.clock.advance(Duration::from_hours(1));
        self.activation.activate();
        page(&["a"], Some("t"))
    }

    async fn probe(&self, _: Timestamp) -> Result<String, Fault> {
        Ok(String::new())
    }
}

fn configured(bench: &Bench, ages: &[u64]) -> Arc<config::Source> {
    let age = |hours: &u64| Resweep { after: Duration::from_hours(*hours), verdicts: Vec::new() };
    let start = Start::Back(Duration::from_hours(3));
    let resweep = ages.iter().map(age).collect();
    Arc::new(config::Source { start, resweep, ..(*bench.collector.config).clone() })
}

#[tokio::test]
async fn a_resweep_makes_room_for_what_becomes_live_in_the_midst_of_it() {
    let bench = Bench::new(Vec::new());
    let config = configured(&bench, &[24]);
    let Bench { collector, clock, directory } = bench;
    let Collector { pace, store, max_spool, activation, stop, memory, .. } = collector;
    let source = Arc::new(Busy {
        clock: clock.clone(),
        activation: activation.clone(),
        // Three slices, a day of slices, and the first resweep.
        call: 3 + 24 + 1,
        asked: Mutex::default(),
    });
    let collector = Collector {
        scope: Scope::Everything,
        config,
        source: source.clone(),
        pace,
        store,
        clock: clock.clone(),
        max_spool,
        activation,
        stop,
        memory,
    };
    let mut bench = Bench { collector, clock, directory };
    assert_eq!(bench.run().await, Step::Idle);
    bench.clock.advance(Duration::from_hours(24));
    bench.collector.activation.activate();
    assert_eq!(bench.run().await, Step::Idle);
    let asked = source.asked.lock().unwrap();
    let asked: Vec<(String, bool)> = asked[27..]
        .iter()
        .map(|query| (query.interval.start().to_string(), query.page_token.is_some()))
        .collect();
    let at = |start: &str, goes_on| (format!("2026-11-{start}:00:00Z"), goes_on);
    let expected = [
        at("20T06", false),
        at("21T09", false),
        at("20T06", true),
        at("20T07", false),
        at("20T08", false),
        // An hour has passed.
        at("20T09", false),
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn planned_resweeps_outlive_a_restart_unless_their_age_is_no_longer_configured() {
    for (kept, calls) in [(&[1, 2][..], 3), (&[2], 2), (&[], 1)] {
        let mut bench = Bench::new(Vec::new());
        let config = configured(&bench, &[1, 2]);
        bench.collector.config = Arc::new(config::Source {
            start: Start::Back(Duration::from_hours(1)),
            ..(*config).clone()
        });
        assert_eq!(bench.run().await, Step::Idle);
        bench.collector.config = configured(&bench, kept);
        bench.collector.memory = Arc::new(Memory::new(StdRng::seed_from_u64(2)));
        bench.clock.advance(Duration::from_hours(2));
        bench.collector.activation.activate();
        assert_eq!(bench.run().await, Step::Idle);
        let first = bench.asked()[0].interval;
        let asked = bench.asked().iter().filter(|query| query.interval == first).count();
        assert_eq!(asked, calls, "{kept:?}");
    }
}
