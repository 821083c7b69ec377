//! Collecting: what to fetch, fetching it, and making events of what is new.

pub mod backfill;
pub mod budget;
mod collector;
pub(crate) mod compose;
mod diff;
pub(crate) mod export;
mod fetch;
mod forget;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
#[cfg(test)]
mod histories;
mod keep;
mod licence;
mod outage;
mod page;
pub mod plan;
pub mod react;
mod reconcile;
mod spend;
mod standing;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod testing;
mod twins;
mod vanish;

pub use collector::{Collector, Memory};
pub use forget::{Forgetter, ROWS};
