//! What the simulated tenant is like.

use std::time::Duration;

use jiff::Timestamp;

use super::LogExport;
use crate::simulator::limiter::Limits;

/// How links are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlStyle {
    Urls,
    Both,
    Metadata,
    /// Each message has one of the three.
    Mixed,
}

/// How the last page says that it is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastToken {
    Empty,
    Null,
    Absent,
    /// One of the three by turns.
    Mixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalSize {
    Exact,
    Zero,
    Wrong,
    Capped,
}

/// What the vendor does that its guide does not say. `…_every: n` means one in n, 0 never.
#[derive(Debug, Clone)]
pub struct Quirks {
    pub newest_first: bool,
    pub last_token: LastToken,
    pub total_size: TotalSize,
    pub urls: UrlStyle,
    /// Lists come in another order at each read.
    pub shuffle: bool,
    /// So many messages of each hour or day are counted by the report that no search finds.
    pub miscount: u64,
    /// A page with a token but without messages.
    pub empty_page_every: u32,
    /// A message comes twice on a page, or again on the next.
    pub duplicate_every: u32,
    /// The verdict comes 10 to 120 minutes after delivery, not seconds.
    pub late_verdict_every: u32,
    /// A clean message is convicted 1 to 71 hours after delivery.
    pub retro_every: u32,
    pub unknown_member_every: u32,
    pub unknown_verdict_every: u32,
    /// A subject with half a surrogate pair, which strict parsers refuse.
    pub lone_surrogate_every: u32,
    /// 502 when more than so many messages are asked for.
    pub too_large_above: Option<u32>,
    /// 502 for any page of more than so many messages that holds this one (by index).
    pub fat_message: Option<(u64, u32)>,
}

impl Quirks {
    pub fn plain() -> Self {
        Self {
            newest_first: false,
            last_token: LastToken::Empty,
            total_size: TotalSize::Exact,
            urls: UrlStyle::Urls,
            shuffle: false,
            miscount: 0,
            empty_page_every: 0,
            duplicate_every: 0,
            late_verdict_every: 0,
            retro_every: 0,
            unknown_member_every: 0,
            unknown_verdict_every: 0,
            lone_surrogate_every: 0,
            too_large_above: None,
            fat_message: None,
        }
    }
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            newest_first: true,
            last_token: LastToken::Mixed,
            urls: UrlStyle::Mixed,
            shuffle: true,
            empty_page_every: 20,
            duplicate_every: 200,
            late_verdict_every: 100,
            retro_every: 200,
            unknown_member_every: 100,
            unknown_verdict_every: 500,
            ..Self::plain()
        }
    }
}

#[derive(Debug, Clone)]
pub struct EtdOptions {
    pub messages: u64,
    /// When the messages were delivered; by default the day before the start.
    pub range: Option<[Timestamp; 2]>,
    /// New messages after the range, as the clock goes on.
    pub live_per_second: f64,
    /// How long after its delivery a message can be found.
    pub searchable_after: Duration,
    pub client_id: String,
    pub client_secret: String,
    /// `None`: no `x-api-key` is asked for, as in 2023.
    pub api_key: Option<String>,
    pub token_life: Duration,
    pub page_token_life: Duration,
    /// How near to now a search may end.
    pub now_margin: Duration,
    pub retention: Duration,
    pub longest_span: Duration,
    pub limits: Limits,
    pub quirks: Quirks,
    pub log_export: LogExport,
}

impl Default for EtdOptions {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            messages: 1_000,
            range: None,
            live_per_second: 0.0,
            searchable_after: Duration::ZERO,
            client_id: "sim-client".into(),
            client_secret: "sim-secret".into(),
            api_key: Some("sim-api-key".into()),
            token_life: Duration::from_secs(3_600),
            page_token_life: Duration::from_secs(1_800),
            now_margin: Duration::from_secs(300),
            retention: Duration::from_secs(90 * DAY),
            longest_span: Duration::from_secs(32 * DAY),
            limits: Limits::default(),
            quirks: Quirks::default(),
            log_export: LogExport::default(),
        }
    }
}
