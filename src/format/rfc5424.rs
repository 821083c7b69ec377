//! RFC 5424: `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID [SD] MSG`.
//!
//! MSGID is the stream. PROCID is always `-`: a process id would make a resent event differ. There
//! is no byte order mark: rsyslog takes one for a part of the message, and the JSON is lost.

use std::io::Write;

use jiff::{Timestamp, tz::TimeZone};

use super::syslog_header;
use crate::domain::event::Event;

/// What is the same in every message.
#[derive(Debug, Clone)]
pub struct Rfc5424 {
    hostname: String,
    enterprise_number: u32,
}

impl Rfc5424 {
    pub fn new(hostname: &str, enterprise_number: u32) -> Self {
        Self { hostname: syslog_header::hostname(hostname), enterprise_number }
    }

    /// Appends the header with the space after it; the message follows.
    pub fn append(&self, event: &Event, out: &mut Vec<u8>) {
        // Neither the id (hexadecimal and hyphens) nor the revision can hold what structured data
        // would have to escape.
        write!(
            out,
            "<{}>1 {} {} {} - {} [postrider@{} event_id=\"{}\" revision=\"{}\"] ",
            syslog_header::priority(event),
            timestamp(event.time_ms),
            self.hostname,
            syslog_header::APP_NAME,
            event.origin.stream,
            self.enterprise_number,
            event.id,
            event.revision,
        )
        .expect("writing to a Vec does not fail");
    }
}

/// `2026-11-20T08:00:00.120Z`; `-`, the RFC's word for none, outside the years it can say.
fn timestamp(time_ms: i64) -> String {
    let Ok(at) = Timestamp::from_millisecond(time_ms) else { return "-".to_owned() };
    let at = at.to_zoned(TimeZone::UTC).datetime();
    if !(0..=9999).contains(&at.year()) {
        return "-".to_owned();
    }
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}
