//! What both syslog headers have in common.

use super::fields::THREATS;
use crate::domain::{event::Event, severity::Severity, slice::Stream};

pub(super) const APP_NAME: &str = "postrider";
pub(super) const TAG: &str = "postrider: ";

/// local0: what appliances log with, and what no part of a Linux system uses.
const FACILITY: u8 = 16;

const CRITICAL: u8 = 2;
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;

/// PRI: threats are warnings, all else of the vendors' is informational. Not higher: a receiver
/// that pages people on `error` and above must not do so for each e-mail. For the collector's own
/// health it may: that is as severe as the event says, and a notice at least.
pub(super) fn priority(event: &Event) -> u8 {
    let threat = event.verdict.as_deref().is_some_and(|verdict| THREATS.contains(&verdict));
    let severity = if threat {
        WARNING
    } else if event.origin.stream == Stream::Health {
        health(&event.json)
    } else {
        INFORMATIONAL
    };
    FACILITY * 8 + severity
}

fn health(json: &str) -> u8 {
    #[derive(serde::Deserialize)]
    struct Body {
        severity: Severity,
    }
    match serde_json::from_str(json) {
        Ok(Body { severity: Severity::Critical }) => CRITICAL,
        Ok(Body { severity: Severity::Error }) => ERROR,
        Ok(Body { severity: Severity::Warning }) => WARNING,
        Ok(Body { severity: Severity::Info }) | Err(_) => NOTICE,
    }
}

/// HOSTNAME as both RFCs want it: printable ASCII without spaces, at most 255; `-` when nothing is
/// left.
pub(super) fn hostname(text: &str) -> String {
    let name: String =
        text.trim().chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}
