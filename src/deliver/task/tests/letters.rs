//! Dead letters that are sent again.

use super::*;
use crate::store::dead_letters::{
    Entry, Which,
    replays::{Replay, ReplayId, ReplayState},
};

impl Bench {
    /// A sink that refused these, without anything else.
    async fn refused(bad: &[&str]) -> Self {
        let sink = Script::default();
        sink.bad.lock().unwrap().extend(bad.iter().map(|text| (*text).to_owned()));
        let bench = Self::with(sink).await;
        bench.spool(bad).await;
        bench.run(&mut bench.deliverer()).await;
        assert_eq!(bench.counts(), (0, 0, bad.len() as u64));
        bench.sink.sent.lock().unwrap().clear();
        bench
    }

    /// Makes the sink refuse these alone from now on.
    fn mend(&self, still_bad: &[&str]) {
        *self.sink.bad.lock().unwrap() = still_bad.iter().map(|text| (*text).to_owned()).collect();
    }

    async fn ask(&self, which: Which) -> ReplayId {
        let (of, last) = self.store.meant(&which).unwrap();
        let letters = of.iter().map(|(_, letters)| letters).sum();
        let now = self.clock.now();
        self.store.ask_replay(&name(), &which, last, letters, now).await.unwrap()
    }

    fn replay(&self, id: ReplayId) -> Replay {
        self.store.replay(id).unwrap().unwrap()
    }

    fn letters(&self) -> Vec<Entry> {
        self.store.letters(&Which::All, u64::MAX, 100).unwrap()
    }
}

#[tokio::test]
async fn letters_are_delivered_and_counted_and_are_gone() {
    let bench = Bench::refused(&["a", "b", "c", "d", "e"]).await;
    bench.mend(&[]);
    let id = bench.ask(Which::All).await;
    bench.run(&mut bench.deliverer()).await;
    // The oldest letter first: "e" was refused while the first batch was taken apart.
    assert_eq!(bench.sent(), ["eabc", "d"], "in batches, and the same bytes");
    assert_eq!(bench.counts(), (5, 0, 0));
    let Replay { state, letters, delivered, refused, .. } = bench.replay(id);
    assert_eq!((state, letters, delivered, refused), (ReplayState::Done, 5, 5, 0));
    assert_eq!(bench.store.dead_letter_bytes().unwrap(), 0);
}

#[tokio::test]
async fn without_a_wish_nothing_is_sent_again() {
    let bench = Bench::refused(&["a"]).await;
    bench.mend(&[]);
    bench.run(&mut bench.deliverer()).await;
    assert!(bench.sent().is_empty());
}

#[tokio::test]
async fn a_letter_that_is_refused_again_has_one_more_attempt_and_the_rest_goes() {
    let bench = Bench::refused(&["a", "b", "c", "d"]).await;
    let first = bench.letters();
    bench.mend(&["c"]);
    bench.clock.advance(Duration::from_mins(1));
    let id = bench.ask(Which::Sink("splunk".into())).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["abcd", "ab", "cd", "c", "d"]);
    assert_eq!(bench.counts(), (3, 0, 1));
    let Replay { state, delivered, refused, .. } = bench.replay(id);
    assert_eq!((state, delivered, refused), (ReplayState::Done, 3, 1));
    let left = bench.letters();
    assert_eq!((left[0].id, left[0].attempts), (3, 2));
    assert_eq!(left[0].event_id, first[1].event_id);
    assert_eq!(left[0].at, bench.clock.now());
    let reasons = bench.store.refused_again(&bench.replay(id)).unwrap();
    assert_eq!(reasons, [("something is bad".to_owned(), 1)]);
    // Another wish tries it again.
    bench.mend(&[]);
    bench.ask(Which::Ids(vec![3])).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.counts(), (4, 0, 0));
}

#[tokio::test]
async fn a_letter_that_is_named_as_bad_costs_one_send_and_one_that_is_unfit_none() {
    let bench = Bench::refused(&["a", "b", "c"]).await;
    bench.spool(&["huge"]).await;
    bench.run(&mut bench.deliverer()).await;
    bench.mend(&[]);
    let poison = |_: &[&str]| Outcome::Poison { index: 1, reason: "still bad".into() };
    bench.sink.answers.lock().unwrap().push_back(Box::new(poison));
    bench.sink.sent.lock().unwrap().clear();
    bench.ask(Which::All).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["abc", "c"]);
    let left: Vec<_> = bench.letters().iter().map(|it| (it.id, it.attempts)).collect();
    assert_eq!(left, [(4, 2), (2, 2)]);
    assert_eq!(bench.letters()[1].reason, "still bad");
}

#[tokio::test]
async fn only_the_letters_that_are_meant_are_sent() {
    let bench = Bench::refused(&["a", "b", "c", "d"]).await;
    bench.mend(&["e"]);
    let meant = bench.ask(Which::Ids(vec![2, 4])).await;
    // What is refused later is not meant.
    bench.spool(&["e"]).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["e", "bd"]);
    assert_eq!(bench.replay(meant).delivered, 2);
    assert_eq!(bench.letters().iter().map(|it| it.id).collect::<Vec<_>>(), [5, 3, 1]);
}

#[tokio::test]
async fn letters_go_after_what_is_new() {
    let bench = Bench::refused(&["a", "b"]).await;
    bench.mend(&[]);
    bench.ask(Which::All).await;
    bench.spool(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]).await;
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["1234", "5678", "9", "ab"]);
}

#[tokio::test]
async fn letters_are_not_sent_while_the_sink_is_held() {
    let bench = Bench::refused(&["a"]).await;
    bench.mend(&[]);
    bench.ask(Which::All).await;
    bench.spool(&["1"]).await;
    bench.sink.answers.lock().unwrap().push_back(failed(Kind::Auth));
    let mut deliverer = bench.deliverer();
    for _ in 0..3 {
        assert!(matches!(deliverer.step().await.unwrap(), Step::Waiting { .. }));
    }
    assert_eq!(bench.sent(), ["1"]);
    bench.run(&mut deliverer).await;
    assert_eq!(bench.sent(), ["1", "1", "a"]);
}

#[tokio::test]
async fn letters_that_fail_hold_up_nothing_else_and_go_again() {
    let bench = Bench::refused(&["a", "b"]).await;
    bench.mend(&[]);
    let id = bench.ask(Which::All).await;
    let fails = failed(Kind::Transient { retry_after: Some(Duration::from_secs(50)) });
    bench.sink.answers.lock().unwrap().push_back(fails);
    let mut deliverer = bench.deliverer();
    assert!(matches!(deliverer.step().await.unwrap(), Step::Waiting { person: false, .. }));
    assert_eq!(bench.replay(id).error.as_deref(), Some("no"));
    bench.spool(&["1"]).await;
    assert_eq!(deliverer.step().await.unwrap(), Step::Worked);
    assert_eq!(bench.sent(), ["ab", "1"]);
    bench.run(&mut deliverer).await;
    assert_eq!(bench.sent(), ["ab", "1", "ab"]);
    let replay = bench.replay(id);
    assert_eq!((replay.state, replay.error), (ReplayState::Done, None));
}

#[tokio::test]
async fn a_crash_before_letters_are_noted_sends_them_twice_and_loses_none() {
    let bench = Bench::refused(&["a", "b", "c", "d", "e"]).await;
    bench.mend(&[]);
    let id = bench.ask(Which::All).await;
    bench.store.refuse_writes(true).await;
    let mut first = bench.deliverer();
    assert!(matches!(first.step().await.unwrap(), Step::Waiting { .. }));
    drop(first);
    bench.store.refuse_writes(false).await;
    assert_eq!(bench.sent(), ["eabc"], "nothing more while it cannot be noted");
    bench.run(&mut bench.deliverer()).await;
    assert_eq!(bench.sent(), ["eabc", "eabc", "d"]);
    assert_eq!(bench.replay(id).delivered, 5);
    assert_eq!(bench.counts(), (5, 0, 0));
}

#[tokio::test]
async fn what_cannot_be_noted_is_remembered_and_not_sent_again() {
    let bench = Bench::refused(&["a"]).await;
    bench.mend(&[]);
    bench.ask(Which::All).await;
    bench.store.refuse_writes(true).await;
    let mut deliverer = bench.deliverer();
    assert!(matches!(deliverer.step().await.unwrap(), Step::Waiting { .. }));
    bench.store.refuse_writes(false).await;
    bench.run(&mut deliverer).await;
    assert_eq!(bench.sent(), ["a"]);
    assert_eq!(bench.counts(), (1, 0, 0));
}

#[tokio::test]
async fn a_replay_to_a_sink_that_is_no_longer_configured_ends_and_keeps_the_letters() {
    let bench = Bench::refused(&["a"]).await;
    let id = bench.ask(Which::All).await;
    bench.store.set_sinks(vec!["another".parse().unwrap()]).await.unwrap();
    assert_eq!(bench.replay(id).state, ReplayState::Cancelled);
    assert_eq!(bench.letters().len(), 1);
}
