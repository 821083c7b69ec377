//! The words of the contract as types. No I/O, no async.

pub mod change;
pub mod counters;
pub mod event;
pub mod filter;
pub mod fingerprint;
pub mod name;
pub mod record;
pub mod row;
pub mod severity;
pub mod slice;
pub mod usage;
