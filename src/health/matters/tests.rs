//! What is said in which situation, in the words that people read.

use std::{fmt::Write, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    config::Source,
    domain::slice::{Interval, Pass, Stream},
    health::{
        matter::{Due, Telling},
        state::{Progress, state},
        testing::{Memory, at, condition, config, etd, ser},
        turns::Memo,
    },
    store::{
        conditions::{Condition, State},
        dead_letters::Pile,
        health::{Differing, Failing, Gone, Reached, Waiting},
    },
};

const NOW: &str = "2026-11-21T10:00:00Z";

fn interval(from: &str, to: &str) -> Interval {
    Interval::new(at(from), at(to)).unwrap()
}

fn reached(covered_to: &str, heard: &str) -> Vec<Reached> {
    let (covered_to, heard) = (at(covered_to), Some(at(heard)));
    vec![Reached { source: "etd".into(), stream: "messages".into(), covered_to, heard }]
}

/// A source that is collecting, in this condition.
fn facts(stored: Condition) -> Facts {
    Facts {
        reached: reached("2026-11-21T09:54:00Z", "2026-11-21T09:59:00Z"),
        sources: [("etd".to_owned(), stored)].into(),
        ..Facts::default()
    }
}

fn well() -> Condition {
    condition(State::Ok, "2026-11-20T00:00:00Z", None)
}

fn told(matters: &[Matter]) -> String {
    let mut text = String::new();
    for matter in matters {
        let Telling { kind, condition, severity, message, details } = &matter.telling;
        let (id, due) = (&matter.record_id, matter.due);
        if due == Due::Keep {
            writeln!(text, "{id}: as it was\n").unwrap();
            continue;
        }
        let details = serde_json::to_string(details).unwrap();
        let since = matter.since.map(|since| format!(", since {since}")).unwrap_or_default();
        writeln!(text, "{id}: {kind:?} {condition}, {severity:?}, {due:?}{since}").unwrap();
        writeln!(text, "  {message}\n  {details}\n").unwrap();
    }
    text
}

fn of(source: Source, facts: &Facts) -> Vec<Matter> {
    all(&config([source]), facts, &BTreeMap::new(), &BTreeMap::new(), at(NOW))
}

#[test]
fn nothing_is_said_of_what_is_well() {
    assert!(of(etd(), &facts(well())).is_empty());
}

#[test]
fn dead_letters_of_any_sink_say_what_to_do() {
    let pile = |sink: &str, letters| Pile {
        sink: sink.into(),
        letters,
        bytes: letters * 1_600,
        reason: "the message has 9120 bytes; max_message is 8192".into(),
        at: at("2026-11-21T09:59:58.123Z"),
    };
    let dead_letters = vec![pile("archive", 12), pile("removed", 1)];
    insta::assert_snapshot!(told(&of(etd(), &Facts { dead_letters, ..facts(well()) })));
}

#[test]
fn sources_that_do_not_collect() {
    let since = "2026-11-21T09:30:00Z";
    let paused = Some("2026-11-21T10:05:00Z");
    let mut text = String::new();
    for (stored, until) in [
        (State::Failing, None),
        (State::AuthFailed, paused),
        (State::Throttled, paused),
        (State::QuotaSpent, Some("2026-11-22T00:00:00Z")),
        (State::QuotaSpent, Some("2026-11-21T09:59:59Z")),
        (State::SpoolFull, None),
    ] {
        let matters = of(etd(), &facts(condition(stored, since, until)));
        write!(text, "## {stored:?} until {until:?}\n\n{}", told(&matters)).unwrap();
    }
    let late = reached("2026-11-21T08:00:00Z", "2026-11-21T08:06:00Z");
    let late = of(etd(), &Facts { reached: late, ..facts(well()) });
    write!(text, "## late\n\n{}", told(&late)).unwrap();
    let new = of(etd(), &Facts::default());
    write!(text, "## new\n\n{}", told(&new)).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn of_several_streams_the_one_that_fails_is_named() {
    let (source, now) = (etd(), at(NOW));
    let refused = condition(State::AuthFailed, "2026-11-21T09:30:00Z", None);
    let well = well();
    let covered = Some(at("2026-11-21T09:54:00Z"));
    let progress = |condition| Progress { condition, covered_to: covered, heard: Some(now) };
    let streams = [
        (Stream::Usage, &source, progress(Some(&well))),
        (Stream::RelayUsers, &source, progress(Some(&refused))),
    ];
    let matters = collecting::worst(&streams, now);
    let message = &matters[0].telling.message;
    let expected = "The stream relay_users of the source etd collects nothing, because";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_silent_source() {
    let expect = Some(Duration::from_hours(6));
    let source = Source { expect_records_within: expect, ..etd() };
    let silent = |heard| Facts { reached: reached("2026-11-21T09:54:00Z", heard), ..facts(well()) };
    assert!(of(source.clone(), &silent("2026-11-21T04:00:00Z")).is_empty());
    insta::assert_snapshot!(told(&of(source.clone(), &silent("2026-11-21T03:59:59Z"))));
    assert!(of(etd(), &silent("2026-11-01T00:00:00Z")).is_empty(), "only where it is configured");
}

#[test]
fn credentials_by_the_days_that_are_left() {
    let mut text = String::new();
    for expires in [
        "2026-12-21T10:00:01Z",
        "2026-12-21T10:00:00Z",
        "2026-12-05T10:00:00Z",
        "2026-11-28T10:00:00Z",
        "2026-11-22T10:00:00Z",
        "2026-11-21T10:00:01Z",
        "2026-11-21T10:00:00Z",
        "2026-11-11T10:00:00Z",
    ] {
        let source = Source { credentials_expire: Some(at(expires)), ..etd() };
        write!(text, "## {expires}\n\n{}", told(&of(source, &facts(well())))).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn calls_of_the_day() {
    let mut text = String::new();
    let used = |calls| Facts { calls: [("etd".to_owned(), calls)].into(), ..facts(well()) };
    assert!(of(etd(), &used(899)).is_empty());
    text += &told(&of(etd(), &used(900)));
    let passes = vec![Pass::Resweep, Pass::Backfill];
    let held = Held { passes, until: at("2026-11-22T00:00:00Z") };
    let held = [("etd".parse().unwrap(), held)].into();
    text += &told(&all(&config([etd()]), &used(750), &held, &BTreeMap::new(), at(NOW)));
    insta::assert_snapshot!(text);
}

#[test]
fn gaps() {
    let waiting = |from, failing| Waiting {
        source: "etd".into(),
        stream: "messages".into(),
        pass: Pass::Live,
        from: at(from),
        failing,
    };
    let failing = Failing {
        within: interval("2026-11-21T07:00:00Z", "2026-11-21T09:00:00Z"),
        slices: 2,
        seconds: 5400,
        error: Some("POST /search answered 503".into()),
    };
    let gone = |state: &str, pass| Gone {
        source: "etd".into(),
        stream: "messages".into(),
        pass,
        interval: interval("2026-08-01T00:00:00Z", "2026-08-02T00:00:00Z"),
        state: state.into(),
        error: Some("past the vendor's retention when it could be asked for".into()),
    };
    let facts = Facts {
        waiting: vec![waiting("2026-11-21T07:00:00Z", Some(failing))],
        gone: vec![gone("lost", Pass::Live), gone("refused", Pass::Backfill)],
        differing: vec![Differing {
            source: "etd".into(),
            day: "2026-11-20".into(),
            counts: r#"{"incoming":{"vendor":10,"collected":9}}"#.into(),
        }],
        ..facts(well())
    };
    let matters = of(etd(), &facts);
    insta::assert_snapshot!(told(&matters));

    // Open until all that was named is covered, whatever else is still to be fetched.
    let first = matters.into_iter().next().unwrap();
    let key = (first.source, first.record_id);
    let memo = Memo { telling: Some(first.telling), noticed: None, told: None };
    let said = BTreeMap::from([(key, Row { revision: 1, open: true, since: at(NOW), memo })]);
    let with = |from| Facts { waiting: vec![waiting(from, None)], ..Facts::default() };
    let gap = |facts: &Facts| {
        let matters = all(&config([etd()]), facts, &BTreeMap::new(), &said, at(NOW));
        matters.into_iter().find(|it| it.record_id == "gap:messages:live").map(|it| it.due)
    };
    assert_eq!(gap(&with("2026-11-21T08:59:59Z")), Some(Due::Keep));
    assert_eq!(gap(&with("2026-11-21T09:00:00Z")), None);
    assert_eq!(gap(&Facts::default()), None);
}

#[test]
fn a_gap_grows_with_the_outage_and_never_shrinks() {
    let failing = |from, to| Facts {
        waiting: vec![Waiting {
            source: "etd".into(),
            stream: "messages".into(),
            pass: Pass::Live,
            from: at(from),
            failing: Some(Failing {
                within: interval(from, to),
                slices: 1,
                seconds: 300,
                error: Some("POST /search answered 503".into()),
            }),
        }],
        ..facts(condition(State::Failing, "2026-11-21T09:00:00Z", Some("2026-11-21T10:03:00Z")))
    };
    let gap = |facts: &Facts, said: &BTreeMap<Key, Row>, now| {
        let matters = all(&config([etd()]), facts, &BTreeMap::new(), said, at(now));
        matters.into_iter().find(|it| it.record_id == "gap:messages:live")
    };
    let bounds = |matter: &Matter| {
        let details = &matter.telling.details;
        (details["from"].clone(), details["to"].clone(), details["seconds"].clone())
    };
    let down = failing("2026-11-21T09:00:00Z", "2026-11-21T09:05:00Z");
    // Each minute, with a lag of six and two of grace.
    let grown = gap(&down, &BTreeMap::new(), "2026-11-21T10:00:00Z").unwrap();
    let expected = ("2026-11-21T09:00:00Z", "2026-11-21T09:51:00Z", 3060);
    assert_eq!(bounds(&grown), (expected.0.into(), expected.1.into(), expected.2.into()));
    assert!(grown.telling.message.contains("and growing"), "{}", grown.telling.message);

    let key = (grown.source.clone(), grown.record_id.clone());
    let memo = Memo { telling: Some(grown.telling.clone()), noticed: None, told: None };
    let said = BTreeMap::from([(key, Row { revision: 1, open: true, since: at(NOW), memo })]);
    let mut last = failing("2026-11-21T09:40:00Z", "2026-11-21T09:45:00Z");
    last.sources = [("etd".to_owned(), well())].into();
    let still = gap(&last, &said, "2026-11-21T10:01:00Z").unwrap();
    assert_eq!(bounds(&still), bounds(&grown));
    // The rest of it is not even planned.
    let reached = |to| {
        let reached = Reached {
            source: "etd".into(),
            stream: "messages".into(),
            covered_to: at(to),
            heard: None,
        };
        Facts { reached: vec![reached], waiting: Vec::new(), ..facts(well()) }
    };
    let due = |to| gap(&reached(to), &said, "2026-11-21T10:01:00Z").map(|it| it.due);
    assert_eq!(due("2026-11-21T09:45:00Z"), Some(Due::Keep));
    assert_eq!(due("2026-11-21T09:51:00Z"), None);
}

#[test]
fn licences_and_sinks() {
    let usage = |share: f64| {
        let text = format!(
            r#"{{"used_bytes":{:.0},"allowed_bytes":10000,"share":{share},
                "as_of":"2026-11-21T10:00:00Z","license_end":"2027-01-01T00:00:00Z",
                "exhausted_on":"2026-12-15","exhausted_before_end":{},"applications":[]}}"#,
            (share * 10_000.0).round(),
            share >= 0.9
        );
        serde_json::from_str(&text).unwrap()
    };
    let mut text = String::new();
    for share in [0.7999, 0.8, 0.9, 1.02] {
        let licences = [("ser".to_owned(), usage(share))].into();
        let stored = [("ser".to_owned(), well())].into();
        let reached = vec![Reached {
            source: "ser".into(),
            stream: "summary".into(),
            covered_to: at("2026-11-21T09:00:00Z"),
            heard: Some(at("2026-11-21T09:20:00Z")),
        }];
        let facts = Facts { licences, sources: stored, reached, ..Facts::default() };
        write!(text, "## {share}\n\n{}", told(&of(ser(), &facts))).unwrap();
    }
    for stored in [State::Ok, State::Failing, State::AuthFailed] {
        let stored = condition(stored, "2026-11-21T09:59:00Z", None);
        let sinks = [("archive".to_owned(), stored), ("gone".to_owned(), well())].into();
        let facts = Facts { sinks, ..facts(well()) };
        write!(text, "## sink\n\n{}", told(&of(etd(), &facts))).unwrap();
    }
    insta::assert_snapshot!(text);
}

const STORED: [State; 6] = [
    State::Ok,
    State::Failing,
    State::AuthFailed,
    State::Throttled,
    State::QuotaSpent,
    State::SpoolFull,
];

/// What a look finds: the condition's number, since when it is so, how far collecting is, when
/// something came last, calls, faults, and the sink's condition; times in minutes before now.
type Look = (usize, i64, i64, i64, u64, bool, usize);

fn look_at((stored, since, lag, silent, calls, fails, sink): Look, now: Timestamp) -> Facts {
    let ago = |minutes: i64| now.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap();
    let condition = |number: usize| Condition {
        state: STORED[number % STORED.len()],
        since: ago(since),
        until: Some(ago(since - 30)),
        error: None,
        ok: None,
    };
    let failing = fails.then(|| Failing {
        within: Interval::new(ago(lag + 60), ago(lag)).unwrap(),
        slices: 1,
        seconds: 3600,
        error: None,
    });
    Facts {
        reached: vec![Reached {
            source: "etd".into(),
            stream: "messages".into(),
            covered_to: ago(lag),
            heard: Some(ago(silent)),
        }],
        sources: [("etd".to_owned(), condition(stored))].into(),
        sinks: [("archive".to_owned(), condition(sink))].into(),
        calls: [("etd".to_owned(), calls)].into(),
        waiting: vec![Waiting {
            source: "etd".into(),
            stream: "messages".into(),
            pass: Pass::Live,
            from: ago(lag + 60),
            failing,
        }],
        ..Facts::default()
    }
}

proptest! {
    #[test]
    fn whatever_happens_each_open_has_one_close(
        looks in prop::collection::vec(
            (
                (0..6_usize, 0..60_i64, 0..60_i64, 0..900_i64, 0..1100_u64, any::<bool>(), 0..3_usize),
                0..2_000_i64,
            ),
            1..60,
        ),
    ) {
        let expires = Some(at("2026-12-30T00:00:00Z"));
        let expect = Some(Duration::from_hours(6));
        let source = Source { credentials_expire: expires, expect_records_within: expect, ..etd() };
        let config = config([source.clone()]);
        let mut memory = Memory::default();
        let mut now = at(NOW);
        let none = BTreeMap::new();
        for (look, minutes) in looks {
            now = now.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
            let facts = look_at(look, now);
            let matters = all(&config, &facts, &none, &memory.rows, now);
            let is = state(&source, progress(&source, Stream::Messages, &facts), now);
            let told = matters.iter().filter(|matter| matter.due != Due::Keep);
            for matter in told.filter(|it| it.telling.kind == crate::health::matter::Kind::Source) {
                prop_assert_eq!(&matter.telling.condition, is.as_str());
            }
            memory.look(now, matters);
            let again = all(&config, &facts, &none, &memory.rows, now);
            prop_assert_eq!(memory.look(now, again), 0, "nothing is said twice");
        }
        memory.look(now, Vec::new());
        memory.assert_all_closed();
    }
}
