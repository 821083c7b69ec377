//! Makes events: the vendor's record as it came, with the member `postrider` put in front.

use std::{collections::BTreeMap, io::Write};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    domain::{
        change::Revision,
        counters::Counters,
        event::{Change, EventId},
        name::SourceName,
        record::{Facts, Record, RelayUser},
        row::Identity,
        slice::{Interval, Pass, Stream},
        usage::Usage,
    },
    store::spool::NewEvent,
};

/// The version of the member `postrider`.
pub(crate) const SCHEMA: u32 = 1;
/// After this a SER row is no longer reclassified (vendor's overview: seven days).
const RECLASSIFIED_FOR: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// What the events of one page share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) source: &'a SourceName,
    pub(super) vendor: &'static str,
    pub(super) tags: &'a BTreeMap<String, String>,
    pub(super) pass: Pass,
    pub(super) slice: Interval,
    pub(super) collected_at: Timestamp,
}

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
    changed: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Previous<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_start: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_end: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_user: Option<&'a RelayUser>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a Counters>,
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    settled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<&'a [String]>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    pass: &'a str,
    slice: [Timestamp; 2],
    #[serde(serialize_with = "milliseconds")]
    collected_at: Timestamp,
}

/// What an event is about.
struct Subject<'a> {
    stream: Stream,
    record_id: &'a str,
    /// A message's latest verdict.
    verdict: Option<&'a str>,
    row: Option<RowParts<'a>>,
    /// What is used of a licence.
    usage: Option<&'a Usage>,
    /// The record.
    json: &'a str,
}

/// What events of SER rows have beside.
struct RowParts<'a> {
    window: Interval,
    /// Which report of the SER Admin API it is of, and whose.
    report: Option<(&'a str, Option<&'a RelayUser>)>,
    counters: &'a Counters,
    flags: &'a [String],
}

/// Makes the event of a record's new version.
pub(super) fn event(record: &Record, revision: &Revision, context: Context<'_>) -> NewEvent {
    let row = match &record.facts {
        Facts::SummaryRow { window, counters, flags } => {
            Some(RowParts { window: *window, report: None, counters, flags })
        }
        Facts::Report { report, window, user, counters, flags } => {
            let report: Option<(&str, _)> = Some((*report, user.as_ref()));
            Some(RowParts { window: *window, report, counters, flags })
        }
        Facts::Message { .. } | Facts::Audit | Facts::Entitlement | Facts::RelayUser { .. } => None,
    };
    let (stream, record_id, verdict) = (record.stream, &record.id, record.verdict.as_deref());
    let subject = Subject { stream, record_id, verdict, row, usage: None, json: &record.json };
    write(&subject, revision, context)
}

/// Makes the event of an entitlement, with what is used of it.
pub(super) fn licence(
    record: &Record,
    revision: &Revision,
    usage: Option<&Usage>,
    context: Context<'_>,
) -> NewEvent {
    let (stream, record_id) = (record.stream, &record.id);
    let json = &record.json;
    write(&Subject { stream, record_id, verdict: None, row: None, usage, json }, revision, context)
}

/// Makes the event that a row is gone: of the record what named it.
pub(super) fn vanished(
    stream: Stream,
    row: &Identity,
    revision: &Revision,
    context: Context<'_>,
) -> NewEvent {
    let counters = Counters::default();
    let report = row.report.as_deref().map(|report| (report, row.user.as_ref()));
    let parts = RowParts { window: context.slice, report, counters: &counters, flags: &[] };
    let (record_id, json) = (&row.id, row.names.get());
    let row = Some(parts);
    write(&Subject { stream, record_id, verdict: None, row, usage: None, json }, revision, context)
}

/// Makes the event that a relay user is no longer there: `json` is what named it.
pub(super) fn removed(
    (record_id, json): (&str, &str),
    revision: &Revision,
    context: Context<'_>,
) -> NewEvent {
    let stream = Stream::RelayUsers;
    let subject = Subject { stream, record_id, verdict: None, row: None, usage: None, json };
    write(&subject, revision, context)
}

fn write(subject: &Subject<'_>, revision: &Revision, context: Context<'_>) -> NewEvent {
    let Context { source, vendor, tags, pass, slice, collected_at } = context;
    let Subject { stream, record_id, verdict, row, usage, json } = subject;
    let id = EventId::new(source, *stream, record_id, revision.number);
    let later = revision.change != Change::New;
    let report = row.as_ref().and_then(|row| row.report);
    let window = row.as_ref().map(|row| row.window);
    let settled =
        window.map(|window| collected_at.duration_since(window.end()) >= RECLASSIFIED_FOR);
    let header = Header {
        event_id: EventIdText(id),
        schema: SCHEMA,
        source: source.as_str(),
        vendor,
        stream: stream.as_str(),
        record_id,
        revision: revision.number,
        change: revision.change,
        changed: later.then_some(&revision.changed),
        previous: later.then_some(Previous(&revision.previous)),
        window_start: window.map(Interval::start),
        window_end: window.map(Interval::end),
        report: report.map(|(name, _)| name),
        relay_user: report.and_then(|(_, user)| user),
        details: row.as_ref().filter(|row| row.report.is_none()).map(|row| Details(row.counters)),
        delta: revision.delta.as_ref(),
        settled,
        usage: *usage,
        flags: row.as_ref().map(|row| row.flags).filter(|flags| !flags.is_empty()),
        tags,
        pass: pass.as_str(),
        slice: [slice.start(), slice.end()],
        collected_at,
    };
    NewEvent {
        id,
        revision: revision.number,
        change: revision.change,
        time_ms: revision.time.as_millisecond(),
        verdict: verdict.map(str::to_owned),
        json: splice(&header, json),
    }
}

/// `{"postrider":…,` and the record's own members, untouched.
pub(crate) fn splice(header: &impl Serialize, record: &str) -> String {
    let mut json = Vec::with_capacity(record.len() + 640);
    let written = json
        .write_all(b"{\"postrider\":")
        .and_then(|()| serde_json::to_writer(&mut json, header).map_err(Into::into));
    debug_assert!(written.is_ok(), "writing to memory cannot fail, and no key is other than text");
    let members = record.trim_start().strip_prefix('{').unwrap_or("}");
    if members.trim_start() != "}" {
        json.push(b',');
    }
    json.extend_from_slice(members.as_bytes());
    String::from_utf8(json).expect("made of two texts")
}

pub(crate) struct EventIdText(pub(crate) EventId);

impl Serialize for EventIdText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

pub(crate) fn milliseconds<S: Serializer>(
    at: &Timestamp,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// Former values by dotted name, in order.
struct Previous<'a>(&'a [(String, Box<RawValue>)]);

impl Serialize for Previous<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A SER row's DSN counters as a list.
struct Details<'a>(&'a Counters);

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    class: Option<u8>,
    count: i128,
}

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.details.iter().map(|(code, count)| Detail {
            code,
            class: Counters::class(code),
            count: *count,
        }))
    }
}
