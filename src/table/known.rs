//! A row from what the ledger remembers of it, and how counters come into columns.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{DSN, Row, STATUS};
use crate::{
    domain::{counters::Counters, event::EventId, name::SourceName, row::KnownRow, slice::Stream},
    source::summary_row,
};

type Counts = ([Option<i128>; 9], [Option<i128>; 4], Option<String>);

impl Row {
    /// The row that the ledger remembers of a source; `None` for what versions before 0.2 wrote, which
    /// does not name it. A counter that the vendor no longer gives has its last value.
    pub fn of_known(source: &SourceName, revision: u32, known: &KnownRow) -> Option<Self> {
        let row = known.row.as_ref()?;
        let window = row.window()?;
        let (names, _) = summary_row(&row.names)?;
        let (status, dsn, other_counters) = Self::counts(&known.counters());
        let [application, application_user, envelope_from, header_from] = names;
        Some(Self {
            window_start: window.start(),
            window_end: window.end(),
            source: source.to_string(),
            application,
            application_user,
            envelope_from,
            header_from,
            status,
            dsn,
            other_counters,
            revision,
            event_id: EventId::new(source, Stream::Summary, &row.id, revision).to_string(),
            record_id: row.id.clone(),
            collected_at: known.at.and_then(|at| Timestamp::from_millisecond(at).ok()),
            vanished: known.gone,
        })
    }

    /// Counters by column. A DSN class is the vendor's own count of it, else the sum of its codes.
    pub(super) fn counts(counters: &Counters) -> Counts {
        let Counters { status, details } = counters;
        let mut other: BTreeMap<String, i128> = BTreeMap::new();
        for (name, count) in status {
            if STATUS.iter().all(|(known, _)| known != name) {
                other.insert(name.clone(), *count);
            }
        }
        for (code, count) in details {
            if DSN.iter().all(|(known, _)| known != code) {
                other.insert(format!("details.{code}"), *count);
            }
        }
        let sum = |class: &str| {
            let digit = class.bytes().next();
            let of_class = details.iter().filter(|(code, _)| {
                digit == code.bytes().next() && Counters::class(code).is_some()
            });
            of_class.map(|(_, count)| *count).reduce(i128::saturating_add)
        };
        let class = |class: &str| details.get(class).copied().or_else(|| sum(class));
        let json = serde_json::to_string(&other).ok().filter(|_| !other.is_empty());
        (STATUS.map(|(name, _)| status.get(name).copied()), DSN.map(|(name, _)| class(name)), json)
    }
}
