//! Where the next batch goes, and on which channel. Pure but for the choice of channel ids.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rand::{Rng, rngs::StdRng};
use uuid::Uuid;

use super::{channel::Channel, endpoints::Endpoints};

/// Splunk forgets a channel that rests for 600 s, and counts anew; ours end before.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// So many channels that counted anew show that the nodes behind one address count for themselves.
const TORN: u32 = 2;

pub(super) struct Route {
    endpoints: Endpoints,
    /// A new one for each start, each move to another endpoint, and after all that leaves in doubt
    /// how Splunk counts.
    channel: Arc<Channel>,
    rng: StdRng,
    ack_timeout: Duration,
    /// Whether the server gives ids to be asked for; unknown until it took a batch.
    acknowledges: Option<bool>,
    /// Channels on which ids came again.
    torn: u32,
}

impl Route {
    pub(super) fn new(endpoints: usize, ack_timeout: Duration, mut rng: StdRng) -> Self {
        let id = Uuid::new_v8(rng.random());
        let channel = Arc::new(Channel::new(id, 0, true, ack_timeout));
        let endpoints = Endpoints::new(endpoints);
        Self { endpoints, channel, rng, ack_timeout, acknowledges: None, torn: 0 }
    }

    /// The channel for the next batch.
    pub(super) fn channel(&mut self) -> Arc<Channel> {
        let rested = self.channel.rests().is_some_and(|rest| rest >= LONGEST_REST);
        // Without one node for all, each batch has a channel of its own: then no id can be
        // another batch's, and a question meets the right node sooner or later.
        if rested || self.torn >= TORN {
            self.renew(self.channel.asks);
        }
        self.channel.clone()
    }

    pub(super) fn fresh_id(&mut self) -> Uuid {
        Uuid::new_v8(self.rng.random())
    }

    /// Puts nothing more on the channel; of several batches that leave it, only the first renews.
    pub(super) fn leave(&mut self, channel: &Arc<Channel>, asks: bool) {
        if Arc::ptr_eq(channel, &self.channel) {
            self.renew(asks);
        }
    }

    /// Ids came again on the channel.
    pub(super) fn tear(&mut self, channel: &Arc<Channel>) {
        if Arc::ptr_eq(channel, &self.channel) {
            self.torn += 1;
            self.renew(true);
        }
    }

    pub(super) fn worked(&mut self, endpoint: usize) {
        self.endpoints.worked(endpoint);
    }

    /// The next batch goes to another endpoint, where there is one.
    pub(super) fn failed(&mut self, endpoint: usize, now: Timestamp) {
        if self.endpoints.failed(endpoint, now) {
            self.acknowledges = None;
            self.renew(true);
        }
    }

    pub(super) fn acknowledges(&self) -> Option<bool> {
        self.acknowledges
    }

    pub(super) fn set_acknowledges(&mut self, acknowledges: bool) {
        self.acknowledges = Some(acknowledges);
    }

    #[cfg(test)]
    pub(super) fn endpoint(&self) -> usize {
        self.endpoints.current()
    }

    fn renew(&mut self, asks: bool) {
        let (id, endpoint) = (self.fresh_id(), self.endpoints.current());
        self.channel = Arc::new(Channel::new(id, endpoint, asks, self.ack_timeout));
    }
}
