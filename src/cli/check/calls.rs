//! Whether the calls that a source may make are enough for what it is to do.

use jiff::Timestamp;

use super::trial::Trial;
use crate::{
    collect::budget,
    config::{Config, Source},
    estimate::{self, Volume},
    store::{Store, StoreError, budget::day},
};

/// Only what is short is told.
pub(super) fn tries(config: &Config, now: Timestamp) -> Vec<Trial> {
    let store = Store::open_read_only(&config.state.directory).ok();
    let short = config.sources.values().map(|source| short(source, store.as_ref(), now));
    // A store that cannot be read is told of elsewhere.
    short.filter_map(|short| short.ok().flatten()).collect()
}

fn short(
    source: &Source,
    store: Option<&Store>,
    now: Timestamp,
) -> Result<Option<Trial>, StoreError> {
    let what = format!("sources.{}.rate_limit", source.name);
    if let (Some(store), Some(most)) = (store, source.rate_limit.per_day) {
        let calls = store.calls(&source.name, &day(now))?;
        if calls >= u64::from(most) {
            let found = format!("the day's {most} calls are spent, until 00:00 UTC");
            return Ok(Some(Trial::warning(what, found, PLAN)));
        }
    }
    let seen = store.map(|store| budget::seen(store, source)).transpose()?.flatten();
    let plan = estimate::day(source, seen.unwrap_or_else(|| Volume::assumed(source)), now);
    if plan.fits {
        return Ok(None);
    }
    let guess = if seen.is_some() { "" } else { ", which is a guess" };
    let found = format!(
        "a day of {} records{guess} takes {} calls, more than it lets",
        plan.records_per_day, plan.calls
    );
    Ok(Some(Trial::warning(what, found, PLAN)))
}

const PLAN: &str = "`postrider plan` tells which change makes it fit";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RateLimit, testing::etd};

    #[test]
    fn what_does_not_fit_is_told() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let short = |per_day| {
            let source = etd();
            let rate_limit = RateLimit { per_day: Some(per_day), ..source.rate_limit };
            short(&Source { rate_limit, ..source }, None, now).unwrap()
        };
        assert!(short(10_000).is_none());
        let trial = short(100).unwrap();
        assert!(trial.well && trial.found.contains("20000 records, which is a guess"));
    }
}
