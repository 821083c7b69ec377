//! Random histories: whatever befalls the vendor and the process, at each moment every instant
//! that was asked for is in one state, and what is covered is in the spool.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::{
    Forgetter,
    testing::{Bench, LAG, Message, Mood, messages},
};
use crate::{
    clock::Clock,
    coverage::{Round, State, assert_whole},
    domain::{
        filter::Filter,
        slice::{Interval, Pass},
    },
    fault::Kind,
    store::requests::NewRequest,
    supervisor::Task,
};

const BEGIN: &str = "2026-11-10T07:00:00Z";

#[derive(Debug, Clone)]
enum Happening {
    /// Time goes by; the schedule fires at its end.
    Tick {
        minutes: u64,
    },
    /// Requests fail for so long.
    Outage {
        minutes: u64,
    },
    /// The next requests end like this.
    Faults(Vec<Kind>),
    /// Answers are too large with more messages than this.
    TooLarge {
        most: usize,
    },
    /// A second, so long ago, cannot be had at all.
    Poison {
        minutes: u64,
    },
    Restart,
    /// The process is killed after so many more requests.
    Kill {
        requests: usize,
    },
    /// Somebody asks for a range that began so long ago.
    Backfill {
        ago: u64,
        minutes: u64,
        narrowed: bool,
    },
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let kind = prop_oneof![
        4 => Just(Kind::Transient { retry_after: None }),
        1 => Just(Kind::Transient { retry_after: Some(Duration::from_hours(1)) }),
        1 => Just(Kind::Throttled { retry_after: None }),
        1 => Just(Kind::QuotaSpent),
        1 => Just(Kind::Auth),
        1 => Just(Kind::TooLarge),
        1 => Just(Kind::TooEarly),
        2 => Just(Kind::PageTokenRejected),
        1 => Just(Kind::Refused),
    ];
    let backfill = (60..720_u64, 1..700_u64, prop::bool::weighted(0.2));
    let happening = prop_oneof![
        8 => (1..240_u64).prop_map(|minutes| Happening::Tick { minutes }),
        2 => (240..2_400_u64).prop_map(|minutes| Happening::Tick { minutes }),
        2 => (10..2_400_u64).prop_map(|minutes| Happening::Outage { minutes }),
        3 => prop::collection::vec(kind, 1..5).prop_map(Happening::Faults),
        1 => (2..6_usize).prop_map(|most| Happening::TooLarge { most }),
        1 => (1..100_u64).prop_map(|minutes| Happening::Poison { minutes }),
        1 => Just(Happening::Restart),
        2 => (0..6_usize).prop_map(|requests| Happening::Kill { requests }),
        2 => backfill.prop_map(|(ago, minutes, narrowed)| Happening::Backfill {
            ago, minutes, narrowed
        }),
    ];
    prop::collection::vec(happening, 5..40)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

async fn apply(bench: &mut Bench, happening: &Happening) {
    let now = bench.clock.now();
    match happening {
        Happening::Tick { minutes: length } => bench.tick(minutes(*length)).await,
        Happening::Outage { minutes: length } => {
            bench.mood().down_until = Some(now.checked_add(minutes(*length)).unwrap());
        }
        Happening::Faults(kinds) => bench.mood().faults.extend(kinds),
        Happening::TooLarge { most } => bench.mood().most = Some(*most),
        Happening::Poison { minutes: ago } => {
            let second = now.checked_sub(minutes(*ago)).unwrap();
            bench.mood().poison = Some(second);
        }
        Happening::Restart => bench.restart(),
        Happening::Kill { requests } => bench.mood().hangs_after = Some(*requests),
        Happening::Backfill { ago, minutes: length, narrowed } => {
            let second = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap();
            let from = second(now.checked_sub(minutes(*ago)).unwrap());
            let latest = second(now.checked_sub(LAG).unwrap());
            let to = from.checked_add(minutes(*length)).unwrap().min(latest);
            let verdicts = if *narrowed { vec!["scam".to_owned()] } else { Vec::new() };
            let narrow = Filter { verdicts, ..Filter::default() };
            let Some(range) = Interval::new(from, to) else { return };
            let new = NewRequest { stream: bench.stream, range, narrow, resend: false };
            bench.store().ask(new, now).await.unwrap();
        }
    }
}

/// What is covered is in the spool: each version once, in order.
fn assert_spooled(bench: &Bench, covered: &[(Round, Interval)]) {
    let mut spooled: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for event in bench.events() {
        let versions = spooled.entry(event["id"].as_str().unwrap().to_owned()).or_default();
        let revision = event["postrider"]["revision"].as_u64().unwrap();
        assert_eq!(revision, versions.len() as u64 + 1, "{event}");
        let version = usize::try_from(event["verdict"]["version"].as_u64().unwrap()).unwrap();
        assert!(versions.last().is_none_or(|before| *before < version), "{event}");
        versions.push(version);
    }
    let later = |at: Timestamp, by: Duration| at.checked_add(by).unwrap();
    let messages = bench.vendor().messages.lock().unwrap();
    let read = |message: &Message, round: &Round, interval: &Interval| {
        // A slice was read this long after its end, at the least.
        let after = if round.pass == Pass::Resweep { round.after } else { LAG };
        interval.contains(message.at).then(|| later(message.at, after))
    };
    for message in messages.iter() {
        let seen = covered.iter().filter_map(|(round, interval)| read(message, round, interval));
        let Some(seen) = seen.max().filter(|seen| message.appears <= *seen) else { continue };
        let newest = spooled.get(&message.id).and_then(|versions| versions.last());
        let due = message.version(seen);
        assert!(newest.is_some_and(|newest| *newest >= due), "{message:?}: {newest:?} of {due}");
    }
}

fn check(bench: &Bench) {
    let recorded = bench.store().recorded(bench.stream, bench.clock.now(), Timestamp::MIN).unwrap();
    assert_spooled(bench, &recorded.covered);
    assert_whole(recorded, crate::collect::plan::due(LAG, minutes(60), false, bench.clock.now()));
}

async fn live_through(history: Vec<Happening>, seed: u64) {
    let begin: Timestamp = BEGIN.parse().unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let from = begin.checked_sub(SignedDuration::from_hours(5)).unwrap();
    let mut bench = Bench::new(begin, messages(from, 24 * 12, &mut rng), seed).await;
    for happening in history {
        apply(&mut bench, &happening).await;
        let mut forgetter = Forgetter {
            store: bench.store().clone(),
            clock: bench.clock.clone(),
            sources: vec![Arc::clone(&bench.collector.config)],
            due: Timestamp::MIN,
        };
        forgetter.step().await.unwrap();
        drop(forgetter);
        check(&bench);
    }
    // When all is well again, nothing is left to be tried.
    let poison = bench.mood().poison;
    *bench.mood() = Mood { poison, ..Mood::default() };
    bench.tick(minutes(24 * 60)).await;
    bench.tick(minutes(1)).await;
    check(&bench);
    let recorded = bench.store().recorded(bench.stream, bench.clock.now(), Timestamp::MIN).unwrap();
    let left = recorded.unfetched.iter().filter(|(round, slice)| {
        round.pass != Pass::Resweep && matches!(slice.state, State::Failing | State::Waiting)
    });
    assert_eq!(left.count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn every_instant_is_accounted_for_and_every_record_is_there(
        history in happenings(), seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live_through(history, seed));
    }
}
