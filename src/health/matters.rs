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
    domain::{name::SourceName, slice::Stream},
    store::{
        conditions::{Party, State},
        health::Facts,
    },
};

pub mod budget;
pub mod clock;
mod collecting;
mod dead_letters;
mod gaps;
mod licence;
mod log_export;
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
        let streams = source.sliced();
        let progresses = streams.iter().map(|(stream, as_collected)| {
            (*stream, as_collected.as_ref(), progress(as_collected, *stream, facts))
        });
        let progresses: Vec<_> = progresses.collect();
        matters.extend(collecting::worst(&progresses, now));
        matters.extend(budget::credentials(source, now));
        let calls = facts.calls.get(name.as_str()).copied().unwrap_or(0);
        let conditions = || progresses.iter().filter_map(|(.., progress)| progress.condition);
        let spent = conditions().find(|it| it.state == State::QuotaSpent);
        matters.extend(budget::quota(
            source,
            spent.or_else(|| conditions().next()),
            calls,
            held.get(name),
            now,
        ));
        for (stream, source, progress) in progresses {
            matters.extend(collecting::silence(source, progress, now));
            matters.extend(gaps::waiting((source, stream), facts, progress, said, now));
        }
        matters.extend(gaps::gone(name, &facts.gone));
        matters.extend(gaps::differing(name, &facts.differing));
        matters.extend(log_export::matter(source, facts));
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

/// What the state of a source's stream follows from.
pub fn progress<'f>(source: &config::Source, stream: Stream, facts: &'f Facts) -> Progress<'f> {
    let reached = facts
        .reached
        .iter()
        .find(|it| it.source == source.name.as_str() && it.stream == stream.as_str());
    Progress {
        condition: facts.source(Party::of(source, stream)),
        covered_to: reached.map(|reached| reached.covered_to),
        heard: reached.and_then(|reached| reached.heard),
    }
}

#[cfg(test)]
mod tests;
