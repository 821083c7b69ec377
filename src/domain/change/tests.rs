//! SER rows through their revisions.

use proptest::prelude::*;

use super::*;
use crate::domain::{
    fingerprint::Builder,
    slice::{Interval, Stream},
};

fn window() -> Interval {
    let at = |text: &str| text.parse().unwrap();
    Interval::new(at("2026-11-20T08:00:00Z"), at("2026-11-20T09:00:00Z")).unwrap()
}

fn row(status: &[(&str, i128)]) -> Record {
    let mut content = Builder::default();
    for (name, count) in status {
        content.nested(&["status", name], &count.to_string());
    }
    let status = status.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let counters = Counters { status, details: BTreeMap::from([("5.1.1".to_owned(), 2)]) };
    let names = serde_json::value::to_raw_value(&serde_json::json!({ "applicationName": "A" }));
    let identity = Identity::new("row".into(), window(), names.unwrap());
    Record {
        stream: Stream::Summary,
        id: "row".into(),
        json: "{}".into(),
        time: Some(window().start()),
        fingerprint: content.finish(),
        watched: KnownRow::new(counters.clone(), Some(identity)).text(),
        stamps: Vec::new(),
        verdict: None,
        facts: Facts::SummaryRow { window: window(), counters, flags: Vec::new() },
    }
}

fn now() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

fn known(revision: &Revision, members: Members) -> Known {
    Known { revision: revision.number, members, watched: revision.watched.clone() }
}

#[test]
fn a_row_is_remembered_to_the_unit() {
    let large = [("success", i128::from(u64::MAX) * 1_000), ("failure", -3), ("total", 1 << 63)];
    let first = next(None, &row(&large), now());
    let read = KnownRow::read(&first.watched);
    assert_eq!(read.status["success"], large[0].1);
    assert_eq!(read.status["failure"], -3);
    let identity = read.row.unwrap();
    assert_eq!((identity.window(), identity.id.as_str()), (Some(window()), "row"));
    assert_eq!(identity.names.get(), r#"{"applicationName":"A"}"#);
    let (gone, _) = vanish(&known(&first, row(&large).fingerprint.members)).unwrap();
    assert_eq!(gone.delta.unwrap().status["success"], -large[0].1);
    assert!(gone.previous[1].1.get().contains(&large[0].1.to_string()));
}

#[test]
fn what_an_older_version_wrote_counts_but_cannot_vanish() {
    let old = Known {
        revision: 3,
        members: Members::default(),
        watched: r#"{"details":{"5.1.1":2},"status":{"success":7}}"#.into(),
    };
    assert!(vanish(&old).is_none(), "nobody knows which row it is");
    let revision = next(Some(&old), &row(&[("success", 9)]), now());
    assert_eq!((revision.number, revision.delta.unwrap().status["success"]), (4, 2));
}

#[test]
fn a_row_vanishes_once_and_comes_back_whole() {
    let here = row(&[("success", 7), ("failure", 1)]);
    let first = next(None, &here, now());
    let (gone, identity) = vanish(&known(&first, here.fingerprint.members.clone())).unwrap();
    assert_eq!((gone.number, gone.change, gone.time), (2, Change::Vanished, window().start()));
    assert_eq!(identity.id, "row");
    let gone = known(&gone, Members::default());
    assert!(vanish(&gone).is_none());
    let back = next(Some(&gone), &here, now());
    assert_eq!((back.number, back.change), (3, Change::Changed));
    assert_eq!(back.changed, ["status"]);
    let delta = back.delta.unwrap();
    assert_eq!((delta.status["success"], delta.details["5.1.1"]), (7, 2));
    assert!(back.previous.iter().all(|(_, value)| value.get() == "null"));
}

#[test]
fn what_is_sent_once_more_moves_nothing() {
    let here = row(&[("success", 7)]);
    let first = known(&next(None, &here, now()), here.fingerprint.members.clone());
    let again = again(&first, &here, now());
    assert_eq!((again.number, again.change, again.watched), (1, Change::New, first.watched));
    assert_eq!(again.delta.unwrap().status["success"], 0);
}

proptest! {
    /// `None`: the row is missing; a counter's `None`: it is not told.
    #[test]
    fn deltas_add_up_to_the_last_value_that_was_given(
        readings in prop::collection::vec(
            prop::option::weighted(0.8, prop::array::uniform3(prop::option::of(any::<u64>()))),
            1..12,
        ),
    ) {
        let names = ["success", "failure", "total"];
        let (mut last, mut sum) = (BTreeMap::<String, i128>::new(), BTreeMap::<String, i128>::new());
        let mut before: Option<Known> = None;
        for reading in readings {
            let (revision, members) = if let Some(counters) = reading {
                let given: Vec<(&str, i128)> = names.into_iter().zip(counters)
                    .filter_map(|(name, count)| Some((name, i128::from(count?)))).collect();
                last.extend(given.iter().map(|(name, count)| ((*name).to_owned(), *count)));
                let record = row(&given);
                (next(before.as_ref(), &record, now()), record.fingerprint.members)
            } else {
                let Some((gone, _)) = before.as_ref().and_then(vanish) else { continue };
                for count in last.values_mut() {
                    *count = 0;
                }
                (gone, Members::default())
            };
            for (name, delta) in &revision.delta.as_ref().unwrap().status {
                *sum.entry(name.clone()).or_default() += delta;
            }
            prop_assert_eq!(&sum, &last);
            prop_assert_eq!(revision.number, before.as_ref().map_or(0, |known| known.revision) + 1);
            before = Some(known(&revision, members));
        }
    }
}
