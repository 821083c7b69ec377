//! How an event that the sink refuses without naming it is found, and what that costs.

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;

fn names(range: Range<usize>) -> Vec<String> {
    range.map(|number| format!("<{number}>")).collect()
}

fn script(most: usize, max_in_flight: usize, bad: &[usize]) -> Script {
    let limits = BatchLimits { max_events: most, max_bytes: 1 << 20, max_age: Duration::ZERO };
    let bad = bad.iter().map(|number| format!("<{number}>")).collect();
    Script { limits, max_in_flight, bad: Mutex::new(bad), ..Script::default() }
}

impl Bench {
    async fn spool_names(&self, names: &[String]) {
        self.spool(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    fn sends(&self) -> usize {
        self.sink.sent.lock().unwrap().len()
    }

    /// Everything good was accepted exactly once, everything bad is a dead letter.
    fn assert_apart(&self, all: &[String], bad: usize) {
        let bad_names = self.sink.bad.lock().unwrap().clone();
        let sent = self.sink.sent.lock().unwrap();
        let accepted = sent.iter().filter(|batch| batch.iter().all(|it| !bad_names.contains(it)));
        let mut accepted: Vec<_> = accepted.flatten().cloned().collect();
        accepted.sort();
        let mut good: Vec<_> = all.iter().filter(|it| !bad_names.contains(*it)).cloned().collect();
        good.sort();
        assert_eq!(accepted, good);
        assert_eq!(self.counts(), ((all.len() - bad) as u64, 0, bad as u64));
    }
}

#[tokio::test]
async fn one_bad_event_among_512_is_found_with_19_sends_at_most() {
    for bad in [0, 1, 255, 256, 300, 511] {
        let bench = Bench::with(script(512, 1, &[bad])).await;
        let all = names(0..512);
        bench.spool_names(&all).await;
        bench.run(&mut bench.deliverer()).await;
        let sends = bench.sends();
        println!("bad at {bad}: {sends} sends");
        assert!(sends <= 2 * 9 + 1, "{sends}");
        bench.assert_apart(&all, 1);
    }
}

#[test]
fn k_bad_events_among_n_are_found_with_o_of_k_log_n_sends() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() };
    let cases =
        (1..=512_usize, prop::collection::vec(any::<prop::sample::Index>(), 0..12), 1..5_usize);
    let run = |(n, bad, max_in_flight): (usize, Vec<prop::sample::Index>, usize)| {
        let bad: BTreeSet<usize> = bad.into_iter().map(|at| at.index(n)).collect();
        let bad: Vec<usize> = bad.into_iter().collect();
        runtime.block_on(async {
            let bench = Bench::with(script(512, max_in_flight, &bad)).await;
            let all = names(0..n);
            bench.spool_names(&all).await;
            bench.run(&mut bench.deliverer()).await;
            let levels = n.next_power_of_two().trailing_zeros() as usize;
            let (sends, most) = (bench.sends(), 2 * bad.len() * levels + 1);
            prop_assert!(
                sends <= most,
                "{} of {}: {} sends, {} allowed",
                bad.len(),
                n,
                sends,
                most
            );
            bench.assert_apart(&all, bad.len());
            Ok(())
        })
    };
    TestRunner::new(config).run(&cases, run).unwrap();
}

#[tokio::test]
async fn other_batches_go_by_turns_with_the_parts_of_a_bad_one() {
    let bench = Bench::with(script(8, 1, &[3])).await;
    let all = names(0..40);
    bench.spool_names(&all).await;
    bench.run(&mut bench.deliverer()).await;
    let sent = bench.sink.sent.lock().unwrap().clone();
    let firsts: Vec<_> = sent.iter().map(|batch| (batch[0].as_str(), batch.len())).collect();
    // Its parts are those of less than eight.
    let expected = [
        ("<0>", 8),
        ("<8>", 8),
        ("<0>", 4),
        ("<16>", 8),
        ("<0>", 2),
        ("<24>", 8),
        ("<2>", 2),
        ("<32>", 8),
        ("<2>", 1),
        ("<3>", 1),
        ("<4>", 4),
    ];
    assert_eq!(firsts, expected);
    bench.assert_apart(&all, 1);
}

#[tokio::test]
async fn other_batches_are_on_their_way_beside_the_parts_of_a_bad_one() {
    let bench = Bench::with(script(64, 4, &[9])).await;
    let all = names(0..1024);
    bench.spool_names(&all).await;
    bench.run(&mut bench.deliverer()).await;
    bench.assert_apart(&all, 1);
    let number = |name: &String| name.trim_matches(['<', '>']).parse::<usize>().unwrap();
    let beside = bench.sink.beside.lock().unwrap();
    let sent = bench.sink.sent.lock().unwrap();
    let is_part = |batch: &[String]| batch.len() < 64;
    let parts = sent.iter().zip(beside.iter()).filter(|(batch, _)| is_part(batch));
    let (mut all_parts, mut alone) = (0, 0);
    for (_, on_the_way) in parts {
        all_parts += 1;
        alone += usize::from(on_the_way.iter().all(|first| number(first) < 64));
    }
    assert!(all_parts >= 10 && alone * 2 <= all_parts, "{alone} of {all_parts} were alone");
}

#[tokio::test]
async fn a_sink_that_refuses_everything_keeps_few_batches_apart_and_loses_nothing() {
    let every: Vec<usize> = (0..64).collect();
    let bench = Bench::with(script(8, 2, &every)).await;
    let all = names(0..64);
    bench.spool_names(&all).await;
    bench.run(&mut bench.deliverer()).await;
    bench.assert_apart(&all, 64);
    // Two sends less one for each event: no batch is sent twice.
    assert_eq!(bench.sends(), 8 * 15);
    // A batch begins only when few others are being taken apart.
    let sent = bench.sink.sent.lock().unwrap();
    let mut open = BTreeSet::new();
    for batch in sent.iter() {
        let number = batch[0].trim_matches(['<', '>']).parse::<usize>().unwrap();
        open.insert(number / 8);
        if batch.len() == 1 && number % 8 == 7 {
            open.remove(&(number / 8));
        }
        assert!(open.len() <= 4, "{open:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_says_its_size_and_what_is_known_of_the_limit() {
    let small = || -> Answer {
        Box::new(|texts: &[&str]| match texts.concat().len() {
            0..=3 => Outcome::Accepted,
            _ => Outcome::TooLarge { reason: "http://siem answered 413".into() },
        })
    };
    let bench = Bench::new((0..20).map(|_| small()).collect()).await;
    bench.spool(&["aa", "b", "cccccc", "d"]).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.counts(), (3, 0, 1));
    let letter = bench.store.letter(1).unwrap().unwrap();
    for words in ["has 6 bytes", "took so far has 3 bytes", "http://siem answered 413"] {
        assert!(letter.entry.reason.contains(words), "{}", letter.entry.reason);
    }
}

#[tokio::test]
async fn a_sink_that_has_refused_all_so_far_is_not_before_its_first_try() {
    let poison = |_: &[&str]| Outcome::SomePoison { reason: "bad".into() };
    let bench =
        Bench::new(vec![failed(Kind::Transient { retry_after: None }), Box::new(poison)]).await;
    bench.spool(&["A"]).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.counts(), (0, 0, 1));
    let condition = bench.store.condition(Party::Sink("splunk")).unwrap().unwrap();
    assert_eq!((condition.state, condition.ok.is_some()), (State::Ok, true));
}
