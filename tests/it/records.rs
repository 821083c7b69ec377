//! What arrived, and whether it is what the vendors have.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use postrider::simulator::{Received, Simulation};
use serde_json::Value;

use crate::harness::Home;

/// A line of the file sink.
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Line {
    pub(crate) fn id(&self) -> &str {
        self.json["postrider"]["event_id"].as_str().unwrap()
    }

    pub(crate) fn stream(&self) -> &str {
        self.json["postrider"]["stream"].as_str().unwrap()
    }
}

/// The vendors' records in the file sink, which nobody writes any more.
pub(crate) fn lines(home: &Home) -> Vec<Line> {
    let text = home.read("events.jsonl");
    assert!(text.is_empty() || text.ends_with('\n'), "a torn last line: {:?}", text.len());
    all_lines(&text).into_iter().filter(|line| line.stream() != "health").collect()
}

/// How many of the vendors' records the file sink has so far.
pub(crate) fn so_far(home: &Home) -> usize {
    all_lines(&home.read("events.jsonl")).iter().filter(|line| line.stream() != "health").count()
}

/// The health events that the file sink has so far.
pub(crate) fn health(home: &Home) -> Vec<Value> {
    let lines = all_lines(&home.read("events.jsonl")).into_iter();
    lines.filter(|line| line.stream() == "health").map(|line| line.json).collect()
}

/// The lines that are written to their end.
fn all_lines(text: &str) -> Vec<Line> {
    let text = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = text.lines().map(|line| {
        let json =
            serde_json::from_str(&whole(line)).unwrap_or_else(|error| panic!("{error}: {line}"));
        Line { text: line.to_owned(), json }
    });
    lines.collect()
}

/// JSON without halves of surrogate pairs, which are passed on as they came, but strict parsers want
/// none: each of a half's three bytes is told as U+FFFD.
pub(crate) fn whole(json: &str) -> String {
    let mut out = String::new();
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let unit = |text: &str| {
            let hex = text.strip_prefix("\\u")?.get(..4)?;
            u16::from_str_radix(hex, 16).ok()
        };
        let (before, escape) = rest.split_at(at);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (None, _) => 2,
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => 6,
        };
        let (kept, after) = escape.split_at(length);
        out.push_str(before);
        match unit(escape) {
            Some(0xd800..=0xdfff) if length == 6 => out.push_str("\\ufffd\\ufffd\\ufffd"),
            _ => out.push_str(kept),
        }
        rest = after;
    }
    out + rest
}

/// Every message of the vendor, id and content, as it should have arrived.
fn messages(simulation: &Simulation) -> BTreeMap<String, String> {
    let truth = simulation.truth();
    truth.map(|message| (message.id.to_string(), message.content.unwrap())).collect()
}

/// All of the vendor's messages are among `received`, with the vendor's content.
pub(crate) fn assert_messages(what: &str, simulation: &Simulation, received: &[Received]) {
    let truth = messages(simulation);
    let mut arrived = BTreeMap::new();
    for event in received.iter().filter(|event| event.stream == "messages") {
        let newest: &mut (u32, &str) = arrived.entry(event.record_id.clone()).or_default();
        if event.revision > newest.0 {
            *newest = (event.revision, event.content.as_deref().unwrap());
        }
    }
    let lost: Vec<_> = truth.keys().filter(|id| !arrived.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{what}: {} of {} lost: {lost:?}", lost.len(), truth.len());
    for (id, content) in &truth {
        assert_eq!(arrived[id].1, content, "{what}: the content of {id}");
    }
    assert_eq!(arrived.len(), truth.len(), "{what}: nothing that the vendor does not have");
}

/// Copies beyond the first; each must be the same bytes.
pub(crate) fn duplicates(what: &str, received: &[Received]) -> u64 {
    for event in received {
        assert!(event.identical, "{what}: {} came in different forms", event.event_id);
    }
    received.iter().map(|event| u64::from(event.times) - 1).sum()
}

/// The file has the events that HEC has; the copies beyond the first, which must be the same.
pub(crate) fn assert_same_in_file(lines: &[Line], received: &[Received]) -> u64 {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut copies = 0;
    for line in lines {
        if let Some(before) = first.insert(line.id(), &line.text) {
            assert_eq!(before, line.text, "a copy differs");
            copies += 1;
        }
    }
    let there = received.iter().filter(|event| event.stream != "health");
    let there: Vec<_> = there.map(|event| event.event_id.as_str()).collect();
    let lost: Vec<_> = there.iter().filter(|id| !first.contains_key(*id)).collect();
    assert!(lost.is_empty(), "file: {} of {} lost", lost.len(), there.len());
    assert_eq!(first.len(), there.len(), "file: nothing that HEC does not have");
    copies
}

/// The rows of the summary that arrived, as the vendor tells them for each whole hour from `from`
/// to `to`.
pub(crate) fn assert_rows(simulation: &Simulation, lines: &[Line], from: Timestamp, to: Timestamp) {
    let mut arrived: BTreeMap<(Timestamp, String), &Value> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.stream() == "summary") {
        let window = line.json["postrider"]["window_start"].as_str().unwrap().parse().unwrap();
        let user = line.json["applicationUserName"].as_str().unwrap().to_owned();
        arrived.insert((window, user), &line.json);
    }
    let mut hour = from;
    let mut rows = 0;
    while hour < to {
        let end = hour.checked_add(SignedDuration::from_hours(1)).unwrap();
        for row in simulation.summary([hour, end]) {
            let found = arrived.get(&(hour, row.application_user_name.clone()));
            let json = found.unwrap_or_else(|| panic!("lost: {hour} {row:?}"));
            let status = &json["status"];
            let counts = ["total", "recipientsTotal", "messageSizeTotal"];
            let counts = counts.map(|name| status[name].as_u64().unwrap());
            assert_eq!(counts, [row.total, row.recipients_total, row.message_size_total]);
            assert_eq!(json["fromHeader"], row.from_header.as_str());
            rows += 1;
        }
        hour = end;
    }
    assert!(rows > 0, "the vendor has no rows");
    assert_eq!(rows, arrived.len(), "rows that the vendor does not have");
}
