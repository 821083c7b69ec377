//! How the collector behaves.

use std::time::Duration;

use super::AckAnswers;
use crate::simulator::limiter::Limits;

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a way to differ of its own")]
pub struct HecOptions {
    pub token: String,
    /// Whether the token demands indexer acknowledgement.
    pub use_ack: bool,
    /// An id is told `true` at the poll after so many that said `false`.
    pub ack_polls: u32,
    /// So long it takes the indexers to have a batch, by the simulation's clock.
    pub ack_delay: Duration,
    pub ack_answers: AckAnswers,
    /// One answer to a question for acknowledgements in n is lost, and what it told with it.
    pub lose_ack_answer_every: u64,
    /// After n batches all channels are forgotten, as by a restart.
    pub forget_channels_every: u64,
    /// Nodes behind the address, each with channels of its own. Requests go round among them, but
    /// for those with the cookie of one.
    pub nodes: u32,
    /// Whether a first answer sets the cookie of its node, as load balancers do for "sticky
    /// sessions".
    pub sticky: bool,
    /// One batch in n is answered with an `ackId` and then lost before it was indexed.
    pub lose_batch_every: u64,
    /// One batch in n is indexed, but its acknowledgement never comes.
    pub lose_ack_every: u64,
    /// One event in n, by event id, is never accepted.
    pub poison_every: u32,
    /// A batch with something bad is refused whole, and it is not said what is bad.
    pub unnumbered: bool,
    /// Answers as Splunk Cloud does where that differs from Enterprise.
    pub cloud: bool,
    /// Bytes of a body before compression.
    pub max_content_length: usize,
    pub max_event_size: usize,
    /// Indexes that the token may write to; empty for all.
    pub indexes: Vec<String>,
    /// Whether events are hashed by content, for comparison with the truth; costs time.
    pub content: bool,
    pub limits: Limits,
}

impl Default for HecOptions {
    fn default() -> Self {
        Self {
            token: "11111111-2222-3333-4444-555555555555".into(),
            use_ack: false,
            ack_polls: 0,
            ack_delay: Duration::ZERO,
            ack_answers: AckAnswers::Well,
            lose_ack_answer_every: 0,
            forget_channels_every: 0,
            nodes: 1,
            sticky: true,
            lose_batch_every: 0,
            lose_ack_every: 0,
            poison_every: 0,
            unnumbered: false,
            cloud: false,
            max_content_length: 838_860_800,
            max_event_size: 5_242_880,
            indexes: Vec::new(),
            content: true,
            limits: Limits::default(),
        }
    }
}
