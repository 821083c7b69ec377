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
    /// One that was never tried; else by turns the first, which is missed most, and the one that
    /// failed least: no slice that always fails keeps the others from being tried.
    pub(super) fn choose(&self, mut ready: Vec<OpenSlice>) -> Vec<OpenSlice> {
        if !self.is_outage() {
            return ready;
        }
        let least = ready.iter().enumerate().min_by_key(|(_, slice)| slice.attempts);
        let Some((least, attempts)) = least.map(|(index, slice)| (index, slice.attempts)) else {
            return ready;
        };
        let first = attempts > 0 && self.0.load(Ordering::Relaxed).is_multiple_of(2);
        vec![ready.swap_remove(if first { 0 } else { least })]
    }

    pub(super) fn is_outage(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= OUTAGE
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::collect::react::tests::slice;

    fn faults(count: u32) -> (Faults, Option<Duration>) {
        let (faults, mut rng) = (Faults::default(), StdRng::seed_from_u64(1));
        let kind = Kind::Transient { retry_after: None };
        let wait = (0..count).map(|_| faults.add(kind, &mut rng)).last().flatten();
        (faults, wait)
    }

    #[test]
    fn the_source_waits_when_nothing_comes_and_goes_on_when_something_does() {
        assert_eq!(faults(OUTAGE - 1).1, None);
        let (faults, wait) = faults(OUTAGE + 30);
        assert!(wait.is_some_and(|wait| (LONGEST / 2..=LONGEST).contains(&wait)), "{wait:?}");
        assert!(faults.is_outage());
        faults.well();
        assert!(!faults.is_outage());
    }

    #[test]
    fn what_is_of_one_slice_only_is_no_outage() {
        let (faults, mut rng) = (Faults::default(), StdRng::seed_from_u64(1));
        for _ in 0..2 * OUTAGE {
            assert_eq!(faults.add(Kind::TooLarge, &mut rng), None);
            assert_eq!(faults.add(Kind::TooEarly, &mut rng), None);
        }
    }

    #[test]
    fn a_slice_that_always_fails_keeps_no_other_from_being_tried() {
        let tried = |count: u32, attempts: [u32; 3]| {
            let ready = attempts.map(|attempts| slice(60, 100, attempts)).into();
            let chosen = faults(count).0.choose(ready);
            chosen.iter().map(|slice| slice.attempts).collect::<Vec<_>>()
        };
        assert_eq!(tried(OUTAGE - 1, [9, 0, 3]), [9, 0, 3]);
        assert_eq!(tried(OUTAGE, [9, 5, 3]), [9]);
        assert_eq!(tried(OUTAGE + 1, [9, 5, 3]), [3]);
        assert_eq!(tried(OUTAGE, [9, 0, 3]), [0]);
    }
}
