//! Draws a history from its seed. What is drawn first must stay first: seeds that failed once are kept.

use std::{collections::BTreeSet, time::Duration};

use postrider::simulator::{AckAnswers, FaultKind, MutationKind};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{Death, Export, Happening, History, Host, Settings, Trouble, Vendors, minutes};

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
        let export = Export::draw(seed, lasts, without).map(|(export, more)| {
            happenings.extend(more);
            export
        });
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
        Self { seed, settings, vendors, export, rate, happenings, lasts }
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
    let host = |rng: &mut StdRng| *Host::DRAWN.choose(rng).expect("there are some");
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
