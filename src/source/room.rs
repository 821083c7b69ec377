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
const PLACES: usize = 64;

/// A call without an answer by then holds little memory: it goes on without its place, so that
/// vendors who do not answer hold nobody up.
pub(super) const HOLD: Duration = Duration::from_secs(1);

/// The places of all sources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    pub(super) since: Instant,
}

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

impl Room {
    /// Waits for a place; first come, first served.
    pub(super) async fn enter(&self) -> Option<Place> {
        // Nobody closes it.
        let permit = self.0.clone().acquire_owned().await.ok()?;
        Some(Place { _permit: permit, since: Instant::now() })
    }
}
