//! The lines of an hour: what came, what changed, and who did it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Etd, HOUR};
use crate::simulator::{
    message::{Change, Profile},
    timeline::{nanos, timestamp},
    world::Place,
};

const SECOND: i64 = 1_000_000_000;
/// How long after its delivery a message may be convicted by itself, and then some.
const LATEST: i64 = 73 * HOUR * SECOND;

impl Etd {
    /// The lines of the hour that begins then, as they are at `now`, in the order of their times.
    pub(super) fn log_lines(&self, hour: i64, log_type: &str, now: Timestamp) -> Vec<String> {
        let Some(from) = hour.checked_mul(SECOND) else { return Vec::new() };
        let to = from.saturating_add(HOUR * SECOND).min(nanos(now).saturating_add(1));
        let is_on = |at: i64| !self.options.log_export.is_off(log_type, timestamp(at));
        match log_type {
            "message" => {
                let mut lines = self.creates(from, to, now);
                lines.extend(self.updates(from, to, now));
                lines.retain(|(at, _)| is_on(*at));
                // Stable: what comes later in time comes later in the file, and moves nothing.
                lines.sort_by_key(|(at, _)| *at);
                let wrap = |(_, message): (i64, Value)| {
                    let at = timestamp(from);
                    let (date, hour) = (at.strftime("%Y-%m-%d"), at.strftime("%H"));
                    json!({
                        "logType": "message",
                        "logDate": date.to_string(),
                        "logHour": hour.to_string(),
                        "message": message,
                    })
                    .to_string()
                };
                lines.into_iter().map(wrap).collect()
            }
            "audit" => self.audit(from, to, is_on),
            _ => Vec::new(),
        }
    }

    /// Of each message that was delivered then: as it is a minute after its delivery.
    fn creates(&self, from: i64, to: i64, now: Timestamp) -> Vec<(i64, Value)> {
        // A file that is there does not change when something turns up later.
        let mut found = self.world.range(from, to.saturating_sub(1), now);
        found.late.clear();
        let create = |place: Place| {
            let profile = self.world.profile(place);
            let soon = timestamp(place.0.saturating_add(60 * SECOND)).min(now);
            let state = self.world.unchanged(&profile, place.1, soon);
            let mut message = json!({
                "eventType": "create",
                "id": self.world.id(place.1),
                "fromAddresses": "news@example.org",
                "direction": profile.direction,
                "timestamp": timestamp(place.0).to_string(),
            });
            state.log(&mut message);
            (place.0, message)
        };
        let mut creates: Vec<_> = found.places(&self.world, None, false).map(create).collect();
        // What was delivered long ago is told of when it turns up.
        let late = self.world.arrived(from, to).into_iter();
        creates.extend(late.map(|(arrived, place)| (arrived, create(place).1)));
        creates
    }

    /// Of each change then: what changed, and nothing else.
    fn updates(&self, from: i64, to: i64, now: Timestamp) -> Vec<(i64, Value)> {
        let mut lines = Vec::new();
        let asked_for: BTreeSet<Place> = self.world.changed(from, to).into_iter().collect();
        let recent = self.world.range(from.saturating_sub(LATEST), to.saturating_sub(1), now);
        let itself = recent.places(&self.world, None, false).filter(|place| {
            let profile = self.world.profile(*place);
            self.turns(&profile, place.1).any(|at| (from..to).contains(&at))
        });
        let places: BTreeSet<Place> = itself.chain(asked_for).collect();
        for place in places {
            let profile = self.world.profile(place);
            let own = self.turns(&profile, place.1);
            let asked = self.world.changes_of(place.1).into_iter().map(|(at, _)| at);
            let times: BTreeSet<i64> = own.chain(asked).collect();
            for at in times.into_iter().filter(|at| (from..to).contains(at)) {
                let before = self.world.state(&profile, place.1, timestamp(at - 1));
                let after = self.world.state(&profile, place.1, timestamp(at));
                for change in after.log_since(&before) {
                    let mut message = json!({
                        "eventType": "update",
                        "id": self.world.id(place.1),
                        "internetMessageId": format!("<{}@mail.example.net>", place.1),
                    });
                    if let (Value::Object(message), Value::Object(change)) = (&mut message, change)
                    {
                        message.extend(change);
                    }
                    lines.push((at, message));
                }
            }
        }
        lines
    }

    /// When a message changes by itself, after what its `create` tells.
    fn turns(&self, profile: &Profile, index: u64) -> impl Iterator<Item = i64> + use<> {
        let course = profile.course(self.world.seed, index, &self.options.quirks);
        let late = [course.verdict, course.action].into_iter().filter(move |_| course.is_late);
        late.chain(course.conviction)
    }

    /// Who did what by hand.
    fn audit(&self, from: i64, to: i64, is_on: impl Fn(i64) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        for place in self.world.changed(from, to) {
            for (at, change) in self.world.changes_of(place.1) {
                let (action, detail) = match change {
                    Change::RetroVerdict => continue,
                    Change::Clearance => ("reclassify", json!({ "verdict": "neutral" })),
                    Change::Remediation => ("remediate", json!({ "folder": "quarantine" })),
                    Change::Release => ("remediate", json!({ "folder": "inbox" })),
                };
                if !(from..to).contains(&at) {
                    continue;
                }
                let mut metadata = detail;
                metadata["emailId"] = json!(self.world.id(place.1));
                let user = json!({
                    "id": "84030496-cdb9-5e5f-b32a-a75116151d1d",
                    "ip": "198.51.100.5",
                    "userAgent": "Mozilla/5.0",
                });
                let line = json!({
                    "category": "email",
                    "timestamp": timestamp(at).strftime("%Y-%m-%d %H:%M:%S").to_string(),
                    "action": action,
                    "status": "success",
                    "comments": null,
                    "user": user,
                    "metadata": metadata,
                });
                lines.push((at, line.to_string()));
            }
        }
        lines.sort();
        lines.into_iter().filter(|(at, _)| is_on(*at)).map(|(_, line)| line).collect()
    }
}
