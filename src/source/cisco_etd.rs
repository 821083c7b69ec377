//! Cisco Secure Email Threat Defense: one page of the message search at a time.
//!
//! The rules come from the vendor's guide of May 2023, its newer developer pages and what other
//! published connectors had to do; each place says which where it matters. Nothing here depends
//! on the order of messages, on `totalSize`, or on what a page token looks like.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Limits, Page, Query, Source,
    answer::Answer,
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
    fault::{Fault, Kind},
};

mod message;
mod page;
mod refusal;
mod search;
mod token;

pub use page::read as read_page;

/// How far back the search reaches: 90 days by the vendor's developer pages. An hour less, because
/// the server's clock decides.
const RETENTION: Duration = Duration::from_secs(90 * 86_400 - 3_600);

/// One ETD tenant.
pub struct CiscoEtd {
    config: config::CiscoEtd,
    http: reqwest::Client,
    pace: Arc<Pace>,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
}

impl CiscoEtd {
    pub fn new(
        config: &config::CiscoEtd,
        http: reqwest::Client,
        pace: Arc<Pace>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { config: config.clone(), http, pace, clock, tokens: Tokens::default() }
    }

    async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, Fault> {
        self.tokens.get(self.clock.as_ref(), refused, self.request_token()).await
    }

    async fn search(&self, query: &Query, bearer: &Bearer) -> Result<Answer, Fault> {
        let request = search::request(&self.http, &self.config, query, bearer)?;
        self.pace.take().await;
        Answer::to(request, search::NAME, super::answer::MAX_BODY).await
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
        Limits {
            retention: Some(RETENTION),
            aligned: false,
            whole: false,
            page_size: self.config.page_size,
        }
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let mut bearer = self.bearer(None).await?;
        let mut answer = self.search(query, &bearer).await?;
        // An echo may have what was sent before, too.
        let refused = bearer.clone();
        if refusal::wants_new_token(answer.status, &answer.text()) {
            bearer = self.bearer(Some(&bearer)).await?;
            answer = self.search(query, &bearer).await?;
        }
        let now = self.clock.now();
        let secrets = [refused.secrets(), bearer.secrets()].concat();
        if answer.status != 200 {
            let fault = refusal::classify(&refusal::Refusal {
                call: refusal::Call::Search { interval: query.interval },
                status: answer.status,
                retry_after: answer.retry_after(now),
                body: &answer.redacted(&secrets),
                now,
                had_page_token: query.page_token.is_some(),
            });
            if fault.kind == Kind::Auth {
                self.tokens.forget(&bearer).await;
            }
            return Err(fault);
        }
        let mut page = page::read(&answer.text(), query.interval).map_err(|oddity| {
            let body = super::text::excerpt(&answer.redacted(&secrets));
            Fault::transient(format!("{} answered 200, but {oddity}: {body}", search::NAME))
        })?;
        page.server_time = answer.server_time();
        Ok(page)
    }

    async fn probe(&self, now: Timestamp) -> Result<String, Fault> {
        // Up to 15 minutes ago: ends nearer to now may be refused.
        let ago = |minutes: i64| now.checked_sub(jiff::SignedDuration::from_mins(minutes));
        let interval = ago(60).ok().zip(ago(15).ok());
        let interval = interval.and_then(|(start, end)| Interval::new(start, end));
        let interval = interval.ok_or_else(|| Fault::refused("the clock is out of range"))?;
        let query = Query { interval, page_token: None, page_size: 1, narrow: Filter::default() };
        let page = self.fetch(&query).await?;
        let messages = match (page.total, page.received) {
            (Some(total), received) if total >= received => total.to_string(),
            (_, received) => format!("at least {received}"),
        };
        let (start, end) = (interval.start(), interval.end());
        Ok(format!("token and search work; {messages} messages between {start:.0} and {end:.0}"))
    }
}

impl fmt::Debug for CiscoEtd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CiscoEtd").field("base_url", &self.config.base_url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
