//! What to do about a fault: pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;

use crate::{
    domain::slice::Pass,
    fault::{Kind, backoff},
    source::Limits,
    store::{
        budget::midnight_after,
        conditions::State,
        slices::{OpenSlice, Progress, Setback},
    },
};

/// Backoff of a slice whose fetch failed.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(5);
/// Backoff of a source that a person must mend.
const AUTH_FIRST: Duration = Duration::from_mins(1);
const AUTH_LONGEST: Duration = Duration::from_mins(15);
/// A 429 that names no time.
const THROTTLED_FIRST: Duration = Duration::from_secs(2);
/// Between tries while the vendor still says, after its day has turned, that the quota is spent.
const QUOTA_PROBE: Duration = Duration::from_hours(1);
/// Below this a slice that is too large is not cut further: the vendor's ends are inclusive to
/// the second.
const SMALLEST: SignedDuration = SignedDuration::from_secs(1);

/// What follows from a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    pub setback: Setback,
    /// The whole source is in this state, and asks nothing until then.
    pub pause: Option<(State, Timestamp)>,
}

/// What a fault means for a whole source: its state, and until when nothing is asked; `None` where it
/// may go on. `attempt` counts faults running, this one included.
pub fn pause(
    kind: Kind,
    attempt: u32,
    quota_hit_today: bool,
    now: Timestamp,
    rng: &mut impl Rng,
) -> Option<(State, Timestamp)> {
    match kind {
        Kind::Throttled { retry_after } => {
            let wait =
                retry_after.unwrap_or_else(|| backoff(attempt, THROTTLED_FIRST, LONGEST, rng));
            Some((State::Throttled, after(now, wait)))
        }
        Kind::QuotaSpent => {
            let until = if quota_hit_today { after(now, QUOTA_PROBE) } else { midnight_after(now) };
            Some((State::QuotaSpent, until))
        }
        Kind::Auth => {
            let wait = backoff(attempt, AUTH_FIRST, AUTH_LONGEST, rng);
            Some((State::AuthFailed, after(now, wait)))
        }
        _ => None,
    }
}

/// Decides what a fault means for the slice and its source.
///
/// `quota_hit_today`: the vendor has said before, since its day turned, that the quota is spent.
pub fn react(
    kind: Kind,
    slice: &OpenSlice,
    limits: Limits,
    quota_hit_today: bool,
    now: Timestamp,
    rng: &mut impl Rng,
) -> Reaction {
    let attempt = slice.attempts.saturating_add(1);
    let again = |not_before, progress| Setback::Again { not_before, progress };
    if let Some((state, until)) = pause(kind, attempt, quota_hit_today, now, rng) {
        // What was refused for its credentials is tried at once when they may be mended.
        let not_before = if state == State::AuthFailed { now } else { until };
        return Reaction { setback: again(not_before, None), pause: Some((state, until)) };
    }
    match kind {
        Kind::Transient { retry_after } => {
            let wait = retry_after.unwrap_or_else(|| backoff(attempt, FIRST, LONGEST, rng));
            Reaction { setback: again(after(now, wait), None), pause: None }
        }
        // Rows of other windows would be counted beside those that are known.
        Kind::TooLarge
            if limits.aligned && slice.pass == Pass::Resweep && slice.progress.page_size <= 1 =>
        {
            let wait = backoff(attempt, AUTH_FIRST, AUTH_LONGEST, rng);
            Reaction { setback: again(after(now, wait), None), pause: None }
        }
        Kind::TooLarge => Reaction { setback: smaller(slice, limits.page_size, now), pause: None },
        Kind::TooEarly => {
            let wait = backoff(attempt, Duration::from_mins(1), LONGEST, rng);
            Reaction { setback: again(after(now, wait), None), pause: None }
        }
        Kind::PastRetention => {
            // Only what is past it: the younger part can still be had.
            let kept = limits.retention.and_then(|retention| now.checked_sub(retention).ok());
            Reaction { setback: Setback::Lost { before: kept }, pause: None }
        }
        Kind::PageTokenRejected => {
            // Once at once; a token that is refused time and again waits like any fault.
            let wait = if slice.attempts == 0 {
                Duration::ZERO
            } else {
                backoff(attempt, FIRST, LONGEST, rng)
            };
            let anew = Progress::anew(slice.progress.page_size);
            Reaction { setback: again(after(now, wait), Some(anew)), pause: None }
        }
        // The first three pause the source, above.
        Kind::Throttled { .. } | Kind::QuotaSpent | Kind::Auth | Kind::Refused => {
            // Kept open and shown as a gap: a new version or configuration may mend it.
            let wait = backoff(attempt, AUTH_FIRST, AUTH_LONGEST, rng);
            Reaction { setback: again(after(now, wait), None), pause: None }
        }
    }
}

/// Half the page, then half the slice; at last the slice cannot be had.
fn smaller(slice: &OpenSlice, first_page_size: u32, now: Timestamp) -> Setback {
    let size = slice.progress.page_size;
    if size > 1 {
        let progress = Progress { page_size: size / 2, ..slice.progress.clone() };
        return Setback::Again { not_before: now, progress: Some(progress) };
    }
    let length = slice.interval.end().duration_since(slice.interval.start());
    if length <= SMALLEST {
        return Setback::Refused;
    }
    Setback::Split { page_size: first_page_size }
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
pub(super) mod tests;
