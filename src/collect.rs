//! Collecting: what to fetch, fetching it, and making events of what is new.

pub mod backfill;
pub mod budget;
mod collector;
mod compose;
mod diff;
mod fetch;
mod forget;
mod keep;
mod licence;
mod page;
pub mod plan;
pub mod react;
mod spend;
mod standing;
mod vanish;

pub use collector::{Collector, Memory};
pub use forget::Forgetter;
