//! What must be so at the end of a history.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use postrider::{
    clock::Clock,
    collect::plan,
    config::Source,
    coverage,
    domain::slice::{Pass, Stream},
    fault,
    store::{StoreError, dead_letters::Which},
};

use crate::{
    clock,
    history::{Host, minutes},
    rows,
    siem::Facts,
    system::{System, Wrong},
    world::Tally,
};

/// Counts of calls are kept for longer.
const DAYS_COUNTED: usize = 7;
const LAG: Duration = Duration::from_mins(6);

impl System {
    fn source(&self, name: &str) -> &Source {
        self.config
            .sources
            .values()
            .find(|source| source.name.as_str() == name)
            .expect("it is there")
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_settled(&self) -> Result<bool, Wrong> {
        let Some(store) = self.store() else { return Ok(false) };
        let look = || -> Result<bool, StoreError> {
            for (name, stream) in [("etd", Stream::Messages), ("ser", Stream::Summary)] {
                let source = self.source(name);
                let Some(id) = store.find_stream(&source.name, stream)? else { return Ok(false) };
                let now = self.world.machine.now();
                let due = plan::due(source.lag, source.slice, name == "ser", now);
                let behind = source.slice + self.history.settings.every + minutes(30);
                if store.frontier(id)?.is_none_or(|frontier| frontier.to + behind < due) {
                    return Ok(false);
                }
                if store.waiting_slices(id, Pass::Backfill)?.is_some() {
                    return Ok(false);
                }
            }
            if !self.is_export_settled(store)? {
                return Ok(false);
            }
            Ok(store.asked_for()?.is_empty() && store.sinks()?.iter().all(|sink| sink.waiting == 0))
        };
        self.world.quietly(look).map_err(|error| fault::chain(&error))
    }

    /// Each instant that was asked for is covered, and the store says so.
    pub(crate) fn check_coverage(&self) -> Result<(), Wrong> {
        let store = self.store().ok_or("nothing runs at the end")?;
        for (name, stream) in [("etd", Stream::Messages), ("ser", Stream::Summary)] {
            let source = self.source(name);
            let now = self.world.machine.now();
            let recorded = self.world.quietly(|| {
                let id = store.find_stream(&source.name, stream)?.ok_or(StoreError::Stopped)?;
                store.recorded(id, now, Timestamp::MIN)
            });
            let recorded = recorded.map_err(|error| fault::chain(&error))?;
            let frontier = recorded.frontier.ok_or("nothing was planned")?;
            let start = clock::begin() - self.history.settings.back;
            if frontier.from > start {
                return Err(format!("{name} begins at {}, not at {start}", frontier.from));
            }
            let missed = recorded.unfetched.iter().find(|(round, slice)| {
                let due = slice.interval.end() + round.after + LAG;
                due + self.history.settings.every * 2 + minutes(30) <= now
            });
            if let Some((round, slice)) = missed {
                return Err(format!("{name} is not covered: {round:?} {slice:?}"));
            }
            coverage::assert_whole(
                recorded,
                plan::due(source.lag, source.slice, name == "ser", now),
            );
        }
        Ok(())
    }

    /// Each record's revisions count up from one without a hole, in each SIEM; and what one has,
    /// the other has.
    pub(crate) fn check_revisions(&self) -> Result<(), Wrong> {
        let state = self.world.state();
        let [splunk, archive] = &state.siems;
        let mut revisions: BTreeMap<(&str, &str, &str), BTreeSet<u64>> = BTreeMap::new();
        for (_, facts) in splunk.all() {
            let Facts { source, stream, record_id, revision, .. } = facts;
            let all = revisions.entry((source, stream, record_id)).or_default();
            all.insert(*revision);
            if (*revision == 1) != (facts.change == "new") && stream != "health" {
                return Err(format!("revision {revision} of {record_id} is {}", facts.change));
            }
        }
        for (record, all) in revisions {
            if !all.iter().copied().eq(1..=all.len() as u64) {
                return Err(format!("{record:?} has the revisions {all:?}"));
            }
        }
        let Some(since) = self.archive_since else { return Ok(()) };
        let splunks: BTreeMap<&String, &Facts> = splunk.all().collect();
        for (id, facts) in &splunks {
            if facts.collected_at >= since && !archive.got.contains_key(*id) {
                return Err(format!("the archive lacks {id}: {facts:?}"));
            }
        }
        match archive.got.keys().find(|id| !splunks.contains_key(*id)) {
            Some(id) => Err(format!("splunk lacks {id}: {}", archive.got[id].text)),
            None => Ok(()),
        }
    }

    /// What was refused is a dead letter, and nothing else is.
    pub(crate) fn check_dead_letters(&self) -> Result<(), Wrong> {
        let store = self.store().ok_or("nothing runs at the end")?;
        let sinks = self.world.quietly(|| store.sinks()).map_err(|error| fault::chain(&error))?;
        for sink in sinks {
            let which = Which::Sink(sink.name.clone());
            let letters = self.world.quietly(|| store.letters(&which, u64::MAX, usize::MAX >> 1));
            let letters = letters.map_err(|error| fault::chain(&error))?;
            let letters: BTreeSet<String> =
                letters.into_iter().map(|letter| letter.event_id).collect();
            let state = self.world.state();
            let refused = state.siems[usize::from(sink.name == "archive")].refused.keys();
            if !letters.iter().eq(refused.clone()) || letters.len() as u64 != sink.dead_letters {
                let refused = refused.collect::<Vec<_>>();
                return Err(format!("{letters:?} are dead letters, not {refused:?}: {sink:?}"));
            }
        }
        Ok(())
    }

    /// Neither limit of a vendor was passed. After a crash, calls on their way are not counted.
    pub(crate) fn check_limits(&self) -> Result<(), Wrong> {
        let stats = self.world.vendors.stats();
        for (name, calls) in [("etd", stats.etd), ("ser", stats.ser)] {
            if calls.limited > 0 {
                return Err(format!("{name} was called too often {} times", calls.limited));
            }
        }
        let (calls, tally) = {
            let state = self.world.state();
            let of_etd = state.calls.iter().filter(|((host, _), _)| *host == Host::Etd);
            let calls: BTreeMap<String, u64> =
                of_etd.map(|((_, day), calls)| (day.clone(), *calls)).collect();
            (calls, state.tally.clone())
        };
        let on_the_way = self.history.settings.in_flight as u64 * 2 + 3;
        let most = u64::from(self.history.settings.per_day) + (tally.crashes + 1) * on_the_way;
        if let Some((day, calls)) = calls.iter().find(|(_, calls)| **calls > most) {
            return Err(format!("{calls} calls to ETD on {day}"));
        }
        self.check_counts(&calls, &tally, on_the_way)
    }

    /// The vendor's calls are counted, but for those that were on the way when a process ended or the
    /// disk failed.
    fn check_counts(
        &self,
        calls: &BTreeMap<String, u64>,
        tally: &Tally,
        on_the_way: u64,
    ) -> Result<(), Wrong> {
        let Some(store) = self.store() else { return Ok(()) };
        // Older counts are forgotten.
        if calls.len() > DAYS_COUNTED {
            return Ok(());
        }
        let source = "etd".parse().expect("it is a name");
        let count = || calls.keys().map(|day| store.calls(&source, day)).sum::<Result<u64, _>>();
        let counted = self.world.quietly(count).map_err(|error| fault::chain(&error))?;
        let of = |name: &str| tally.troubles.get(name).copied().unwrap_or_default();
        let ends = tally.crashes + tally.stops + of("diskfull") + of("diskfails");
        let arrived: u64 = calls.values().sum();
        if arrived > counted + (ends + 1) * on_the_way {
            return Err(format!("{arrived} calls to ETD of which {counted} are counted"));
        }
        Ok(())
    }

    /// The sums of all deltas are what the vendor says now of a range, or said when all of it was
    /// `read` again.
    pub(crate) fn check_rows(&self, range: [Timestamp; 2], read: Timestamp) -> Result<(), Wrong> {
        let now = self.world.clock.now();
        let state = self.world.state();
        rows::check(&state.siems[0], &self.world.vendors, range, [read, now])
    }
}
