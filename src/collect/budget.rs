//! Who may spend the day's calls: live collection before resweeps, resweeps before backfills.
//!
//! A resweep may only spend what live collection will not need for the rest of the vendor's day, a
//! backfill only what the day's resweeps will not need either. All of it follows from the calls
//! that are counted, the schedule and the time, so that whoever asks finds the same.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    config,
    domain::slice::{Pass, Stream},
    estimate::{self, DayPlan, Volume, What},
    store::{
        Store, StoreError,
        budget::{Spending, midnight_after},
    },
};

/// Kept for live collection beyond what it is expected to need: twice the error that predictions
/// may have, for repeated calls and for busier hours.
const MARGIN: f64 = 0.1;
/// Averages are believed up to this multiple of the estimate: what is more was catching up, after
/// an outage or a first run, and is over.
const CATCHING_UP: f64 = 2.0;
/// Calls that a fetch may make beside its own: it is repeated with a new token.
const REPEATED: u64 = 1;
/// Token calls that fetches side by side may make, one after the other.
const TOKENS: u64 = 2;

/// How a source's day stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    per_day: u64,
    /// Calls of today, those not yet counted included.
    spent: u64,
    /// Calls that live collection will need until the day ends.
    live: u64,
    /// Calls that the day's resweeps will need.
    resweep: u64,
    /// Passes with something to fetch now.
    waiting: Vec<Pass>,
    /// The vendor's next day.
    until: Timestamp,
}

/// Passes that wait for the vendor's next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub passes: Vec<Pass>,
    /// When they go on at the latest; earlier where live collection needs less than was kept.
    pub until: Timestamp,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let passes: Vec<_> = self.passes.iter().map(|pass| pass.as_str()).collect();
        let verb = if passes.len() == 1 { "waits" } else { "wait" };
        let (passes, until) = (passes.join(" and "), self.until);
        write!(
            f,
            "{passes} {verb} until {until}: what is left of the day's calls is kept for live collection"
        )
    }
}

/// What is expected of a source's day, as far as it can be known: the same for an hour.
pub fn expected(
    store: &Store,
    source: &config::Source,
    now: Timestamp,
) -> Result<DayPlan, StoreError> {
    let seen = seen(store, source)?;
    Ok(estimate::day(source, seen.unwrap_or_else(|| Volume::from(0)), hour(now)))
}

/// What the days of a source have brought so far; `None` where that is not known yet.
pub fn seen(store: &Store, source: &config::Source) -> Result<Option<Volume>, StoreError> {
    let Some(stream) = source.vendor.streams().first() else { return Ok(None) };
    let Some(records) = store.records_a_day(&source.name, *stream)? else { return Ok(None) };
    let relay_users = store.records_a_day(&source.name, Stream::RelayUsers)?;
    let volume = Volume::from(records);
    Ok(Some(Volume { relay_users: relay_users.unwrap_or(volume.relay_users), ..volume }))
}

/// What is expected of a source's day, looked up once an hour.
#[derive(Debug, Default)]
pub struct Expected(Mutex<Option<(Timestamp, Arc<DayPlan>)>>);

impl Expected {
    pub fn of(
        &self,
        store: &Store,
        source: &config::Source,
        now: Timestamp,
    ) -> Result<Arc<DayPlan>, StoreError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, expected)) = known.as_ref().filter(|(at, _)| *at == hour(now)) {
            return Ok(expected.clone());
        }
        let plan = Arc::new(expected(store, source, now)?);
        *known = Some((hour(now), plan.clone()));
        Ok(plan)
    }
}

/// How the day stands; `None` where the source has no daily limit, or nothing but live collection
/// to do. `uncounted`: calls of this process that the store has not counted yet.
pub fn look<P: std::borrow::Borrow<DayPlan>>(
    store: &Store,
    source: &config::Source,
    uncounted: u64,
    now: Timestamp,
    expected: impl FnOnce() -> Result<P, StoreError>,
) -> Result<Option<Outlook>, StoreError> {
    let Some(per_day) = source.rate_limit.per_day else { return Ok(None) };
    let spending = store.spending(&source.name, now)?;
    if spending.resweeps_waiting == 0 && !spending.backfills {
        return Ok(None);
    }
    let mut outlook = outlook(source, &spending, expected()?.borrow(), per_day, now);
    outlook.spent += uncounted;
    Ok(Some(outlook))
}

/// What waits for the vendor's next day because live collection needs the calls; computed from
/// what the store holds.
pub fn held(
    store: &Store,
    source: &config::Source,
    expected: &Expected,
    now: Timestamp,
) -> Result<Option<Held>, StoreError> {
    let outlook = look(store, source, 0, now, || expected.of(store, source, now))?;
    Ok(outlook.and_then(|outlook| outlook.held()))
}

/// How the day stands, from what is counted, expected and configured.
///
/// What an activation of live collection costs is the most of: the estimate, which knows how many
/// records come, today's average, and yesterday's. Hours that have begun count as whole on both sides, so that within an hour less is
/// left to the other passes, never more: they do not stop and go on with each call.
pub fn outlook(
    source: &config::Source,
    spending: &Spending,
    expected: &DayPlan,
    per_day: u32,
    now: Timestamp,
) -> Outlook {
    let until = midnight_after(now);
    let begun = until.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let (this_hour, next_hour) = (hour(now), hour(now.checked_add(HOUR).unwrap_or(until)));
    let ticks = |from, to| float(estimate::activations(&source.schedule, from, to));
    let (past, left) = (ticks(begun, next_hour), ticks(this_hour, until));
    let each = |calls: u64, activations: f64| float(calls) / activations.max(1.0);
    let usual = each(expected.live(), expected.activations);
    let seen = each(spending.live, past).max(each(spending.live_yesterday, expected.activations));
    let call = seen.clamp(usual, usual * CATCHING_UP);
    let live = left * call * (1.0 + MARGIN) + float(spending.live_open);
    let hours = float(until.duration_since(this_hour).as_hours().unsigned_abs());
    let (slices, calls) = expected.of(What::Resweep);
    // Of those that are planned, a log export spares most.
    let planned =
        if source.has_log_export() { spending.resweeps_waiting } else { spending.resweeps_today };
    let resweeps = float(planned).max(float(slices) * hours / 24.0);
    let resweep = resweeps * each(calls, float(slices)).max(1.0);
    let mut waiting = Vec::new();
    if spending.resweeps_waiting > 0 {
        waiting.push(Pass::Resweep);
    }
    if spending.backfills {
        waiting.push(Pass::Backfill);
    }
    Outlook {
        per_day: per_day.into(),
        spent: spending.total(),
        live: up(live),
        resweep: up(resweep),
        waiting,
        until,
    }
}

impl Outlook {
    /// Whether one more fetch of a pass may begin while `flying` are on their way, so that even
    /// if all of them need a new token no call is made beyond what the pass may spend.
    pub fn allows(&self, pass: Pass, flying: u64) -> bool {
        let kept = match pass {
            Pass::Live => return live_fits(self.per_day, self.spent, flying),
            Pass::Resweep => self.live,
            Pass::Backfill => self.live.saturating_add(self.resweep),
        };
        fits(self.per_day.saturating_sub(kept), self.spent, flying)
    }

    /// The last pass that may begin something.
    pub fn last_pass(&self) -> Pass {
        let allowed = Pass::IN_ORDER.into_iter().take_while(|pass| self.allows(*pass, 0));
        allowed.last().unwrap_or(Pass::Live)
    }

    pub fn held(&self) -> Option<Held> {
        let last = self.last_pass();
        let passes: Vec<Pass> = self.waiting.iter().copied().filter(|pass| *pass > last).collect();
        (!passes.is_empty()).then_some(Held { passes, until: self.until })
    }
}

/// Whether one more live fetch may begin beside `flying` others: live collection may spend all of
/// the day's calls. A quota so small that no fetch could ever begin still permits one.
pub fn live_fits(per_day: u64, spent: u64, flying: u64) -> bool {
    fits(per_day, spent, flying) || (spent == 0 && flying == 0 && per_day > 0)
}

/// Whether one more fetch stays within `most` beside `flying` others, each at its worst.
fn fits(most: u64, spent: u64, flying: u64) -> bool {
    let worst = (flying + 1) * (1 + REPEATED) + TOKENS;
    spent.saturating_add(worst) <= most
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The hour that a time is in.
pub(super) fn hour(at: Timestamp) -> Timestamp {
    let seconds = at.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(HOUR.as_secs())).unwrap_or(at)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
fn up(calls: f64) -> u64 {
    calls.ceil() as u64
}

#[cfg(test)]
mod tests;
