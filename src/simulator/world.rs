//! All that the simulated ETD tenant holds: the timeline, late arrivals and changes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    content,
    dice::{Dice, mix},
    etd::{EtdOptions, Quirks},
    message::{Change, Profile, State},
    timeline::{self, Timeline, nanos, timestamp},
};

/// Late arrivals are numbered from here.
const LATE: u64 = 1 << 50;

/// A place in the order by time: a message's own, which no later arrival moves.
pub(super) type Place = (i64, u64);

/// What a message is now, for a comparison with what arrived.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MessageTruth {
    pub id: Uuid,
    pub time: Timestamp,
    /// How often it changed since its first verdict.
    pub changes: u32,
    /// The hash of its present content, comparable with the one of a received event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

#[derive(Default)]
struct Overlay {
    changes: HashMap<u64, Vec<(i64, Change)>>,
    late: BTreeSet<Place>,
    late_times: BTreeMap<u64, i64>,
    /// When each late message turned up.
    arrived: Vec<(i64, Place)>,
    version: u64,
}

pub(super) struct World {
    pub(super) seed: u64,
    line: Timeline,
    searchable_after: i64,
    quirks: Quirks,
    overlay: RwLock<Overlay>,
}

impl World {
    pub(super) fn new(seed: u64, options: &EtdOptions, range: [Timestamp; 2]) -> Self {
        let line = Timeline::new(seed, range, options.messages, options.live_per_second);
        let searchable_after =
            i64::try_from(options.searchable_after.as_nanos()).unwrap_or(i64::MAX);
        let quirks = options.quirks.clone();
        Self { seed, line, searchable_after, quirks, overlay: RwLock::default() }
    }

    pub(super) fn id(&self, index: u64) -> Uuid {
        timeline::id(self.seed, index)
    }

    pub(super) fn profile(&self, place: Place) -> Profile {
        Profile::new(self.seed, place.1, place.0, &self.quirks)
    }

    pub(super) fn state(&self, profile: &Profile, index: u64, now: Timestamp) -> State {
        let overlay = self.overlay.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changes = overlay.changes.get(&index).map_or(&[][..], Vec::as_slice);
        profile.state(self.seed, index, nanos(now), &self.quirks, changes)
    }

    /// The message as it would be had nobody asked for a change.
    pub(super) fn unchanged(&self, profile: &Profile, index: u64, now: Timestamp) -> State {
        profile.state(self.seed, index, nanos(now), &self.quirks, &[])
    }

    /// The messages that somebody changed in [from, to).
    pub(super) fn changed(&self, from: i64, to: i64) -> Vec<Place> {
        let overlay = self.overlay.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hit = |changes: &[(i64, Change)]| changes.iter().any(|(at, _)| (from..to).contains(at));
        let changed = overlay.changes.iter().filter(|(_, changes)| hit(changes));
        let place = |index: u64| {
            let late = overlay.late_times.get(&index).copied();
            (late.unwrap_or_else(|| self.line.time(index)), index)
        };
        changed.map(|(index, _)| place(*index)).collect()
    }

    /// What somebody changed of a message, and when.
    pub(super) fn changes_of(&self, index: u64) -> Vec<(i64, Change)> {
        let overlay = self.overlay.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        overlay.changes.get(&index).cloned().unwrap_or_default()
    }

    pub(super) fn write(
        &self,
        place: Place,
        profile: &Profile,
        state: &State,
        order: u64,
        out: &mut String,
    ) {
        profile.write(self.id(place.1), state, &self.quirks, order, out);
    }

    /// The messages of [from, to], both inclusive, that can be found at `now`, oldest first.
    pub(super) fn range(&self, from: i64, to: i64, now: Timestamp) -> Found {
        let newest = nanos(now).saturating_sub(self.searchable_after).min(to);
        let overlay = self.overlay.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let late = overlay.late.range((from, 0)..=(to, u64::MAX)).copied().collect();
        let first = self.line.first_from(from);
        let end = self.line.first_from(newest.saturating_add(1)).max(first);
        Found { first, end, late }
    }

    pub(super) fn time(&self, index: u64) -> i64 {
        self.line.time(index)
    }

    /// Rises with each change, so that counts can be kept until then.
    pub(super) fn version(&self) -> u64 {
        self.overlay.read().unwrap_or_else(std::sync::PoisonError::into_inner).version
    }

    /// Makes `change` to the message with this id. False when there is none.
    pub(super) fn change(&self, id: Uuid, change: Change, now: Timestamp) -> bool {
        let Some(index) = timeline::index(self.seed, id) else { return false };
        let mut overlay = self.overlay.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if index >= self.line.total() && !overlay.late_times.contains_key(&index) {
            return false;
        }
        overlay.changes.entry(index).or_default().push((nanos(now), change));
        overlay.version += 1;
        true
    }

    /// Makes `change` to `count` messages picked by seed and by the number of changes before.
    /// Only messages of the range count: those that keep appearing are not picked.
    pub(super) fn change_some(&self, count: u64, change: Change, now: Timestamp) -> Vec<Uuid> {
        let there = self.range(i64::MIN, i64::MAX, now).end.min(self.line.count());
        let mut dice = Dice::new(self.seed ^ 0xC4A6, self.version());
        let mut picked = BTreeSet::new();
        while (picked.len() as u64) < count.min(there) {
            picked.insert(dice.below(there));
        }
        let ids: Vec<_> = picked.into_iter().map(|index| self.id(index)).collect();
        ids.into_iter().filter(|id| self.change(*id, change, now)).collect()
    }

    /// A message turns up now that was delivered `ago`.
    pub(super) fn arrive_late(&self, ago: Duration, now: Timestamp) -> Uuid {
        let mut overlay = self.overlay.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let index = LATE + overlay.late_times.len() as u64;
        let ago = i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX);
        let time = nanos(now).saturating_sub(ago);
        overlay.late.insert((time, index));
        overlay.arrived.push((nanos(now), (time, index)));
        overlay.late_times.insert(index, time);
        overlay.version += 1;
        self.id(index)
    }

    /// The late messages that turned up in [from, to), and when.
    pub(super) fn arrived(&self, from: i64, to: i64) -> Vec<(i64, Place)> {
        let overlay = self.overlay.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        overlay.arrived.iter().filter(|(at, _)| (from..to).contains(at)).copied().collect()
    }

    /// How many messages can be found at `now`.
    pub(super) fn held(&self, now: Timestamp) -> u64 {
        self.range(i64::MIN, i64::MAX, now).len()
    }

    /// Every message that can be found at `now`, oldest first, late arrivals last.
    pub(super) fn truth(
        self: &Arc<Self>,
        now: Timestamp,
        with_content: bool,
    ) -> impl Iterator<Item = MessageTruth> + Send + 'static {
        let found = self.range(i64::MIN, i64::MAX, now);
        let (world, timed) = (Arc::clone(self), Arc::clone(self));
        let places = (found.first..found.end).map(move |index| (timed.time(index), index));
        places.chain(found.late).map(move |place| {
            let profile = world.profile(place);
            let state = world.state(&profile, place.1, now);
            let content = with_content.then(|| {
                let mut text = String::with_capacity(4_096);
                world.write(place, &profile, &state, 0, &mut text);
                format!("{:016x}", content::hash(&text, "").unwrap_or_default())
            });
            let (id, time) = (world.id(place.1), timestamp(place.0));
            MessageTruth { id, time, changes: state.changes, content }
        })
    }

    /// A message as a search returns it at `now`.
    pub(super) fn message(&self, id: Uuid, now: Timestamp) -> Option<String> {
        let index = timeline::index(self.seed, id)?;
        let late = self.overlay.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let late = late.late_times.get(&index).copied();
        let place = (late.unwrap_or_else(|| self.line.time(index)), index);
        let profile = self.profile(place);
        let state = self.state(&profile, index, now);
        let mut text = String::new();
        self.write(place, &profile, &state, 0, &mut text);
        Some(text)
    }

    /// A number that differs between two reads of the same message.
    pub(super) fn order(&self, read: u64, index: u64) -> u64 {
        if self.quirks.shuffle { mix(self.seed ^ read, index) } else { 0 }
    }
}

/// The messages of a range: an interval of indices, and late arrivals between them.
pub(super) struct Found {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) late: Vec<Place>,
}

impl Found {
    pub(super) fn len(&self) -> u64 {
        self.end - self.first + self.late.len() as u64
    }

    /// The places after `cursor` in the wanted direction.
    pub(super) fn places<'a>(
        &'a self,
        world: &'a World,
        cursor: Option<Place>,
        newest_first: bool,
    ) -> impl Iterator<Item = Place> + 'a {
        let (mut low, mut high) = (self.first, self.end);
        let (mut late_low, mut late_high) = (0, self.late.len());
        if let Some(cursor) = cursor {
            // The binary search finds the first of equal times; the places say which of them.
            let mut at = world.line.first_from(cursor.0).clamp(low, high);
            while at < high && (world.time(at), at) < cursor {
                at += 1;
            }
            let late_at = self.late.partition_point(|place| *place < cursor);
            if newest_first {
                (high, late_high) = (at, late_at);
            } else {
                let same = u64::from(at < high && (world.time(at), at) == cursor);
                let late_same = usize::from(self.late.get(late_at) == Some(&cursor));
                (low, late_low) = (at + same, late_at + late_same);
            }
        }
        std::iter::from_fn(move || {
            let (base, late) = if newest_first {
                let base = (low < high).then(|| (world.time(high - 1), high - 1));
                (base, (late_low < late_high).then(|| self.late[late_high - 1]))
            } else {
                let base = (low < high).then(|| (world.time(low), low));
                (base, (late_low < late_high).then(|| self.late[late_low]))
            };
            let take_late = match (base, late) {
                (None, None) => return None,
                (Some(base), Some(late)) => (late < base) != newest_first,
                (base, _) => base.is_none(),
            };
            match (take_late, newest_first) {
                (true, true) => late_high -= 1,
                (true, false) => late_low += 1,
                (false, true) => high -= 1,
                (false, false) => low += 1,
            }
            if take_late { late } else { base }
        })
    }
}
