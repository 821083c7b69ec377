//! Cisco Secure Email Threat Defense: one page of the message search at a time.
//!
//! The rules come from the vendor's guide of May 2023, its newer developer pages and what other
//! published connectors had to do; each place says which where it matters. Nothing here depends
//! on the order of messages, on `totalSize`, or on what a page token looks like.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Limits, Page, Query, Source,
    bearer::{Bearer, Tokens},
    pace::Pace,
};
use crate::{
    clock::Clock,
    config,
    domain::{
        filter::Filter,
        slice::{Interval, Stream},
    },
    fault::Fault,
    http,
};

mod call;
pub(crate) mod export;
#[cfg(feature = "testing")]
pub(super) mod fuzzing;
mod message;
mod page;
mod refusal;
mod report;
mod search;
mod token;

pub use export::LogExport;
pub use page::read as read_page;

/// How far back the search reaches: 90 days by the vendor's developer pages. An hour less, because
/// the server's clock decides.
const RETENTION: Duration = Duration::from_secs(90 * 86_400 - 3_600);

/// One ETD tenant.
pub struct CiscoEtd {
    config: config::CiscoEtd,
    http: http::Client,
    pace: Arc<Pace>,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
    /// Which of the report's two spellings the vendor took last.
    singular: AtomicBool,
}

impl CiscoEtd {
    pub fn new(
        config: &config::CiscoEtd,
        http: http::Client,
        pace: Arc<Pace>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            config: config.clone(),
            http,
            pace,
            clock,
            tokens: Tokens::default(),
            singular: AtomicBool::default(),
        }
    }
}

impl Source for CiscoEtd {
    fn vendor(&self) -> &'static str {
        "cisco_etd"
    }

    fn stream(&self) -> Stream {
        Stream::Messages
    }

    fn limits(&self) -> Limits {
        Limits { retention: Some(RETENTION), aligned: false, page_size: self.config.page_size }
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let request = |bearer: &Bearer| search::request(&self.http, &self.config, query, bearer);
        let mut reply = self.call(search::NAME, request).await?;
        if reply.answer.status != 200 {
            let call = refusal::Call::Search { interval: query.interval };
            return Err(self.refused(&reply, call, query.page_token.is_some()).await);
        }
        let mut page = page::read(&reply.answer.text(), query.interval).map_err(|oddity| {
            let body = super::text::excerpt(&reply.redacted());
            Fault::transient(format!("{} answered 200, but {oddity}: {body}", search::NAME))
        })?;
        page.server_time = reply.answer.server_time();
        page.room = reply.answer.take_room();
        Ok(page)
    }

    async fn count(&self, day: Interval) -> Result<Option<BTreeMap<String, u64>>, Fault> {
        self.report(day).await.map(Some)
    }

    fn log_export(&self) -> Option<LogExport<'_>> {
        self.config.log_export.then_some(LogExport(self))
    }

    async fn probe(&self, now: Timestamp) -> Result<String, Fault> {
        // Up to 15 minutes ago: ends nearer to now may be refused.
        let ago = |minutes: i64| now.checked_sub(jiff::SignedDuration::from_mins(minutes));
        let interval = ago(60).ok().zip(ago(15).ok());
        let interval = interval.and_then(|(start, end)| Interval::new(start, end));
        let interval = interval.ok_or_else(|| Fault::refused("the clock is out of range"))?;
        let query = Query { interval, page_token: None, page_size: 1, narrow: Filter::default() };
        let page = self.fetch(&query).await?;
        self.clock.hear(page.server_time);
        let messages = match (page.total, page.received) {
            (Some(1), 0 | 1) => "1 message".to_owned(),
            (Some(total), received) if total >= received => format!("{total} messages"),
            (_, 1) => "at least 1 message".to_owned(),
            (_, received) => format!("at least {received} messages"),
        };
        let (start, end) = (interval.start(), interval.end());
        let mut found =
            format!("token and search work; {messages} between {start:.0} and {end:.0}");
        if self.config.log_export {
            found.push_str("; ");
            found.push_str(&LogExport(self).probe(now).await?);
        }
        Ok(found)
    }
}

impl fmt::Debug for CiscoEtd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CiscoEtd").field("base_url", &self.config.base_url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
