//! What happens in a seed, drawn before anything does: the system's settings, the vendors' data,
//! and what goes wrong when.

use std::{fmt, time::Duration};

use postrider::simulator::{AckAnswers, FaultKind, MutationKind};

mod draw;
mod export;

pub(crate) use export::Export;

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

/// Kinds of trouble, which can be left out one by one to see which it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Trouble {
    Faults,
    Outage,
    Slow,
    Disk,
    Crash,
    Tear,
    Stop,
    Clock,
    Changes,
    Late,
    Rows,
    Backfill,
    Poison,
    Quota,
    Sink,
    Vendor,
    Acks,
    Export,
    Files,
}

impl Trouble {
    pub(crate) const ALL: [Self; 19] = [
        Self::Faults,
        Self::Outage,
        Self::Slow,
        Self::Disk,
        Self::Crash,
        Self::Tear,
        Self::Stop,
        Self::Clock,
        Self::Changes,
        Self::Late,
        Self::Rows,
        Self::Backfill,
        Self::Poison,
        Self::Quota,
        Self::Sink,
        Self::Vendor,
        Self::Acks,
        Self::Export,
        Self::Files,
    ];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.to_string() == text)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// Who can be reached over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Host {
    Etd,
    Ser,
    /// The first sink's two endpoints, which are one SIEM.
    SplunkOne,
    SplunkTwo,
    /// The second sink's.
    Archive,
    /// Of the log export, behind its links.
    Files,
}

impl Host {
    /// Those for which each seed draws trouble; the log export's files have their own.
    pub(crate) const DRAWN: [Self; 5] =
        [Self::Etd, Self::Ser, Self::SplunkOne, Self::SplunkTwo, Self::Archive];

    pub(crate) fn of(name: &str) -> Option<Self> {
        let all = Self::DRAWN.into_iter().chain([Self::Files]);
        all.into_iter().find(|host| host.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Etd => "etd.invalid",
            Self::Ser => "ser.invalid",
            Self::SplunkOne => "one.splunk.invalid",
            Self::SplunkTwo => "two.splunk.invalid",
            Self::Archive => "archive.invalid",
            Self::Files => "files.invalid",
        }
    }
}

/// Where a process dies.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    /// A transaction, `send` or `request`; `None` for any place.
    pub place: Option<&'static str>,
    /// How often it is reached first.
    pub nth: u32,
    /// What a power cut does to the files beyond what a kill does.
    pub tear: Option<u64>,
    pub down: Duration,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    Faults {
        host: Host,
        rate: f64,
        kinds: Vec<FaultKind>,
        retry_after: Duration,
    },
    Next {
        host: Host,
        kinds: Vec<FaultKind>,
    },
    Outage {
        host: Host,
        lasts: Duration,
    },
    Slow {
        host: Host,
        lasts: Duration,
    },
    DiskFull {
        lasts: Duration,
    },
    DiskFails {
        lasts: Duration,
    },
    Crash(Death),
    Stop {
        down: Duration,
    },
    Clock {
        millis: i64,
    },
    Change {
        kind: MutationKind,
        count: u64,
    },
    Late {
        ago: Duration,
        count: u64,
    },
    Rename {
        user: u32,
        name: Option<String>,
    },
    Empty {
        hours_ago: u64,
        times: u32,
    },
    Backfill {
        etd: bool,
        ago: Duration,
        length: Duration,
        narrowed: bool,
    },
    NewSink,
    /// The first SIEM's token has no indexer acknowledgement any more.
    AcksOff,
    /// It starts anew, and counts each channel's batches from 0.
    ForgetsChannels,
    /// It answers to questions for acknowledgements so from now on.
    AckAnswers {
        answers: AckAnswers,
    },
}

impl Happening {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Faults { .. } | Self::Next { .. } => Trouble::Faults,
            Self::Outage { .. } => Trouble::Outage,
            Self::Slow { .. } => Trouble::Slow,
            Self::DiskFull { .. } | Self::DiskFails { .. } => Trouble::Disk,
            Self::Crash(_) => Trouble::Crash,
            Self::Stop { .. } => Trouble::Stop,
            Self::Clock { .. } => Trouble::Clock,
            Self::Change { .. } => Trouble::Changes,
            Self::Late { .. } => Trouble::Late,
            Self::Rename { .. } | Self::Empty { .. } => Trouble::Rows,
            Self::Backfill { .. } => Trouble::Backfill,
            Self::NewSink => Trouble::Sink,
            Self::AcksOff | Self::ForgetsChannels | Self::AckAnswers { .. } => Trouble::Acks,
        }
    }
}

/// How the system is set up.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the configuration")]
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub every: Duration,
    pub slice: Duration,
    /// Of the messages; the summary's are hours.
    pub resweeps: Vec<Duration>,
    pub page_size: u32,
    pub in_flight: usize,
    pub per_day: u32,
    pub reconcile: bool,
    pub max_spool: u64,
    pub batch_events: usize,
    pub batch_age: Duration,
    pub batches: usize,
    pub gzip: bool,
    /// The first SIEM acknowledges when it has indexed.
    pub acks: bool,
    /// The sink's `acknowledgements` and `ack_timeout`.
    pub asks: &'static str,
    pub ack_timeout: Duration,
    /// Whether the second sink is there from the beginning.
    pub archive: bool,
    /// Collection begins so long before the world does.
    pub back: Duration,
}

/// What the vendors are like.
#[derive(Debug, Clone)]
pub(crate) struct Vendors {
    pub messages: u64,
    pub users: u32,
    pub token_life: Duration,
    pub page_token_life: Duration,
    pub empty_page_every: u32,
    pub duplicate_every: u32,
    pub too_large_above: Option<u32>,
    pub newest_first: bool,
    pub miscount: u64,
    pub poison_every: u32,
    /// Polls that say no before one says yes; batches lost after their number was given, and
    /// acknowledgements that never come, one in so many.
    pub ack_polls: u32,
    pub lose_batch_every: u64,
    pub lose_ack_every: u64,
    pub lose_ack_answer_every: u64,
    pub ack_delay: Duration,
    /// Behind the first SIEM's addresses, and whether a load balancer keeps to one of them.
    pub nodes: u32,
    pub sticky: bool,
}

/// A whole history.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub seed: u64,
    pub settings: Settings,
    pub vendors: Vendors,
    /// Whether the messages' source reads the log export, and what that is like.
    pub export: Option<Export>,
    /// Faults of the whole time, besides those that happen.
    pub rate: f64,
    pub happenings: Vec<(Duration, Happening)>,
    pub lasts: Duration,
}
