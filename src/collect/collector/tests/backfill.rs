//! Backfills, worked off by the collector.

use super::*;
use crate::{
    domain::{filter::Filter, slice::Interval},
    store::{
        requests::{NewRequest, Request, RequestState},
        slices::RequestId,
    },
};

impl Bench {
    /// Asks for the hours before the live slice's.
    async fn ask(&self, hours: u64, narrow: Filter, resend: bool) -> RequestId {
        let stream = self.collector.streams().await.unwrap()[&Stream::Messages];
        let to: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let range = Interval::new(to - Duration::from_hours(hours), to).unwrap();
        let new = NewRequest { stream, range, narrow, resend };
        self.store().ask(new, self.clock.now()).await.unwrap().0
    }

    fn request(&self, id: RequestId) -> Request {
        self.store().request(id).unwrap().unwrap()
    }

    fn passes(&self) -> Vec<String> {
        let events = self.events();
        events.iter().map(|event| event["postrider"]["pass"].as_str().unwrap().into()).collect()
    }
}

#[tokio::test]
async fn live_goes_first_and_a_backfill_is_counted() {
    let answers =
        vec![page(&["live"], None), page(&["a", "b"], Some("t")), page(&["b", "c"], None)];
    let mut bench = Bench::new(answers);
    let id = bench.ask(2, Filter::default(), false).await;
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["live", "a", "b", "c"]);
    assert_eq!(bench.passes(), ["live", "backfill", "backfill", "backfill"]);
    let request = bench.request(id);
    assert_eq!(request.state, RequestState::Done);
    assert_eq!(request.ended, Some(bench.clock.now()));
    let counts = (request.slices, request.records, request.events, request.open);
    assert_eq!(counts, (2, 4, 3, 0));
    assert_eq!(request.done_ms, 2 * 3_600_000);
}

#[tokio::test]
async fn what_is_known_is_sent_again_only_where_that_is_asked() {
    for resend in [false, true] {
        let mut bench = Bench::new(vec![page(&["a"], None), page(&["a"], None)]);
        let id = bench.ask(1, Filter::default(), resend).await;
        assert_eq!(bench.run().await, Step::Idle);
        let events = bench.events();
        assert_eq!(events.len(), 1 + usize::from(resend));
        assert_eq!(bench.request(id).records, 1);
        if resend {
            for name in ["event_id", "revision", "change"] {
                assert_eq!(events[0]["postrider"][name], events[1]["postrider"][name]);
            }
        }
    }
}

#[tokio::test]
async fn many_slices_are_opened_some_at_a_time() {
    let mut bench = Bench::new(Vec::new());
    let id = bench.ask(200, Filter::default(), false).await;
    let stream = bench.collector.streams().await.unwrap()[&Stream::Messages];
    for _ in 0..2 {
        bench.collector.plan(stream).await.unwrap();
        assert_eq!(bench.request(id).open, 64);
    }
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(bench.asked().len(), 201);
    let request = bench.request(id);
    assert_eq!((request.state, request.slices), (RequestState::Done, 200));
    assert_eq!(request.done_ms, 200 * 3_600_000);
}

#[tokio::test]
async fn an_activation_comes_between_the_pages_of_a_backfill() {
    let mut bench = Bench::new(vec![page(&["live"], None)]);
    assert_eq!(bench.run().await, Step::Idle);
    bench.ask(1, Filter::default(), false).await;
    let pages = [page(&["a"], Some("t")), page(&["new"], None), page(&["b"], None)];
    bench.collector.source.answers.lock().unwrap().extend(pages);
    bench.clock.advance(Duration::from_mins(10));
    *bench.collector.source.ring.lock().unwrap() = Some(bench.collector.activation.clone());
    assert_eq!(bench.run().await, Step::Idle);
    let asked: Vec<_> = bench.asked().iter().map(|query| query.interval.to_string()).collect();
    let (new, old) =
        ("2026-11-20T09:00:00Z/2026-11-20T09:10:00Z", "2026-11-20T07:00:00Z/2026-11-20T08:00:00Z");
    assert_eq!(asked[1..], [old, new, old]);
    assert_eq!(bench.asked()[3].page_token.as_deref(), Some("t"));
    assert_eq!(ids(&bench.events()), ["live", "a", "new", "b"]);
}

#[tokio::test]
async fn a_cancelled_backfill_asks_for_nothing_more_and_what_came_stays() {
    let mut bench = Bench::new(vec![page(&["live"], None), page(&["a"], Some("t"))]);
    let id = bench.ask(3, Filter::default(), false).await;
    let stream = bench.collector.streams().await.unwrap()[&Stream::Messages];
    bench.collector.activation.activate();
    bench.collector.notice(bench.clock.now());
    bench.collector.plan(stream).await.unwrap();
    let open = bench.store().ready_slices(stream, Pass::Backfill, bench.clock.now(), 9).unwrap();
    assert_eq!(open.len(), 4);
    assert!(bench.store().cancel(id, bench.clock.now()).await.unwrap());
    // A page that was on its way.
    let mut slice = open[1].clone();
    let calls = bench.collector.bill(slice.pass, 1, bench.clock.now());
    bench.collector.keep(page(&["b"], Some("u")).unwrap(), &mut slice, calls).await.unwrap();
    let again = Setback::Split { page_size: 1 };
    let calls = bench.collector.bill(slice.pass, 1, bench.clock.now());
    bench.store().set_back(open[2].id, again, "too large".into(), calls).await.unwrap();
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(ids(&bench.events()), ["b", "live"]);
    assert_eq!(bench.asked().len(), 1);
    let request = bench.request(id);
    assert_eq!((request.state, request.open, request.calls), (RequestState::Cancelled, 0, 2));
    assert!(!bench.store().cancel(id, bench.clock.now()).await.unwrap());
}

#[tokio::test]
async fn split_and_lost_parts_add_up() {
    let mut bench = Bench::new(vec![page(&["live"], None)]);
    let id = bench.ask(2, Filter::default(), false).await;
    let stream = bench.collector.streams().await.unwrap()[&Stream::Messages];
    bench.collector.plan(stream).await.unwrap();
    let now = bench.clock.now();
    let open = bench.store().ready_of(id, now, 9).unwrap();
    // Two pages come, then it is too large.
    let mut slice = open[0].clone();
    let calls = || bench.collector.bill(Pass::Backfill, 1, now);
    let two = page(&["a", "b"], Some("t")).unwrap();
    bench.collector.keep(two, &mut slice, calls()).await.unwrap();
    let split = Setback::Split { page_size: 1 };
    bench.store().set_back(slice.id, split, "too large".into(), calls()).await.unwrap();
    // One page comes, then the vendor forgets the first half.
    let mut slice = open[1].clone();
    let one = page(&["c"], Some("t")).unwrap();
    bench.collector.keep(one, &mut slice, calls()).await.unwrap();
    let before = slice.interval.start() + Duration::from_mins(30);
    let lost = Setback::Lost { before: Some(before) };
    bench.store().set_back(slice.id, lost, "gone".into(), calls()).await.unwrap();
    {
        let mut answers = bench.collector.source.answers.lock().unwrap();
        answers.extend([page(&["a"], None), page(&["b"], None), page(&["c", "d"], None)]);
    }
    bench.run().await;
    let request = bench.request(id);
    assert_eq!(request.state, RequestState::Done);
    assert_eq!(request.done_ms, 2 * 3_600_000);
    assert_eq!((request.records, request.events, request.slices), (4, 4, 4));
    let missing = bench.store().missing(id).unwrap();
    assert_eq!(missing.len(), 1);
    assert_eq!((missing[0].interval.end(), &*missing[0].reason), (before, "gone"));
}

#[tokio::test]
async fn a_collector_may_work_on_one_backfill_or_on_none() {
    let mut bench = Bench::new(vec![page(&["a"], None), page(&["live"], None)]);
    let other = bench.ask(5, Filter::default(), true).await;
    let id = bench.ask(1, Filter::default(), false).await;
    bench.collector.scope = Scope::Only(id);
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(bench.passes(), ["backfill"]);
    bench.collector.scope = Scope::Due;
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(bench.passes(), ["backfill", "live"]);
    assert_eq!(bench.request(id).state, RequestState::Done);
    assert_eq!(bench.request(other).state, RequestState::Open);
    assert_eq!(bench.asked().len(), 2);
}

#[tokio::test]
async fn the_same_asked_again_is_joined_while_it_is_open() {
    let mut bench = Bench::new(Vec::new());
    let narrow = Filter { verdicts: vec!["scam".into()], ..Filter::default() };
    let first = bench.ask(1, narrow.clone(), false).await;
    assert_eq!(bench.ask(1, narrow.clone(), false).await, first);
    let others =
        [bench.ask(1, narrow.clone(), true).await, bench.ask(1, Filter::default(), false).await];
    assert!(!others.contains(&first) && others[0] != others[1]);
    bench.run().await;
    let narrowed = bench.asked().iter().filter(|query| query.narrow == narrow).count();
    assert_eq!(narrowed, 2);
    assert_ne!(bench.ask(1, narrow, false).await, first);
    let stored = bench.store().requests().unwrap();
    assert_eq!(stored.len(), 4);
}
