//! What both syslog headers have in common.

use crate::domain::{event::Event, slice::Stream};

/// APP-NAME and TAG.
pub(super) const APP_NAME: &str = "postrider";

/// local0: what appliances log with, and what no part of a Linux system uses.
const FACILITY: u8 = 16;

const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;

/// Verdicts that somebody should look at.
const THREATS: [&str; 4] = ["bec", "scam", "phishing", "malicious"];

/// PRI: threats are warnings, the collector's own health is a notice, all else informational. Not
/// higher: a receiver that pages people on `error` and above must not do so for each e-mail.
pub(super) fn priority(event: &Event) -> u8 {
    let threat = event.verdict.as_deref().is_some_and(|verdict| THREATS.contains(&verdict));
    let severity = if threat {
        WARNING
    } else if event.origin.stream == Stream::Health {
        NOTICE
    } else {
        INFORMATIONAL
    };
    FACILITY * 8 + severity
}

/// HOSTNAME as both RFCs want it: printable ASCII without spaces, at most 255; `-` when nothing is
/// left.
pub(super) fn hostname(text: &str) -> String {
    let name: String =
        text.trim().chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}
