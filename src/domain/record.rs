//! Records: what the vendor returned, read just far enough to file, compare and route it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    counters::Counters,
    fingerprint::Fingerprint,
    slice::{Interval, Stream},
};

/// One record, interpreted. The text stays as it came; everything else is a reading of it.
#[derive(Debug, Clone)]
pub struct Record {
    pub stream: Stream,
    /// The vendor's id, or one derived from the content where there is none.
    pub id: String,
    /// The record's text: one JSON object on one line. A vendor's member `postrider` is renamed
    /// to `postrider_original`.
    pub json: String,
    /// When it happened and never changes: a message's delivery, a row's window start.
    pub time: Option<Timestamp>,
    pub fingerprint: Fingerprint,
    /// The members that are known to change, as one JSON object: the source of `previous`.
    pub watched: String,
    /// Times that the vendor gives to changes: a path such as `verdict.timestamp`, its value.
    pub stamps: Vec<(&'static str, Timestamp)>,
    /// The latest verdict, lower case.
    pub verdict: Option<String>,
    pub facts: Facts,
}

/// What is particular to a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Facts {
    Message {
        /// The vendor's word, lower case.
        direction: Option<String>,
    },
    Audit,
    SummaryRow {
        /// What was asked for: SER does not say it in the row.
        window: Interval,
        counters: Counters,
        /// Oddities of the row, for people: `total_mismatch`, `unreadable:status.success`.
        flags: Vec<String>,
    },
    Entitlement,
    /// A row of one of the SER Admin API's reports of a day.
    Report {
        /// `traffic_summary`, `delivery_failures`, …
        report: &'static str,
        /// The UTC day.
        window: Interval,
        /// Of whom the row is, where the report has such.
        user: Option<RelayUser>,
        /// In `status`, by the vendor's names; `details` is empty.
        counters: Counters,
        /// As of a summary's row.
        flags: Vec<String>,
    },
    /// A relay user's configuration.
    RelayUser {
        name: Option<String>,
    },
}

/// Who a report's row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayUser {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Record {
    /// A message's direction: the vendor's word, lower case; `none` where it gave none.
    pub fn direction(&self) -> Option<String> {
        match &self.facts {
            Facts::Message { direction } => {
                Some(direction.clone().unwrap_or_else(|| "none".to_owned()))
            }
            Facts::Audit
            | Facts::SummaryRow { .. }
            | Facts::Entitlement
            | Facts::Report { .. }
            | Facts::RelayUser { .. } => None,
        }
    }

    /// Whether `previous` tells the former values of what is below this member of the top level.
    pub fn watches(&self, root: &str) -> bool {
        let roots: &[&str] = match &self.facts {
            Facts::Message { .. } => &["verdict", "action"],
            Facts::Audit => &[],
            Facts::SummaryRow { .. } => &["status", "details"],
            Facts::Entitlement => &["annual_throughput", "license_start", "license_end"],
            Facts::Report { counters, .. } => return counters.status.contains_key(root),
            Facts::RelayUser { .. } => return true,
        };
        roots.contains(&root)
    }
}
