//! The log export: files of log lines, an hour each, behind links that the API gives out.
//!
//! It is the vendor's own feed of changes: a line for each message that came (`create`), and one for
//! each later verdict or remediation (`update`), whenever the message was delivered. The rules come
//! from the vendor's developer pages and from what published connectors do, the vendor's own sample
//! collector among them; each place says which where it matters.

use super::{CiscoEtd, call::post, refusal::Call};
use crate::{fault::Fault, source::bearer::Bearer};

mod download;
mod entry;
mod gunzip;
mod hours;
mod lines;
mod links;
mod merge;

pub(super) use hours::RETENTION;
pub(super) use links::NAME;
pub(crate) use merge::{Standing, standing};

use hours::Ask;
use links::{Body, LogType};

impl CiscoEtd {
    /// Asks for the links to the files of some hours: one call.
    async fn links(&self, ask: &Ask) -> Result<links::Links, Fault> {
        let hours = ask.interval().ok_or_else(|| Fault::refused("no hour is asked for"))?;
        let body = Body::new(ask);
        let request = |bearer: &Bearer| post(&self.http, &self.config, links::PATH, &body, bearer);
        let reply = self.call(NAME, request).await?;
        if reply.answer.status != 200 {
            return Err(self.refused(&reply, Call::Links { hours }, false).await);
        }
        // The body has signed links: none of it goes into a fault.
        let plain = self.config.base_url.starts_with("http://");
        links::read(&reply.answer.text(), ask, plain)
            .map_err(|oddity| Fault::transient(format!("{NAME} answered 200, but {oddity}")))
    }

    /// Asks for the last hour whose files should be there, and says what there is.
    pub(super) async fn probe_export(&self, now: jiff::Timestamp) -> Result<String, Fault> {
        let ask = hours::last(&LogType::ALL, now);
        let mut links = self.links(&ask).await?;
        let off: Vec<LogType> =
            ask.types.iter().copied().filter(|t| !links.of.contains_key(t)).collect();
        if !off.is_empty() {
            return Err(Fault::refused(links::switched_off(&off)).cured_by(links::CONSOLE));
        }
        let count = |log_type| links.of.remove(&log_type).unwrap_or_default().len();
        let [messages, audit] = LogType::ALL.map(count);
        let hour = ask.first;
        Ok(match messages {
            0 => format!(
                "the log export has no files of messages of the hour {hour}, and {audit} of audit: \
                 if there was mail, see {}",
                links::CONSOLE
            ),
            _ => format!(
                "the log export has {messages} files of messages and {audit} of audit of the hour {hour}"
            ),
        })
    }
}

#[cfg(test)]
mod tests;
