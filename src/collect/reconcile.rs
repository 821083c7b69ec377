//! Compares what was collected of a day with the vendor's own count, once, when the day is over
//! and covered. Where they differ, the day is read once more, and then they are compared for good.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tracing::{debug, info, warn};

use super::{
    collector::{Collector, locked},
    forget,
};
use crate::{
    config::Vendor,
    domain::{
        filter::Filter,
        slice::{Interval, Pass},
    },
    fault::{Fault, Kind},
    source::{Source, pace::metered},
    store::{
        StoreError,
        budget::day,
        reconciliation::{Count, Readiness, Reconciled, Verdict},
        slices::StreamId,
    },
};

/// Whole days that are looked back at,
const DAYS: usize = 3;
/// and such as are being read once more.
const REFETCHED_DAYS: usize = 8;
/// A day is over for this long at least: the vendor's count takes its time, too.
const SETTLED: Duration = Duration::from_hours(2);
/// After a fault.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// After the vendor refused.
const REFUSED_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// What a process knows of its tries.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Nothing is asked before.
    not_before: Option<Timestamp>,
    /// Whether it was said why nothing is asked.
    told: bool,
}

impl<S: Source> Collector<S> {
    /// Compares the oldest day that can be; whether that led to anything.
    pub(super) async fn reconcile(&self, stream: StreamId, last: Pass) -> Result<bool, StoreError> {
        let Vendor::CiscoEtd(etd) = &self.config.vendor else { return Ok(false) };
        let now = self.clock.now();
        let stopped = self.stop.is_cancelled() || last < Pass::Resweep;
        if !etd.reconcile || stopped || self.tried(now) {
            return Ok(false);
        }
        if !comparable(&etd.filter) {
            self.tell_once("the source's filter makes the vendor's counts of a day incomparable");
            return Ok(false);
        }
        let settled = SETTLED.max(self.config.lag);
        // What the ledger has forgotten would come as new if the day were read once more.
        let known = now.checked_sub(forget::memory(&self.config)).unwrap_or(Timestamp::MIN);
        for (back, whole) in days(now, settled) {
            let ready = self.store.readiness(stream, whole)?;
            let fresh = back <= DAYS && whole.start() >= known;
            if !(ready == Readiness::Refetched || ready == Readiness::Ready && fresh) {
                continue;
            }
            if self.spent(Pass::Resweep, now).await? {
                return Ok(false);
            }
            return self.compare(stream, whole, ready, &etd.filter.directions).await;
        }
        Ok(false)
    }

    async fn compare(
        &self,
        stream: StreamId,
        whole: Interval,
        ready: Readiness,
        directions: &[String],
    ) -> Result<bool, StoreError> {
        let (answer, taken) = metered(self.source.count(whole)).await;
        let now = self.clock.now();
        let calls = self.bill(Pass::Resweep, taken.calls, now);
        let vendor = match answer {
            Ok(Some(vendor)) => vendor,
            Ok(None) => {
                self.hold(now, REFUSED_AGAIN);
                self.store.count_calls(calls).await?;
                return Ok(false);
            }
            Err(fault) => {
                self.not_counted(&fault, now);
                self.store.count_calls(calls).await?;
                return Ok(false);
            }
        };
        let day = day(whole.start());
        let collected = self.store.tally(stream, &day)?;
        let counts = counts(&vendor, &collected, directions);
        let equal = counts.values().all(|count| count.vendor == count.collected);
        let (verdict, refetch) = match (equal, ready) {
            (true, _) => (Verdict::Equal, Vec::new()),
            (false, Readiness::Refetched) => (Verdict::Differs, Vec::new()),
            (false, _) => (Verdict::Refetching, cut(whole, self.config.slice)),
        };
        let source = &self.config.name;
        match verdict {
            Verdict::Equal => info!(%source, day, "the vendor's count equals ours"),
            Verdict::Refetching => {
                warn!(%source, day, ?counts, "the vendor's count differs; reading the day once more");
            }
            Verdict::Differs => {
                warn!(%source, day, ?counts, "the vendor's count differs, also after one more reading");
            }
        }
        let page_size = self.source.limits().page_size;
        let compared = Reconciled { day, verdict, counts, at: now };
        self.store.reconcile(stream, compared, refetch, page_size, calls).await?;
        Ok(true)
    }

    /// No count is no harm: nothing is held up by it.
    fn not_counted(&self, fault: &Fault, now: Timestamp) {
        if matches!(fault.kind, Kind::Throttled { .. }) {
            self.pace.slow_down(now);
        }
        if fault.kind == Kind::Refused {
            self.tell_once(&format!("the vendor gives no counts: {}", fault.chain()));
            self.hold(now, REFUSED_AGAIN);
        } else {
            debug!(source = %self.config.name, error = fault.chain(), "no counts");
            self.hold(now, AGAIN);
        }
    }

    /// Whether a try failed lately.
    fn tried(&self, now: Timestamp) -> bool {
        locked(&self.memory.reconciling).not_before.is_some_and(|at| now < at)
    }

    fn hold(&self, now: Timestamp, wait: SignedDuration) {
        locked(&self.memory.reconciling).not_before = now.checked_add(wait).ok();
    }

    fn tell_once(&self, why: &str) {
        if !std::mem::replace(&mut locked(&self.memory.reconciling).told, true) {
            warn!(source = %self.config.name, "{why}; days are not compared");
        }
    }
}

/// The whole UTC days that are over for `settled`, oldest first, each with how many it lies back.
fn days(now: Timestamp, settled: Duration) -> Vec<(usize, Interval)> {
    let day = 24 * 3600;
    let Ok(over) = now.checked_sub(settled) else { return Vec::new() };
    let end = over.as_second() - over.as_second().rem_euclid(day);
    let at = |back: usize| Timestamp::from_second(end - day * i64::try_from(back).ok()?).ok();
    let whole = |back: usize| Some((back, Interval::new(at(back)?, at(back - 1)?)?));
    (1..=REFETCHED_DAYS).rev().filter_map(whole).collect()
}

/// Whether the vendor's counts are of the same messages: they know no filter but directions.
pub(super) fn comparable(filter: &Filter) -> bool {
    Filter { directions: Vec::new(), ..filter.clone() }.is_empty()
}

/// Both counts by direction, in lower case: of `directions` only, where there are any. Messages
/// without a direction are left out where the vendor has no such word.
fn counts(
    vendor: &BTreeMap<String, u64>,
    collected: &BTreeMap<String, u64>,
    directions: &[String],
) -> BTreeMap<String, Count> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for (direction, messages) in vendor {
        counts.entry(direction.to_lowercase()).or_default().vendor += messages;
    }
    for (direction, messages) in collected {
        counts.entry(direction.to_lowercase()).or_default().collected += messages;
    }
    let named = |direction: &String| {
        directions.is_empty() || directions.iter().any(|own| own.eq_ignore_ascii_case(direction))
    };
    counts
        .retain(|direction, count| named(direction) && !(direction == "none" && count.vendor == 0));
    counts
}

/// The day's slices, which are no longer than `longest`.
fn cut(whole: Interval, longest: Duration) -> Vec<Interval> {
    let mut slices = Vec::new();
    let mut at = whole.start();
    while at < whole.end() {
        let end = at.checked_add(longest).unwrap_or(Timestamp::MAX).min(whole.end());
        let Some(slice) = Interval::new(at, end) else { break };
        slices.push(slice);
        at = end;
    }
    slices
}

#[cfg(test)]
mod tests;
