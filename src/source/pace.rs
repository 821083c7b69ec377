//! How fast a source may call its vendor: never over the limit, slower after a 429.

use std::{
    cell::RefCell,
    num::NonZeroU32,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use jiff::Timestamp;

use super::places::{HOLD, Place, Places};
use crate::config::RateLimit;

/// After this long without a 429 the full rate is used again.
const QUIET: Duration = Duration::from_secs(3600);
/// The slowest that 429s make a source, as a share of its configured rate.
const SLOWEST: f64 = 0.25;

tokio::task_local! {
    /// What the work that is being metered has taken.
    static METER: RefCell<Taken>;
}

/// What some work took from a pace.
#[derive(Debug, Default)]
pub struct Taken {
    pub calls: u64,
    /// Kept until what was answered is stored.
    place: Option<Place>,
    /// Where a call that gave its place back gets another one.
    places: Option<Places>,
}

/// An answer begins to come, and holds memory from here on: a call that gave its place back while it
/// waited takes one again.
pub(super) async fn answered() {
    let without = |taken: &RefCell<Taken>| {
        let taken = taken.borrow();
        taken.places.clone().filter(|_| taken.place.is_none())
    };
    if let Some(places) = METER.try_with(without).ok().flatten() {
        let place = places.enter().await;
        METER.try_with(|taken| taken.borrow_mut().place = place).ok();
    }
}

/// Does `work` and tells what it took. While it waits long for an answer, others have its place.
pub async fn metered<T>(work: impl Future<Output = T>) -> (T, Taken) {
    let waits = async {
        let mut work = std::pin::pin!(work);
        loop {
            let since = METER.with(|taken| taken.borrow().place.as_ref().map(|place| place.since));
            let until = since.unwrap_or_else(tokio::time::Instant::now) + HOLD;
            tokio::select! {
                biased;
                value = &mut work => return (value, METER.with(RefCell::take)),
                () = tokio::time::sleep_until(until) => METER.with(|taken| {
                    let old = |place: &mut Place| place.since.elapsed() >= HOLD;
                    drop(taken.borrow_mut().place.take_if(old));
                }),
            }
        }
    };
    METER.scope(RefCell::default(), waits).await
}

/// A source's pace, shared by all its requests.
#[derive(Debug)]
pub struct Pace {
    limit: RateLimit,
    gear: Mutex<Gear>,
    calls: AtomicU64,
    /// Of these, those that the store has counted.
    counted: AtomicU64,
    places: Places,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, SleepClock, NoOpMiddleware<Tick>>;

/// The clock by which `sleep` counts, so that both agree, in a test's own time too.
#[derive(Debug, Clone, Copy)]
struct SleepClock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(tokio::time::Instant);

impl Clock for SleepClock {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(tokio::time::Instant::now())
    }
}

impl governor::clock::Reference for Tick {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}

impl std::ops::Add<Nanos> for Tick {
    type Output = Self;

    fn add(self, duration: Nanos) -> Self {
        Self(self.0 + Duration::from(duration))
    }
}

#[derive(Debug)]
struct Gear {
    limiter: std::sync::Arc<Limiter>,
    share: f64,
    slowed_at: Option<Timestamp>,
}

impl Pace {
    pub fn new(limit: RateLimit) -> Self {
        let gear = Gear { limiter: limiter(limit, 1.0), share: 1.0, slowed_at: None };
        let (gear, calls, counted) = (Mutex::new(gear), AtomicU64::new(0), AtomicU64::new(0));
        Self { limit, gear, calls, counted, places: Places::default() }
    }

    /// Goes on after another process, or another configuration, whose calls the vendor still
    /// remembers: at the steady rate, without a burst to begin with.
    pub fn resumed(limit: RateLimit) -> Self {
        let pace = Self::new(limit);
        let limiter = pace.gear().limiter.clone();
        let burst = (0..limit.burst).map_while(|_| limiter.check().ok()).count();
        tracing::debug!(burst, "the pace is resumed");
        pace
    }

    /// Shares the places of others.
    #[must_use]
    pub fn within(self, places: Places) -> Self {
        Self { places, ..self }
    }

    /// Waits until one more call is allowed, and counts it.
    pub async fn take(&self) {
        // What it may hold from an earlier call would only be in the way.
        METER.try_with(|taken| drop(taken.borrow_mut().place.take())).ok();
        let place = loop {
            // The place first: a call leaves when its turn is counted, else turns that waited
            // would leave together.
            let place = self.places.enter().await;
            let limiter = self.gear().limiter.clone();
            match limiter.check() {
                Ok(()) => break place,
                Err(not_yet) => {
                    drop(place);
                    tokio::time::sleep(not_yet.wait_time_from(SleepClock.now())).await;
                }
            }
        };
        self.calls.fetch_add(1, Ordering::Relaxed);
        // Whoever does not ask for a bill gets none.
        METER
            .try_with(|taken| {
                let mut taken = taken.borrow_mut();
                taken.calls += 1;
                taken.place = place;
                taken.places = Some(self.places.clone());
            })
            .ok();
    }

    /// Calls made since the process started.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Notes that the store is about to count so many of the calls.
    pub fn count(&self, calls: u64) {
        self.counted.fetch_add(calls, Ordering::Relaxed);
    }

    /// Calls that were made, but not committed with anything yet, whichever of a source's streams
    /// they were made for.
    pub fn uncounted(&self) -> u64 {
        self.calls().saturating_sub(self.counted.load(Ordering::Relaxed))
    }

    /// The vendor said 429: call half as often, until a quiet hour has passed.
    pub fn slow_down(&self, now: Timestamp) {
        let mut gear = self.gear();
        gear.share = (gear.share / 2.0).max(SLOWEST);
        gear.slowed_at = Some(now);
        gear.limiter = limiter(self.limit, gear.share);
    }

    /// Back to the full rate when the last 429 is an hour ago.
    pub fn recover(&self, now: Timestamp) {
        let mut gear = self.gear();
        let quiet = |at: Timestamp| now.duration_since(at).unsigned_abs() >= QUIET;
        if gear.slowed_at.is_some_and(quiet) {
            *gear = Gear { limiter: limiter(self.limit, 1.0), share: 1.0, slowed_at: None };
        }
    }

    /// The share of the configured rate in use, 0 to 1.
    pub fn share(&self) -> f64 {
        self.gear().share
    }

    fn gear(&self) -> MutexGuard<'_, Gear> {
        self.gear.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limiter(limit: RateLimit, share: f64) -> std::sync::Arc<Limiter> {
    let (period, burst) = quota(limit);
    let period = period.div_f64(share);
    let burst = if share < 1.0 { NonZeroU32::MIN } else { burst };
    let quota = Quota::with_period(period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN));
    std::sync::Arc::new(Limiter::direct_with_clock(quota.allow_burst(burst), SleepClock))
}

/// Calls may arrive this much later than they left, and others right behind them.
const JITTER: Duration = Duration::from_millis(250);

/// The period of one call and the burst that keep every window within `limit` as the vendor sees
/// it, where calls arrive with jitter.
///
/// A limit a second with a burst is the vendor's token bucket: some calls less in the burst leave
/// room for calls that catch up with those before them. A limit a minute holds in every window of
/// 60 seconds, so the burst comes out of the rate.
fn quota(limit: RateLimit) -> (Duration, NonZeroU32) {
    let calls = limit.calls.max(1);
    let minute = limit.window > Duration::from_secs(1);
    let burst = if minute { limit.burst.clamp(1, calls.div_ceil(2)) } else { limit.burst.max(1) };
    let spread = if minute { (calls - burst).max(1) } else { calls };
    let period = limit.window / spread;
    let room = JITTER.as_nanos().div_ceil(period.as_nanos().max(1));
    let room = u32::try_from(room).unwrap_or(u32::MAX).min(burst / 2).max(1);
    match NonZeroU32::new(burst.saturating_sub(room)) {
        Some(burst) => (period, burst),
        // No room to give away: a little slower instead.
        None => (period.mul_f64(1.04), NonZeroU32::MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_minute_passes_the_limit(calls in 2..5_000_u32, burst in 1..5_000_u32) {
            let window = Duration::from_secs(60);
            let (period, burst) = quota(RateLimit { calls, window, burst, per_day: None });
            let in_a_window = f64::from(burst.get()) + window.as_secs_f64() / period.as_secs_f64();
            prop_assert!(in_a_window <= f64::from(calls) + 0.01, "{in_a_window} of {calls}");
        }
    }

    #[test]
    fn the_rate_is_used_nearly_in_full() {
        let limit = |calls, seconds, burst| RateLimit {
            calls,
            window: Duration::from_secs(seconds),
            burst,
            per_day: None,
        };
        let second = quota(limit(2, 1, 4));
        assert_eq!(second, (Duration::from_millis(500), NonZeroU32::new(3).unwrap()));
        let (period, burst) = quota(limit(1000, 60, 50));
        assert_eq!(burst.get(), 46);
        assert!(60.0 / period.as_secs_f64() >= 950.0);
    }

    #[test]
    fn a_429_slows_down_until_a_quiet_hour_has_passed() {
        let pace = Pace::new(RateLimit {
            calls: 100,
            window: Duration::from_secs(1),
            burst: 10,
            per_day: None,
        });
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        for _ in 0..5 {
            pace.slow_down(now);
        }
        assert!((pace.share() - SLOWEST).abs() < 1e-9);
        pace.recover(now.checked_add(QUIET / 2).unwrap());
        assert!(pace.share() < 1.0);
        pace.recover(now.checked_add(QUIET).unwrap());
        assert!((pace.share() - 1.0).abs() < 1e-9);
    }
}
