//! Whether a sink takes what is sent.

use std::time::Duration;

use crate::{
    domain::{
        name::{SinkName, SourceName},
        severity::Severity,
    },
    health::matter::{Due, Kind, Matter},
    store::conditions::{Condition, State},
};

/// A sink that stumbles for less is no news.
const STUMBLE: Duration = Duration::from_secs(30);

/// Of a sink that does not do well. The collector's own, since it belongs to no one source.
pub(super) fn matter(own: &SourceName, name: &SinkName, condition: &Condition) -> Option<Matter> {
    let error = condition.error.clone().unwrap_or_default();
    let (severity, due, message) = match condition.state {
        State::Ok => return None,
        State::AuthFailed => {
            let message = format!(
                "The sink {name} gets nothing, because it refuses the credentials or the \
                 configuration: {error}. Nothing is dropped; mend that."
            );
            (Severity::Error, Due::NOW, message)
        }
        State::Failing | State::Throttled | State::QuotaSpent | State::SpoolFull => {
            let message = format!(
                "The sink {name} is failing: {error}. It is tried again and again; the spool \
                 keeps what it has not got."
            );
            (Severity::Warning, Due::After(STUMBLE), message)
        }
    };
    let kind = (Kind::Sink, condition.state.as_str());
    let matter = Matter::new(own, format!("sink:{name}"), kind, severity, message);
    let matter = matter.since(condition.since).with("sink", name.as_str()).with("error", error);
    Some(Matter { due, ..matter })
}
