//! How many calls of all sources together may be under way.
//!
//! An answer, and what is made of it until it is stored, takes up to a few megabytes. A thousand
//! sources that catch up at once would each hold some; with so many places they take turns.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Calls at once. Two cores read and store the answers of twenty.
const PLACES: usize = 48;

/// A call without an answer by then holds little memory: it goes on without its place, so that
/// vendors who do not answer hold nobody up.
pub(super) const HOLD: Duration = Duration::from_secs(1);

/// The places of all sources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places(Arc<Semaphore>);

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    pub(super) since: Instant,
}

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

impl Places {
    /// Waits for a place; first come, first served.
    pub(super) async fn enter(&self) -> Option<Place> {
        // Nobody closes it.
        let permit = self.0.clone().acquire_owned().await.ok()?;
        Some(Place { _permit: permit, since: Instant::now() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::{
        config::RateLimit,
        source::pace::{Pace, answered, metered},
    };

    const LIMIT: RateLimit =
        RateLimit { calls: 10_000, window: Duration::from_secs(1), burst: 10_000, per_day: None };

    /// Calls of a vendor that answers after so long.
    async fn calls(room: Places, count: usize, answer: Duration) {
        let pace = Pace::new(LIMIT).within(room);
        let call = async || {
            let call = async {
                pace.take().await;
                sleep(answer).await;
            };
            // With what it took goes its place.
            drop(metered(call).await);
        };
        futures_util::future::join_all((0..count).map(|_| call())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn calls_take_turns() {
        let begun = Instant::now();
        calls(Places::default(), 3 * PLACES, HOLD / 2).await;
        assert_eq!(begun.elapsed().as_millis(), (3 * HOLD / 2).as_millis());
    }

    #[tokio::test(start_paused = true)]
    async fn vendors_that_do_not_answer_hold_nobody_up() {
        let room = Places::default();
        let hour = Duration::from_hours(1);
        let silent = calls(room.clone(), 2 * PLACES, hour);
        let others = async {
            sleep(HOLD / 2).await;
            timeout(4 * HOLD, calls(room, 10, Duration::from_millis(50))).await
        };
        tokio::select! {
            () = silent => panic!("it does not answer"),
            served = others => assert_eq!(served, Ok(())),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_come_late_take_turns_too() {
        let pace = Pace::new(LIMIT);
        let at_once = Semaphore::new(PLACES);
        let call = async || {
            let call = async {
                pace.take().await;
                sleep(3 * HOLD).await;
                answered().await;
                let _reads = at_once.try_acquire().expect("more answers than places");
                sleep(HOLD / 2).await;
            };
            drop(metered(call).await);
        };
        let begun = Instant::now();
        futures_util::future::join_all((0..2 * PLACES).map(|_| call())).await;
        // The second half begins as soon as the first gives its places back.
        assert_eq!(begun.elapsed().as_millis(), (4 * HOLD + HOLD / 2).as_millis());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_rate_holds_no_place() {
        let room = Places::default();
        let slow = RateLimit { calls: 1, burst: 1, ..LIMIT };
        let slow = Pace::new(slow).within(room.clone());
        let waiting = futures_util::future::join_all((0..2 * PLACES).map(|_| slow.take()));
        let others = timeout(HOLD / 10, calls(room, 10, Duration::from_millis(50)));
        tokio::select! {
            _ = waiting => panic!("it is slow"),
            served = others => assert_eq!(served, Ok(())),
        }
    }
}
