//! What is used of a licence, and how long it lasts: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::slice::Interval;

/// What the vendor says of a licence and its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Bytes that may be used in the period; `None` where the vendor's unit is not certain.
    pub allowed: Option<i128>,
    /// The licence's period; `None` where the vendor gives no readable dates.
    pub period: Option<Interval>,
    /// What the sums below end at.
    pub to: Timestamp,
    /// Bytes used since the period began, by application.
    pub applications: BTreeMap<String, i128>,
    /// Bytes used in the intervals of 7 and 30 days that end at `to`, or since the period began.
    pub recent: Vec<(Interval, i128)>,
    /// Bytes used in each hour of the last whole day.
    pub hours: Vec<(Timestamp, i128)>,
}

/// What is made of it, as events and `status` tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    pub used_bytes: i128,
}

pub fn usage(reading: &Reading) -> Usage {
    Usage { used_bytes: reading.applications.values().sum() }
}
