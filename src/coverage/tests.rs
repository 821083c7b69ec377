//! The partition by hand and at random, and the report of a store with gaps of each kind.

use std::time::Duration;

use proptest::prelude::*;

use super::{report::*, *};
use crate::{
    config::Config,
    domain::filter::Filter,
    store::{
        Store,
        budget::Calls,
        reconciliation::{Count, Reconciled, Verdict},
        requests::NewRequest,
        slices::{Frontier, PageCommit, Progress, Resweep, Setback, SliceId, StreamId, Then},
    },
};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_046_400 + minute * 60).unwrap()
}

fn interval((from, to): (i64, i64)) -> Interval {
    Interval::new(at(from), at(to)).unwrap()
}

fn slice(state: State, range: (i64, i64)) -> Unfetched {
    Unfetched { interval: interval(range), state, reason: None, attempts: 0, next_try: None }
}

fn minutes(at: Timestamp) -> i64 {
    (at.as_second() - 1_795_046_400) / 60
}

/// `0-10 covered, 10-20 lost`
fn shown(pieces: &[Piece<'_>]) -> String {
    let piece = |piece: &Piece<'_>| {
        let (from, to) = (minutes(piece.interval.start()), minutes(piece.interval.end()));
        let planned = piece.slice.is_some() || piece.state == State::Covered;
        format!("{from}-{to} {}{}", piece.state.as_str(), if planned { "" } else { "?" })
    };
    pieces.iter().map(piece).collect::<Vec<_>>().join(", ")
}

#[test]
fn each_instant_is_in_the_first_state_that_holds() {
    use State::{Failing, Lost, Refused, Waiting};
    type Case = (
        &'static [(i64, i64)],
        &'static [(i64, i64)],
        &'static [(State, (i64, i64))],
        &'static str,
    );
    let cases: &[Case] = &[
        (&[], &[(0, 9)], &[(Lost, (0, 9))], ""),
        (&[(0, 9)], &[], &[], "0-9 waiting?"),
        (&[(0, 9)], &[(0, 9)], &[], "0-9 covered"),
        (&[(2, 7)], &[(0, 4)], &[(Lost, (4, 9))], "2-4 covered, 4-7 lost"),
        (&[(0, 9)], &[(3, 6)], &[(Lost, (0, 9))], "0-3 lost, 3-6 covered, 6-9 lost"),
        (
            &[(0, 9)],
            &[],
            &[(Lost, (0, 9)), (Refused, (1, 9)), (Waiting, (2, 9)), (Failing, (3, 4))],
            "0-1 lost, 1-2 refused, 2-3 waiting, 3-4 failing, 4-9 waiting",
        ),
        (&[(0, 9)], &[], &[(Waiting, (0, 5))], "0-5 waiting, 5-9 waiting?"),
        (
            &[(0, 4), (6, 9), (2, 3)],
            &[(1, 8)],
            &[],
            "0-1 waiting?, 1-4 covered, 6-8 covered, 8-9 waiting?",
        ),
        (&[(0, 4), (4, 9)], &[(0, 4), (4, 9)], &[], "0-9 covered"),
    ];
    for (asked, covered, slices, want) in cases {
        let asked: Vec<_> = asked.iter().copied().map(interval).collect();
        let covered: Vec<_> = covered.iter().copied().map(interval).collect();
        let slices: Vec<_> = slices.iter().map(|(state, range)| slice(*state, *range)).collect();
        assert_eq!(shown(&partition(&asked, &covered, &slices)), *want);
    }
}

fn range() -> impl Strategy<Value = (i64, i64)> {
    (0..60_i64, 1..30_i64).prop_map(|(from, length)| (from, from + length))
}

proptest! {
    #[test]
    fn pieces_tile_what_was_asked(
        asked in prop::collection::vec(range(), 0..5),
        covered in prop::collection::vec(range(), 0..5),
        slices in prop::collection::vec((1..5_usize, range()), 0..8),
    ) {
        let asked: Vec<_> = asked.into_iter().map(interval).collect();
        let covered: Vec<_> = covered.into_iter().map(interval).collect();
        let slices: Vec<_> =
            slices.into_iter().map(|(state, range)| slice(State::ALL[state], range)).collect();
        let pieces = partition(&asked, &covered, &slices);
        assert_tiled(&asked, &pieces);
        for minute in 0..100 {
            let here = |interval: &Interval| interval.contains(at(minute));
            let of = pieces.iter().filter(|piece| here(&piece.interval)).map(|piece| piece.state);
            let states = slices.iter().filter(|slice| here(&slice.interval)).map(|slice| slice.state);
            let first = covered.iter().filter(|i| here(i)).map(|_| State::Covered).chain(states).min();
            let want = asked.iter().any(here).then(|| first.unwrap_or(State::Waiting));
            prop_assert_eq!(of.collect::<Vec<_>>(), Vec::from_iter(want));
        }
    }
}

/// A store with a gap of each kind.
pub(crate) struct Scene {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) now: Timestamp,
    stream: StreamId,
    _directory: tempfile::TempDir,
}

impl Scene {
    /// Asks for a backfill of which the first part, up to `planned`, is open.
    async fn ask(&self, range: Interval, planned: Timestamp, narrow: Filter) {
        let new = NewRequest { stream: self.stream, range, narrow, resend: false };
        let (request, _) = self.store.ask(new, self.now).await.unwrap();
        let first = Interval::new(range.start(), planned).unwrap();
        self.store.plan_backfill(request, None, vec![first], planned, 100).await.unwrap();
    }

    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("postrider.toml");
        let text = "[sources.etd-us]\ntype = \"cisco_etd\"\nregion = \"us\"\nclient_id = \"id\"\n\
            client_secret = \"secret\"\n[sources.ser]\ntype = \"proofpoint_ser\"\n\
            base_url = \"https://ser.example.com\"\nclient_id = \"id\"\nclient_secret = \"secret\"\n\
            [sinks.archive]\ntype = \"file\"\npath = \"/tmp/events.jsonl\"\n";
        std::fs::write(&file, text).unwrap();
        let config = crate::config::load(Some(&file), Vec::new(), at(24 * 60)).unwrap().config;
        let store = Store::open(&directory.path().join("state")).unwrap();
        let etd = &"etd-us".parse().unwrap();
        let stream = store.stream(etd, crate::domain::slice::Stream::Messages).await.unwrap();
        let scene = Self { config, store, now: at(24 * 60 + 7), stream, _directory: directory };
        scene.fill().await;
        scene
    }

    async fn fill(&self) {
        let frontier = Frontier { from: at(0), to: at(24 * 60) };
        let hours = (2..24).map(|hour| interval((hour * 60, hour * 60 + 60))).collect();
        let lost = Some(interval((0, 120)));
        self.store.plan_live(self.stream, frontier, lost, hours, 100).await.unwrap();
        let slices = self.store.ready_slices(self.stream, Pass::Live, self.now, 99).unwrap();
        for (index, slice) in slices.into_iter().enumerate() {
            let setback = match index {
                9 => Setback::Refused,
                14 | 15 => {
                    let not_before = at(24 * 60 + 10);
                    Setback::Again { not_before, progress: None }
                }
                20 | 21 => continue,
                _ => {
                    self.cover(slice.id, slice.interval, if index == 3 { 40 } else { 50 }).await;
                    continue;
                }
            };
            let error = match setback {
                Setback::Refused => "one second is too large at one message a page",
                _ => "POST /v1/messages/search answered 503",
            };
            self.store.set_back(slice.id, setback, error.into(), calls()).await.unwrap();
        }
        // A backfill that fills half of what was lost, and a narrowed one.
        let none = Filter::default();
        self.ask(interval((30, 120)), at(90), none).await;
        let back = self.store.ready_slices(self.stream, Pass::Backfill, self.now, 99).unwrap();
        let back = back.iter().find(|slice| slice.pass == Pass::Backfill).unwrap();
        self.cover(back.id, back.interval, 50).await;
        let verdicts = vec!["scam".to_owned()];
        let narrow = Filter { verdicts, ..Filter::default() };
        self.ask(interval((0, 120)), at(120), narrow).await;
        for (direction, vendor, collected) in [("incoming", 812, 810), ("outgoing", 31, 31)] {
            let counts = [(direction.to_owned(), Count { vendor, collected })].into();
            let (day, verdict) = match direction {
                "incoming" => ("2026-11-19", Verdict::Differs),
                _ => ("2026-11-18", Verdict::Equal),
            };
            let compared = Reconciled { day: day.into(), verdict, counts, at: self.now };
            self.store.reconcile(self.stream, compared, Vec::new(), 100, calls()).await.unwrap();
        }
        self.store.open_due(self.stream, self.now).await.unwrap();
    }

    async fn cover(&self, slice: SliceId, interval: Interval, received: u64) {
        let progress = Progress { pages: 1, received, total: Some(50), ..Progress::anew(100) };
        let resweep = Resweep {
            after: Duration::from_hours(1),
            narrow: Filter::default(),
            window: interval,
            due: interval.end().checked_add(Duration::from_hours(1)).unwrap(),
            page_size: 100,
        };
        let page = PageCommit::new(slice, Then::Covered(progress), calls());
        self.store.commit_page(PageCommit { resweeps: vec![resweep], ..page }).await.unwrap();
    }
}

fn calls() -> Calls {
    let (source, day) = ("etd-us".parse().unwrap(), "2026-11-19".into());
    Calls { source, day, pass: Pass::Live, count: 1 }
}

#[tokio::test]
async fn a_store_with_gaps_of_each_kind_as_json() {
    let scene = Scene::new().await;
    let report = gather(&scene.config, &scene.store, &View::default(), scene.now).unwrap();
    insta::assert_json_snapshot!(report);
    let recorded = scene.store.recorded(scene.stream, scene.now, Timestamp::MIN).unwrap();
    assert_whole(recorded, at(24 * 60 + 1));
}

#[tokio::test]
async fn a_range_is_shown_and_all_is_summed() {
    let scene = Scene::new().await;
    let view = View { from: Some(at(600)), to: Some(at(730)), ..View::default() };
    let whole = gather(&scene.config, &scene.store, &View::default(), scene.now).unwrap();
    let part = gather(&scene.config, &scene.store, &view, scene.now).unwrap();
    let (whole, part) = (&whole.sources[0].passes[0], &part.sources[0].passes[0]);
    assert_eq!(part.covered_seconds, whole.covered_seconds);
    assert_eq!(part.gaps.len() + part.gaps_elsewhere, whole.gaps.len());
    assert_eq!(part.gaps.len(), 1);
    assert_eq!(part.covered.len(), 2);
}

#[tokio::test]
async fn a_range_that_ends_before_anything_was_asked_for_is_a_week() {
    let scene = Scene::new().await;
    let shown = |to: i64| {
        let view = View { to: Some(at(to)), ..View::default() };
        let report = gather(&scene.config, &scene.store, &view, scene.now).unwrap();
        report.shown.0.map(minutes)
    };
    assert_eq!(shown(-60), [-60 - 7 * 24 * 60, -60]);
    assert_eq!(shown(60), [0, 60]);
}
