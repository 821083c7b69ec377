//! The log export: what it told of is there, and what it did not tell of is said.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use postrider::{
    clock::Clock,
    domain::slice::Stream,
    fault,
    simulator::{LogExport, content},
    store::{Store, StoreError, export::Asked, slices::StreamId},
};
use serde_json::Value;

use crate::{
    clock,
    history::{Export, Host, minutes},
    system::{System, Wrong},
    world::State,
};

const HOUR: i64 = 3_600;
/// An hour that was asked for so long after its end is not asked for again.
const LATE: SignedDuration = SignedDuration::from_hours(3);
/// How the reason of a gap begins that is of no message.
const AUDIT_ONLY: &str = "audit only: ";
const TYPES: [&str; 2] = ["message", "audit"];

/// What the vendor's console says of it.
pub(crate) fn options(export: &Export) -> LogExport {
    let off = export.off.iter().map(|(log_type, after, lasts)| {
        let from = clock::begin() + *after;
        (*log_type, [from, from + *lasts])
    });
    LogExport {
        late_every: export.late_every,
        lines_a_file: export.lines_a_file,
        link_life: export.link_life,
        spoils: export.spoils.clone(),
        off: off.collect(),
        files_at: Some(format!("https://{}", Host::Files.name())),
        ..LogExport::default()
    }
}

/// Hours since 1970 in whose answers a type was missing.
#[derive(Default)]
pub(crate) struct Missing {
    /// By answers that this process got.
    heard: BTreeSet<(i64, &'static str)>,
    /// The hours of the last answer: those are written down next.
    last: Range<i64>,
    /// Those that were written down.
    known: BTreeSet<(i64, &'static str)>,
}

impl Missing {
    /// What was only heard is lost with the process.
    pub(crate) fn forget(&mut self) {
        self.heard.clear();
    }

    pub(crate) fn written_down(&mut self) {
        let last = self.last.clone();
        self.known.extend(self.heard.extract_if(.., |(hour, _)| last.contains(hour)));
    }
}

/// Links reach Postrider, or the news that there are none of a type.
pub(crate) fn hear(state: &mut State, asked: &[u8], answer: &[u8]) {
    let [asked, answer]: [Value; 2] =
        [asked, answer].map(|text| serde_json::from_slice(text).unwrap_or_default());
    let time = |at: usize| {
        let text = asked["timeRange"][at].as_str()?;
        let time: Option<Timestamp> = format!("{text}:00:00Z").parse().ok();
        time.map(|time| time.as_second() / HOUR)
    };
    let (Some(from), Some(to), true) = (time(0), time(1), answer["data"].is_object()) else {
        return;
    };
    let all = (from..to).flat_map(|hour| TYPES.map(|log_type| (hour, log_type)));
    let missing = all.filter(|(_, log_type)| !answer["data"][*log_type].is_array());
    state.missing.heard.extend(missing);
    state.missing.last = from..to;
}

/// The hours that were read.
pub(crate) struct Read {
    hours: BTreeMap<i64, Asked>,
    off: Vec<(&'static str, [Timestamp; 2])>,
}

impl Read {
    /// Whether all that was written then of a type was read, as the store says.
    pub(crate) fn has(&self, log_type: &str, at: Timestamp) -> bool {
        let hour = at.as_second().div_euclid(HOUR);
        let is_off = |(of, [from, to]): &(&str, [Timestamp; 2])| {
            *of == log_type && (*from..*to).contains(&at)
        };
        let is_whole = |asked: &Asked| {
            let gap = asked.gap.as_deref();
            let misses = gap.is_some_and(|gap| log_type == "audit" || !gap.starts_with(AUDIT_ONLY));
            asked.at.duration_since(end(hour)) >= LATE && !misses
        };
        !self.off.iter().any(is_off) && self.hours.get(&hour).is_some_and(is_whole)
    }
}

fn end(hour: i64) -> Timestamp {
    Timestamp::from_second((hour + 1) * HOUR).unwrap_or(Timestamp::MAX)
}

fn stream(store: &Store, stream: Stream) -> Result<StreamId, StoreError> {
    store.find_stream(&"etd".parse().expect("it is a name"), stream)?.ok_or(StoreError::Stopped)
}

impl System {
    /// `None` where no log export is read.
    pub(crate) fn read(&self) -> Result<Option<Read>, Wrong> {
        let Some(export) = &self.history.export else { return Ok(None) };
        let store = self.store().ok_or("nothing runs at the end")?;
        let hours = self.world.quietly(|| store.export_hours(stream(store, Stream::Messages)?));
        let hours = hours.map_err(|error| fault::chain(&error))?;
        Ok(Some(Read { hours, off: options(export).off }))
    }

    /// Whether all hours are read that are due, and what they told of messages is compared.
    pub(crate) fn is_export_settled(&self, store: &Store) -> Result<bool, StoreError> {
        if self.history.export.is_none() {
            return Ok(true);
        }
        let id = stream(store, Stream::Messages)?;
        let (hours, settings) = (store.export_hours(id)?, &self.history.settings);
        let slack = SignedDuration::try_from(settings.every * 2 + settings.slice + minutes(60));
        let due = self.world.machine.now() - slack.unwrap_or_default();
        let first = (clock::begin() - settings.back).as_second() / HOUR;
        let done = |hour: i64| {
            hours.get(&hour).is_some_and(|asked| asked.at.duration_since(end(hour)) >= LATE)
        };
        let is_final = |hour: &i64| end(*hour) + LATE <= due;
        let mut finals = (first..due.as_second() / HOUR).filter(is_final);
        let all_read = finals.all(done);
        let is_compared = |created: &postrider::store::export::Created| {
            created.collected.is_some() || !is_final(&created.hour)
        };
        Ok(all_read && store.created(id, first)?.iter().all(is_compared))
    }

    /// What hours without a gap told of is there, and gaps are those that there were.
    pub(crate) fn check_export(&self) -> Result<(), Wrong> {
        let Some(read) = self.read()? else { return Ok(()) };
        self.check_audit(&read)?;
        self.check_late(&read)?;
        self.check_gaps(&read)
    }

    /// Each audit line came once.
    fn check_audit(&self, read: &Read) -> Result<(), Wrong> {
        let state = self.world.state();
        let siem = &state.siems[0];
        let mut came: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (id, got) in siem.got.iter().filter(|(_, got)| got.facts.stream == "audit") {
            let content = content(&got.text).ok_or("an audit record that is none")?;
            came.entry(content).or_default().push(id);
        }
        if let Some(ids) = came.values().find(|ids| ids.len() > 1) {
            return Err(format!("an audit line came as {ids:?}"));
        }
        // What was refused cannot be compared.
        let refused = siem.refused.values().filter(|facts| facts.stream == "audit").count();
        let mut missing = BTreeSet::new();
        let first = read.hours.keys().next().copied().unwrap_or_default();
        for hour in first..self.world.clock.now().as_second() / HOUR {
            let range = [end(hour - 1), end(hour)];
            for line in self.world.vendors.exported("audit", range) {
                let content = content(&line.to_string()).unwrap_or_default();
                let is_there = came.remove(&content).is_some();
                let is_told = read.has("audit", range[0]);
                if !is_there && is_told {
                    missing.insert(line.to_string());
                }
            }
        }
        if missing.len() > refused {
            return Err(format!(
                "audit lines that did not come, of hours without a gap: {missing:?}"
            ));
        }
        came.values().next().map_or(Ok(()), |ids| Err(format!("no audit line says {ids:?}")))
    }

    /// A message that turned up late is there, though resweeps that would find it were spared.
    fn check_late(&self, read: &Read) -> Result<(), Wrong> {
        let state = self.world.state();
        let all = state.siems[0].all().filter(|(_, facts)| facts.stream == "messages");
        let came: BTreeSet<&str> = all.map(|(_, facts)| facts.record_id.as_str()).collect();
        for message in self.world.vendors.truth() {
            let Some(turned_up) = self.watch.late.get(&message.id) else { continue };
            let is_told = read.has("message", *turned_up) && read.has_hour("message", message.time);
            if is_told && !came.contains(message.id.to_string().as_str()) {
                return Err(format!("lost: {}, of which the log export told", message.id));
            }
        }
        Ok(())
    }

    fn check_gaps(&self, read: &Read) -> Result<(), Wrong> {
        let Some(export) = &self.history.export else { return Ok(()) };
        let missing = &self.world.state().missing.known;
        let overlaps = |log_type: &str, from: Timestamp, to: Timestamp| {
            let mut off = read.off.iter().filter(|(of, _)| *of == log_type);
            off.any(|(_, off)| off[0] < to && from < off[1])
        };
        for (hour, asked) in &read.hours {
            let (from, to) = (end(hour - 1), end(*hour));
            let missed = TYPES.into_iter().find(|log_type| {
                missing.contains(&(*hour, *log_type)) && overlaps(log_type, from, to)
            });
            if let (Some(log_type), None) = (missed, &asked.gap) {
                return Err(format!("no gap of {from}, which was without {log_type} logs"));
            }
            let may_be =
                TYPES.iter().any(|of| overlaps(of, from, to + LATE + Duration::from_hours(24)));
            let is_well = export.spoils.is_empty() && export.breaks == 0.0 && !may_be;
            if let (Some(gap), true) = (&asked.gap, is_well) {
                return Err(format!("{from} was well: {gap}"));
            }
        }
        Ok(())
    }
}

impl Read {
    /// Whether all of the hour was read, and the type was on in all of it.
    fn has_hour(&self, log_type: &str, at: Timestamp) -> bool {
        let from = clock::floor(at, HOUR);
        let to = from + SignedDuration::from_secs(HOUR);
        let mut off = self.off.iter().filter(|(of, _)| *of == log_type);
        !off.any(|(_, off)| off[0] < to && from < off[1]) && self.has(log_type, at)
    }
}
