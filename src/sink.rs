//! Destinations. Each sink turns events into its wire format and sends batches of them; when to
//! send, retry and mark is the deliverer's business.

use crate::{config::BatchLimits, domain::event::Event, fault::Fault};

pub mod file;
pub mod folder;
pub mod private;
pub mod splunk_hec;
pub mod stdout;
pub mod syslog;

/// Why an event cannot go to a sink at all: it becomes a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// What became of a batch. Indexes count the batch's frames from 0.
#[derive(Debug)]
pub enum Outcome {
    /// The sink has all of it.
    Accepted,
    /// The sink has the frames before `index`, refuses the one at `index` for good, and has none
    /// after it.
    Poison { index: usize, reason: String },
    /// The sink refuses something in the batch for good but does not say what, and has none of it.
    SomePoison { reason: String },
    /// The batch is too large; the sink has none of it.
    TooLarge { reason: String },
    /// Not now, or not like this: [`Fault::kind`] says when to try again. The sink may have some
    /// of it.
    Failed(Fault),
}

/// A destination. `send` gets the frames that `frame` made, in order.
pub trait Sink: Send + Sync + 'static {
    fn batch_limits(&self) -> BatchLimits;

    /// Appends the wire form of one event to `out`: the same bytes for the same event, always.
    /// On `Err` nothing was appended.
    fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit>;

    /// Sends frames; `frames` are byte ranges of `body` in order, without gaps.
    fn send(
        &self,
        body: bytes::Bytes,
        frames: &[std::ops::Range<usize>],
    ) -> impl Future<Output = Outcome> + Send;

    /// How many batches may be on their way at a time. More than `max_in_flight` where most of them
    /// only wait for a late word of the destination.
    fn most_on_the_way(&self, max_in_flight: usize) -> usize {
        max_in_flight
    }

    /// Tries the destination without leaving an event there where that is possible; the text says
    /// what was found, a fault what to mend.
    fn probe(&self) -> impl Future<Output = Result<String, Fault>> + Send;
}

#[cfg(test)]
pub(crate) mod tests;
