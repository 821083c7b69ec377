//! Splunk's HTTP Event Collector: batches of envelopes to `/services/collector/event`.
//!
//! Where the token has indexer acknowledgement, a batch counts once the indexers have it; else HEC's
//! 200 with its own JSON does.

use std::{
    io::Write,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::sync::Semaphore;
use tracing::warn;

use self::{
    classify::{classify, without_acknowledgement},
    pending::{ANEW, Verdict},
    post::{Posted, Taken},
    route::Route,
    token::Token,
};
use super::{Outcome, Sink, Unfit};
use crate::{
    clock::Clock,
    config::{self, Acknowledgements, BatchLimits},
    domain::event::Event,
    fault::Fault,
    format::hec::Hec,
    http::{self, ClientError},
    metrics::Requests,
};

mod acknowledge;
mod channel;
mod classify;
mod cookies;
mod endpoints;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod pending;
mod post;
mod probe;
mod route;
mod token;

/// Splunk's `maxEventSize`: a larger object is a parsing error there.
const MAX_EVENT: usize = 5 * 1024 * 1024;

/// A batch that the indexers do not confirm goes again so often before its endpoint counts as
/// failing.
const RESENDS: u32 = 1;

/// While indexers are waited for, so many times `max_in_flight` batches may be on the way.
const AHEAD: usize = 4;

pub struct SplunkHec {
    client: http::Client,
    endpoints: Vec<String>,
    token: Token,
    index: Option<String>,
    gzip: bool,
    batch: BatchLimits,
    schema: config::Schema,
    envelope: Hec,
    acknowledgements: Acknowledgements,
    ack_timeout: Duration,
    clock: Arc<dyn Clock>,
    route: Mutex<Route>,
    /// Posts at a time; batches that wait for the indexers do not count.
    posts: Semaphore,
}

/// Why a Splunk sink cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Client(#[from] ClientError),
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
        let client = http::client(&settings.http)?.counted(Requests::of_sink(&sink.name));
        let count = settings.endpoints.len();
        Ok(Self {
            client,
            endpoints: settings.endpoints.clone(),
            token: Token::new(settings.token.clone()),
            index: settings.index.clone(),
            gzip: settings.gzip,
            batch: sink.batch,
            schema: sink.schema,
            envelope: Hec::new(settings.host.as_deref().unwrap_or(host), settings.index.as_deref()),
            acknowledgements: settings.acknowledgements,
            ack_timeout: settings.ack_timeout,
            clock,
            route: Mutex::new(Route::new(count, settings.ack_timeout, StdRng::from_rng(rng))),
            posts: Semaphore::new(sink.max_in_flight.max(1)),
        })
    }

    fn route(&self) -> MutexGuard<'_, Route> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends frames and waits until the indexers have them, where they say so.
    async fn send_all(&self, body: Bytes, frames: &[Range<usize>]) -> Outcome {
        let mut resends = 0;
        loop {
            let Posted { channel, answer, taken } = match self.deliver(&body).await {
                Ok(posted) => posted,
                Err(fault) => return Outcome::Failed(fault),
            };
            let required = self.acknowledgements == Acknowledgements::Required;
            let verdict = match (classify(&answer, frames.len(), body.len()), taken) {
                (Outcome::Accepted, Taken::As(id)) => self.verdict(&channel, id).await,
                (Outcome::Accepted, Taken::Anew) => Verdict::Lost(ANEW.to_owned()),
                (Outcome::Accepted, Taken::Unnumbered) if required => {
                    return Outcome::Failed(without_acknowledgement(&answer.url));
                }
                (Outcome::Poison { index, reason }, _)
                    if index > 0 && self.waits(channel.endpoint).await =>
                {
                    // HEC has those before the bad one, but gives no id for them.
                    let (body, frames) = (body.slice(..frames[index].start), &frames[..index]);
                    return match Box::pin(self.send_all(body, frames)).await {
                        Outcome::Accepted => Outcome::Poison { index, reason },
                        other => other,
                    };
                }
                (outcome, _) => return outcome,
            };
            let endpoint = &self.endpoints[channel.endpoint];
            let why = match verdict {
                Verdict::Indexed => return Outcome::Accepted,
                Verdict::Unsupported(_) if required => {
                    return Outcome::Failed(without_acknowledgement(endpoint));
                }
                Verdict::Unsupported(why) => {
                    self.route().leave(&channel, false);
                    why
                }
                Verdict::Lost(why) => {
                    self.route().leave(&channel, channel.asks);
                    why
                }
            };
            if resends == RESENDS {
                self.route().failed(channel.endpoint, self.clock.now());
                return Outcome::Failed(Fault::transient(format!(
                    "{endpoint} took a batch {} times, and its indexers did not confirm it: {why}",
                    resends + 1
                )));
            }
            resends += 1;
            warn!(
                endpoint,
                events = frames.len(),
                why,
                "a batch is not confirmed; sending it again"
            );
        }
    }

    /// Whether a batch is not delivered before the indexers have it. Where no answer has told yet,
    /// the endpoint is asked: what it has already need not go again.
    async fn waits(&self, endpoint: usize) -> bool {
        match self.acknowledgements {
            Acknowledgements::Off => return false,
            Acknowledgements::Required => return true,
            Acknowledgements::Auto => {}
        }
        let (known, id) = {
            let mut route = self.route();
            (route.acknowledges(), route.fresh_id())
        };
        if let Some(known) = known {
            return known;
        }
        match self.has_acknowledgements(endpoint, id).await {
            Ok(has) => {
                self.route().set_acknowledges(has);
                has
            }
            // Once too often is better than not at all.
            Err(_) => true,
        }
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
        self.send_all(body, frames).await
    }

    fn most_on_the_way(&self, max_in_flight: usize) -> usize {
        if self.route().acknowledges() == Some(true) {
            max_in_flight.saturating_mul(AHEAD)
        } else {
            max_in_flight
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

#[cfg(test)]
mod tests;
