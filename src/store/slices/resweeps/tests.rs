//! From planned to open, on a real file.

use super::*;
use crate::{
    domain::slice::{Pass, Stream},
    store::{
        budget::Calls,
        slices::{Frontier, OpenSlice, PageCommit, Progress, Setback, Then},
    },
};

struct Bench {
    store: Store,
    stream: StreamId,
    directory: tempfile::TempDir,
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 / 3600 * 3600 + minute * 60).unwrap()
}

fn minutes(from: i64, to: i64) -> Interval {
    Interval::new(minute(from), minute(to)).unwrap()
}

fn calls() -> Calls {
    Calls { source: "etd".parse().unwrap(), day: "2026-11-20".into(), pass: Pass::Live, count: 1 }
}

const HOUR: Duration = Duration::from_hours(1);

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let stream = store.stream(&"etd".parse().unwrap(), Stream::Messages).await.unwrap();
        Self { store, stream, directory }
    }

    /// As a crash would leave it.
    fn reopen(self) -> Self {
        let Self { store, stream, directory } = self;
        drop(store);
        Self { store: Store::open(directory.path()).unwrap(), stream, directory }
    }

    /// Covers a slice, which is to be read again together with its hour.
    async fn cover(&self, from: i64, to: i64, narrow: &Filter) {
        let slice = minutes(from, to);
        let frontier = Frontier { from: minute(0), to: minute(to) };
        self.store.plan_live(self.stream, frontier, None, vec![slice], 100).await.unwrap();
        let open = self.ready(Pass::Live, 0).into_iter().find(|open| open.interval == slice);
        let hour = from.div_euclid(60) * 60;
        let resweep = Resweep {
            after: HOUR,
            narrow: narrow.clone(),
            window: minutes(hour, hour + 60),
            due: minute(to + 60),
            page_size: 50,
        };
        let page = PageCommit::new(open.unwrap().id, Then::Covered(Progress::anew(100)), calls());
        let page = PageCommit { resweeps: vec![resweep], ..page };
        self.store.commit_page(page).await.unwrap();
    }

    fn ready(&self, last: Pass, at: i64) -> Vec<OpenSlice> {
        self.store.ready_slices(self.stream, last, minute(at), 100).unwrap()
    }

    async fn due(&self, at: i64) -> Vec<Interval> {
        self.store.open_due(self.stream, minute(at)).await.unwrap();
        self.ready(Pass::Resweep, at).into_iter().map(|open| open.interval).collect()
    }
}

#[tokio::test]
async fn slices_of_a_window_are_read_again_as_one_when_the_last_is_old_enough() {
    let mut bench = Bench::new().await;
    let all = Filter::default();
    for (from, to) in [(7, 20), (20, 40), (40, 60), (60, 80)] {
        bench.cover(from, to, &all).await;
        bench = bench.reopen();
    }
    assert_eq!(bench.due(119).await, []);
    assert_eq!(bench.due(120).await, [minutes(7, 60)]);
    assert_eq!(bench.due(139).await, [minutes(7, 60)]);
    // What is covered after its window was opened is a resweep of its own.
    bench.cover(0, 7, &all).await;
    assert_eq!(bench.due(140).await, [minutes(0, 7), minutes(7, 60), minutes(60, 80)]);
    let open = &bench.ready(Pass::Resweep, 140)[1];
    assert_eq!((open.pass, open.after, open.progress.page_size), (Pass::Resweep, HOUR, 50));
}

#[tokio::test]
async fn nothing_is_planned_unless_the_page_is_committed() {
    let bench = Bench::new().await;
    let resweep = Resweep {
        after: HOUR,
        narrow: Filter::default(),
        window: minutes(0, 60),
        due: minute(120),
        page_size: 50,
    };
    let frontier = Frontier { from: minute(0), to: minute(60) };
    let slice = vec![minutes(0, 60)];
    bench.store.plan_live(bench.stream, frontier, None, slice, 100).await.unwrap();
    let id = bench.ready(Pass::Live, 0)[0].id;
    let page = PageCommit::new(id, Then::Next(Progress::anew(100)), calls());
    let page = PageCommit { resweeps: vec![resweep], ..page };
    bench.store.commit_page(page).await.unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.due(9_999).await, [minutes(0, 60)], "only the slice itself");
}

#[tokio::test]
async fn a_configuration_drops_ages_and_tells_what_to_narrow_to() {
    let bench = Bench::new().await;
    let narrow = |verdict: &str| Filter { verdicts: vec![verdict.into()], ..Filter::default() };
    bench.cover(0, 60, &narrow("spam")).await;
    bench.store.keep_resweeps(bench.stream, vec![(HOUR, narrow("scam"))]).await.unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.due(120).await, [minutes(0, 60)]);
    assert_eq!(bench.ready(Pass::Resweep, 120)[0].narrow, narrow("scam"));
    bench.cover(60, 120, &narrow("spam")).await;
    bench.store.keep_resweeps(bench.stream, vec![(HOUR * 2, Filter::default())]).await.unwrap();
    assert_eq!(bench.due(9_999).await, [minutes(0, 60)], "what is open stays");
}

#[tokio::test]
async fn parts_of_a_resweep_are_resweeps_of_the_same_kind() {
    let bench = Bench::new().await;
    let narrow = Filter { verdicts: vec!["spam".into()], ..Filter::default() };
    bench.cover(0, 60, &narrow).await;
    bench.due(120).await;
    let whole = bench.ready(Pass::Resweep, 120).remove(0);
    let split = Setback::Split { page_size: 10 };
    bench.store.set_back(whole.id, split, "too large".into(), calls()).await.unwrap();
    let parts = bench.ready(Pass::Resweep, 120);
    let lost = Setback::Lost { before: Some(minute(10)) };
    bench.store.set_back(parts[0].id, lost, "too old".into(), calls()).await.unwrap();
    let parts = bench.ready(Pass::Resweep, 120);
    let intervals: Vec<Interval> = parts.iter().map(|part| part.interval).collect();
    assert_eq!(intervals, [minutes(10, 30), minutes(30, 60)]);
    for part in parts {
        assert_eq!((part.pass, part.after, part.narrow), (Pass::Resweep, HOUR, narrow.clone()));
    }
}
