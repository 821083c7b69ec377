//! The log export: files of log lines, an hour each, behind links that the API gives out.
//!
//! It is the vendor's own feed of changes: a line for each message that came (`create`), and one for
//! each later verdict or remediation (`update`), whenever the message was delivered. The rules come
//! from the vendor's developer pages and from what published connectors do, the vendor's own sample
//! collector among them; each place says which where it matters.

use super::{CiscoEtd, call::post, refusal::Call};
use crate::{fault::Fault, source::bearer::Bearer};

mod download;
pub(crate) mod entry;
mod gunzip;
pub(crate) mod hours;
pub(crate) mod lines;
pub(crate) mod links;
pub(crate) mod merge;

pub(crate) use download::Download;
pub(super) use hours::RETENTION;
pub(super) use links::NAME;

use hours::Ask;
use links::{Body, CONSOLE, LogType};

/// An account's log export, which is switched on in the configuration.
pub struct LogExport<'s>(pub(super) &'s CiscoEtd);

impl LogExport<'_> {
    /// Asks for the links to the files of some hours: one call.
    pub(crate) async fn links(&self, ask: &Ask) -> Result<links::Links, Fault> {
        let hours = ask.interval().ok_or_else(|| Fault::refused("no hour is asked for"))?;
        let body = Body::new(ask);
        let Self(etd) = self;
        let request = |bearer: &Bearer| post(&etd.http, &etd.config, links::PATH, &body, bearer);
        let reply = etd.call(NAME, request).await?;
        if reply.answer.status != 200 {
            return Err(etd.refused(&reply, Call::Links { hours }, false).await);
        }
        // The body has signed links: none of it goes into a fault.
        let plain = etd.config.base_url.starts_with("http://");
        links::read(&reply.answer.text(), ask, plain)
            .map_err(|oddity| Fault::transient(format!("{NAME} answered 200, but {oddity}")))
    }

    /// Asks for the last hours whose files should be there, begins to read one, and says what there is.
    /// A file that is late leaves those of the other hours.
    pub(super) async fn probe(&self, now: jiff::Timestamp) -> Result<String, Fault> {
        let ask = hours::last(hours::MOST, &LogType::ALL, now);
        let links = self.links(&ask).await?;
        let off: Vec<LogType> =
            ask.types.iter().copied().filter(|t| !links.of.contains_key(t)).collect();
        if !off.is_empty() {
            return Err(Fault::refused(links::switched_off(&off)).cured_by(CONSOLE));
        }
        if let Some(link) = links.of.values().flatten().next() {
            // Another host than the API's: a firewall or proxy may not know it.
            let mut file = self.open(link).await?;
            while file.ready()?.is_none() && file.more().await? {}
        }
        let [messages, audit] =
            LogType::ALL.map(|log_type| links.of.get(&log_type).map_or(0, Vec::len));
        let hours = format!("the hours {} to {}", ask.first, ask.end);
        let counts = format!("message {messages}, audit {audit}");
        Ok(match (messages, audit) {
            (0, 0) => {
                format!("the log export has no files of {hours}: if there was mail, see {CONSOLE}")
            }
            (0, _) => format!(
                "the log export's files of {hours} can be fetched: {counts}; if there was \
                 mail, see {CONSOLE}"
            ),
            _ => format!("the log export's files of {hours} can be fetched: {counts}"),
        })
    }
}

#[cfg(test)]
mod tests;
