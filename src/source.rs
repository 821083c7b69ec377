//! Vendor accounts. A source fetches one page and reads its records; which slices to fetch, when
//! to retry and what to store is the collector's business.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    domain::{
        filter::Filter,
        record::Record,
        slice::{Interval, Stream},
        usage::{Reading, Usage},
    },
    fault::Fault,
    http::Room,
};

pub mod cisco_etd;
pub mod pace;
pub mod places;
pub mod proofpoint_ser;
pub mod proofpoint_ser_admin;

pub(crate) use proofpoint_ser::summary_row;
pub(crate) use proofpoint_ser_admin::{RELAY_USER_NAMES, relay_user_names};
pub(crate) use text::excerpt;

mod answer;
mod bearer;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod text;
mod when;

#[cfg(test)]
mod testing;

/// What to fetch: one page of one slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub interval: Interval,
    /// The vendor's cursor from the page before; `None` for the first page.
    pub page_token: Option<String>,
    /// Records a page; ignored by vendors that do not page.
    pub page_size: u32,
    /// What to narrow to; where it is empty, the source's own filter counts.
    pub narrow: Filter,
}

/// One page as the vendor returned it.
#[derive(Debug, Default)]
pub struct Page {
    /// The records that belong to the slice, in the vendor's order.
    pub records: Vec<Record>,
    /// Records that the vendor returned, those of the neighbouring slice included.
    pub received: u64,
    /// Records of the slice among them that could not be read: any of them may be one that seems to
    /// be missing.
    pub unread: u64,
    /// How many records the vendor says the whole answer has; may be wrong.
    pub total: Option<u64>,
    /// The cursor of the next page; `None` ends the slice.
    pub next: Option<String>,
    /// The vendor's own time, from the answer's `Date`.
    pub server_time: Option<Timestamp>,
    /// Oddities worth a line in the log, each a sentence part that names the record.
    pub warnings: Vec<String>,
    /// What is used of the licence, where the vendor tells it with this page.
    pub usage: Option<Usage>,
    /// What a large answer takes of the room for such, until the page is dropped.
    pub room: Option<Room>,
}

/// A licence as the vendor tells it, and what is used of it.
#[derive(Debug)]
pub struct Survey {
    /// The entitlement.
    pub record: Record,
    pub reading: Reading,
}

/// What the vendor allows, as far as planning must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How far back the vendor answers; a little inside what it documents.
    pub retention: Option<std::time::Duration>,
    /// Slices begin and end at multiples of their length, and are fetched only when complete.
    pub aligned: bool,
    /// The page size to begin with.
    pub page_size: u32,
}

/// A vendor account that can be asked.
pub trait Source: Send + Sync + 'static {
    /// The `vendor` of events: the configuration's `type`.
    fn vendor(&self) -> &'static str;

    /// The stream whose time is sliced.
    fn stream(&self) -> Stream;

    fn limits(&self) -> Limits;

    /// The streams of which the answer to a slice has all that there is: what it lacks is gone.
    fn whole(&self, _slice: Interval) -> &'static [Stream] {
        &[]
    }

    /// Fetches one page. Takes a call from the source's [`pace::Pace`] for each request that it
    /// makes, token requests included. Renews an expired token by itself, once.
    fn fetch(&self, query: &Query) -> impl Future<Output = Result<Page, Fault>> + Send;

    /// The vendor's own count of the messages that were delivered in `day`, by direction in lower
    /// case; `None` where the vendor counts nothing.
    fn count(
        &self,
        _day: Interval,
    ) -> impl Future<Output = Result<Option<BTreeMap<String, u64>>, Fault>> + Send {
        async { Ok(None) }
    }

    /// What the licence allows and what is used of it, asked for its whole period; `None` where
    /// the vendor tells no such thing.
    fn survey(
        &self,
        _now: Timestamp,
    ) -> impl Future<Output = Result<Option<Survey>, Fault>> + Send {
        async { Ok(None) }
    }

    /// The account's log export, where there is one and it is wanted.
    fn log_export(&self) -> Option<cisco_etd::LogExport<'_>> {
        None
    }

    /// Tries the credentials and one small search; the text says what was found.
    fn probe(&self, now: Timestamp) -> impl Future<Output = Result<String, Fault>> + Send;
}
