//! Collecting: what to fetch, fetching it, and making events of what is new.

mod compose;
mod diff;
mod fetch;
mod forget;
mod page;
pub mod plan;
pub mod react;
mod standing;

pub use fetch::{Collector, Memory};
pub use forget::Forgetter;
