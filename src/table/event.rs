//! A row from its event.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Row;
use crate::{
    domain::{
        event::{Change, Event},
        fingerprint,
    },
    source::summary_row,
};

/// What is read of the member `postrider`.
#[derive(Deserialize)]
struct Own {
    record_id: String,
    window_start: jiff::Timestamp,
    window_end: jiff::Timestamp,
    collected_at: Option<jiff::Timestamp>,
}

impl Row {
    /// The row that an event of the stream `summary` tells of; `None` for any other.
    pub fn of_event(event: &Event) -> Option<Self> {
        let whole: &RawValue = serde_json::from_str(&event.json).ok()?;
        let members = fingerprint::object(whole)?;
        let own = members.iter().find(|(name, _)| name == "postrider")?.1;
        let own: Own = serde_json::from_str(own.get()).ok()?;
        // A vanished row's event has the members that name it, and no counters.
        let (names, counters) = summary_row(whole)?;
        let (status, dsn, other_counters) = Self::counts(&counters);
        let [application, application_user, envelope_from, header_from] = names;
        Some(Self {
            window_start: own.window_start,
            window_end: own.window_end,
            source: event.origin.source.to_string(),
            application,
            application_user,
            envelope_from,
            header_from,
            status,
            dsn,
            other_counters,
            revision: event.revision,
            event_id: event.id.to_string(),
            record_id: own.record_id,
            collected_at: own.collected_at,
            vanished: event.change == Change::Vanished,
        })
    }
}
