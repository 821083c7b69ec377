//! Messages: each arrived, and its newest revision is what the vendor says of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use postrider::{clock::Clock, simulator::content};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    clock,
    export::Read,
    history::minutes,
    siem::Facts,
    system::{System, Wrong},
};

/// A machine's clock is off by less.
const OFF: Duration = Duration::from_secs(120);
const LAG: Duration = Duration::from_mins(6);
/// What lines of the log export change.
const ROOTS: [&str; 2] = ["verdict", "action"];

/// A verdict or an action: its second and its words. None where there is none.
type State = Option<(Option<i64>, [String; 3])>;

/// What an event says of a message.
struct Version {
    content: Option<String>,
    states: [State; 2],
    /// It was made of a line of the log export, which has verdict and action only.
    is_pieced: bool,
    /// A search has found the message.
    is_found: bool,
    /// All but verdict and action.
    rest: Option<String>,
}

impl Version {
    fn read(text: &str) -> Self {
        let mut value: Value = serde_json::from_str(text).unwrap_or_default();
        let states = ROOTS.map(|root| state(&value[root]));
        let (is_pieced, is_found) = (!value["update"].is_null(), !value["timestamp"].is_null());
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, _| !ROOTS.contains(&name.as_str()));
        }
        let (content, rest) = (content(text), content(&value.to_string()));
        Self { content, states, is_pieced, is_found, rest }
    }
}

fn state(of: &Value) -> State {
    let time = of["timestamp"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let words = ["latestVerdict", "type", "folder"];
    let words = words.map(|name| of[name].as_str().unwrap_or_default().to_lowercase());
    let is_there = of.as_object().is_some_and(|members| !members.is_empty());
    is_there.then(|| (time.map(Timestamp::as_second), words))
}

impl System {
    /// Each message arrived, and its newest revision is what it was at its last reading that was
    /// due or when the log export last told of it, or later. Since `finally` all was read once more:
    /// it is what it is now.
    pub(crate) fn check_messages(&self, finally: Option<Timestamp>) -> Result<(), Wrong> {
        let now = self.world.clock.now();
        let settings = &self.history.settings;
        let start = finally.unwrap_or(clock::begin() - settings.back);
        let read = self.read()?;
        let read = read.as_ref();
        let state = self.world.state();
        let mut newest: BTreeMap<&str, (&Facts, Option<&str>)> = BTreeMap::new();
        let splunk = &state.siems[0];
        for (id, facts) in splunk.all().filter(|(_, facts)| facts.stream == "messages") {
            let text = splunk.got.get(id).map(|got| got.text.as_str());
            let entry = newest.entry(&facts.record_id).or_insert((facts, text));
            if entry.0.revision <= facts.revision {
                *entry = (facts, text);
            }
        }
        let truth: Vec<_> = self.world.vendors.truth().collect();
        for message in truth.into_iter().filter(|message| message.time >= start) {
            let (id, time) = (message.id, message.time);
            let done = |after: &Duration| {
                time + *after + settings.slice + settings.every * 2 + minutes(60) <= now
            };
            let last = settings.resweeps.iter().copied().filter(done).max().unwrap_or(LAG);
            let seen = if finally.is_some() { now } else { time + last - OFF };
            let appeared = self.watch.late.get(&id).is_none_or(|at| *at <= seen);
            let Some((facts, text)) = newest.get(id.to_string().as_str()) else {
                if appeared {
                    return Err(format!("lost: {id} of {time}"));
                }
                continue;
            };
            // What was refused cannot be compared; that it was read is known.
            let Some(text) = text else { continue };
            if content(text) == message.content {
                continue;
            }
            let version = Version::read(text);
            let is_right = if version.is_pieced {
                [0, 1].into_iter().all(|root| self.is_right_in(root, &version, id, seen, read))
            } else {
                finally.is_none() && self.is_right(&version, id, seen, read)
            };
            if !is_right {
                let Facts { revision, collected_at, .. } = facts;
                return Err(format!(
                    "stale: {id} of {time} is revision {revision} of {collected_at}, not of {seen}"
                ));
            }
        }
        // Nothing was made up.
        let known: BTreeSet<Uuid> = self.world.vendors.truth().map(|message| message.id).collect();
        let made_up =
            newest.keys().find(|id| id.parse().is_ok_and(|id: Uuid| !known.contains(&id)));
        made_up.map_or(Ok(()), |id| Err(format!("nobody sent {id}")))
    }

    /// Whether a whole message is as the vendor had it when it was last seen, or later.
    fn is_right(&self, came: &Version, id: Uuid, seen: Timestamp, read: Option<&Read>) -> bool {
        let mut times = self.times(id, seen, read, |_, _| true).into_iter();
        times.any(|then| {
            let truth = self.world.vendors.message_at(id, then);
            truth.is_some_and(|text| content(&text) == came.content)
        })
    }

    /// The same of a verdict or an action.
    fn is_right_in(
        &self,
        root: usize,
        came: &Version,
        id: Uuid,
        seen: Timestamp,
        read: Option<&Read>,
    ) -> bool {
        let came_as = &came.states[root];
        let told = |then: Timestamp| {
            let text = self.world.vendors.message_at(id, then).unwrap_or_default();
            Version::read(&text).states[root].clone()
        };
        if came_as.is_none() && !came.is_found {
            return true;
        }
        let before = |at: Timestamp| at - SignedDuration::from_nanos(1);
        let times = self.times(id, seen, read, |_, at| told(before(at)) != told(at));
        times.into_iter().any(|then| told(then) == *came_as)
    }

    /// When the message was seen last, by a search that was due or in the log export, where `matters`
    /// says so of a change; and when it changed after that.
    fn times(
        &self,
        id: Uuid,
        seen: Timestamp,
        read: Option<&Read>,
        matters: impl Fn(Uuid, Timestamp) -> bool,
    ) -> Vec<Timestamp> {
        let of = |(of, _): &&(Uuid, Timestamp)| *of == id;
        let changes = || self.watch.changes.iter().filter(of).map(|(_, at)| *at);
        let is_told =
            |at: &Timestamp| read.is_some_and(|read| read.has("message", *at)) && matters(id, *at);
        let seen = changes().filter(is_told).max().map_or(seen, |told| told.max(seen));
        changes().filter(|at| *at > seen).chain([seen]).collect()
    }

    /// Each revision of a message says what the one before did not.
    pub(crate) fn check_news(&self) -> Result<(), Wrong> {
        let state = self.world.state();
        let mut records: BTreeMap<&str, BTreeMap<u64, &str>> = BTreeMap::new();
        for got in state.siems[0].got.values().filter(|got| got.facts.stream == "messages") {
            let Facts { record_id, revision, .. } = &got.facts;
            records.entry(record_id).or_default().insert(*revision, &got.text);
        }
        for (id, revisions) in records.iter().filter(|(_, revisions)| revisions.len() > 1) {
            let mut whole: Option<Version> = None;
            let mut before: Option<(u64, Version)> = None;
            for (revision, text) in revisions {
                let now = Version::read(text);
                if let Some((number, before)) = before.take()
                    && number + 1 == *revision
                    && before.states == now.states
                {
                    let is_old = now.is_pieced
                        || whole.as_ref().is_some_and(|whole| whole.rest == now.rest)
                            && (before.is_pieced || before.content == now.content);
                    if is_old {
                        return Err(format!(
                            "revision {revision} of {id} says nothing new: {text}"
                        ));
                    }
                }
                if !now.is_pieced {
                    whole = Some(Version::read(text));
                }
                before = Some((*revision, now));
            }
        }
        Ok(())
    }
}
