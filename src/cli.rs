//! (in progress)

pub mod simulate;
