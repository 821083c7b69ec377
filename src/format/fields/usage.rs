//! The SER Admin API's reports on what was sent on a day, and the licence as it tells it.

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
    number("total", &["totalMessages", "requestedMessages"]).cef("cnt", 20).leef("total"),
    number("accepted", &["acceptedMessages"]).leef("accepted"),
    number("sent", &["sentMessages"]).leef("sent"),
    number("delivered", &["deliveredMessages"]).custom("cn2", 20).leef("deliveredMessages"),
    number("undelivered", &["undeliveredMessages"]).custom("cn3", 20).leef("undelivered"),
    number("rejected", &["rejectedMessages"]).leef("rejected"),
    number("blocked", &["blockedMessages", "blockedMessage"]).leef("blocked"),
    number("quarantined", &["quarantinedMessages"]).leef("quarantined"),
    number("acceptedBytes", &["acceptedThroughput", "throughput"]).cef("in", 20).leef("srcBytes"),
    number("sentBytes", &["sentThroughput"]).cef("out", 20).leef("dstBytes"),
    number("allowedBytes", &["throughputLimit"]).leef("allowedBytes").cim("allowed_bytes"),
    number("remainingBytes", &["remainingThroughput"])
        .leef("remainingBytes")
        .cim("remaining_bytes"),
    number("forecastBytes", &["throughputForecast"]).leef("forecastBytes").cim("forecast_bytes"),
    first("forecast", &["throughputForecastStatus"])
        .custom("cs1", 4000)
        .leef("forecast")
        .cim("forecast"),
    derived("delta", derived::delta, "what this revision adds to each counter, where not zero")
        .kind(Kind::List)
        .custom("cs2", 4000)
        .leef("delta")
        .cim("messages, messages_delivered, …"),
    FINAL,
    CHANGE,
    CHANGE_WORD,
    REVISION,
    RECORD_ID,
    SOURCE,
    COLLECTED,
    TAGS,
];
