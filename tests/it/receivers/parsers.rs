//! CEF and LEEF as parsers read them that nobody of this project wrote: each field that
//! `docs/FIELDS.md` takes from a record as it stands there is what the record has, for the vendors'
//! sample records and for the hostile ones.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use postrider::{
    config::{Leef, Payload},
    domain::{event::Event, slice::Stream},
};
use serde_json::Value;

use super::{
    events::{self, SUBJECTS, body},
    table::{self, Row},
};
use crate::{records::whole, samples::Vendor};

type Pairs = BTreeMap<String, String>;

/// The pairs of each event, or none where the parser is not installed.
fn parsed(parser: &[&str], events: &[Event], payload: Payload) -> Option<Vec<Pairs>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = root.join("target/tools/parsers");
    let program = parser[0].replace("{tools}", tools.to_str().unwrap());
    let script = root.join("tests/it/receivers/parsers").join(parser[1]);
    let installed = tools.join("node_modules").exists();
    let child = Command::new(program)
        .arg(script)
        .env("NODE_PATH", tools.join("node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Some(mut child) = child.ok().filter(|_| installed) else {
        let name = parser[1];
        crate::harness::skipped(&format!("no parser for {name}: run tests/install.sh"));
        return None;
    };
    let lines: String = events.iter().map(|event| body(event, payload) + "\n").collect();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let all: Vec<Pairs> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all.len(), events.len(), "a line is an event");
    Some(all)
}

/// Of the vendors' sample answers all records.
fn samples() -> Vec<Event> {
    let of = |vendor: Vendor, list: &str, stream: Stream| {
        let mut files: Vec<PathBuf> = std::fs::read_dir(vendor.directory())
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        let answers = files.into_iter().filter_map(|file| {
            serde_json::from_str::<Value>(&std::fs::read_to_string(file).unwrap()).ok()
        });
        let records = answers.flat_map(|answer| {
            answer.pointer(list).and_then(Value::as_array).cloned().unwrap_or_default()
        });
        // The collector gives a vendor's own member of this name another one.
        let is_usual = |record: &Value| record.is_object() && record.get("postrider").is_none();
        let records: Vec<Value> = records.filter(is_usual).collect();
        records
            .into_iter()
            .enumerate()
            .map(move |(seq, record)| events::event_of(stream, seq, &record.to_string(), None))
    };
    let mail = of(Vendor::Etd, "/data/messages", Stream::Messages);
    mail.chain(of(Vendor::Ser, "/applicationUsers", Stream::Summary)).collect()
}

fn hostile() -> Vec<Event> {
    (0..SUBJECTS.lines().count()).map(events::event).collect()
}

/// All that the table promises is there as it was meant, and nothing else is.
fn assert_fields(events: &[Event], all: &[Pairs], payload: Payload) {
    let mut compared = 0;
    for (event, pairs) in events.iter().zip(all) {
        let record: Value = serde_json::from_str(&whole(&event.json)).unwrap();
        let rows = table::rows(event.origin.stream);
        let truncated = pairs.get("truncated").map_or("", String::as_str);
        for row in &rows {
            let Some((key, meant)) = row.meant(&record, payload) else { continue };
            let found = pairs.get(&key).map(String::as_str);
            let is_cut = truncated.contains(&row.field);
            let same = match (&meant, found) {
                (Some(meant), Some(found)) if is_cut => meant.starts_with(found),
                (meant, found) => meant.as_deref() == found,
            };
            assert!(same, "{key} is {found:?}, not {meant:?}: {}", event.json);
            compared += 1;
        }
        let known = |key: &str| {
            ["truncated", "cat", "sev"].contains(&key)
                || rows.iter().any(|row: &Row| row.keys(payload).any(|known| known == key))
        };
        let forged: Vec<_> = pairs.keys().filter(|key| !known(key)).collect();
        assert!(forged.is_empty(), "{forged:?}: {}", event.json);
    }
    println!("{payload:?}: {} events, {compared} fields", events.len());
}

fn assert_parsed(parser: &[&str], payloads: &[Payload]) {
    for payload in payloads {
        for events in [samples(), hostile()] {
            let Some(pairs) = parsed(parser, &events, *payload) else { return };
            assert_fields(&events, &pairs, *payload);
        }
    }
}

#[test]
fn pycef_reads_our_cef() {
    assert_parsed(&["{tools}/python/bin/python", "cef.py"], &[Payload::Cef]);
}

#[test]
fn nsyslog_parser_reads_our_leef() {
    assert_parsed(&["node", "leef.js"], &[Payload::Leef(Leef::V1), Payload::Leef(Leef::V2)]);
}
