//! Seeds that failed once, and what it was. They run first.

pub(crate) const SEEDS: &[(u64, &str)] = &[];
