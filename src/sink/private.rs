//! A sink that is not to have all of an event: what its `privacy` takes is gone before any format
//! sees it, for what comes from the spool and for dead letters that are sent again.

use std::ops::Range;

use bytes::Bytes;

use super::{Outcome, Sink, Unfit};
use crate::{
    config::{self, BatchLimits, secret::SecretError},
    domain::event::Event,
    fault::Fault,
    privacy::Redactor,
};

/// A sink behind its `privacy`, if it has any.
pub struct Private<K> {
    sink: K,
    redactor: Option<Redactor>,
}

impl<K> Private<K> {
    /// Reads the key of the hashes.
    pub fn new(config: &config::Sink, sink: K) -> Result<Self, SecretError> {
        let redactor = config.privacy.as_ref().map(Redactor::new).transpose()?;
        Ok(Self { sink, redactor })
    }
}

impl<K: Sink> Sink for Private<K> {
    fn batch_limits(&self) -> BatchLimits {
        self.sink.batch_limits()
    }

    fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match &self.redactor {
            Some(redactor) => self.sink.frame(&*redactor.apply(event)?, out),
            None => self.sink.frame(event, out),
        }
    }

    fn send(&self, body: Bytes, frames: &[Range<usize>]) -> impl Future<Output = Outcome> + Send {
        self.sink.send(body, frames)
    }

    fn most_on_the_way(&self, max_in_flight: usize) -> usize {
        self.sink.most_on_the_way(max_in_flight)
    }

    fn probe(&self) -> impl Future<Output = Result<String, Fault>> + Send {
        self.sink.probe()
    }
}
