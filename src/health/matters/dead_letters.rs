//! What a sink refused for good.

use crate::{
    domain::{name::SourceName, severity::Severity},
    health::matter::{Kind, Matter},
    store::dead_letters::Pile,
};

/// Of a sink that has dead letters, configured or not. They wait for a person.
pub(super) fn matter(own: &SourceName, pile: &Pile) -> Matter {
    let Pile { sink, letters, bytes, reason, at } = pile;
    let events = if *letters == 1 { "event" } else { "events" };
    let message = format!(
        "The sink {sink} refused {letters} {events} for good, the last at {at:.0}: {reason}. \
         Nothing is dropped: look with `postrider dead-letters list --sink {sink}`, mend the \
         reason, then `postrider dead-letters replay --sink {sink}`."
    );
    let kind = (Kind::DeadLetters, "refused");
    let record_id = format!("dead_letters:{sink}");
    Matter::new(own, record_id, kind, Severity::Warning, message)
        .growing(*letters)
        .with("sink", sink.as_str())
        .with("count", *letters)
        .with("bytes", *bytes)
        .at("last_at", Some(*at))
        .with("reason", reason.as_str())
}
