//! In which of six states a source is: pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    config::{self, Schedule, Start, Vendor, units},
    store::conditions::{Condition, State as Stored},
};

/// How a source is doing: the one word that `status`, metrics and events use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// All that is due is collected.
    Collecting,
    /// The same, but nothing has come for a long time.
    Quiet,
    /// What is due is not collected yet.
    Behind,
    /// The vendor, or the day's quota, makes it wait.
    Throttled,
    /// Credentials or rights: a person must act.
    AuthFailed,
    /// The vendor does not answer as it should.
    Failing,
}

impl SourceState {
    pub const ALL: [Self; 6] = [
        Self::Collecting,
        Self::Quiet,
        Self::Behind,
        Self::Throttled,
        Self::AuthFailed,
        Self::Failing,
    ];

    /// The state of a source is that of its worst stream: first what a person must mend.
    pub const fn badness(self) -> u8 {
        match self {
            Self::Collecting => 0,
            Self::Quiet => 1,
            Self::Behind => 2,
            Self::Throttled => 3,
            Self::Failing => 4,
            Self::AuthFailed => 5,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Quiet => "quiet",
            Self::Behind => "behind",
            Self::Throttled => "throttled",
            Self::AuthFailed => "auth_failed",
            Self::Failing => "failing",
        }
    }
}

/// What the state follows from.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    pub condition: Option<&'a Condition>,
    /// The first instant that live collection has not covered; `None` before anything was planned.
    pub covered_to: Option<Timestamp>,
    /// When live records came last; before any did, when they were first asked for.
    pub heard: Option<Timestamp>,
}

/// Without `expect_records_within`, a source is quiet after this.
const QUIET_AFTER: Duration = Duration::from_hours(24);
/// What fetching may take before a source counts as behind.
const GRACE: Duration = Duration::from_mins(2);

pub fn state(config: &config::Source, progress: Progress<'_>, now: Timestamp) -> SourceState {
    match progress.condition.map(|condition| condition.state) {
        Some(Stored::Failing) => SourceState::Failing,
        Some(Stored::AuthFailed) => SourceState::AuthFailed,
        Some(Stored::Throttled | Stored::QuotaSpent) => SourceState::Throttled,
        Some(Stored::SpoolFull) => SourceState::Behind,
        Some(Stored::Ok) | None if is_behind(config, progress, now) => SourceState::Behind,
        Some(Stored::Ok) | None => {
            let patience = config.expect_records_within.unwrap_or(QUIET_AFTER);
            match silent(config, progress, now) {
                Some(silent) if silent > patience => SourceState::Quiet,
                _ => SourceState::Collecting,
            }
        }
    }
}

/// Whether less is covered than the schedule explains.
pub fn is_behind(config: &config::Source, progress: Progress<'_>, now: Timestamp) -> bool {
    let expected = expected(config, now);
    match (progress.covered_to, config.start) {
        (Some(covered_to), _) => covered_to < expected,
        // Nothing is due before a start that is still to come.
        (None, Start::At(start)) => start < expected,
        (None, Start::Back(_)) => true,
    }
}

/// How long a source was asked without any record coming; `None` before it was first asked. What
/// nobody asked for is not silence: time counts as far as it is covered.
pub fn silent(config: &config::Source, progress: Progress<'_>, now: Timestamp) -> Option<Duration> {
    let asked = progress.covered_to?.checked_add(config.lag).unwrap_or(Timestamp::MAX).min(now);
    Some(Duration::try_from(asked.duration_since(progress.heard?)).unwrap_or_default())
}

/// Up to when live collection must have come by `now`: to where the last activation that had time
/// enough planned.
pub fn expected(config: &config::Source, now: Timestamp) -> Timestamp {
    let before = |at: Timestamp, by: Duration| at.checked_sub(by).unwrap_or(Timestamp::MIN);
    let settled = before(now, GRACE);
    let activated = match &config.schedule {
        Schedule::Every(every) => before(settled, *every),
        // One that never fired asks for nothing.
        Schedule::Cron(cron) => units::last_tick(cron, settled).unwrap_or(Timestamp::MIN),
    };
    let due = before(activated, config.lag).as_second();
    let step = match &config.vendor {
        Vendor::CiscoEtd(_) => 1,
        // Whole hours, or whatever a slice is.
        Vendor::ProofpointSer(_) | Vendor::ProofpointSerAdmin(_) => {
            i64::try_from(config.slice.as_secs()).unwrap_or(1).max(1)
        }
    };
    Timestamp::from_second(due - due.rem_euclid(step)).unwrap_or(Timestamp::MIN)
}

/// A length of time in words: `26 hours`, `3 days`.
pub fn words(length: Duration) -> String {
    let seconds = length.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// From one time to a later one, in seconds.
pub fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    let length: SignedDuration = to.duration_since(from);
    length.as_secs().max(0)
}

#[cfg(test)]
mod tests;
