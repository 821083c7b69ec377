//! Requests to HEC: one at a time here, which endpoint and channel is the route's affair.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, RETRY_AFTER,
};

use super::{
    SplunkHec,
    channel::Channel,
    classify::{Answer, Reply, without_acknowledgement},
    compress,
};
use crate::{
    config::Acknowledgements,
    fault::{self, Fault, Kind},
    http,
};

pub(super) const PATH: &str = "/services/collector/event";

const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");

/// HEC's answers are some hundred bytes; proxies' pages are cut off here.
const MAX_ANSWER: usize = 64 * 1024;

/// What HEC said to a batch.
pub(super) struct Posted {
    pub(super) channel: Arc<Channel>,
    pub(super) answer: Answer,
    pub(super) taken: Taken,
}

pub(super) enum Taken {
    /// What the answer says is all there is.
    Unnumbered,
    /// The indexers will know it by this id.
    As(u64),
    /// Under an id that was there before.
    Anew,
}

impl SplunkHec {
    /// One request. Errors are those of the connection; what HEC says is in the answer.
    pub(super) async fn exchange(
        &self,
        channel: &Channel,
        path: &str,
        token: HeaderValue,
        body: Bytes,
        gzip: bool,
    ) -> Result<Answer, Fault> {
        let url = format!("{}{path}", self.endpoints[channel.endpoint]);
        let mut request = self
            .client
            .post(&url)
            .header(AUTHORIZATION, token.clone())
            .header(CHANNEL, channel.id.to_string())
            .header(CONTENT_TYPE, "application/json");
        if gzip && !body.is_empty() {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        if let Some(cookie) = channel.cookie() {
            request = request.header(COOKIE, cookie);
        }
        let response = self.client.send(request.body(body)).await?;
        let status = response.status().as_u16();
        channel.take_cookies(response.headers());
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = fault::retry_after(header, self.clock.now());
        let body = match http::body_capped(response, MAX_ANSWER).await {
            Ok(body) => body,
            // The status says enough, but a 200 must be read to count.
            Err(_) if status >= 300 => Bytes::new(),
            Err(fault) if fault.kind == Kind::TooLarge => Bytes::new(),
            Err(fault) => return Err(fault),
        };
        let reply = Reply::read(&body).map(|reply| reply.without(&token));
        Ok(Answer { status, reply, body, retry_after, url, index: self.index.clone() })
    }

    /// Posts a batch and draws conclusions for the following ones.
    async fn post(
        &self,
        channel: &Arc<Channel>,
        token: HeaderValue,
        body: Bytes,
    ) -> Result<(Answer, Taken), Fault> {
        let posting = channel.begin();
        let result = self.exchange(channel, PATH, token, body, self.gzip).await;
        let mut route = self.route();
        if result.as_ref().map_or(true, Answer::is_down) {
            route.failed(channel.endpoint, self.clock.now());
        } else {
            route.worked(channel.endpoint);
        }
        let answer = match result {
            Ok(answer) if answer.reply.is_some() => answer,
            unclear => {
                // It may have taken an id: the count is in doubt.
                drop(posting);
                route.leave(channel, channel.asks);
                return unclear.map(|answer| (answer, Taken::Unnumbered));
            }
        };
        let taken = match answer.ack_id() {
            Some(id) if channel.asks && self.acknowledgements != Acknowledgements::Off => {
                route.set_acknowledges(true);
                if posting.accepted(id) {
                    Taken::As(id)
                } else {
                    route.tear(channel);
                    Taken::Anew
                }
            }
            id => {
                posting.declined();
                if answer.is_success() {
                    route.set_acknowledges(false);
                    if id.is_none() && !channel.asks {
                        // It keeps what it says now: if it should give ids again, ask for them.
                        route.leave(channel, true);
                    }
                }
                Taken::Unnumbered
            }
        };
        Ok((answer, taken))
    }

    /// Posts a batch to the endpoint that is next, once more where the token was rotated: whoever
    /// changed its file need not wait for the next attempt.
    pub(super) async fn deliver(&self, body: &Bytes) -> Result<Posted, Fault> {
        // Closed never.
        let _permit = self.posts.acquire().await;
        let channel = self.route().channel();
        let first = match self.acknowledgements {
            Acknowledgements::Off => None,
            Acknowledgements::Auto | Acknowledgements::Required => channel.opened().await,
        };
        if first.is_some() && self.acknowledgements == Acknowledgements::Required {
            self.require(&channel).await?;
        }
        let body = if self.gzip {
            // Some milliseconds; a thread for it would cost more, in memory above all.
            compress(body).map_err(|error| {
                Fault::transient("the batch could not be compressed").caused_by(error)
            })?
        } else {
            body.clone()
        };
        let token = self.token.header()?;
        let (mut answer, mut taken) = self.post(&channel, token.clone(), body.clone()).await?;
        if answer.refuses_token()
            && let Some(token) = self.token.after(&token)
        {
            (answer, taken) = self.post(&channel, token, body).await?;
        }
        drop(first);
        Ok(Posted { channel, answer, taken })
    }

    /// Nothing goes to a server that cannot acknowledge it, where that is required.
    async fn require(&self, channel: &Arc<Channel>) -> Result<(), Fault> {
        let id = self.route().fresh_id();
        match self.has_acknowledgements(channel.endpoint, id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(without_acknowledgement(&self.endpoints[channel.endpoint])),
            Err(fault) => {
                if fault.kind != Kind::Auth {
                    self.route().failed(channel.endpoint, self.clock.now());
                }
                Err(fault)
            }
        }
    }
}
