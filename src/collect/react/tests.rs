use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    domain::slice::{Interval, Pass},
    store::slices::{SliceId, StreamId},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(in crate::collect) fn slice(seconds: i64, page_size: u32, attempts: u32) -> OpenSlice {
    let start = at("2026-11-20T08:00:00Z");
    OpenSlice {
        id: SliceId::for_test(1),
        stream: StreamId::for_test(1),
        pass: Pass::Live,
        interval: Interval::new(start, start + SignedDuration::from_secs(seconds)).unwrap(),
        progress: Progress { page_token: Some("t".into()), pages: 3, ..Progress::anew(page_size) },
        events: 0,
        after: Duration::ZERO,
        request: None,
        resend: false,
        narrow: crate::domain::filter::Filter::default(),
        refetched: 0,
        doubted: 0,
        attempts,
        not_before: Timestamp::MIN,
    }
}

fn on(kind: Kind, slice: &OpenSlice, quota_hit_today: bool) -> Reaction {
    let now = at("2026-11-20T09:30:00Z");
    let retention = Some(Duration::from_secs(3600));
    let limits = Limits { retention, aligned: false, page_size: 100 };
    react(kind, slice, limits, quota_hit_today, now, &mut StdRng::seed_from_u64(7))
}

/// Seconds from now until the slice, and the source, are tried again.
fn waits(reaction: &Reaction) -> (Option<f64>, Option<(State, f64)>) {
    let from_now =
        |until: Timestamp| until.duration_since(at("2026-11-20T09:30:00Z")).as_secs_f64();
    let slice = match &reaction.setback {
        Setback::Again { not_before, .. } => Some(from_now(*not_before)),
        _ => None,
    };
    (slice, reaction.pause.map(|(state, until)| (state, from_now(until))))
}

#[test]
fn what_the_vendor_asks_for_is_obeyed() {
    let long = Some(Duration::from_hours(2));
    let (wait, pause) =
        waits(&on(Kind::Transient { retry_after: long }, &slice(3600, 100, 0), false));
    assert_eq!((wait, pause), (Some(7200.0), None));
    let (wait, pause) =
        waits(&on(Kind::Throttled { retry_after: long }, &slice(3600, 100, 0), false));
    assert_eq!((wait, pause), (Some(7200.0), Some((State::Throttled, 7200.0))));
}

#[test]
fn without_a_wish_the_wait_grows_and_stays_below_its_cap() {
    let wait = |attempts| {
        waits(&on(Kind::Transient { retry_after: None }, &slice(3600, 100, attempts), false)).0
    };
    assert!(wait(0).unwrap() <= 0.5);
    assert!(wait(4).unwrap() > 3.0);
    assert!((150.0..=300.0).contains(&wait(60).unwrap()));
}

#[test]
fn a_spent_quota_waits_for_the_next_day_then_asks_once_an_hour() {
    let first = waits(&on(Kind::QuotaSpent, &slice(3600, 100, 0), false));
    assert_eq!(first.1, Some((State::QuotaSpent, 14.5 * 3600.0)));
    let later = waits(&on(Kind::QuotaSpent, &slice(3600, 100, 0), true));
    assert_eq!(later.1, Some((State::QuotaSpent, 3600.0)));
}

#[test]
fn wrong_credentials_pause_the_source_for_one_to_fifteen_minutes() {
    for attempts in [0, 3, 50] {
        let (_, pause) = waits(&on(Kind::Auth, &slice(3600, 100, attempts), false));
        let (state, seconds) = pause.unwrap();
        assert_eq!(state, State::AuthFailed);
        assert!((30.0..=900.0).contains(&seconds), "{seconds}");
    }
}

#[test]
fn too_large_halves_the_page_then_the_slice_then_gives_it_up() {
    let mut sizes = vec![100];
    while let Setback::Again { progress: Some(progress), .. } =
        on(Kind::TooLarge, &slice(3600, *sizes.last().unwrap(), 0), false).setback
    {
        assert_eq!(progress.page_token.as_deref(), Some("t"), "the place is kept");
        sizes.push(progress.page_size);
    }
    assert_eq!(sizes, [100, 50, 25, 12, 6, 3, 1]);
    let split = on(Kind::TooLarge, &slice(3600, 1, 0), false).setback;
    assert_eq!(split, Setback::Split { page_size: 100 });
    assert_eq!(on(Kind::TooLarge, &slice(1, 1, 0), false).setback, Setback::Refused);
}

#[test]
fn a_rejected_page_token_starts_the_slice_anew_at_once_and_later_slowly() {
    for (attempts, at_once) in [(0, true), (1, false)] {
        let reaction = on(Kind::PageTokenRejected, &slice(3600, 50, attempts), false);
        let Setback::Again { progress: Some(progress), .. } = &reaction.setback else {
            panic!("{reaction:?}")
        };
        assert_eq!(*progress, Progress::anew(50));
        assert_eq!(waits(&reaction).0 == Some(0.0), at_once);
    }
}

#[test]
fn past_retention_is_lost_and_refused_stays_a_gap_that_is_tried_again() {
    let lost = on(Kind::PastRetention, &slice(3600, 100, 0), false);
    assert_eq!(lost.setback, Setback::Lost { before: Some(at("2026-11-20T08:30:00Z")) });
    let (wait, pause) = waits(&on(Kind::Refused, &slice(3600, 100, 9), false));
    assert!(wait.unwrap() <= 900.0 && pause.is_none());
}

#[test]
fn a_window_whose_rows_are_known_is_not_cut() {
    let slice = OpenSlice { pass: Pass::Resweep, ..slice(3600, 1, 0) };
    let limits = Limits { retention: None, aligned: true, page_size: 1 };
    let now = at("2026-11-20T09:30:00Z");
    let rng = &mut StdRng::seed_from_u64(7);
    let reaction = react(Kind::TooLarge, &slice, limits, false, now, rng);
    assert!(matches!(reaction.setback, Setback::Again { progress: None, .. }), "{reaction:?}");
    let live = OpenSlice { pass: Pass::Live, ..slice };
    let reaction = react(Kind::TooLarge, &live, limits, false, now, rng);
    assert!(matches!(reaction.setback, Setback::Split { .. }), "{reaction:?}");
}
