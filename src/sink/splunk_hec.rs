//! Splunk's HTTP Event Collector: batches of envelopes to `/services/collector/event`.
//!
//! A 200 with HEC's own JSON is the acknowledgement; indexers are not asked yet.

use std::{
    io::Write,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use uuid::Uuid;

use self::{
    classify::{Answer, Reply, classify},
    endpoints::Endpoints,
    token::Token,
};
use super::{Outcome, Sink, Unfit};
use crate::{
    clock::Clock,
    config::{self, Acknowledgements, BatchLimits},
    domain::event::Event,
    fault::{self, Fault, Kind},
    format::hec::Hec,
    http::{self, ClientError},
};

mod classify;
mod endpoints;
mod probe;
mod token;

const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");

/// Splunk's `maxEventSize`: a larger object is a parsing error there.
const MAX_EVENT: usize = 5 * 1024 * 1024;

/// HEC's answers are some hundred bytes; proxies' pages are cut off here.
const MAX_ANSWER: usize = 64 * 1024;

pub struct SplunkHec {
    client: http::Client,
    endpoints: Vec<String>,
    token: Token,
    index: Option<String>,
    gzip: bool,
    batch: BatchLimits,
    schema: config::Schema,
    envelope: Hec,
    clock: Arc<dyn Clock>,
    route: Mutex<Route>,
}

/// Why a Splunk sink cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(
        "acknowledgements = \"required\" cannot be kept yet, as indexers are not asked: use \
         \"auto\""
    )]
    Acknowledgements,
}

/// Where the next batch goes, and on which channel: a new one for each start and each move to
/// another endpoint, as Splunk counts acknowledgements by channel and indexer.
struct Route {
    endpoints: Endpoints,
    channel: Uuid,
    rng: StdRng,
}

impl Route {
    fn renew_channel(&mut self) {
        self.channel = Uuid::new_v8(self.rng.random());
    }
}

impl SplunkHec {
    /// `host` stands in where the settings have none.
    pub fn new(
        sink: &config::Sink,
        settings: &config::SplunkHec,
        host: &str,
        clock: Arc<dyn Clock>,
        rng: &mut impl Rng,
    ) -> Result<Self, SetupError> {
        if settings.acknowledgements == Acknowledgements::Required {
            return Err(SetupError::Acknowledgements);
        }
        let mut route = Route {
            endpoints: Endpoints::new(settings.endpoints.len()),
            channel: Uuid::nil(),
            rng: StdRng::from_rng(rng),
        };
        route.renew_channel();
        Ok(Self {
            client: http::client(&settings.http)?,
            endpoints: settings.endpoints.clone(),
            token: Token::new(settings.token.clone()),
            index: settings.index.clone(),
            gzip: settings.gzip,
            batch: sink.batch,
            schema: sink.schema,
            envelope: Hec::new(settings.host.as_deref().unwrap_or(host), settings.index.as_deref()),
            clock,
            route: Mutex::new(route),
        })
    }

    fn route(&self) -> MutexGuard<'_, Route> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request. Errors are those of the connection; what HEC says is in the answer.
    async fn post(
        &self,
        endpoint: &str,
        channel: Uuid,
        token: HeaderValue,
        body: Bytes,
    ) -> Result<Answer, Fault> {
        let url = format!("{endpoint}/services/collector/event");
        let mut request = self
            .client
            .post(&url)
            .header(AUTHORIZATION, token)
            .header(CHANNEL, channel.to_string())
            .header(CONTENT_TYPE, "application/json");
        if self.gzip && !body.is_empty() {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        let response = self.client.send(request.body(body)).await?;
        let status = response.status().as_u16();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = fault::retry_after(header, self.clock.now());
        let reply = match http::body_capped(response, MAX_ANSWER).await {
            Ok(body) => Reply::read(&body),
            // The status says enough, but a 200 must be read to count.
            Err(_) if status >= 300 => None,
            Err(fault) if fault.kind == Kind::TooLarge => None,
            Err(fault) => return Err(fault),
        };
        Ok(Answer { status, reply, retry_after, url, index: self.index.clone() })
    }

    /// Sends to the endpoint that is next and draws conclusions for the following batches.
    async fn attempt(&self, token: HeaderValue, body: Bytes) -> Result<Answer, Fault> {
        let (at, channel) = {
            let route = self.route();
            (route.endpoints.current(), route.channel)
        };
        let result = self.post(&self.endpoints[at], channel, token, body).await;
        let is_down = result.as_ref().is_ok_and(Answer::is_down) || result.is_err();
        let mut route = self.route();
        if !is_down {
            route.endpoints.worked(at);
        } else if route.endpoints.failed(at, self.clock.now()) {
            route.renew_channel();
        }
        result
    }

    /// Sends, once more where the token was rotated: whoever changed its file need not wait for
    /// the next attempt.
    async fn deliver(&self, body: Bytes) -> Result<Answer, Fault> {
        let token = self.token.header()?;
        let answer = self.attempt(token.clone(), body.clone()).await?;
        if answer.refuses_token()
            && let Some(token) = self.token.after(&token)
        {
            return self.attempt(token, body).await;
        }
        Ok(answer)
    }
}

impl Sink for SplunkHec {
    fn batch_limits(&self) -> BatchLimits {
        self.batch
    }

    fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let start = out.len();
        self.envelope.append(event, self.schema, out);
        let size = out.len() - start;
        if size > MAX_EVENT {
            out.truncate(start);
            return Err(Unfit(format!(
                "with its envelope the event has {size} bytes; Splunk takes at most {MAX_EVENT}"
            )));
        }
        out.push(b'\n');
        Ok(())
    }

    async fn send(&self, body: Bytes, frames: &[Range<usize>]) -> Outcome {
        if frames.is_empty() {
            return Outcome::Accepted;
        }
        let body_len = body.len();
        let body = if self.gzip {
            // Some milliseconds; a thread for it would cost more, in memory above all.
            match compress(&body) {
                Ok(compressed) => compressed,
                Err(error) => return not_compressed(error),
            }
        } else {
            body
        };
        match self.deliver(body).await {
            Ok(answer) => classify(&answer, frames.len(), body_len),
            Err(fault) => Outcome::Failed(fault),
        }
    }

    async fn probe(&self) -> Result<String, Fault> {
        probe::probe(self).await
    }
}

/// Level 1: higher ones cost half again as much of all our CPU for a third fewer bytes.
pub fn compress(body: &[u8]) -> std::io::Result<Bytes> {
    let buffer = Vec::with_capacity(body.len() / 3);
    let mut encoder = flate2::write::GzEncoder::new(buffer, flate2::Compression::new(1));
    encoder.write_all(body)?;
    Ok(encoder.finish()?.into())
}

fn not_compressed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Outcome {
    Outcome::Failed(Fault::transient("the batch could not be compressed").caused_by(error))
}

#[cfg(test)]
mod tests;
