//! One row: an application user's counters in one window.

use serde_json::value::RawValue;

use super::{
    names,
    number::{Count, count},
};
use crate::{
    domain::{
        counters::Counters,
        fingerprint::{self, Builder, Fingerprint},
    },
    source::text::{compact, is_nothing, one_line, renamed, text_or_json},
};

/// Oddities that are named of one row; a vendor's row has some twenty members.
const MAX_FLAGS: usize = 64;

/// A row, read but without its place among rows of the same key.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: [Part; 4],
    /// For people: `ServiceNow/servicenow-prod`.
    pub(super) label: String,
    pub(super) json: String,
    /// The members that name it, as they came: one JSON object.
    pub(super) names: Box<RawValue>,
    pub(super) counters: Counters,
    pub(super) flags: Vec<String>,
    pub(super) fingerprint: Fingerprint,
}

/// A member that names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Missing,
    Text(String),
    /// A list of addresses, say: its JSON without white space.
    Json(String),
}

impl Part {
    fn of(value: &RawValue) -> Self {
        match fingerprint::text(value) {
            _ if value.get() == "null" => Self::Missing,
            Some(text) => Self::Text(text.into_owned()),
            None => Self::Json(compact(value.get())),
        }
    }

    /// Feeds a hash so that no two keys give it the same bytes.
    pub(super) fn hash(&self, hasher: &mut blake3::Hasher) {
        let (tag, text) = match self {
            Self::Missing => (0, ""),
            Self::Text(text) => (1, text.as_str()),
            Self::Json(json) => (2, json.as_str()),
        };
        hasher.update(&[tag]).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }

    fn shown(&self) -> &str {
        match self {
            Self::Missing => "-",
            Self::Text(text) | Self::Json(text) => text,
        }
    }
}

/// Reads a row; `None` for what is not an object. `keyed` is the name under which it stood.
pub(super) fn read(keyed: Option<&str>, raw: &RawValue, warnings: &mut Vec<String>) -> Option<Row> {
    let line = one_line(raw.get());
    let raw: &RawValue = serde_json::from_str(&line).ok()?;
    let mut members = fingerprint::object(raw)?;
    let renamed = renamed(&mut members);
    if let Some((_, name)) = &renamed {
        warnings.push(format!("a row's member postrider is now {name}"));
    }
    let mut key = names::KEYS.map(|_| Part::Missing);
    let mut named: Vec<(&str, &RawValue)> = Vec::with_capacity(key.len());
    let mut reading = Reading::default();
    // In order of trust, should a counter stand in several places.
    for (_, status) in members.iter().filter(|(name, _)| names::same(name, "status")) {
        reading.block("status", status);
    }
    for (name, value) in &members {
        if let Some(at) = names::KEYS.iter().position(|key| names::same(key, name)) {
            key[at] = Part::of(value);
            named.push((name, value));
            reading.content.member(names::KEYS[at], value);
        } else if names::same(name, "status") || names::same(name, "details") {
        } else if let Some(counter) = names::canonical(name, &names::COUNTERS) {
            reading.counter(Side::Status, counter, value);
        } else if let Some(code) = names::code(name) {
            reading.counter(Side::Details, &code, value);
        } else {
            reading.content.member(name, value);
        }
    }
    for (_, details) in members.iter().filter(|(name, _)| names::same(name, "details")) {
        reading.block("details", details);
    }
    let label = format!("{}/{}", key[0].shown(), key[1].shown());
    // Some name is better than none for telling rows apart; the row itself stays as it came.
    if let (Part::Missing, Some(name)) = (&key[1], keyed) {
        key[1] = Part::Text(name.to_owned());
    }
    let keyed = keyed.map(|name| (names::KEYS[1], name)).filter(|_| named.is_empty());
    reading.check_total();
    let Reading { counters, flags, content } = reading;
    let json = renamed.map_or_else(|| line.clone().into_owned(), |(json, _)| json);
    let names = names_of(&named, keyed);
    Some(Row { key, label, json, names, counters, flags, fingerprint: content.finish() })
}

/// The four names of a row and its counters, of a row or of an event of one.
pub(crate) fn summary_row(raw: &RawValue) -> Option<([Option<String>; 4], Counters)> {
    let row = read(None, raw, &mut Vec::new())?;
    let name = |part| match part {
        Part::Missing => None,
        Part::Text(text) | Part::Json(text) => Some(text),
    };
    Some((row.key.map(name), row.counters))
}

/// One JSON object of the members that name a row; of the name under which it stood where it has
/// none itself.
fn names_of(named: &[(&str, &RawValue)], keyed: Option<(&str, &str)>) -> Box<RawValue> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let own = named.iter().map(|(name, value)| format!("{}:{}", quoted(name), value.get()));
    let other = keyed.map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)));
    let members: Vec<String> = own.chain(other).collect();
    let object = RawValue::from_string(format!("{{{}}}", members.join(",")));
    object.unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Status,
    Details,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Details => "details",
        }
    }
}

/// What is read of a row so far. Counters are compared by their values and under one name, so that
/// another shape of the same row is no revision.
#[derive(Default)]
struct Reading {
    counters: Counters,
    flags: Vec<String>,
    content: Builder,
}

impl Reading {
    /// Reads `status` or `details`.
    fn block(&mut self, block: &'static str, value: &RawValue) {
        if is_nothing(value) {
            return;
        }
        let Some(members) = fingerprint::object(value) else {
            self.flag(format!("unreadable:{block}"));
            self.content.member(block, value);
            return;
        };
        for (name, value) in &members {
            if let Some(counter) = names::canonical(name, &names::COUNTERS) {
                self.counter(Side::Status, counter, value);
            } else if let Some(code) = names::code(name) {
                self.counter(Side::Details, &code, value);
            } else if block == "status" && names::same(name, "details") {
                self.block("details", value);
            } else if let Count::Given(_) = count(value) {
                // A counter that the vendor has added.
                let side = if block == "status" { Side::Status } else { Side::Details };
                self.counter(side, name, value);
            } else if !is_nothing(value) {
                self.other(&[block, name], value, &text_or_json(value));
            }
        }
    }

    fn counter(&mut self, side: Side, name: &str, value: &RawValue) {
        let place = side.name();
        let number = match count(value) {
            Count::Given(number) => number,
            Count::Nothing => return,
            Count::Unreadable => {
                self.flag(format!("unreadable:{place}.{name}"));
                self.other(&[place, name], value, value.get());
                return;
            }
        };
        let counters = match side {
            Side::Status => &mut self.counters.status,
            Side::Details => &mut self.counters.details,
        };
        match counters.get(name) {
            None => {
                counters.insert(name.to_owned(), number);
                self.content.nested(&[place, name], &number.to_string());
            }
            Some(first) if *first == number => {}
            Some(_) => self.flag(format!("ambiguous:{place}.{name}")),
        }
    }

    /// Adds what is no counter: a scalar by its text.
    fn other(&mut self, path: &[&str], value: &RawValue, text: &str) {
        if value.get().starts_with(['{', '[']) {
            self.content.below(path, value);
        } else {
            self.content.nested(path, text);
        }
    }

    /// `total` is to be the sum of five counters. The vendor's is kept; where some of the five are
    /// not given, only a sum above it is odd.
    fn check_total(&mut self) {
        let status = &self.counters.status;
        let Some(total) = status.get("total") else { return };
        let parts: Vec<i128> =
            names::PARTS.iter().filter_map(|name| status.get(*name).copied()).collect();
        let sum = parts.iter().fold(0_i128, |sum, part| sum.saturating_add(*part));
        if sum > *total || parts.len() == names::PARTS.len() && sum != *total {
            self.flag("total_mismatch".to_owned());
        }
    }

    fn flag(&mut self, flag: String) {
        if self.flags.len() < MAX_FLAGS && !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }
}
