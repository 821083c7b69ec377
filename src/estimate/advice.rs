//! Which single change makes a day fit.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{DayPlan, day};
use crate::config::{Resweep, Schedule, Source, Vendor, units};

/// A change that makes a day fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As it is written in the configuration.
    pub change: String,
    /// The day's calls with it.
    pub calls: u64,
}

const LONGER: [&str; 7] = ["2m", "5m", "10m", "15m", "30m", "1h", "2h"];
const THREATS: [&str; 4] = ["malicious", "phishing", "bec", "scam"];

/// Of each kind of change the smallest that makes the day fit; empty when it fits as it is, or
/// when no single change is enough.
pub fn advice(source: &Source, plan: &DayPlan, from: Timestamp) -> Vec<Change> {
    if plan.fits {
        return Vec::new();
    }
    let kinds = [less_often(source), fewer_resweeps(source), narrow_resweeps(source)];
    let fits = |(change, source): (String, Source)| {
        let plan = day(&source, plan.volume(), from);
        plan.fits.then_some(Change { change, calls: plan.calls })
    };
    kinds.into_iter().filter_map(|kind| kind.into_iter().find_map(fits)).collect()
}

/// The smallest change first.
type Kind = Vec<(String, Source)>;

fn less_often(source: &Source) -> Kind {
    let every = match source.schedule {
        Schedule::Every(every) => every,
        Schedule::Cron(_) => Duration::ZERO,
    };
    let longer = LONGER.iter().filter_map(|text| Some((text, units::duration(text).ok()?)));
    let longer = longer.filter(|(_, longer)| *longer > every);
    longer
        .map(|(text, longer)| {
            let schedule = Schedule::Every(longer);
            let source = Source { schedule, ..source.clone() };
            (format!("schedule = {{ every = \"{text}\" }}"), source)
        })
        .collect()
}

/// Without one resweep, the earliest first: a later one sees all that it would have seen.
fn fewer_resweeps(source: &Source) -> Kind {
    let mut kinds: Kind = Vec::new();
    for dropped in 1..=source.resweep.len() {
        let resweep: Vec<Resweep> = source.resweep.iter().skip(dropped).cloned().collect();
        let change = written(&resweep);
        kinds.push((change, Source { resweep, ..source.clone() }));
    }
    kinds
}

fn narrow_resweeps(source: &Source) -> Kind {
    if !matches!(source.vendor, Vendor::CiscoEtd(_)) {
        return Vec::new();
    }
    let narrow = |step: &Resweep| Resweep {
        after: step.after,
        verdicts: THREATS.map(str::to_owned).to_vec(),
    };
    let resweep: Vec<Resweep> = source.resweep.iter().map(narrow).collect();
    if resweep == source.resweep {
        return Vec::new();
    }
    vec![(written(&resweep), Source { resweep, ..source.clone() })]
}

/// Resweeps as the configuration has them.
fn written(resweep: &[Resweep]) -> String {
    let step = |step: &Resweep| {
        let after = units::spoken(step.after);
        match step.verdicts.as_slice() {
            [] => format!("{{ after = \"{after}\" }}"),
            verdicts => format!("{{ after = \"{after}\", verdicts = {verdicts:?} }}"),
        }
    };
    match resweep.iter().map(step).collect::<Vec<_>>() {
        steps if steps.is_empty() => "resweep = []".to_owned(),
        steps => format!("resweep = [ {} ]", steps.join(", ")),
    }
}
