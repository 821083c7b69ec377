//! The SER Admin API's reports on what was not delivered on a day: counts by relay user, and below
//! by recipient and reply code, by policy, by filter.

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
    first("report", &["postrider.report"]).cef("cat", 1023).leef("report").cim("report"),
    first("relayUser", &["postrider.relay_user.name", "name"])
        .cef("suser", 1023)
        .leef("usrName")
        .cim("user")
        .ecs("user.name"),
    first("relayUserId", &["postrider.relay_user.id", "relayUserId"])
        .cef("suid", 1023)
        .leef("relayUserId")
        .cim("user_id")
        .ecs("user.id"),
    first("recipient", &["recipient"])
        .cef("duser", 1023)
        .leef("recipient")
        .cim("recipient")
        .ecs("email.to.address[]"),
    first("dsnCode", &["dsnCode"]).custom("cs1", 4000).leef("dsnCode").cim("status_code"),
    first("reply", &["details", "reason"])
        .cef("reason", 1023)
        .leef("reply")
        .cim("reason")
        .ecs("event.reason"),
    first("policy", &["policyType", "finalRule"])
        .custom("cs3", 4000)
        .leef("policy")
        .cim("signature")
        .ecs("rule.name"),
    first("action", &["finalAction"]).cef("act", 63).leef("action").cim("filter_action"),
    number("count", &["count", "totalFailedMessages"]).cef("cnt", 20).leef("count"),
    number("deliveryFailures", &["deliveryFailureMessages"])
        .custom("cn2", 20)
        .leef("deliveryFailures"),
    number("policyViolations", &["policyViolationMessages"])
        .custom("cn3", 20)
        .leef("policyViolations"),
    number("filtered", &["filteredMessages"]).leef("filtered"),
    number("quarantined", &["quarantinedMessages"]).leef("quarantined"),
    first("lastFailed", &["lastFailedDate"]).kind(Kind::Time).leef("lastFailed"),
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
    derived("delta", derived::delta, "what this revision adds to each counter, where not zero")
        .kind(Kind::List)
        .custom("cs2", 4000)
        .leef("delta")
        .cim("messages, messages_failed, …"),
    FINAL,
    CHANGE,
    CHANGE_WORD,
    REVISION,
    RECORD_ID,
    SOURCE,
    COLLECTED,
    TAGS,
];
