//! What the HTTP event collector can be told.

use std::time::Duration;

use crate::simulator::HecOptions;

#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "they are flags of a command line"
)]
pub(super) struct HecArgs {
    /// The HEC token demands indexer acknowledgement
    #[arg(long)]
    hec_ack: bool,
    /// One batch in N is answered, then lost before it is indexed (with --hec-ack)
    #[arg(long, default_value_t = 0, value_name = "N")]
    hec_lose_batch_every: u64,
    /// One batch in N is indexed, but never acknowledged (with --hec-ack)
    #[arg(long, default_value_t = 0, value_name = "N")]
    hec_lose_ack_every: u64,
    /// One answer to a question for acknowledgements in N is lost, and what it told with it
    #[arg(long, default_value_t = 0, value_name = "N")]
    hec_lose_ack_answer_every: u64,
    /// How long the indexers take for a batch, in milliseconds (with --hec-ack)
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    hec_ack_delay: u64,
    /// The HEC forgets its channels after N batches, as by a restart (with --hec-ack)
    #[arg(long, default_value_t = 0, value_name = "N")]
    hec_forget_channels_every: u64,
    /// Nodes behind the HEC's address, told apart by a cookie (with --hec-ack)
    #[arg(long, default_value_t = 1, value_name = "NODES")]
    hec_nodes: u32,
    /// The nodes set no cookie: requests go round among them (with --hec-nodes)
    #[arg(long)]
    hec_no_cookie: bool,
    /// The HEC never accepts one event in N
    #[arg(long, default_value_t = 0, value_name = "N")]
    hec_poison_every: u32,
    /// The HEC answers as Splunk Cloud does
    #[arg(long)]
    hec_cloud: bool,
    /// An index that the HEC token may write to; all by default
    #[arg(long, value_name = "INDEX")]
    hec_index: Vec<String>,
    /// The HEC does not hash contents: faster, but `/sim/received` lacks `content`
    #[arg(long)]
    hec_no_content: bool,
}

impl HecArgs {
    pub(super) fn options(&self) -> HecOptions {
        HecOptions {
            use_ack: self.hec_ack,
            ack_polls: 1,
            ack_delay: Duration::from_millis(self.hec_ack_delay),
            lose_ack_answer_every: self.hec_lose_ack_answer_every,
            forget_channels_every: self.hec_forget_channels_every,
            nodes: self.hec_nodes,
            sticky: !self.hec_no_cookie,
            lose_batch_every: self.hec_lose_batch_every,
            lose_ack_every: self.hec_lose_ack_every,
            poison_every: self.hec_poison_every,
            cloud: self.hec_cloud,
            indexes: self.hec_index.clone(),
            content: !self.hec_no_content,
            ..HecOptions::default()
        }
    }
}
