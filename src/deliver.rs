//! Delivering: one task a sink takes events from the spool, sends them in batches, and marks what
//! the sink accepted.

mod batch;
mod letters;
mod marking;
mod parts;
mod task;

pub use letters::bell;
pub use task::{Deliverer, Flush};
