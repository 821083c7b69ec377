//! Splunk HEC's envelope around an event.
//!
//! Splunk answers 200 to an envelope with a key that it does not know, and drops it and all that
//! follow: the keys are exactly these.

use std::io::Write;

use super::schema;
use crate::{
    config::Schema,
    domain::{event::Event, slice::Stream},
};

/// What is the same in every envelope.
#[derive(Debug, Clone)]
pub struct Hec {
    /// As JSON strings, quotes included.
    host: String,
    index: Option<String>,
}

impl Hec {
    pub fn new(host: &str, index: Option<&str>) -> Self {
        Self { host: json_string(host), index: index.map(json_string) }
    }

    /// Appends one envelope. The event's JSON is spliced in as it is.
    pub fn append(&self, event: &Event, schema: Schema, out: &mut Vec<u8>) {
        let origin = &event.origin;
        let mut text = format!(
            r#"{{"time":{},"host":{},"source":"postrider:{}","sourcetype":"{}""#,
            time(event.time_ms),
            self.host,
            origin.source,
            sourcetype(origin.stream),
        );
        if let Some(index) = &self.index {
            text.push_str(r#","index":"#);
            text.push_str(index);
        }
        text.push_str(r#","event":"#);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(schema::json(event, schema).as_bytes());
        // Strings only: Splunk documents no others, and refuses nested ones.
        write!(
            out,
            r#","fields":{{"event_id":"{}","revision":"{}","change":"{}""#,
            event.id,
            event.revision,
            event.change.as_str(),
        )
        .expect("writing to a Vec does not fail");
        for (key, value) in &origin.tags {
            // Ours are what duplicates are found by; a tag of the same name stays in the event.
            if !["event_id", "revision", "change"].contains(&key.as_str()) {
                let (key, value) = (json_string(key), json_string(value));
                write!(out, ",{key}:{value}").expect("writing to a Vec does not fail");
            }
        }
        out.extend_from_slice(b"}}");
    }
}

pub fn sourcetype(stream: Stream) -> &'static str {
    match stream {
        Stream::Messages => "cisco:etd:message",
        Stream::Audit => "cisco:etd:audit",
        Stream::Summary => "proofpoint:ser:summary",
        Stream::Entitlement => "proofpoint:ser:entitlement",
        Stream::Usage => "proofpoint:ser:usage",
        Stream::Failures => "proofpoint:ser:failure",
        Stream::RelayUsers => "proofpoint:ser:relay_user",
        Stream::Health => "postrider:health",
    }
}

/// Seconds with milliseconds, from the integer: a float would bring exponents and rounding.
fn time(time_ms: i64) -> String {
    let sign = if time_ms < 0 { "-" } else { "" };
    let ms = time_ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
