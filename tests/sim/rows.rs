//! Secure Email Relay: that sums of `delta` are what the vendor counts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use postrider::simulator::Simulation;
use serde_json::Value;

use crate::{
    clock,
    history::minutes,
    siem::Siem,
    sums::{Sums, add, counters, nonzero, told},
};

/// Compares each window that begins in `[from, to)` with what the vendor said at some time
/// from `read` on.
pub(crate) fn check(
    siem: &Siem,
    vendor: &Simulation,
    [from, to]: [Timestamp; 2],
    [read, now]: [Timestamp; 2],
) -> Result<(), String> {
    let mut sums: BTreeMap<(Timestamp, String), Sums> = BTreeMap::new();
    // The rows of a refused event are not known, nor what they added up to.
    let unknown: BTreeSet<Option<Timestamp>> =
        siem.refused.values().map(|facts| facts.window_start).collect();
    for got in siem.got.values().filter(|got| got.facts.stream == "summary") {
        let window = got.facts.window_start.ok_or("a row without its window")?;
        let row: Value = serde_json::from_str(&got.text).map_err(|error| error.to_string())?;
        let user = row["applicationUserName"].as_str().unwrap_or_default().to_owned();
        add(sums.entry((window, user)).or_default(), &counters(&got.facts.delta));
    }
    let mut window = clock::floor(from, 3600);
    while window < to {
        let end = window + minutes(60);
        // It says otherwise when the window is an hour old, and a day.
        let times = [read, end + minutes(60), end + minutes(24 * 60), now];
        let truths = times.map(|then| truth(vendor, [window, end], then.clamp(read, now)));
        let here = sums.range((window, String::new())..(end, String::new()));
        let here: BTreeMap<String, Sums> = here
            .map(|((_, user), sum)| (user.clone(), nonzero(sum)))
            .filter(|(_, sum)| !sum.is_empty())
            .collect();
        if !unknown.contains(&Some(window)) && !truths.contains(&here) {
            return Err(format!("{window}: {here:?} instead of {:?}", truths[3]));
        }
        window = end;
    }
    Ok(())
}

/// What the vendor counts, by user.
fn truth(vendor: &Simulation, window: [Timestamp; 2], then: Timestamp) -> BTreeMap<String, Sums> {
    let mut truth: BTreeMap<String, Sums> = BTreeMap::new();
    for row in vendor.summary_at(window, then) {
        add(truth.entry(row.application_user_name.clone()).or_default(), &told(&row));
    }
    let some = truth.into_iter().map(|(user, sum)| (user, nonzero(&sum)));
    some.filter(|(_, sum)| !sum.is_empty()).collect()
}
