//! What comes from outside, given arbitrary bytes: vendors' and SIEMs' answers, the configuration,
//! what the disk holds. Each function panics where something does not hold that must. The fuzz
//! targets (fuzz/) call them, and so does an ordinary test with the corpus.
//!
//! The modules `fuzzing` elsewhere are here because what they call is private there.

mod domain;
mod json;
mod record;

pub(crate) use json::{is_distinct, reversed};
pub(crate) use record::check as check_records;

pub use domain::fingerprint;

pub use crate::{
    config::fuzzing::{configuration, units},
    sink::splunk_hec::fuzzing::hec,
    source::fuzzing::{etd_page, etd_report, refusals, ser_admin, ser_summary, times, tokens},
    store::fuzzing::{chunk, ledger},
};

/// Reads bytes; panics where something is wrong.
pub type Target = fn(&[u8]);

/// All of them, by the names of the fuzz targets and of their folders in the corpus.
pub const TARGETS: [(&str, Target); 13] = [
    ("chunk", chunk),
    ("configuration", configuration),
    ("etd_page", etd_page),
    ("etd_report", etd_report),
    ("fingerprint", fingerprint),
    ("hec", hec),
    ("ledger", ledger),
    ("refusals", refusals),
    ("ser_admin", ser_admin),
    ("ser_summary", ser_summary),
    ("times", times),
    ("tokens", tokens),
    ("units", units),
];

/// What a NUL separates: some targets read several things at once.
pub(crate) fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0)
}
