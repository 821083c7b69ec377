//! Which hours of the log export to ask for, and when: pure.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};

use super::links::LogType;
use crate::domain::slice::Interval;

/// Hours of one call (vendor's developer pages).
pub(crate) const MOST: i64 = 3;
/// How far back the export reaches: 30 days by the vendor's developer pages. An hour less, because
/// the server's clock decides.
pub(crate) const RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24 - 1);
/// How long after its end an hour is asked for first: files appear up to 20 minutes later (the
/// vendor's sample collector).
const SETTLED: SignedDuration = SignedDuration::from_mins(20);
/// How long after its end an hour is looked at for late files, and how often.
pub(crate) const LATE: SignedDuration = SignedDuration::from_hours(3);
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// Links of one type in one answer; the rest is dropped without a word (vendor's developer pages).
const LINKS: usize = 200;

/// An hour of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hour(pub(crate) i64);

impl Hour {
    /// The hour that `at` lies in.
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(3600))
    }

    pub(crate) fn start(self) -> Timestamp {
        Timestamp::from_second(self.0.saturating_mul(3600)).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn end(self) -> Timestamp {
        self.next().start()
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// As the vendor takes it and names its files: `2026-11-20T08`.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.start().strftime("%Y-%m-%dT%H").fmt(f)
    }
}

/// What one call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) first: Hour,
    /// The first hour that is not asked for: one connector and the vendor's sample collector send
    /// the running hour as the end, which would be refused if the end were one of the hours.
    pub(crate) end: Hour,
    pub(crate) types: Vec<LogType>,
}

impl Ask {
    pub(crate) fn hours(&self) -> impl Iterator<Item = Hour> + use<> {
        (self.first.0..self.end.0).map(Hour)
    }

    pub(crate) fn has(&self, hour: Hour) -> bool {
        (self.first..self.end).contains(&hour)
    }

    pub(crate) fn interval(&self) -> Option<Interval> {
        Interval::new(self.first.start(), self.end.start())
    }
}

/// What is to be done about the export at some time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Oldest first.
    pub(crate) asks: Vec<Ask>,
    /// Hours that were never asked for and that the vendor no longer has.
    pub(crate) lost: Option<Interval>,
}

/// The hours from `from` on that are to be asked for at `now`; `asked` says when each was last.
///
/// An hour is asked for once it is over and its files should be there, and again each hour until
/// [`LATE`] has passed: then it is final. So each call of the usual hour takes up to three hours.
pub(crate) fn due(
    from: Hour,
    asked: &BTreeMap<Hour, Timestamp>,
    types: &[LogType],
    now: Timestamp,
) -> Due {
    let mut due = Due::default();
    let reach = now.checked_sub(RETENTION).unwrap_or(Timestamp::MIN);
    let oldest = from.max(Hour::of(reach).next());
    // Final hours may be forgotten from the front: what is not there before `from` is not asked for.
    let never = (from.0..oldest.0).map(Hour).find(|hour| !asked.contains_key(hour));
    due.lost = never.and_then(|hour| Interval::new(hour.start(), oldest.start()));
    let wanted = |hour: &Hour| {
        let over = now.duration_since(hour.end());
        let Some(last) = asked.get(hour) else { return over >= SETTLED };
        let was_final = last.duration_since(hour.end()) >= LATE;
        !was_final && (now.duration_since(*last) >= AGAIN || over >= LATE)
    };
    for hour in (oldest.0..Hour::of(now).0).map(Hour).filter(wanted) {
        match due.asks.last_mut() {
            Some(ask) if ask.end == hour && ask.end.0 - ask.first.0 < MOST => ask.end = hour.next(),
            _ => due.asks.push(Ask { first: hour, end: hour.next(), types: types.to_vec() }),
        }
    }
    due
}

/// The last hours whose files should be there.
pub(crate) fn last(hours: i64, types: &[LogType], now: Timestamp) -> Ask {
    let end = Hour::of(now.checked_sub(SETTLED).unwrap_or(Timestamp::MIN));
    Ask { first: Hour(end.0.saturating_sub(hours)), end, types: types.to_vec() }
}

/// What so many links of a type mean.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Truncation {
    /// All are there.
    Whole,
    /// Some may be missing: these are to be asked for in place of it.
    Narrower(Vec<Ask>),
    /// Some may be missing, and less cannot be asked for: what is there is read, and the rest of the
    /// hour is a gap.
    Gap(Interval, String),
}

/// Whether the links of `log_type` in an answer to `ask` are all that there are.
pub(crate) fn truncation(ask: &Ask, log_type: LogType, links: usize) -> Truncation {
    if links < LINKS {
        return Truncation::Whole;
    }
    if ask.end.0 - ask.first.0 > 1 {
        let hour = |hour: Hour| Ask { first: hour, end: hour.next(), types: vec![log_type] };
        return Truncation::Narrower(ask.hours().map(hour).collect());
    }
    let Some(interval) = ask.interval() else { return Truncation::Whole };
    let reason = format!(
        "the log export gave {links} links of the type {log_type} for one hour, and the vendor drops \
         what is beyond {LINKS}: files may be missing"
    );
    Truncation::Gap(interval, reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::testing::at;

    const TYPES: &[LogType] = &[LogType::Message, LogType::Audit];

    fn hour(text: &str) -> Hour {
        Hour::of(at(text))
    }

    fn shown(due: &Due) -> Vec<String> {
        due.asks.iter().map(|ask| format!("{} {}", ask.first, ask.end)).collect()
    }

    fn ask_all(due: &Due, asked: &mut BTreeMap<Hour, Timestamp>, now: Timestamp) {
        asked.extend(due.asks.iter().flat_map(Ask::hours).map(|hour| (hour, now)));
    }

    #[test]
    fn an_hour_is_asked_for_when_its_files_should_be_there_and_again_until_late_ones_are() {
        let mut asked = BTreeMap::new();
        let from = hour("2026-11-20T08:00:00Z");
        let table: [(&str, &[&str]); 9] = [
            ("2026-11-20T08:59:59Z", &[]),
            ("2026-11-20T09:19:59Z", &[]),
            ("2026-11-20T09:20:00Z", &["2026-11-20T08 2026-11-20T09"]),
            ("2026-11-20T10:19:59Z", &[]),
            ("2026-11-20T10:20:00Z", &["2026-11-20T08 2026-11-20T10"]),
            ("2026-11-20T11:20:00Z", &["2026-11-20T08 2026-11-20T11"]),
            // Three hours after its end, the first one is asked for the last time.
            ("2026-11-20T12:00:00Z", &["2026-11-20T08 2026-11-20T09"]),
            ("2026-11-20T12:20:00Z", &["2026-11-20T09 2026-11-20T12"]),
            (
                "2026-11-20T13:20:00Z",
                &["2026-11-20T09 2026-11-20T12", "2026-11-20T12 2026-11-20T13"],
            ),
        ];
        for (now, expected) in table {
            let due = due(from, &asked, TYPES, at(now));
            assert_eq!(shown(&due), expected, "{now}");
            assert_eq!(due.lost, None);
            ask_all(&due, &mut asked, at(now));
        }
    }

    #[test]
    fn after_an_outage_three_hours_a_call_and_what_is_too_old_is_lost() {
        let (from, now) = (hour("2026-10-01T00:00:00Z"), at("2026-11-20T08:30:00Z"));
        let due = due(from, &BTreeMap::new(), TYPES, now);
        let lost = Interval::new(at("2026-10-01T00:00:00Z"), at("2026-10-21T10:00:00Z"));
        assert_eq!(due.lost, lost);
        assert_eq!(due.asks.len(), (30 * 24 - 2_usize).div_ceil(3));
        assert_eq!(due.asks.first().unwrap().first, hour("2026-10-21T10:00:00Z"));
        assert_eq!(due.asks.last().unwrap().end, hour("2026-11-20T08:00:00Z"));
    }

    #[test]
    fn a_day_costs_at_most_72_calls() {
        let (mut asked, from) = (BTreeMap::new(), hour("2026-11-18T00:00:00Z"));
        let mut calls = 0;
        for minute in 0..48 * 60 {
            let now = at("2026-11-18T00:00:00Z") + SignedDuration::from_mins(minute);
            let due = due(from, &asked, TYPES, now);
            calls += if minute < 24 * 60 { 0 } else { due.asks.len() };
            ask_all(&due, &mut asked, now);
        }
        assert!((24..=72).contains(&calls), "{calls}");
    }

    #[test]
    fn two_hundred_links_are_asked_for_hour_by_hour_and_then_a_gap() {
        let first = hour("2026-11-20T08:00:00Z");
        let end = first.next().next();
        let ask = Ask { first, end, types: TYPES.to_vec() };
        assert_eq!(truncation(&ask, LogType::Message, 199), Truncation::Whole);
        let Truncation::Narrower(hours) = truncation(&ask, LogType::Message, 200) else { panic!() };
        assert_eq!(hours.len(), 2);
        assert!(hours.iter().all(|ask| ask.types == [LogType::Message]));
        let Truncation::Gap(interval, reason) = truncation(&hours[1], LogType::Message, 200) else {
            panic!()
        };
        assert_eq!(interval.to_string(), "2026-11-20T09:00:00Z/2026-11-20T10:00:00Z");
        assert!(reason.contains("200 links of the type message"), "{reason}");
    }

    proptest! {
        /// However seldom it is looked: each hour is final or lost in the end, none is asked for
        /// before it is over, none twice by one look, and no call takes more than three hours.
        #[test]
        fn every_hour_becomes_final(looks in prop::collection::vec(1..600_i64, 1..60)) {
            let from = hour("2026-11-01T05:00:00Z");
            let (mut now, mut asked) = (from.start(), BTreeMap::new());
            for minutes in looks {
                now += SignedDuration::from_mins(minutes);
                let due = due(from, &asked, TYPES, now);
                for ask in &due.asks {
                    prop_assert!(ask.end.start() <= now && ask.hours().count() <= 3);
                }
                let hours: Vec<Hour> = due.asks.iter().flat_map(Ask::hours).collect();
                prop_assert!(hours.is_sorted_by(|left, right| left < right));
                ask_all(&due, &mut asked, now);
                for hour in (from.0..Hour::of(now).0).map(Hour) {
                    let over = now.duration_since(hour.end());
                    let last = asked.get(&hour).map(|last| last.duration_since(hour.end()));
                    prop_assert!(over < LATE || last.is_some_and(|last| last >= LATE));
                }
            }
        }
    }
}
