//! RFC 3164: `<PRI>Mmm dd hh:mm:ss HOSTNAME postrider: MSG`, for receivers that know no better.
//! CEF and LEEF bring their own tags: `HOSTNAME CEF:0|…`.
//!
//! The header has no year and no zone. We write UTC: set the receiver's log source to it. The exact
//! time is in the message.

use std::io::Write;

use jiff::{Timestamp, tz::TimeZone};

use super::syslog_header;
use crate::{config::Payload, domain::event::Event};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What is the same in every message.
#[derive(Debug, Clone)]
pub struct Rfc3164 {
    hostname: String,
    tag: &'static str,
}

impl Rfc3164 {
    pub fn new(hostname: &str, payload: Payload) -> Self {
        let tag = match payload {
            Payload::Json => syslog_header::TAG,
            Payload::Cef | Payload::Leef(_) => "",
        };
        Self { hostname: syslog_header::hostname(hostname), tag }
    }

    /// Appends the header with the space after it; the message follows.
    pub fn append(&self, event: &Event, out: &mut Vec<u8>) {
        write!(
            out,
            "<{}>{} {} {}",
            syslog_header::priority(event),
            timestamp(event.time_ms),
            self.hostname,
            self.tag,
        )
        .expect("writing to a Vec does not fail");
    }
}

/// The day padded with a space, as the RFC has it. A time that no calendar has counts as 1970: the
/// header must have one.
fn timestamp(time_ms: i64) -> String {
    let at = Timestamp::from_millisecond(time_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = at.to_zoned(TimeZone::UTC).datetime();
    let month = usize::from(at.month().unsigned_abs()) - 1;
    format!(
        "{} {:2} {:02}:{:02}:{:02}",
        MONTHS[month],
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}
