//! The stream `health`: what goes wrong with the collector itself, told to the sinks.
//!
//! Level-triggered: [`matters`] says what is so now, [`turns`] compares that with what was said
//! last, and what differs is spooled and written down in one transaction. So nothing is said
//! twice, nothing is forgotten over a restart, and no other part has to think of saying anything.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    collect::budget::{self, Expected},
    config::Config,
    domain::{name::SourceName, slice::Stream},
    store::{Store, StoreError, budget::day, spool::NewEvent},
    supervisor::{Step, Task},
};

mod compose;
pub mod matter;
pub mod matters;
mod standings;
pub mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod turns;

use standings::Standings;

/// How often it looks.
pub const EVERY: Duration = Duration::from_secs(5);

/// Watches over sources and sinks.
#[derive(Clone)]
pub struct Watch {
    pub config: Arc<Config>,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    expected: Arc<BTreeMap<SourceName, Expected>>,
    standings: Arc<Standings>,
}

impl Task for Watch {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.look().await?;
        Ok(Step::Idle)
    }
}

impl Watch {
    pub fn new(config: Arc<Config>, store: Store, clock: Arc<dyn Clock>) -> Self {
        let expected = config.sources.keys().map(|name| (name.clone(), Expected::default()));
        let expected = Arc::new(expected.collect());
        Self { config, store, clock, expected, standings: Arc::default() }
    }

    /// Says what has changed since the last look; returns the number of events.
    pub async fn look(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let facts = self.store.facts(&day(now))?;
        let said = turns::read(self.store.said()?);
        let mut held = BTreeMap::new();
        for (name, source) in &self.config.sources {
            let Some(expected) = self.expected.get(name) else { continue };
            // What is expected is looked up anew each hour: others have their turn between two.
            tokio::task::yield_now().await;
            if let Some(waits) = budget::held(&self.store, source, expected, now)? {
                held.insert(name.clone(), waits);
            }
        }
        let mut matters = matters::all(&self.config, &facts, &held, &said, now);
        matters.extend(matters::clock::matter(self.clock.off()));
        for source in self.config.sources.values() {
            matters.extend(self.standings.matters(&self.store, source, now)?);
        }
        let turns = turns::turns(&said, matters, now);
        if turns.is_empty() {
            return Ok(0);
        }
        let none = BTreeMap::new();
        let tags = |source| self.config.sources.get(source).map_or(&none, |source| &source.tags);
        let mut events: BTreeMap<&SourceName, Vec<NewEvent>> = BTreeMap::new();
        for turn in &turns {
            let (source, record_id) = &turn.key;
            let Some(event) = &turn.event else { continue };
            let (message, kind) = (&event.telling.message, event.telling.kind);
            tracing::debug!(%source, record_id, ?kind, open = event.open, message, "health");
            let event = compose::event(&turn.key, event, tags(source), now);
            events.entry(source).or_default().push(event);
        }
        let mut chunks = Vec::new();
        let mut count = 0;
        for (source, events) in events {
            let stream = self.store.stream(source, Stream::Health).await?;
            count += events.len();
            let chunk = self.store.pack(stream, tags(source), &events);
            chunks.push(chunk.map_err(|error| StoreError::Commit {
                name: "compress-health",
                detail: error.to_string().into(),
            })?);
        }
        self.store.say(turns.iter().map(turns::Turn::note).collect(), chunks).await?;
        Ok(count)
    }
}
