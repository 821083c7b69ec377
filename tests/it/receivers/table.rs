//! The table of `docs/FIELDS.md`, read as a person reads it, and what it makes of a record.

use std::net::{IpAddr, Ipv6Addr};

use jiff::Timestamp;
use postrider::{
    config::{Leef, Payload},
    domain::slice::Stream,
};
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/FIELDS.md");

const ADDRESSES: [&str; 3] = ["src", "dst", "originatingIp"];
const TIMES: [&str; 9] = [
    "verdictTime",
    "actionTime",
    "delivered",
    "windowStart",
    "windowEnd",
    "licenseStart",
    "licenseEnd",
    "since",
    "ended",
];

pub(super) struct Row {
    pub(super) field: String,
    from: From,
    /// Where several are one field, all that the page names.
    cef: Vec<String>,
    leef: Option<String>,
}

enum From {
    First(Vec<String>),
    All(Vec<String>),
    /// Worked out of the record.
    Derived,
}

/// The rows of a stream.
pub(super) fn rows(stream: Stream) -> Vec<Row> {
    let heading = format!("\n## `{}`:", stream.as_str());
    let section = PAGE.split_once(&heading).unwrap().1.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    let rows: Vec<Row> = lines.map(Row::of).collect();
    assert!(rows.len() > 10);
    rows
}

/// What stands between backticks.
fn code(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

impl Row {
    fn of(line: &str) -> Self {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let paths = code(cells[1]);
        let listed = paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        let from = match cells[1].strip_prefix("all of ") {
            Some(all) if all == listed => From::All(paths),
            // These three are what it may be, not where it is from.
            None if cells[1] == listed && cells[0] != "direction" => From::First(paths),
            _ => From::Derived,
        };
        // A custom key is found under its label.
        let label =
            cells[2].split_once('(').map(|(_, label)| label.trim_end_matches(')').to_owned());
        let cef = label.map_or_else(|| code(cells[2]), |label| vec![label]);
        Self { field: cells[0].to_owned(), from, cef, leef: code(cells[3]).pop() }
    }

    /// All keys that a payload may have it under.
    pub(super) fn keys(&self, payload: Payload) -> impl Iterator<Item = &str> {
        let keys = if payload == Payload::Cef { &*self.cef } else { self.leef.as_slice() };
        keys.iter().map(String::as_str)
    }

    /// The key and what a parser should find there; `None` where the payload has no such field, or it
    /// is worked out.
    pub(super) fn meant(
        &self,
        record: &Value,
        payload: Payload,
    ) -> Option<(String, Option<String>)> {
        let key = self.keys(payload).next()?.to_owned();
        let is_cef = payload == Payload::Cef;
        let texts = match &self.from {
            From::Derived => return None,
            From::First(paths) => {
                let of = |path: &String| self.texts(record, path);
                paths.iter().map(of).find(|texts| !texts.is_empty()).unwrap_or_default()
            }
            From::All(paths) => {
                let mut all: Vec<String> = Vec::new();
                for text in paths.iter().flat_map(|path| self.texts(record, path)) {
                    if !all.contains(&text) {
                        all.push(text);
                    }
                }
                all
            }
        };
        let is_all = matches!(self.from, From::All(_));
        let shown = texts.iter().take(if is_all { usize::MAX } else { 1 });
        let shown: Vec<String> = shown.map(|text| shown_by(text, payload)).collect();
        let Some(first) = shown.first() else { return Some((key, None)) };
        if is_cef && self.cef.len() > 1 && first.parse::<Ipv6Addr>().is_ok() {
            return Some((self.cef[1].clone(), Some(first.clone())));
        }
        if is_cef && TIMES.contains(&&*self.field) {
            let time: Timestamp = first.parse().unwrap();
            return Some((key, Some(time.as_millisecond().to_string())));
        }
        let joined = shown.join(", ");
        // nsyslog-parser ends a value at an equals sign.
        let seen = if is_cef { &joined } else { joined.split('=').next()? };
        Some((key, Some(seen.to_owned())))
    }

    /// What a path has and the field takes.
    fn texts(&self, record: &Value, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(record, path, &mut found);
        let takes = |text: &String| {
            if ADDRESSES.contains(&&*self.field) {
                text.parse::<IpAddr>().is_ok()
            } else if TIMES.contains(&&*self.field) {
                text.parse::<Timestamp>().is_ok()
            } else if path.starts_with("status.") {
                serde_json::from_str::<serde_json::Number>(text).is_ok()
                    && text.parse::<f64>().is_ok_and(f64::is_finite)
            } else {
                !trimmed(text).is_empty()
            }
        };
        found.into_iter().filter(takes).collect()
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control())
}

/// A text as a format can say it.
fn shown_by(text: &str, payload: Payload) -> String {
    let is_2 = payload == Payload::Leef(Leef::V2);
    let of = |c: char| match c {
        '\n' | '\r' if payload == Payload::Cef => c,
        '^' if is_2 => ' ',
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => ' ',
        c => c,
    };
    let ends = |c: char| c.is_whitespace() || c.is_control() || (is_2 && c == '^');
    text.trim_matches(ends).chars().map(of).collect()
}

fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let (name, is_listed) = head.strip_suffix("[]").map_or((head, false), |name| (name, true));
    let Some(member) = value.get(name) else { return };
    let one = std::slice::from_ref(member);
    let all = if is_listed { member.as_array().map_or(one, Vec::as_slice) } else { one };
    for element in all {
        match (rest, element) {
            (Some(rest), element) => walk(element, rest, found),
            (None, Value::Null) => {}
            (None, Value::String(text)) => found.push(text.clone()),
            (None, Value::Array(list)) if list.is_empty() => {}
            (None, Value::Object(members)) if members.is_empty() => {}
            (None, other) => found.push(other.to_string()),
        }
    }
}
