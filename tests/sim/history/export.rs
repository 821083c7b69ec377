//! The log export's share of a history, drawn from a generator of its own: without it, a seed's
//! history is what it was.

use std::{collections::BTreeSet, time::Duration};

use postrider::simulator::{MutationKind, Spoil, SpoilKind};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{Death, Happening, Host, Trouble, minutes};

/// One in so many seeds has it.
const SHARE: f64 = 1.0 / 3.0;
const SALT: u64 = 0xE890_87A1;

/// Transactions that only its readers make.
const PLACES: [&str; 6] = [
    "commit-lines",
    "commit-lines",
    "export-asked",
    "export-trouble",
    "compare-created",
    "spare-resweeps",
];

/// What the log export is like, where the source reads it.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    pub late_every: u32,
    pub lines_a_file: usize,
    pub link_life: Duration,
    pub spoils: Vec<Spoil>,
    /// A type that is switched off: from when on after the world's beginning, and for how long.
    pub off: Vec<(&'static str, Duration, Duration)>,
    /// The share of downloads that break off, fall silent or are refused.
    pub breaks: f64,
}

impl Export {
    /// `None` where a seed has no log export. Else with what happens beside all else.
    pub(super) fn draw(
        seed: u64,
        lasts: Duration,
        without: &BTreeSet<Trouble>,
    ) -> Option<(Self, Vec<(Duration, Happening)>)> {
        let mut rng = StdRng::seed_from_u64(seed ^ SALT);
        if !rng.random_bool(SHARE) || without.contains(&Trouble::Export) {
            return None;
        }
        let mut export = export(&mut rng, lasts);
        if without.contains(&Trouble::Files) {
            (export.breaks, export.spoils, export.off) = (0.0, Vec::new(), Vec::new());
        }
        let mut happenings = Vec::new();
        for _ in 0..rng.random_range(2..8) {
            happenings.push((lasts.mul_f64(rng.random()), change(&mut rng)));
        }
        for _ in 0..rng.random_range(0..4) {
            happenings.push((lasts.mul_f64(rng.random()), trouble(&mut rng)));
        }
        Some((export, happenings))
    }
}

fn export(rng: &mut StdRng, lasts: Duration) -> Export {
    Export {
        late_every: *[0, 2, 5].choose(rng).expect("some"),
        lines_a_file: *[1, 2, 5, 500].choose(rng).expect("some"),
        link_life: Duration::from_secs(*[120, 900, 3_600].choose(rng).expect("some")),
        spoils: (0..rng.random_range(0..4_usize).saturating_sub(1)).map(|_| spoil(rng)).collect(),
        off: (0..rng.random_range(0..4_usize).saturating_sub(2))
            .map(|_| {
                let log_type = *["message", "audit"].choose(rng).expect("some");
                (log_type, lasts.mul_f64(rng.random()), minutes(rng.random_range(10..300)))
            })
            .collect(),
        breaks: if rng.random_bool(0.5) { rng.random_range(0.0..0.4) } else { 0.0 },
    }
}

fn spoil(rng: &mut StdRng) -> Spoil {
    use SpoilKind::{BrokenGzip, Expired, Gone, HalfLine, Html};
    let kind = *[BrokenGzip, HalfLine, Html, Expired, Gone].choose(rng).expect("some");
    // A link or a proxy that never works holds the export up until somebody mends it.
    let for_good = ![Html, Expired].contains(&kind) && rng.random_bool(0.3);
    let times = if for_good { 0 } else { rng.random_range(1..6) };
    Spoil { kind, every: rng.random_range(2..8), times }
}

fn change(rng: &mut StdRng) -> Happening {
    use MutationKind::{Clearance, Release, Remediation, RetroVerdict};
    if rng.random_bool(0.2) {
        let ago = minutes(rng.random_range(1..60 * 8));
        return Happening::Late { ago, count: rng.random_range(1..4) };
    }
    let kind = *[Clearance, Release, Remediation, RetroVerdict].choose(rng).expect("some");
    Happening::Change { kind, count: rng.random_range(1..9) }
}

fn trouble(rng: &mut StdRng) -> Happening {
    let host = Host::Files;
    match rng.random_range(0..10) {
        0..3 => Happening::Outage { host, lasts: minutes(rng.random_range(1..300)) },
        3..5 => Happening::Slow { host, lasts: minutes(rng.random_range(1..120)) },
        _ => Happening::Crash(Death {
            place: PLACES.choose(rng).copied(),
            nth: rng.random_range(1..6),
            tear: rng.random_bool(0.5).then(|| rng.random()),
            down: Duration::from_secs(rng.random_range(5..2_000)),
        }),
    }
}
