use proptest::prelude::*;

use super::*;
use crate::{config, source::Limits};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn policy(slice: u64, aligned: bool, retention_days: Option<u64>) -> Policy {
    Policy {
        start: config::Start::Back(Duration::from_hours(24)),
        lag: Duration::from_mins(6),
        slice: Duration::from_secs(slice),
        limits: Limits {
            retention: retention_days.map(|days| Duration::from_hours(24 * days)),
            aligned,
            page_size: 100,
        },
    }
}

const NOW: &str = "2026-11-20T08:30:30Z";

fn asked(aligned: bool, from: &str, to: &str) -> Result<String, String> {
    let range = range(&policy(3600, aligned, Some(90)), at(from), at(to), at(NOW));
    range.map(|range| range.to_string()).map_err(|refusal| refusal.to_string())
}

#[test]
fn a_range_is_asked_outwards_to_what_the_vendor_takes() {
    let seconds = asked(false, "2026-11-19T01:10:00.5Z", "2026-11-19T02:20:00.5Z");
    assert_eq!(seconds.unwrap(), "2026-11-19T01:10:00Z/2026-11-19T02:20:01Z");
    let hours = asked(true, "2026-11-19T01:10:00Z", "2026-11-19T02:20:00Z");
    assert_eq!(hours.unwrap(), "2026-11-19T01:00:00Z/2026-11-19T03:00:00Z");
    let complete = asked(true, "2026-11-20T06:10:00Z", "2026-11-20T08:20:00Z");
    assert_eq!(complete.unwrap(), "2026-11-20T06:00:00Z/2026-11-20T08:00:00Z");
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_can() {
    let refused = |aligned, from, to| asked(aligned, from, to).unwrap_err();
    insta::assert_snapshot!(
        [
            refused(false, "2026-11-19T01:00:00Z", "2026-11-19T01:00:00Z"),
            refused(false, "2026-11-19T01:00:00Z", "2026-11-20T09:00:00Z"),
            refused(false, "2026-11-19T01:00:00Z", "2026-11-20T08:30:00Z"),
            refused(true, "2026-11-20T08:05:00Z", "2026-11-20T08:10:00Z"),
            refused(false, "2026-08-01T00:00:00Z", "2026-11-19T00:00:00Z"),
        ]
        .join("\n"),
        @"
    --from must be before --to
    --to 2026-11-20T09:00:00Z is in the future; write --to 2026-11-20T08:24:30Z or earlier
    --to 2026-11-20T08:30:00Z is nearer to now than the vendor's data is complete (`lag`); write --to 2026-11-20T08:24:30Z or earlier
    --to 2026-11-20T08:10:00Z is nearer to now than the vendor's data is complete (`lag`); write --to 2026-11-20T08:00:00Z or earlier
    the vendor no longer keeps what is before 2026-08-22T08:30:30Z; it would start there: write --from 2026-08-22T09:00:00Z or later
    "
    );
}

#[test]
fn what_goes_past_retention_while_it_waits_is_lost() {
    let policy = policy(3600, false, Some(1));
    let (from, to) = (at("2026-11-19T06:00:00Z"), at("2026-11-19T10:00:00Z"));
    let next = next(&policy, from, to, at(NOW), 64).unwrap();
    assert_eq!(next.lost.unwrap().to_string(), "2026-11-19T06:00:00Z/2026-11-19T08:30:30Z");
    let slices: Vec<String> = next.slices.iter().map(ToString::to_string).collect();
    let expected =
        ["2026-11-19T08:30:30Z/2026-11-19T09:00:00Z", "2026-11-19T09:00:00Z/2026-11-19T10:00:00Z"];
    assert_eq!(slices, expected);
    assert_eq!(next.planned, to);
    let late = super::next(&policy, from, to, at("2026-11-21T00:00:00Z"), 64).unwrap();
    assert_eq!((late.lost, late.slices.len()), (Interval::new(from, to), 0));
}

proptest! {
    #[test]
    fn slices_tile_the_asked_range(
        slice in 1..400_000_u64,
        aligned: bool,
        retention in prop::option::of(1..30_u64),
        back in 400..2_000_000_i64,
        length in 1..2_000_000_i64,
        rooms in prop::collection::vec((0..9_usize, 0..90_000_i64), 1..200),
    ) {
        let policy = policy(slice, aligned, retention);
        let mut now = at(NOW);
        let before = |seconds| now.checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap();
        let (from, to) = (before(back), before((back - length).max(360)));
        let Ok(range) = range(&policy, from, to, now) else { return Ok(()) };
        prop_assert!(range.start() <= from);
        let unit = if aligned { slice } else { 1 };
        prop_assert!(from.duration_since(range.start()).as_secs() < unit.cast_signed());
        let complete = now.checked_sub(policy.lag).unwrap();
        prop_assert!(range.end() <= complete);
        let mut planned = range.start();
        for (room, passes) in rooms {
            now = now.checked_add(jiff::SignedDuration::from_secs(passes)).unwrap();
            let Some(next) = next(&policy, planned, range.end(), now, room) else {
                prop_assert!(room == 0 || planned == range.end());
                continue;
            };
            prop_assert!(next.slices.len() <= room);
            for part in next.lost.into_iter().chain(next.slices.iter().copied()) {
                prop_assert_eq!(part.start(), planned);
                planned = part.end();
            }
            prop_assert_eq!(next.planned, planned);
            prop_assert!(planned <= range.end());
            let longest = jiff::SignedDuration::from_secs(slice.cast_signed());
            let short = |part: &Interval| part.end().duration_since(part.start()) <= longest;
            prop_assert!(next.slices.iter().all(short));
            if aligned && next.lost.is_none() {
                let length = slice.cast_signed();
                let whole = |part: &Interval| part.start().as_second().rem_euclid(length) == 0;
                prop_assert!(retention.is_some() || next.slices.iter().all(whole));
            }
        }
    }
}
