//! What all events have.

use super::{Field, Kind, derived, first};

pub(super) const TIME: Field = derived("time", derived::time, "the event's time")
    .kind(Kind::Time)
    .cef("rt", 30)
    .leef("devTime")
    .cim("_time")
    .ecs("@timestamp")
    .ocsf("time");

pub(super) const EVENT_ID: Field = derived("eventId", derived::event_id, "`postrider.event_id`")
    .cef("externalId", 40)
    .leef("eventId")
    .cim("event_id")
    .ecs("event.id")
    .ocsf("metadata.uid");

pub(super) const CHANGE: Field =
    derived("change", derived::change, "`postrider.change`, and what has changed")
        .custom("cs6", 4000)
        .leef("change")
        .cim("change");

pub(super) const RECORD_ID: Field = first("recordId", &["postrider.record_id"])
    .custom("cs5", 4000)
    .leef("recordId")
    .cim("record_id");

pub(super) const fn number(name: &'static str, paths: &'static [&'static str]) -> Field {
    first(name, paths).kind(Kind::Number)
}

/// Of a row: whether its counters have settled.
pub(super) const FINAL: Field =
    first("final", &["postrider.final"]).kind(Kind::Flag).custom("cs4", 4000).leef("final");

pub(super) const CHANGE_WORD: Field =
    derived("changeWord", derived::change_word, "`postrider.change`").ecs("event.action");

pub(super) const REVISION: Field = derived("revision", derived::revision, "`postrider.revision`")
    .kind(Kind::Number)
    .custom("cn1", 20)
    .leef("revision")
    .cim("revision");

pub(super) const SOURCE: Field =
    derived("source", derived::source, "`postrider.source`: the account")
        .cef("deviceExternalId", 255)
        .leef("source")
        .cim("source")
        .ecs("observer.name");

pub(super) const COLLECTED: Field = first("collected", &["postrider.collected_at"])
    .kind(Kind::Time)
    .leef("collected")
    .ecs("event.created")
    .ocsf("metadata.logged_time");

pub(super) const TAGS: Field = derived("tags", derived::tags, "the source's `tags`: `tenant=acme`")
    .kind(Kind::List)
    .custom("flexString2", 1023)
    .leef("tags")
    .ecs("tags[]")
    .ocsf("metadata.labels[]");
