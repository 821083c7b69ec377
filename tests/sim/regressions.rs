//! Seeds that are known by number.

/// Seeds that failed once, and what it was. They run first.
pub(crate) const SEEDS: &[(u64, &str)] = &[
    (33, "a page that did not fit into the spool was fetched again and again without a pause"),
    (10, "an hour that a type of logs did not come for lost its gap when the type came again"),
    (649, "the same, where a file of messages could not be read in the same look"),
    (147, "the same, where the look failed and the type came at the next try"),
    (302, "the same, where the store failed in between"),
    (351, "a deliverer that was stopped spun while batches were on the way"),
];
