//! What the collector has to say of itself.

use super::{
    Field, Kind,
    common::{CHANGE, CHANGE_WORD, COLLECTED, EVENT_ID, RECORD_ID, REVISION, SOURCE, TAGS, TIME},
    first,
};

pub(super) const FIELDS: &[Field] = &[
    TIME,
    EVENT_ID,
    first("kind", &["kind"]).cef("cat", 1023).leef("kind"),
    first("condition", &["condition"])
        .cef("reason", 1023)
        .leef("condition")
        .cim("signature")
        .ecs("event.code"),
    first("state", &["state"]).cef("outcome", 63).leef("state"),
    first("healthSeverity", &["severity"])
        .custom("cs1", 4000)
        .leef("healthSeverity")
        .cim("severity")
        .ecs("log.level"),
    first("message", &["message"])
        .cef("msg", 1023)
        .leef("message")
        .cim("description")
        .ecs("message")
        .ocsf("message"),
    first("since", &["since"])
        .kind(Kind::Time)
        .cef("start", 30)
        .leef("since")
        .ecs("event.start")
        .ocsf("start_time"),
    first("ended", &["ended"])
        .kind(Kind::Time)
        .cef("end", 30)
        .leef("ended")
        .ecs("event.end")
        .ocsf("end_time"),
    CHANGE,
    CHANGE_WORD,
    REVISION,
    RECORD_ID,
    SOURCE,
    COLLECTED,
    TAGS,
];
