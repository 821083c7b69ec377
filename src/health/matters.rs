//! What is so now: pure functions from the facts to matters.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    matter::Matter,
    state::Progress,
    turns::{Key, Row},
};
use crate::{
    collect::budget::Held,
    config::{self, Config},
    domain::name::SourceName,
    store::health::Facts,
};

pub mod budget;
pub mod clock;
mod collecting;
mod dead_letters;
mod gaps;
mod licence;
pub(super) mod relay_users;
mod sinks;

/// All matters. `held` is what sources hold back; `said` is what is known from before: some are only closed by what was said.
pub fn all(
    config: &Config,
    facts: &Facts,
    held: &BTreeMap<SourceName, Held>,
    said: &BTreeMap<Key, Row>,
    now: Timestamp,
) -> Vec<Matter> {
    let mut matters = Vec::new();
    for (name, source) in &config.sources {
        let progress = progress(source, facts);
        matters.extend(collecting::matters(source, progress, now));
        matters.extend(collecting::silence(source, progress, now));
        matters.extend(budget::credentials(source, now));
        let calls = facts.calls.get(name.as_str()).copied().unwrap_or(0);
        matters.extend(budget::quota(source, progress.condition, calls, held.get(name), now));
        matters.extend(gaps::waiting(source, facts, progress, said, now));
        matters.extend(gaps::gone(name, &facts.gone));
        matters.extend(gaps::differing(name, &facts.differing));
        if let Some(usage) = facts.licences.get(name.as_str()) {
            matters.extend(licence::matters(name, usage));
        }
    }
    let own = SourceName::own();
    for name in config.sinks.keys() {
        let condition = facts.sinks.get(name.as_str());
        matters.extend(condition.and_then(|condition| sinks::matter(&own, name, condition)));
    }
    matters.extend(facts.dead_letters.iter().map(|pile| dead_letters::matter(&own, pile)));
    matters
}

/// What a source's state follows from.
pub fn progress<'f>(source: &config::Source, facts: &'f Facts) -> Progress<'f> {
    let stream = source.vendor.streams().first().map(|stream| stream.as_str());
    let reached = facts
        .reached
        .iter()
        .find(|it| it.source == source.name.as_str() && Some(it.stream.as_str()) == stream);
    Progress {
        condition: facts.sources.get(source.name.as_str()),
        covered_to: reached.map(|reached| reached.covered_to),
        heard: reached.and_then(|reached| reached.heard),
    }
}

#[cfg(test)]
mod tests;
