//! The licence of Proofpoint SER.

use super::{
    Field, Kind,
    common::{
        CHANGE, CHANGE_WORD, COLLECTED, EVENT_ID, RECORD_ID, REVISION, SOURCE, TAGS, TIME, number,
    },
    derived, first,
};

pub(super) const FIELDS: &[Field] = &[
    TIME,
    EVENT_ID,
    number("annualThroughput", &["annual_throughput"]).custom("cs1", 4000).leef("annualThroughput"),
    number("usedBytes", &["postrider.usage.used_bytes"])
        .custom("cn2", 20)
        .leef("usedBytes")
        .cim("used_bytes"),
    number("allowedBytes", &["postrider.usage.allowed_bytes"])
        .custom("cn3", 20)
        .leef("allowedBytes")
        .cim("allowed_bytes"),
    derived("usedPercent", derived::used_percent, "`postrider.usage.share` times 100")
        .kind(Kind::Number)
        .custom("cfp1", 20)
        .leef("usedPercent")
        .cim("used_share"),
    number("burnRate7d", &["postrider.usage.burn_rate_7d"]).leef("burnRate7d").cim("burn_rate_7d"),
    number("burnRate30d", &["postrider.usage.burn_rate_30d"])
        .leef("burnRate30d")
        .cim("burn_rate_30d"),
    first("exhaustedOn", &["postrider.usage.exhausted_on"])
        .custom("cs2", 4000)
        .leef("exhaustedOn")
        .cim("exhausted_on"),
    first("exhaustedBeforeEnd", &["postrider.usage.exhausted_before_end"])
        .kind(Kind::Flag)
        .custom("cs3", 4000)
        .leef("exhaustedBeforeEnd")
        .cim("exhausted_before_end"),
    derived("applications", derived::applications, "bytes of each application")
        .kind(Kind::List)
        .custom("cs4", 4000)
        .leef("applications"),
    first("licenseStart", &["postrider.usage.license_start", "license_start"])
        .kind(Kind::Time)
        .cef("start", 30)
        .leef("licenseStart")
        .ecs("event.start"),
    first("licenseEnd", &["postrider.usage.license_end", "license_end"])
        .kind(Kind::Time)
        .cef("end", 30)
        .leef("licenseEnd")
        .ecs("event.end"),
    CHANGE,
    CHANGE_WORD,
    REVISION,
    RECORD_ID,
    SOURCE,
    COLLECTED,
    TAGS,
];
