//! Makes health events: like a vendor's, with the member `postrider` first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    matter::Kind,
    turns::{self, Event, Key},
};
use crate::{
    collect::compose::{EventIdText, SCHEMA, milliseconds, splice},
    domain::{
        event::{Change, EventId},
        name::SourceName,
        severity::Severity,
        slice::Stream,
    },
    store::spool::NewEvent,
};

#[derive(Serialize)]
struct Header<'a> {
    event_id: EventIdText,
    schema: u32,
    source: &'a str,
    vendor: &'a str,
    stream: &'a str,
    record_id: &'a str,
    revision: u32,
    change: Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    previous: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    #[serde(serialize_with = "milliseconds")]
    collected_at: Timestamp,
}

#[derive(Serialize)]
struct Body<'a> {
    kind: Kind,
    condition: &'a str,
    severity: Severity,
    state: &'a str,
    message: &'a str,
    #[serde(serialize_with = "milliseconds")]
    since: Timestamp,
    #[serde(flatten)]
    ended: Ended,
    #[serde(flatten)]
    details: &'a Map<String, Value>,
}

/// When the matter was over.
#[derive(Serialize)]
#[serde(untagged)]
enum Ended {
    At {
        #[serde(serialize_with = "milliseconds")]
        ended: Timestamp,
    },
    Not {},
}

/// Makes the event. Its time is when it was noticed, so that alerts over the last minutes see it.
pub(super) fn event(
    (source, record_id): &Key,
    event: &Event,
    tags: &BTreeMap<String, String>,
    now: Timestamp,
) -> NewEvent {
    let Event { revision, open, telling, since, .. } = event;
    let id = EventId::new(source, Stream::Health, record_id, *revision);
    let change = if *revision == 1 { Change::New } else { Change::Changed };
    let mut previous: BTreeMap<&str, &str> = event.previous.clone();
    if let Some(condition) = &event.previous_condition {
        previous.insert("condition", condition);
    }
    let header = Header {
        event_id: EventIdText(id),
        schema: SCHEMA,
        source: source.as_str(),
        vendor: SourceName::OWN,
        stream: Stream::Health.as_str(),
        record_id,
        revision: *revision,
        change,
        changed: (*revision > 1).then(|| previous.keys().copied().collect()),
        previous,
        tags,
        collected_at: now,
    };
    let body = Body {
        kind: telling.kind,
        condition: &telling.condition,
        severity: telling.severity,
        state: turns::state(*open),
        message: &telling.message,
        since: *since,
        ended: if *open { Ended::Not {} } else { Ended::At { ended: now } },
        details: &telling.details,
    };
    // Texts, numbers and times can always be written.
    let body = serde_json::to_string(&body).unwrap_or_else(|_| "{}".into());
    NewEvent {
        id,
        revision: *revision,
        change,
        time_ms: now.as_millisecond(),
        verdict: None,
        json: splice(&header, &body),
    }
}
