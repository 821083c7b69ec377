use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::health::testing::Memory;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + minute * 60).unwrap()
}

fn matter(condition: &str, severity: Severity) -> Matter {
    let source = "etd".parse().unwrap();
    let message = format!("The source etd is {condition}.");
    Matter::new(&source, "source", (Kind::Source, condition), severity, message)
}

/// Dead letters, so many.
fn letters(count: u64) -> Vec<Matter> {
    let message = format!("{count} events were refused.");
    let own = SourceName::own();
    let kind = (Kind::DeadLetters, "refused");
    let matter = Matter::new(&own, "dead_letters:splunk", kind, Severity::Warning, message);
    vec![matter.growing(count)]
}

#[test]
fn what_grows_is_told_again_at_most_once_an_hour_and_closed_once() {
    let mut memory = Memory::default();
    let mut told = Vec::new();
    // One more each minute for three hours, then no more.
    for now in 0..=600_i64 {
        let count = u64::try_from(now.min(180)).unwrap() + 1;
        if memory.look(minute(now), letters(count)) > 0 {
            told.push((now, memory.last().telling.message.clone()));
        }
    }
    let told: Vec<_> = told.iter().map(|(now, message)| (*now, message.as_str())).collect();
    let expected = [
        (0, "1 events were refused."),
        (60, "61 events were refused."),
        (120, "121 events were refused."),
        (180, "181 events were refused."),
    ];
    assert_eq!(told, expected);
    assert!(memory.last().open && memory.last().previous.is_empty());
    assert_eq!(memory.last().since, minute(0));
    // Some were sent again; what comes after that is news.
    assert_eq!(memory.look(minute(601), letters(5)), 0);
    assert_eq!(memory.look(minute(602), letters(6)), 1);
    assert_eq!(memory.look(minute(603), vec![]), 1);
    memory.assert_all_closed();
}

#[test]
fn what_opens_is_said_once_and_what_ends_is_closed() {
    let mut memory = Memory::default();
    let failing = || vec![matter("failing", Severity::Warning)];
    assert_eq!(memory.look(minute(0), failing()), 1);
    assert!(memory.last().open);
    assert_eq!(memory.last().revision, 1);
    assert!(memory.last().previous.is_empty());
    assert_eq!(memory.look(minute(1), failing()), 0);
    assert_eq!(memory.look(minute(2), vec![matter("auth_failed", Severity::Error)]), 1);
    assert_eq!((memory.last().revision, memory.last().since), (2, minute(0)));
    assert_eq!(memory.last().previous_condition.as_deref(), Some("failing"));
    assert_eq!(memory.last().previous, BTreeMap::from([("severity", "warning")]));
    assert_eq!(memory.look(minute(3), vec![]), 1);
    let closed = memory.last().clone();
    assert_eq!((closed.revision, closed.open, closed.since), (3, false, minute(0)));
    assert_eq!(closed.previous, BTreeMap::from([("severity", "error"), ("state", "open")]));
    assert_eq!(closed.telling.severity, Severity::Info);
    assert_eq!(memory.look(minute(4), vec![]), 0);
    // Another time is the next revision.
    assert_eq!(memory.look(minute(5), failing()), 1);
    assert_eq!((memory.last().revision, memory.last().since), (4, minute(5)));
}

#[test]
fn a_gap_that_grows_is_closed_as_what_it_became() {
    let mut memory = Memory::default();
    let gap = |to: &str| {
        let source = "etd".parse().unwrap();
        let kind = (Kind::Gap, "failing");
        let matter = Matter::new(&source, "gap", kind, Severity::Warning, format!("to {to}"));
        vec![matter.with("from", "09:00").with("to", to)]
    };
    assert_eq!(memory.look(minute(0), gap("09:05")), 1);
    assert_eq!(memory.look(minute(1), gap("11:00")), 0, "no event each time");
    assert_eq!(memory.look(minute(2), vec![]), 1);
    let closed = memory.last();
    assert_eq!((closed.revision, closed.open), (2, false));
    assert!(closed.telling.message.contains("from 09:00 to 11:00"), "{}", closed.telling.message);
}

#[test]
fn what_must_last_is_said_when_it_has_and_else_forgotten() {
    let mut memory = Memory::default();
    let slow = || vec![matter("behind", Severity::Warning).after(Duration::from_mins(5))];
    assert_eq!(memory.look(minute(0), slow()), 0);
    assert_eq!(memory.look(minute(4), slow()), 0);
    assert_eq!(memory.look(minute(4), vec![]), 0);
    assert!(memory.rows.is_empty(), "nothing is remembered of what was never said");
    assert_eq!(memory.look(minute(5), slow()), 0);
    assert_eq!(memory.look(minute(10), slow()), 1);
    assert_eq!(memory.last().since, minute(5));
    // With a time of its own it needs no first look.
    let mut memory = Memory::default();
    let old = slow().pop().unwrap().since(minute(0));
    assert_eq!(memory.look(minute(5), vec![old]), 1);
}

#[test]
fn what_cannot_be_judged_opens_and_closes_nothing() {
    let source = "etd".parse().unwrap();
    let keep = || vec![Matter::keep(&source, "source", Kind::Source)];
    let mut memory = Memory::default();
    assert_eq!(memory.look(minute(0), keep()), 0);
    assert!(memory.rows.is_empty());
    memory.look(minute(1), vec![matter("failing", Severity::Warning)]);
    assert_eq!(memory.look(minute(2), keep()), 0);
    assert_eq!(memory.look(minute(3), vec![]), 1);
    assert!(!memory.last().open);
}

#[test]
fn an_open_matter_of_another_condition_changes_when_that_has_lasted() {
    let mut memory = Memory::default();
    memory.look(minute(0), vec![matter("failing", Severity::Warning)]);
    let throttled = || matter("throttled", Severity::Warning).after(Duration::from_mins(5));
    assert_eq!(memory.look(minute(1), vec![throttled()]), 0);
    assert_eq!(memory.look(minute(2), vec![matter("failing", Severity::Warning)]), 0);
    assert_eq!(memory.look(minute(3), vec![throttled()]), 0);
    assert_eq!(memory.look(minute(7), vec![throttled()]), 0, "counted from its last beginning");
    assert_eq!(memory.look(minute(8), vec![throttled()]), 1);
}

/// One look's truth about one of three matters.
fn truth() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec((0..3_u8, 0..3_u8, 0..4_u8), 0..4)
}

proptest! {
    #[test]
    fn each_open_has_one_close_and_revisions_count_up(
        looks in prop::collection::vec((truth(), 0..10_i64), 0..40),
    ) {
        let mut memory = Memory::default();
        let mut now = 0;
        for (truth, minutes) in looks {
            now += minutes;
            let matters: Vec<Matter> = truth.iter().map(|(which, condition, patience)| {
                let matter = matter(&format!("c{condition}"), Severity::Warning);
                let due = match patience {
                    3 => Due::Keep,
                    patience => Due::After(Duration::from_mins(u64::from(*patience) * 7)),
                };
                Matter { record_id: which.to_string(), due, ..matter }
            }).collect();
            memory.look(minute(now), matters.clone());
            let again = memory.look(minute(now), matters);
            prop_assert_eq!(again, 0, "the same look again says nothing");
        }
        memory.look(minute(now), vec![]);
        memory.assert_all_closed();
    }
}
