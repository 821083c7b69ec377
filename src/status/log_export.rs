//! How the log export of a Cisco account is doing.

use jiff::Timestamp;
use serde::Serialize;

use crate::{config, domain::slice::Stream, store::Store};

/// How a log export is doing.
#[derive(Debug, Serialize)]
pub struct LogExport {
    /// The end of the last hour that was asked for.
    pub asked_to: Option<Timestamp>,
    /// What stands in the way, and since when.
    pub trouble: Option<String>,
    pub since: Option<Timestamp>,
}

/// `None` where none is read, or before the first run.
pub(super) fn gather(source: &config::Source, store: &Store) -> anyhow::Result<Option<LogExport>> {
    if !source.has_log_export() {
        return Ok(None);
    }
    let Some(stream) = store.find_stream(&source.name, Stream::Messages)? else { return Ok(None) };
    let last = store.export_hours(stream)?.into_keys().next_back();
    let asked_to = last.and_then(|hour| Timestamp::from_second((hour + 1) * 3600).ok());
    let (trouble, since) = store.export_trouble(stream)?.unzip();
    Ok(Some(LogExport { asked_to, trouble, since }))
}
