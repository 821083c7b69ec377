//! Seeds that are known by number.

/// Seeds that failed once, and what it was. They run first.
pub(crate) const SEEDS: &[(u64, &str)] = &[];

/// Seeds that do not come to an end, and what is known of it: left out of a run of many, and told.
pub(crate) const OPEN: &[(u64, &str)] = &[
    (33, "it asks for acknowledgements, and is stopped, without end"),
    (351, "the same; with `--without acks` it ends well"),
];
