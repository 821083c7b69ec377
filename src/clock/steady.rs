//! A clock that does not believe a step before a vendor has confirmed it.
//!
//! Slices, resweeps, holds, the day's budget and what is forgotten follow from the time. A clock
//! that jumps a year ahead would have time marked as lost, resweeps made early and the ledger
//! forgotten; one that jumps back would hold what is due. So the time goes on as the machine's
//! running time does, until the `Date` of a vendor's answer says which of the two is right.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Clock;

/// What NTP sets at once is followed at once: no lag is shorter by more than this matters.
const STEP: SignedDuration = SignedDuration::from_mins(1);
/// A vendor's clock may be so wrong.
const WRONG: SignedDuration = SignedDuration::from_mins(5);
/// Without a word from any vendor, a step forward of at most this is believed in the end: a machine
/// that slept. Longer ones wait for the word.
const SLEPT: SignedDuration = SignedDuration::from_hours(6);
const IN_THE_END: Duration = Duration::from_mins(10);

/// The wall clock without its steps. Clones share what they know.
#[derive(Clone)]
pub struct SteadyClock {
    wall: Arc<dyn Clock>,
    known: Arc<Mutex<Known>>,
}

/// What is held for true, and how the wall clock differs from it.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The time when the machine's running time was `at`.
    time: Timestamp,
    at: Instant,
    /// Since when the wall clock says something else.
    stepped: Option<Instant>,
    /// A vendor has said that it is not earlier, some time.
    confirmed: bool,
}

/// What became of the wall clock's word.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Same,
    Stepped(SignedDuration),
    Believed(SignedDuration),
    Corrected(SignedDuration),
}

impl Known {
    /// The time by the machine's running time.
    fn expected(&self, now: Instant) -> Timestamp {
        let passed = now.saturating_duration_since(self.at);
        self.time.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    fn set(&mut self, time: Timestamp, now: Instant) {
        (self.time, self.at, self.stepped) = (time, now, None);
    }

    /// Looks at the wall clock.
    fn look(&mut self, wall: Timestamp, now: Instant) -> Turn {
        let off = wall.duration_since(self.expected(now));
        if off.abs() <= STEP {
            self.set(wall, now);
            return Turn::Same;
        }
        let Some(since) = self.stepped else {
            self.stepped = Some(now);
            return Turn::Stepped(off);
        };
        let slept = off.is_positive() && off <= SLEPT;
        if slept && now.saturating_duration_since(since) >= IN_THE_END {
            self.set(wall, now);
            return Turn::Believed(off);
        }
        Turn::Same
    }

    /// Hears what time a vendor says it is; nothing said is agreed with.
    fn hear(&mut self, theirs: Option<Timestamp>, wall: Timestamp, now: Instant) -> Turn {
        let expected = self.expected(now);
        let off = wall.duration_since(expected);
        let is_step = off.abs() > STEP;
        let Some(theirs) = theirs else {
            if is_step {
                self.set(wall, now);
            }
            self.confirmed = true;
            return if is_step { Turn::Believed(off) } else { Turn::Same };
        };
        let from = |ours: Timestamp| theirs.duration_since(ours);
        if is_step && from(wall).abs() <= WRONG {
            self.set(wall, now);
            self.confirmed = true;
            return Turn::Believed(off);
        }
        // Earlier is safe: what has not come at the vendor cannot be had. Later is not.
        if from(expected) < -WRONG {
            self.set(theirs, now);
            self.stepped = Some(now);
            self.confirmed = true;
            return Turn::Corrected(from(expected));
        }
        self.confirmed = true;
        // As long as vendors contradict, patience does not run out.
        self.stepped = self.stepped.map(|_| now);
        Turn::Same
    }
}

impl SteadyClock {
    pub fn new(wall: Arc<dyn Clock>) -> Self {
        let known = Known { time: wall.now(), at: Instant::now(), stepped: None, confirmed: false };
        Self { wall, known: Arc::new(Mutex::new(known)) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let (now, mut known) = (Instant::now(), self.known());
        let turn = known.look(self.wall.now(), now);
        let time = known.expected(now);
        drop(known);
        tell(&turn);
        time
    }

    fn hear(&self, theirs: Option<Timestamp>) {
        let (now, wall) = (Instant::now(), self.wall.now());
        let turn = self.known().hear(theirs, wall, now);
        tell(&turn);
    }

    fn is_confirmed(&self) -> bool {
        self.known().confirmed
    }

    fn off(&self) -> Option<SignedDuration> {
        let (now, known) = (Instant::now(), self.known());
        let off = self.wall.now().duration_since(known.expected(now));
        (off.abs() > STEP).then_some(off)
    }
}

fn tell(turn: &Turn) {
    match turn {
        Turn::Same => {}
        Turn::Stepped(by) => tracing::warn!(
            seconds = by.as_secs(),
            "this machine's clock has jumped; going on without the jump until a vendor confirms it"
        ),
        Turn::Believed(by) => {
            tracing::info!(seconds = by.as_secs(), "the clock's jump is right: following it");
        }
        Turn::Corrected(by) => tracing::warn!(
            seconds = by.as_secs(),
            "this machine's clock is ahead of the vendor's, whose time counts; set it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const HOUR: i64 = 3_600;
    const YEAR: i64 = 365 * 24 * HOUR;

    /// A steady clock over a wall clock, which runs as the machine does.
    struct Bench {
        wall: Arc<ManualClock>,
        clock: SteadyClock,
        begin: Timestamp,
        begun: Instant,
    }

    impl Bench {
        fn new(off: i64) -> Self {
            let begin: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
            let wall = Arc::new(ManualClock::at(begin + SignedDuration::from_secs(off)));
            let clock = SteadyClock::new(wall.clone());
            Self { wall, clock, begin, begun: Instant::now() }
        }

        /// What time it is.
        fn truth(&self) -> Timestamp {
            self.begin + self.begun.elapsed()
        }

        fn step(&self, seconds: i64) {
            self.wall.set(self.wall.now() + SignedDuration::from_secs(seconds));
        }

        async fn pass(&self, seconds: u64) {
            for _ in 0..seconds.div_ceil(5) {
                tokio::time::advance(Duration::from_secs(5)).await;
                self.wall.advance(Duration::from_secs(5));
                self.clock.now();
            }
        }

        fn hear(&self) {
            self.clock.hear(Some(self.truth()));
        }

        fn assert_right(&self) {
            let off = self.clock.now().duration_since(self.truth());
            assert!(off.abs() <= SignedDuration::from_secs(60), "{off}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_step_is_never_followed() {
        for step in [HOUR, -HOUR, 3 * HOUR, YEAR, -YEAR] {
            let bench = Bench::new(0);
            bench.hear();
            bench.step(step);
            assert_eq!(bench.clock.off(), Some(SignedDuration::from_secs(step)));
            for _ in 0..24 {
                bench.assert_right();
                bench.pass(300).await;
                bench.hear();
            }
            bench.step(-step);
            bench.pass(60).await;
            bench.assert_right();
            assert_eq!(bench.clock.off(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_step_is_followed_at_the_first_answer() {
        for wrong in [HOUR, -HOUR, YEAR, -YEAR] {
            let bench = Bench::new(wrong);
            bench.pass(60).await;
            bench.step(-wrong);
            bench.clock.now();
            bench.hear();
            bench.assert_right();
            assert!(bench.clock.is_confirmed());
            assert_eq!(bench.clock.off(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_ahead_from_the_start_is_corrected_by_the_first_answer() {
        let bench = Bench::new(YEAR);
        assert!(!bench.clock.is_confirmed());
        bench.hear();
        bench.assert_right();
        assert_eq!(bench.clock.off(), Some(SignedDuration::from_secs(YEAR)));
        bench.pass(7_200).await;
        bench.assert_right();
    }

    #[tokio::test(start_paused = true)]
    async fn a_vendor_far_ahead_is_not_followed() {
        let bench = Bench::new(0);
        bench.clock.hear(Some(bench.truth() + SignedDuration::from_hours(9_000)));
        bench.assert_right();
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_word_a_night_is_believed_in_the_end_and_a_year_never() {
        for (step, believed) in [(5 * HOUR, true), (-HOUR, false), (YEAR, false)] {
            let bench = Bench::new(0);
            bench.step(step);
            bench.pass(86_400).await;
            assert_eq!(bench.clock.off().is_none(), believed, "{step}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slewing_is_followed() {
        let bench = Bench::new(0);
        for _ in 0..720 {
            bench.pass(10).await;
            // 500 ppm would be 5 ms.
            bench.wall.advance(Duration::from_millis(50));
        }
        assert_eq!(bench.clock.now(), bench.wall.now());
        assert_eq!(bench.clock.off(), None);
    }
}
