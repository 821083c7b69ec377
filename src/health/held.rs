//! Passes that wait so that live collection has calls left.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    config,
    domain::slice::Pass,
    store::{Store, StoreError},
};

/// Passes that wait for the vendor's next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub passes: Vec<Pass>,
    /// When they go on at the latest.
    pub until: Timestamp,
}

/// What a source holds back now.
pub fn held(
    _store: &Store,
    _source: &config::Source,
    _now: Timestamp,
) -> Result<Option<Held>, StoreError> {
    Ok(None)
}
