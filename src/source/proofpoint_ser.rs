//! Proofpoint Secure Email Relay: one window's summary by application user, and the entitlement.
//!
//! No answer of this API was ever published; every shape is taken from the tables of the vendor's
//! API overviews (about 2021 and 2023). So the reader takes what can be meant, flags what is odd,
//! and treats what it does not understand as a fault, never as an empty window.

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp, Unit};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use zeroize::Zeroizing;

use super::{
    Limits, Page, Query, Source, Survey,
    answer::{Answer, MAX_BODY},
    bearer::{self, Bearer, Tokens},
    pace::Pace,
    text::excerpt,
    when,
};
use crate::{
    clock::Clock,
    config,
    domain::{
        filter::Filter,
        slice::{Interval, Stream},
    },
    fault::{Fault, Kind},
    http,
};

mod blocks;
mod entitlement;
#[cfg(feature = "testing")]
pub(super) mod fuzzing;
pub(super) mod names;
pub(super) mod number;
pub(super) mod refusal;
mod row;
mod summary;
mod survey;
mod terms;
pub(super) mod token;

pub(crate) use row::summary_row;
#[cfg(test)]
pub(crate) use summary::read as read_summary;

/// One SER customer.
pub struct ProofpointSer {
    config: config::ProofpointSer,
    http: http::Client,
    pace: Arc<Pace>,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
    answers: survey::Answers,
}

impl ProofpointSer {
    pub fn new(
        config: &config::ProofpointSer,
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
            answers: survey::Answers::default(),
        }
    }

    async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, Fault> {
        let account = token::Account {
            http: &self.http,
            url: &self.config.token_url,
            client_id: &self.config.client_id,
            client_secret: &self.config.client_secret,
            pace: &self.pace,
            clock: self.clock.as_ref(),
        };
        self.tokens.get(self.clock.as_ref(), refused, account.token()).await
    }

    /// Asks for a window. Both ends are always sent: without a start the vendor takes the whole
    /// licence period, without an end a window that grows with each call.
    async fn summary(&self, window: Interval, bearer: &Bearer) -> Result<Answer, Fault> {
        let authorization = Zeroizing::new(format!("Bearer {}", bearer.token.as_str()));
        let request = self
            .http
            .get(format!("{}{}", self.config.base_url, self.config.summary_path))
            .query(&[
                ("startTimeStamp", when::milliseconds(window.start())),
                ("endTimeStamp", when::milliseconds(window.end())),
            ])
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, bearer::sensitive(&authorization, "access token")?);
        self.pace.take().await;
        Answer::to(&self.http, request, &self.name(), MAX_BODY).await
    }

    /// How a fault names the request.
    fn name(&self) -> String {
        format!("GET {}", self.config.summary_path)
    }
}

impl Source for ProofpointSer {
    fn vendor(&self) -> &'static str {
        "proofpoint_ser"
    }

    fn stream(&self) -> Stream {
        Stream::Summary
    }

    fn limits(&self) -> Limits {
        // An answer has no pages; no age limit is documented.
        Limits { retention: None, aligned: true, page_size: 1 }
    }

    fn whole(&self, _slice: Interval) -> &'static [Stream] {
        &[Stream::Summary]
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let window = query.interval;
        let mut bearer = self.bearer(None).await?;
        let mut answer = self.summary(window, &bearer).await?;
        // An echo may have what was sent before, too.
        let refused = bearer.clone();
        if answer.status == 401 {
            bearer = self.bearer(Some(&bearer)).await?;
            answer = self.summary(window, &bearer).await?;
        }
        if let Some(theirs) = answer.server_time() {
            self.clock.hear(Some(theirs));
        }
        let now = self.clock.now();
        let secrets = [refused.secrets(), bearer.secrets()].concat();
        if answer.status != 200 {
            let body = answer.redacted(&secrets);
            let call = refusal::Call::Summary { path: &self.config.summary_path };
            let fault = refusal::classify(call, answer.status, answer.retry_after(now), &body);
            if fault.kind == Kind::Auth {
                self.tokens.forget(&bearer).await;
            }
            return Err(fault);
        }
        let mut page = summary::read(&answer.text(), window).map_err(|oddity| {
            let body = excerpt(&answer.redacted(&secrets));
            Fault::transient(format!("{} answered 200, but {oddity}: {body}", self.name()))
        })?;
        page.server_time = answer.server_time();
        page.room = answer.take_room();
        Ok(page)
    }

    async fn survey(&self, now: Timestamp) -> Result<Option<Survey>, Fault> {
        self.survey_at(now).await
    }

    async fn probe(&self, now: Timestamp) -> Result<String, Fault> {
        let end = when::floor(now, Unit::Hour);
        let start = end.checked_sub(SignedDuration::from_hours(1));
        let window = start.ok().and_then(|start| Interval::new(start, end));
        let window = window.ok_or_else(|| Fault::refused("the clock is out of range"))?;
        let query =
            Query { interval: window, page_token: None, page_size: 1, narrow: Filter::default() };
        let page = self.fetch(&query).await?;
        let (received, start, end) = (page.received, window.start(), window.end());
        let rows = if received == 1 { "row" } else { "rows" };
        Ok(format!("token and summary work; {received} {rows} between {start:.0} and {end:.0}"))
    }
}

impl fmt::Debug for ProofpointSer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ProofpointSer");
        shown.field("base_url", &self.config.base_url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
