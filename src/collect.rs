//! Collecting: what to fetch, fetching it, and making events of what is new.

mod compose;
mod fetch;
mod forget;
pub mod plan;
pub mod react;

pub use fetch::{Collector, Memory};
pub use forget::Forgetter;
