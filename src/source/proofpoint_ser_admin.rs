//! Proofpoint's SER Admin API, the successor of the summary API: usage and failures by day, and the
//! relay users' configuration.
//!
//! All that is known of it is a public library of the vendor's community; no answer was published.
//! Member names are sure, the formats of values are not: counts come as numbers or texts, with or
//! without an envelope, and unknown members are kept.

mod ask;
mod credentials;
mod cursor;
mod envelope;
mod relay_user;
mod report;
