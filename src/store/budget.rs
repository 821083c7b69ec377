//! Calls made, by source and UTC day.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::domain::{
    name::SourceName,
    slice::{Pass, Stream},
};

/// Calls to be counted for a source's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    pub source: SourceName,
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// What they were for.
    pub pass: Pass,
    pub count: u64,
}

impl Store {
    /// Calls counted for a source's UTC day.
    pub fn calls(&self, source: &SourceName, day: &str) -> Result<u64, StoreError> {
        self.read("calls", |view| {
            let sql = "SELECT coalesce(sum(calls), 0) FROM budget WHERE source = ? AND day = ?";
            view.prepare_cached(sql)?.query_row([source.as_str(), day], |row| row.get(0))
        })
    }
}

impl Store {
    /// Counts calls that led to nothing else to be stored.
    pub async fn count_calls(&self, calls: Calls) -> Result<(), StoreError> {
        if calls.count == 0 {
            return Ok(());
        }
        self.write("count-calls", move |tx| count(tx, &calls)).await
    }

    /// Calls counted for a source's UTC day in one pass.
    pub fn calls_of(&self, source: &SourceName, day: &str, pass: Pass) -> Result<u64, StoreError> {
        self.read("calls-of-pass", |view| {
            let sql = "SELECT coalesce(sum(calls), 0) FROM budget
                WHERE source = ? AND day = ? AND pass = ?";
            let key = [source.as_str(), day, pass.as_str()];
            view.prepare_cached(sql)?.query_row(key, |row| row.get(0))
        })
    }
}

/// What a source has spent today, and what is still to be fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spending {
    /// Calls counted today.
    pub live: u64,
    pub resweep: u64,
    pub backfill: u64,
    /// Calls of yesterday's live collection.
    pub live_yesterday: u64,
    /// Open live slices.
    pub live_open: u64,
    /// Resweeps that wait now.
    pub resweeps_waiting: u64,
    /// Resweeps that are planned for the rest of the day, those that wait included.
    pub resweeps_today: u64,
    /// Whether a backfill is not done.
    pub backfills: bool,
}

impl Spending {
    /// Calls of all passes today.
    pub fn total(&self) -> u64 {
        self.live + self.resweep + self.backfill
    }
}

impl Store {
    /// How a source stands on the UTC day of `now`.
    pub fn spending(&self, source: &SourceName, now: Timestamp) -> Result<Spending, StoreError> {
        let yesterday = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
        let (today, yesterday) = (day(now), day(yesterday));
        let tomorrow = midnight_after(now).as_millisecond();
        self.read("spending", |view| {
            let mut spending = Spending::default();
            let sql =
                "SELECT day = ?2, pass, calls FROM budget WHERE source = ?1 AND day IN (?2, ?3)";
            let mut calls = view.prepare_cached(sql)?;
            let mut rows = calls.query([source.as_str(), &today, &yesterday])?;
            while let Some(row) = rows.next()? {
                let count: u64 = row.get(2)?;
                match (row.get(0)?, super::slices::pass(row, 1)?) {
                    (true, Pass::Live) => spending.live += count,
                    (true, Pass::Resweep) => spending.resweep += count,
                    (true, Pass::Backfill) => spending.backfill += count,
                    (false, Pass::Live) => spending.live_yesterday += count,
                    (false, _) => {}
                }
            }
            let open = "SELECT count(*) FROM slice s JOIN stream ON stream.id = s.stream_id
                WHERE stream.source = ?1 AND s.state = 'open' AND s.pass = ?2";
            let mut open = view.prepare_cached(open)?;
            let mut open =
                |pass: Pass| open.query_row([source.as_str(), pass.as_str()], |row| row.get(0));
            spending.live_open = open(Pass::Live)?;
            let resweeps_open: u64 = open(Pass::Resweep)?;
            let backfills_open: u64 = open(Pass::Backfill)?;
            let sql = "SELECT count(*) FILTER (WHERE s.not_before <= ?2), count(*)
                FROM slice s JOIN stream ON stream.id = s.stream_id
                WHERE stream.source = ?1 AND s.state = 'planned' AND s.pass = 'resweep'
                    AND s.not_before < ?3";
            let key = params![source.as_str(), now.as_millisecond(), tomorrow];
            let (due, planned): (u64, u64) =
                view.prepare_cached(sql)?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
            spending.resweeps_waiting = resweeps_open + due;
            spending.resweeps_today = resweeps_open + planned;
            let sql =
                "SELECT EXISTS (SELECT 1 FROM request r JOIN stream ON stream.id = r.stream_id
                WHERE stream.source = ? AND r.state = 'open')";
            let asked: bool =
                view.prepare_cached(sql)?.query_row([source.as_str()], |row| row.get(0))?;
            spending.backfills = asked || backfills_open > 0;
            Ok(spending)
        })
    }

    /// Records a day that live collection received, by the covered slices that the store keeps (eight days);
    /// `None` where that is less than an hour's.
    pub fn records_a_day(
        &self,
        source: &SourceName,
        stream: Stream,
    ) -> Result<Option<u64>, StoreError> {
        self.read("records-a-day", |view| {
            let sql = "SELECT coalesce(sum(received), 0), coalesce(sum(end_ms - start_ms), 0)
                FROM slice WHERE state = 'covered' AND state NOT IN ('open', 'planned')
                    AND pass = 'live' AND narrow IS NULL
                    AND stream_id = (SELECT id FROM stream WHERE source = ? AND stream = ?)";
            let key = [source.as_str(), stream.as_str()];
            let (received, millis): (u64, u64) =
                view.prepare_cached(sql)?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
            let day = 86_400_000;
            Ok((millis >= day / 24).then(|| received.saturating_mul(day) / millis))
        })
    }
}

/// The start of the next UTC day: the vendors do not say when theirs begins.
pub fn midnight_after(now: Timestamp) -> Timestamp {
    let day = 24 * 3600;
    let seconds = now.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(day) + day).unwrap_or(Timestamp::MAX)
}

/// The UTC day of a time, as the budget counts.
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

pub(super) fn count(tx: &Connection, calls: &Calls) -> rusqlite::Result<()> {
    if calls.count == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO budget VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET calls = calls + excluded.calls";
    tx.prepare_cached(sql)?
        .execute(params![calls.source.as_str(), calls.day, calls.pass.as_str(), calls.count])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        domain::slice::Interval,
        store::slices::{Frontier, PageCommit, Progress, Resweep, Setback, Then},
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn spending_is_told_by_day_and_pass_with_what_waits() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let source: SourceName = "etd".parse().unwrap();
        let stream = store.stream(&source, Stream::Messages).await.unwrap();
        let now = at("2026-11-20T09:00:00Z");
        assert_eq!(store.spending(&source, now).unwrap(), Spending::default());
        assert_eq!(store.records_a_day(&source, Stream::Messages).unwrap(), None);

        let hour = Duration::from_secs(3600);
        let hours: Vec<Interval> =
            (1..=3).map(|n| Interval::new(now - n * hour, now - (n - 1) * hour).unwrap()).collect();
        let frontier = Frontier { from: now - 3 * hour, to: now };
        store.plan_live(stream, frontier, None, hours, 100).await.unwrap();
        let open = store.ready_slices(stream, Pass::Live, now, 3).unwrap();
        let calls =
            |day: &str, pass, count| Calls { source: source.clone(), day: day.into(), pass, count };
        let again = || Setback::Again { not_before: now, progress: None };
        for calls in [
            calls("2026-11-19", Pass::Live, 7),
            calls("2026-11-18", Pass::Live, 1_000),
            calls("2026-11-20", Pass::Resweep, 2),
            calls("2026-11-20", Pass::Backfill, 5),
        ] {
            store.set_back(open[2].id, again(), "x".into(), calls).await.unwrap();
        }
        for (slice, due) in open.iter().zip([now, now + 20 * hour]) {
            let covered = Then::Covered(Progress { received: 50, ..Progress::anew(100) });
            let mut page = PageCommit::new(slice.id, covered, calls("2026-11-20", Pass::Live, 1));
            page.resweeps = vec![Resweep {
                after: hour,
                narrow: crate::domain::filter::Filter::default(),
                window: slice.interval,
                due,
                page_size: 100,
            }];
            store.commit_page(page).await.unwrap();
        }
        let expected = Spending {
            live: 2,
            resweep: 2,
            backfill: 5,
            live_yesterday: 7,
            live_open: 1,
            resweeps_waiting: 1,
            resweeps_today: 1,
            backfills: false,
        };
        assert_eq!(store.spending(&source, now).unwrap(), expected);
        assert_eq!(store.records_a_day(&source, Stream::Messages).unwrap(), Some(24 * 50));
    }
}
