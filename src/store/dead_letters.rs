//! Events that a sink refused for good.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::sinks::Refusal;

/// Keeps a refused event with its reason; a second refusal counts as another attempt.
pub(super) fn insert(
    tx: &Connection,
    sink: &str,
    refusal: &Refusal,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Refusal { event, reason } = refusal;
    let tags = serde_json::to_string(&event.origin.tags).unwrap_or_else(|_| "{}".into());
    let sql = "INSERT INTO dead_letter (sink, event_id, source, stream, tags, revision, change,
            time_ms, verdict, json, reason, at_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET attempts = attempts + 1, reason = excluded.reason,
            at_ms = excluded.at_ms";
    tx.prepare_cached(sql)?
        .execute(params![
            sink,
            event.id.as_bytes(),
            event.origin.source.as_str(),
            event.origin.stream.as_str(),
            tags,
            event.revision,
            event.change.as_str(),
            event.time_ms,
            event.verdict.as_deref(),
            event.json.as_ref(),
            reason,
            now.as_millisecond()
        ])
        .map(drop)
}
