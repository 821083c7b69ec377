//! What was done in Cisco ETD's console, and by whom.

use super::{
    Field, Kind, all,
    common::{CHANGE, CHANGE_WORD, COLLECTED, EVENT_ID, RECORD_ID, REVISION, SOURCE, TAGS, TIME},
    derived, first,
};

pub(super) const FIELDS: &[Field] = &[
    TIME,
    EVENT_ID,
    first("category", &["category"]).cef("cat", 1023).leef("category").cim("object_category"),
    first("auditAction", &["action"])
        .cef("act", 63)
        .leef("auditAction")
        .cim("action")
        .ecs("event.reason"),
    derived("auditOutcome", derived::audited, "`success` or `failure`, by `status`")
        .cef("outcome", 63)
        .leef("auditOutcome")
        .cim("status")
        .ecs("event.outcome"),
    first("status", &["status"]).leef("status"),
    all("comments", &["comments"])
        .cef("msg", 1023)
        .leef("comments")
        .cim("result")
        .ecs("message")
        .ocsf("message"),
    first("user", &["user.id"]).cef("suser", 1023).leef("usrName").cim("user").ecs("user.id"),
    first("src", &["user.ip"])
        .cef_ip("src", "c6a2")
        .leef("src")
        .cim("src")
        .ecs("source.ip")
        .kind(Kind::Ip),
    first("userAgent", &["user.userAgent"])
        .cef("requestClientApplication", 1023)
        .leef("userAgent")
        .cim("http_user_agent")
        .ecs("user_agent.original"),
    first("object", &["metadata.emailId", "metadata.id"])
        .custom("cs1", 4000)
        .leef("object")
        .cim("object_id"),
    RECORD_ID,
    CHANGE,
    CHANGE_WORD,
    REVISION,
    SOURCE,
    COLLECTED,
    TAGS,
];
