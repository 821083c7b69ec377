//! The licence: asked about once a day and when the entitlement that comes with each answer has
//! changed, because what is used of it has to be asked for its whole period.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::{
    collector::{Collector, locked},
    compose,
};
use crate::{
    domain::{
        change::{self, Known},
        event::Change,
        record::Record,
        slice::{Interval, Pass, Stream},
        usage::{Usage, usage},
    },
    fault::{Kind, backoff},
    source::{Source, pace::metered},
    store::{
        StoreError,
        budget::{Calls, day, midnight_after},
        ledger::Key,
        licence::SurveyCommit,
        slices::StreamId,
    },
    supervisor::Step,
};

/// Between tries of a survey that failed.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(15);
/// The member that names in `changed` what Postrider has worked out.
const USAGE: &str = "postrider.usage";

/// What is known of the licence and not told yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// An entitlement that differs from what was told.
    entitlement: Option<Record>,
    /// Surveys that failed, running.
    attempts: u32,
    not_before: Option<Timestamp>,
    /// Nothing is expected before: the vendor told no entitlement, or would not say what is used.
    content_until: Option<Timestamp>,
}

impl<S: Source> Collector<S> {
    /// Notes an entitlement that came with a page, if it is news.
    pub(super) fn note(&self, stream: StreamId, records: Vec<Record>) -> Result<(), StoreError> {
        for record in records {
            let known = self.store.look_up(stream, &[key(&record)])?.pop().flatten();
            if known.is_none_or(|known| known.content != record.fingerprint.content) {
                locked(&self.memory.licence).entitlement = Some(record);
            }
        }
        Ok(())
    }

    /// Surveys the licence if that is due; `None` where it is not.
    pub(super) async fn survey(&self, now: Timestamp) -> Result<Option<Step>, StoreError> {
        let Some(stream) = self.streams().await?.get(&Stream::Entitlement).copied() else {
            return Ok(None);
        };
        let today = day(now);
        let told_today = self.store.licence(stream)?.is_some_and(|(at, _)| day(at) == today);
        let (news, not_before, content) = {
            let pending = locked(&self.memory.licence);
            let content = pending.content_until.is_some_and(|until| now < until);
            (pending.entitlement.is_some(), pending.not_before, content)
        };
        if !news && (told_today || content) {
            return Ok(None);
        }
        let waiting = |until| {
            let why = format!("the licence of {} could not be surveyed", self.config.name);
            Ok(Some(Step::Waiting { until, why, person: false }))
        };
        if let Some(until) = not_before.filter(|until| *until > now) {
            return waiting(until);
        }
        if self.spent(Pass::Live, now).await? {
            return Ok(None);
        }
        let _flight = self.memory.spending.fly();
        // Once a day: kept out of what each step carries.
        let (answer, taken) = metered(Box::pin(self.source.survey(now))).await;
        let calls = self.bill(Pass::Live, taken.calls, now);
        let found = match answer {
            Ok(Some(survey)) => Some((survey.record, Some(usage(&survey.reading)))),
            Ok(None) => None,
            Err(fault) => {
                let error = fault.chain();
                warn!(source = %self.config.name, error, "the licence could not be surveyed");
                if let Kind::Throttled { .. } = fault.kind {
                    self.pace.slow_down(now);
                }
                if may_pass(fault.kind) {
                    // The source keeps what was answered before the call that failed.
                    let further = calls.count > 1;
                    self.store.count_calls(calls).await?;
                    return waiting(self.postpone(further, now));
                }
                // What the licence allows is worth telling even if what is used cannot be had.
                locked(&self.memory.licence).entitlement.take().map(|record| (record, None))
            }
        };
        match found {
            Some((record, usage)) => self.tell_licence(stream, &record, usage, calls, now).await?,
            None => self.store.count_calls(calls).await?,
        }
        let content_until = Some(midnight_after(now));
        *locked(&self.memory.licence) = Pending { content_until, ..Pending::default() };
        Ok(Some(Step::Worked))
    }

    /// When to try again after one more failure.
    fn postpone(&self, further: bool, now: Timestamp) -> Timestamp {
        let mut pending = locked(&self.memory.licence);
        pending.attempts = if further { 1 } else { pending.attempts.saturating_add(1) };
        let wait = backoff(pending.attempts, FIRST, LONGEST, &mut *locked(&self.memory.rng));
        let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        pending.not_before = Some(until);
        until
    }

    /// Makes the event, as the next revision of the entitlement, and remembers what it says.
    async fn tell_licence(
        &self,
        stream: StreamId,
        record: &Record,
        usage: Option<Usage>,
        calls: Calls,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let alone = self.memory.diffing.lock().await;
        let key = key(record);
        let entry = self.store.look_up(stream, &[key])?.pop().flatten();
        let known = entry.map(|entry| self.store.recall(&entry)).transpose()?;
        let mut revision = change::next(known.as_ref(), record, now);
        if revision.change == Change::Changed && usage.is_some() {
            revision.changed.push(USAGE.to_owned());
        }
        let context = compose::Context {
            source: &self.config.name,
            vendor: self.source.vendor(),
            tags: &self.config.tags,
            pass: Pass::Live,
            slice: today(now),
            collected_at: now,
        };
        let event = compose::licence(record, &revision, usage.as_ref(), context);
        let version = Known {
            revision: revision.number,
            members: record.fingerprint.members.clone(),
            watched: revision.watched,
        };
        let packed = || {
            let chunk = self.store.pack(stream, &self.config.tags, &[event])?;
            let versions = [(key, record.fingerprint.content, version)];
            std::io::Result::Ok((chunk, self.store.pack_versions(stream, &versions)?))
        };
        let (chunk, ledger) = packed().map_err(|error| StoreError::Commit {
            name: "compress-survey",
            detail: error.to_string().into(),
        })?;
        let used = usage.as_ref().and_then(|usage| usage.used_bytes);
        let survey = SurveyCommit { stream, at: now, usage, chunk, ledger, calls };
        self.store.commit_survey(survey).await?;
        drop(alone);
        info!(source = %self.config.name, used_bytes = used, "licence surveyed");
        Ok(())
    }
}

/// The ledger files what never ages under hour 0.
fn key(record: &Record) -> Key {
    Key::new(0, &record.id)
}

/// Whether it makes sense to ask again soon.
fn may_pass(kind: Kind) -> bool {
    matches!(kind, Kind::Transient { .. } | Kind::Throttled { .. } | Kind::QuotaSpent | Kind::Auth)
}

/// The UTC day, as the slice of what is asked once a day.
fn today(now: Timestamp) -> Interval {
    let start = now.as_second() - now.as_second().rem_euclid(24 * 3600);
    let start = Timestamp::from_second(start).unwrap_or(now);
    Interval::new(start, midnight_after(now)).expect("a day ends after it begins")
}
