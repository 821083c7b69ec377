//! When nothing that is asked for comes: one slice at a time tries whether the vendor is back.
//!
//! Else each open slice would try by itself, and an outage would spend the day's calls on it.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rand::Rng;

use crate::{
    fault::{Kind, backoff},
    store::slices::OpenSlice,
};

/// Faults running, of whichever slices, from which on it is an outage.
const OUTAGE: u32 = 8;
/// Between two tries.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// Ready slices among which one is chosen.
pub(super) const CHOICE: usize = 512;

/// Faults of the source since anything came.
#[derive(Debug, Default)]
pub(super) struct Faults(AtomicU32);

impl Faults {
    pub(super) fn well(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Counts a fault, and how long the whole source waits for it.
    pub(super) fn add(&self, kind: Kind, rng: &mut impl Rng) -> Option<Duration> {
        // Others are of their slice only, or hold the source anyway.
        if !matches!(kind, Kind::Transient { .. } | Kind::Refused) {
            return None;
        }
        let faults = self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let wait = (faults >= OUTAGE).then(|| backoff(faults - OUTAGE + 1, FIRST, LONGEST, rng))?;
        match kind {
            Kind::Transient { retry_after } => Some(wait.max(retry_after.unwrap_or_default())),
            _ => Some(wait),
        }
    }

    /// In an outage, the one slice that is to be tried next; else all of them.
    ///
    /// By turns the first, which is missed most, and the one that failed least: no slice that
    /// always fails keeps the others from being tried.
    pub(super) fn choose(&self, mut ready: Vec<OpenSlice>) -> Vec<OpenSlice> {
        let faults = self.0.load(Ordering::Relaxed);
        if faults < OUTAGE {
            return ready;
        }
        let first = faults.is_multiple_of(2);
        let least = ready.iter().enumerate().min_by_key(|(_, slice)| slice.attempts);
        let Some((index, _)) = least else { return ready };
        vec![ready.swap_remove(if first { 0 } else { index })]
    }

    pub(super) fn is_outage(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= OUTAGE
    }
}
