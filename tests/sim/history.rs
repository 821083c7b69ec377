//! What happens in a seed, drawn before anything does: the system's settings, the vendors' data,
//! and what goes wrong when.

use std::{collections::BTreeSet, fmt, time::Duration};

use postrider::simulator::{AckAnswers, FaultKind, MutationKind};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

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
}

impl Trouble {
    pub(crate) const ALL: [Self; 17] = [
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
}

impl Host {
    pub(crate) const ALL: [Self; 5] =
        [Self::Etd, Self::Ser, Self::SplunkOne, Self::SplunkTwo, Self::Archive];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Etd => "etd.invalid",
            Self::Ser => "ser.invalid",
            Self::SplunkOne => "one.splunk.invalid",
            Self::SplunkTwo => "two.splunk.invalid",
            Self::Archive => "archive.invalid",
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
    /// Faults of the whole time, besides those that happen.
    pub rate: f64,
    pub happenings: Vec<(Duration, Happening)>,
    pub lasts: Duration,
}

/// Names of transactions and other places; those that carry the guarantees more than once.
const PLACES: [&str; 18] = [
    "commit-page",
    "commit-page",
    "commit-page",
    "mark",
    "mark",
    "mark",
    "send",
    "send",
    "request",
    "request",
    "plan-live",
    "open-due",
    "set-back",
    "set-condition",
    "say",
    "plan-backfill",
    "commit-survey",
    "set-sinks",
];

impl History {
    pub(crate) fn draw(seed: u64, without: &BTreeSet<Trouble>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut settings = settings(&mut rng);
        let mut vendors = vendors(&mut rng);
        if settings.max_spool < SMALL_SPOOL {
            // Dead letters count against the cap, and nobody drops them here.
            vendors.poison_every = 0;
        }
        let lasts = minutes(60 * rng.random_range(2..9));
        let mut rate = if rng.random_bool(0.6) { rng.random_range(0.0..0.15) } else { 0.0 };
        let count = rng.random_range(2..14);
        let mut happenings: Vec<(Duration, Happening)> = (0..count)
            .map(|_| (lasts.mul_f64(rng.random()), happening(&mut rng, &settings)))
            .collect();
        // What is over is followed by calm: faults stay until others come.
        happenings.sort_by_key(|(at, _)| *at);
        let has = |trouble| !without.contains(&trouble);
        happenings.retain_mut(|(_, happening)| {
            if let Happening::Crash(death) = happening
                && !has(Trouble::Tear)
            {
                death.tear = None;
            }
            has(happening.trouble())
        });
        if !has(Trouble::Faults) {
            rate = 0.0;
        }
        if !has(Trouble::Poison) {
            vendors.poison_every = 0;
        }
        if !has(Trouble::Acks) {
            (settings.acks, settings.asks) = (false, "off");
        }
        if !has(Trouble::Quota) {
            settings.per_day = 10_000;
        }
        if settings.per_day < 10_000 {
            // Each slice finds out anew which pages are small enough: a quota has no room for it.
            vendors.too_large_above = None;
        }
        if !has(Trouble::Vendor) {
            vendors.too_large_above = None;
            (vendors.empty_page_every, vendors.duplicate_every) = (0, 0);
            vendors.miscount = 0;
        }
        Self { seed, settings, vendors, rate, happenings, lasts }
    }
}

/// A spool that an outage of some hours fills.
const SMALL_SPOOL: u64 = 1 << 20;

fn settings(rng: &mut StdRng) -> Settings {
    let hours = |all: &[u64]| all.iter().map(|hours| minutes(60 * hours)).collect::<Vec<_>>();
    let acks = rng.random_bool(0.4);
    let resweeps: [&[u64]; 5] = [&[], &[1], &[2, 4], &[1, 6], &[3]];
    Settings {
        every: minutes(*[30, 30, 60].choose(rng).expect("there are some")),
        slice: minutes(*[30, 60, 60, 120].choose(rng).expect("there are some")),
        resweeps: hours(resweeps.choose(rng).expect("there are some")),
        page_size: *[3, 5, 10, 25].choose(rng).expect("there are some"),
        in_flight: rng.random_range(1..5),
        per_day: *[600, 900, 10_000, 10_000].choose(rng).expect("there are some"),
        reconcile: rng.random_bool(0.3),
        max_spool: *[8 << 10, 16 << 10, 64 << 20, 64 << 20, 64 << 20].choose(rng).expect("some"),
        batch_events: *[1, 3, 10, 50].choose(rng).expect("there are some"),
        batch_age: Duration::from_secs(*[1, 5, 60].choose(rng).expect("there are some")),
        batches: rng.random_range(1..5),
        gzip: rng.random(),
        acks,
        asks: if acks {
            ["auto", "required"].choose(rng).expect("some")
        } else {
            ["auto", "off"].choose(rng).expect("some")
        },
        ack_timeout: Duration::from_secs(*[20, 300].choose(rng).expect("some")),
        archive: rng.random_bool(0.4),
        back: minutes(60 * rng.random_range(1..6)),
    }
}

fn vendors(rng: &mut StdRng) -> Vendors {
    let mut quirk = |every: u32| if rng.random_bool(0.4) { every } else { 0 };
    let (empty_page_every, duplicate_every, poison_every) = (quirk(7), quirk(9), quirk(23));
    let mut losses = || if rng.random_bool(0.5) { rng.random_range(2..9) } else { 0 };
    let (lose_batch_every, lose_ack_every, lose_ack_answer_every) = (losses(), losses(), losses());
    Vendors {
        messages: rng.random_range(20..70),
        users: rng.random_range(1..4),
        token_life: minutes(rng.random_range(5..180)),
        page_token_life: Duration::from_secs(rng.random_range(200..900)),
        empty_page_every,
        duplicate_every,
        too_large_above: rng.random_bool(0.2).then(|| rng.random_range(1..6)),
        newest_first: rng.random(),
        miscount: u64::from(rng.random_bool(0.2)),
        poison_every,
        ack_polls: rng.random_range(0..4),
        lose_batch_every,
        lose_ack_every,
        lose_ack_answer_every,
        ack_delay: Duration::from_secs(*[0, 0, 1, 15].choose(rng).expect("some")),
        nodes: if rng.random_bool(0.2) { 2 } else { 1 },
        sticky: rng.random(),
    }
}

fn happening(rng: &mut StdRng, settings: &Settings) -> Happening {
    let host = |rng: &mut StdRng| *Host::ALL.choose(rng).expect("there are some");
    match rng.random_range(0..100) {
        0..10 => {
            let count = rng.random_range(1..5);
            let kinds = (0..count)
                .map(|_| *FaultKind::PASSING.choose(rng).expect("there are some"))
                .collect();
            let rate = if rng.random_bool(0.5) { rng.random_range(0.1..0.9) } else { 0.0 };
            let retry_after = Duration::from_secs(rng.random_range(1..900));
            Happening::Faults { host: host(rng), rate, kinds, retry_after }
        }
        10..14 => {
            let count = rng.random_range(1..4);
            let all: Vec<FaultKind> =
                FaultKind::PASSING.into_iter().chain(FaultKind::LASTING).collect();
            let kinds = (0..count).map(|_| *all.choose(rng).expect("there are some")).collect();
            Happening::Next { host: host(rng), kinds }
        }
        14..24 => Happening::Outage { host: host(rng), lasts: minutes(rng.random_range(1..300)) },
        24..28 => Happening::Slow { host: host(rng), lasts: minutes(rng.random_range(1..60)) },
        28..33 => Happening::DiskFull { lasts: minutes(rng.random_range(1..90)) },
        33..35 => Happening::DiskFails { lasts: minutes(rng.random_range(1..20)) },
        35..57 => {
            let place = rng.random_bool(0.85).then(|| *PLACES.choose(rng).expect("some"));
            Happening::Crash(Death {
                place,
                nth: if place.is_some() {
                    rng.random_range(1..8)
                } else {
                    rng.random_range(1..200)
                },
                tear: rng.random_bool(0.5).then(|| rng.random()),
                down: Duration::from_secs(rng.random_range(5..2_000)),
            })
        }
        57..61 => Happening::Stop { down: Duration::from_secs(rng.random_range(1..7_200)) },
        61..64 => Happening::Clock { millis: rng.random_range(-90_000..90_000) },
        64..74 => {
            use MutationKind::{Clearance, Release, Remediation, RetroVerdict};
            let kind = [Clearance, Release, Remediation, RetroVerdict];
            let kind = *kind.choose(rng).expect("there are some");
            Happening::Change { kind, count: rng.random_range(1..9) }
        }
        74..80 => {
            let ago = minutes(rng.random_range(1..60 * 8));
            Happening::Late { ago, count: rng.random_range(1..4) }
        }
        80..83 => {
            let name = rng.random_bool(0.6).then(|| format!("renamed {}", rng.random::<u16>()));
            Happening::Rename { user: rng.random_range(0..4), name }
        }
        83..86 => {
            Happening::Empty { hours_ago: rng.random_range(1..12), times: rng.random_range(1..3) }
        }
        86..94 => Happening::Backfill {
            etd: rng.random_bool(0.7),
            ago: settings.back + minutes(rng.random_range(0..600)),
            length: minutes(rng.random_range(1..800)),
            narrowed: rng.random_bool(0.2),
        },
        94..97 => Happening::NewSink,
        _ => match rng.random_range(0..4) {
            0 => Happening::AcksOff,
            1 => Happening::ForgetsChannels,
            _ => {
                use AckAnswers::{Html, NotFound, ProxyNotFound, Redirect, Refused, ServerError};
                let all = [Html, NotFound, ProxyNotFound, Redirect, Refused, ServerError];
                Happening::AckAnswers { answers: *all.choose(rng).expect("some") }
            }
        },
    }
}
