//! What an `update` line makes of a message that is known: docs/adr/0039.
//!
//! The line has what changed and nothing else, in words of its own. The message's next version is
//! what is known with that laid over it, in the words of the search, so that the search finds the
//! same later and not another change.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::entry::{Action, Moment, Update, Verdict};
use crate::{
    domain::{
        change::Known,
        fingerprint::{self, Builder, Fingerprint, Members},
        record::Record,
    },
    source::{
        cisco_etd::message,
        text::{filled, member},
        when,
    },
};

/// What an update may change.
const ROOTS: [&str; 2] = ["verdict", "action"];
/// The verdicts that have a `category` of the same word; others have an empty one (samples).
const THREATS: [&str; 4] = ["bec", "scam", "phishing", "malicious"];

/// The next version of a message; `None` where what is known has the change already, or a later one.
pub(crate) fn next(known: &Known, delivered: Option<Timestamp>, update: &Update) -> Option<Record> {
    let before = [object(&known.watched, ROOTS[0]), object(&known.watched, ROOTS[1])];
    let [mut verdict, mut action] = before;
    let news = [
        update.verdict.as_ref().is_some_and(|change| is_new_verdict(&verdict, change)),
        update.action.as_ref().is_some_and(|change| is_new_action(&action, change)),
    ];
    if let (Some(change), true) = (&update.verdict, news[0]) {
        lay_verdict(&mut verdict, change);
    }
    if let (Some(change), true) = (&update.action, news[1]) {
        action = laid_action(change);
    }
    if !news.contains(&true) {
        return None;
    }
    let mut record = record(update, delivered, &verdict, &action)?;
    record.fingerprint = Fingerprint::pieced(&known.members, &ROOTS, &members(&record.watched));
    Some(record)
}

/// The first version of a message that no search returned: all that the line says.
pub(crate) fn first(update: &Update, delivered: Option<Timestamp>) -> Option<Record> {
    let nothing = Known { revision: 0, members: Members::default(), watched: "{}".to_owned() };
    next(&nothing, delivered, update)
}

/// How a search's reading stands to a message that was pieced together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The same version: all that differs is what the line did not tell of the same change, such as
    /// its techniques. The ledger is to know the whole; nothing is sent.
    Same,
    /// The search does not have the change yet: the reading says nothing.
    Behind,
    /// Another version.
    Changed,
}

/// How `record`, which a search returned, stands to `known`, which was pieced together.
pub(crate) fn standing(known: &Known, record: &Record) -> Standing {
    let names = fingerprint::changed(&known.members, &record.fingerprint.members);
    let mut standing = Standing::Same;
    for name in names {
        let Some(root) = ROOTS.into_iter().find(|root| *root == name[0]) else {
            return Standing::Changed;
        };
        let [before, now] = [&known.watched, &record.watched].map(|watched| object(watched, root));
        let (was, is) = (before.state(), now.state());
        if was.0.is_some() && is.0 < was.0 {
            standing = Standing::Behind;
        } else if before.0.is_empty() || was != is {
            return Standing::Changed;
        }
    }
    standing
}

fn is_new_verdict(known: &Object, change: &Verdict) -> bool {
    let known_word = known.word().unwrap_or_default();
    is_new(known.at(), change.at.as_ref(), !known_word.eq_ignore_ascii_case(&change.word))
}

fn is_new_action(known: &Object, change: &Action) -> bool {
    let now = laid_action(change);
    is_new(known.at(), change.at.as_ref(), known.state() != now.state())
}

/// By the vendor's times, in whole seconds: it gives the same one with and without a fraction. An
/// older line, which a late file may bring, changes nothing.
fn is_new(known: Option<Timestamp>, change: Option<&Moment>, differs: bool) -> bool {
    let second = |at: Timestamp| at.as_second();
    match (known.map(second), change.map(|moment| second(moment.at))) {
        (Some(known), Some(change)) => change > known || change == known && differs,
        (None, Some(_)) => true,
        (_, None) => differs,
    }
}

fn lay_verdict(verdict: &mut Object, change: &Verdict) {
    let had_one = verdict.word().is_some();
    let word = &change.word;
    if text(verdict, "originalVerdict").is_none() {
        verdict.set("originalVerdict", word.as_str());
    }
    verdict.set("latestVerdict", word.as_str());
    let is_threat = THREATS.contains(&word.to_lowercase().as_str());
    verdict.set("category", if is_threat { word.as_str() } else { "" });
    let by_hand = matches!(change.by.how.as_str(), "user" | "manual" | "api");
    verdict.set("isManualVerdict", by_hand);
    if had_one && !by_hand {
        verdict.set("isRetroVerdict", true);
    }
    verdict.set("userId", change.by.user.as_deref().unwrap_or_default());
    verdict.set("publicApiClientId", change.by.client.as_deref().unwrap_or_default());
    if let Some(at) = &change.at {
        verdict.set("timestamp", at.text.as_str());
    }
}

/// An action replaces the one before it: the search returns the last one only.
fn laid_action(change: &Action) -> Object {
    let mut action = Object::default();
    if let Some(word) = &change.word {
        action.set("type", word.as_str());
    }
    if let Some(folder) = &change.folder {
        action.set("folder", folder.as_str());
    }
    if let Some(at) = &change.at {
        action.set("timestamp", at.text.as_str());
    }
    action.set("isAutoRemediated", change.by.how == "automatic");
    action.set("publicApiClientId", change.by.client.as_deref().unwrap_or_default());
    action
}

/// A record with the message's ids, the verdict and action that it has now, and the line as it came
/// under `update`.
fn record(
    update: &Update,
    delivered: Option<Timestamp>,
    verdict: &Object,
    action: &Object,
) -> Option<Record> {
    let mut object = Object::default();
    object.set("id", update.id.as_str());
    if let Some(id) = &update.internet_message_id {
        object.set("internetMessageId", id.as_str());
    }
    if let Some(at) = delivered {
        object.set("timestamp", at.to_string());
    }
    for (name, part) in ROOTS.into_iter().zip([verdict, action]) {
        if !part.0.is_empty() {
            object.0.push((name.to_owned(), part.text()));
        }
    }
    object.0.push(("update".to_owned(), update.json.clone()));
    let json = object.text();
    // That it has no time, where it has none, was known.
    let mut warnings = Vec::new();
    message::read(serde_json::from_str(&json).ok()?, &mut warnings)
}

/// The leaves of what is watched.
fn members(watched: &str) -> Members {
    let mut builder = Builder::default();
    for (name, value) in fingerprint::object_of(watched).unwrap_or_default() {
        builder.member(&name, value);
    }
    builder.finish().members
}

/// An object's members in their order, each value as its JSON text: numbers stay as they came.
#[derive(Debug, Default, PartialEq, Eq)]
struct Object(Vec<(String, String)>);

impl Object {
    fn set(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        let value = value.into().to_string();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn text(&self) -> String {
        let member = |(name, value): &(String, String)| {
            format!("{}:{value}", serde_json::Value::from(name.as_str()))
        };
        format!("{{{}}}", self.0.iter().map(member).collect::<Vec<_>>().join(","))
    }

    fn at(&self) -> Option<Timestamp> {
        when::parse(&text(self, "timestamp")?)
    }

    /// The present verdict.
    fn word(&self) -> Option<String> {
        ["latestVerdict", "verdict", "originalVerdict"].iter().find_map(|name| text(self, name))
    }

    /// What tells one state of a verdict or an action from another, whoever told of it.
    fn state(&self) -> (Option<i64>, [Option<String>; 3]) {
        let lower = |text: Option<String>| text.map(|text| text.to_lowercase());
        let parts = [self.word(), text(self, "type"), text(self, "folder")];
        (self.at().map(Timestamp::as_second), parts.map(lower))
    }
}

fn text(object: &Object, name: &str) -> Option<String> {
    let (_, value) = object.0.iter().find(|(known, _)| known == name)?;
    let value: &RawValue = serde_json::from_str(value).ok()?;
    filled(value).map(Cow::into_owned)
}

/// The object called `name` in what is watched; empty where there is none.
fn object(watched: &str, name: &str) -> Object {
    let outer = fingerprint::object_of(watched).unwrap_or_default();
    let inner = member(&outer, name).and_then(fingerprint::object).unwrap_or_default();
    let member =
        |(name, value): (Cow<'_, str>, &RawValue)| (name.into_owned(), value.get().to_owned());
    Object(inner.into_iter().map(member).collect())
}

#[cfg(test)]
mod tests;
