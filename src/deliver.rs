//! Delivering: one task a sink takes events from the spool, sends them in batches, and marks what
//! the sink accepted.

mod batch;
mod task;

pub use task::{Deliverer, Flush};
