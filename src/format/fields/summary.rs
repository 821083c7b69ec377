//! Rows of Proofpoint SER: what an application user sent in an hour.

use super::{
    Field, Kind,
    common::{
        CHANGE, CHANGE_WORD, COLLECTED, EVENT_ID, FINAL, RECORD_ID, REVISION, SOURCE, TAGS, TIME,
        number,
    },
    derived, first,
};

pub(super) const FIELDS: &[Field] = &[
    TIME,
    EVENT_ID,
    first("application", &["applicationName"])
        .cef("sproc", 1023)
        .leef("application")
        .cim("process")
        .ecs("service.name"),
    first("applicationUser", &["applicationUserName"])
        .cef("suid", 1023)
        .leef("usrName")
        .cim("user")
        .ecs("user.name"),
    first("envelopeFrom", &["fromEnvelope"])
        .cef("suser", 1023)
        .leef("sender")
        .cim("src_user")
        .ecs("email.sender.address"),
    first("headerFrom", &["fromHeader"])
        .custom("cs1", 4000)
        .leef("headerFrom")
        .ecs("email.from.address[]"),
    first("windowStart", &["postrider.window_start"])
        .kind(Kind::Time)
        .cef("start", 30)
        .leef("windowStart")
        .cim("window_start")
        .ecs("event.start")
        .ocsf("start_time"),
    first("windowEnd", &["postrider.window_end"])
        .kind(Kind::Time)
        .cef("end", 30)
        .leef("windowEnd")
        .cim("window_end")
        .ecs("event.end")
        .ocsf("end_time"),
    number("total", &["status.total"]).cef("cnt", 20).leef("total"),
    number("success", &["status.success"]).custom("cn2", 20).leef("success"),
    number("failure", &["status.failure"]).custom("cn3", 20).leef("failure"),
    number("tempFailure", &["status.tempFailure"]).leef("tempFailure"),
    number("partialSuccess", &["status.partialSuccess"]).leef("partialSuccess"),
    number("inProgress", &["status.inProgress"]).leef("inProgress"),
    number("recipientsTotal", &["status.recipientsTotal"]).leef("recipientsTotal"),
    number("messageSizeTotal", &["status.messageSizeTotal"]).cef("in", 20).leef("srcBytes"),
    number("deliveredSizeTotal", &["status.deliveredSizeTotal"]).cef("out", 20).leef("dstBytes"),
    derived("delta", derived::delta, "what this revision adds to each counter, where not zero")
        .kind(Kind::List)
        .custom("cs2", 4000)
        .leef("delta")
        .cim("messages, messages_success, …"),
    derived("details", derived::details, "messages by reply code, where not zero")
        .kind(Kind::List)
        .custom("cs3", 4000)
        .leef("details")
        .cim("status_code"),
    FINAL,
    CHANGE,
    CHANGE_WORD,
    REVISION,
    RECORD_ID,
    SOURCE,
    COLLECTED,
    TAGS,
];
