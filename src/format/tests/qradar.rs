//! What `deploy/qradar` says of LEEF events, applied to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use regex::Regex;
use serde_json::{Value, json};

use super::{hostile, readers, samples, shown::body};
use crate::{
    config::{Leef, Payload},
    domain::{
        event::{Change, Event},
        slice::Stream,
    },
    format::{
        fields::{self, Kind},
        rfc3164::Rfc3164,
        rfc5424::Rfc5424,
    },
};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/qradar").join(name)
}

fn read(name: &str) -> String {
    let path = shipped(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a table without its heading; no cell has a comma or a quote.
fn rows(table: &str) -> Vec<Vec<&str>> {
    assert!(!table.contains('"'));
    let columns = table.lines().next().unwrap().split(',').count();
    let rows = table.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.inspect(|row| assert_eq!(row.len(), columns, "{row:?}")).collect()
}

/// The syslog message as QRadar gets it: with either header.
fn message(event: &Event, version: Leef) -> String {
    let mut out = Vec::new();
    match version {
        Leef::V1 => Rfc5424::new("collector", 32473).append(event, &mut out),
        Leef::V2 => Rfc3164::new("collector", Payload::Leef(version)).append(event, &mut out),
    }
    String::from_utf8(out).unwrap() + &body(event, Payload::Leef(version), usize::MAX).unwrap()
}

/// Its LEEF part, read by the specification: the header's fields, the attributes.
fn attributes(message: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let (_, leef) = message.split_at(message.find("LEEF:").unwrap());
    let (header, pairs) = readers::leef(leef);
    (header, pairs.into_iter().collect())
}

/// An event of each verdict and stream, in each form in which it comes.
fn each_kind() -> Vec<Event> {
    let words = fields::VERDICTS.iter().map(|(word, _)| *word).chain(["never heard of"]);
    let mut events: Vec<Event> =
        words.map(|word| Event { verdict: Some(word.into()), ..samples::message() }).collect();
    events.extend([samples::row(), samples::entitlement(), samples::health()]);
    let of_each = |stream| {
        samples::ser_admin().into_iter().find(|event| event.origin.stream == stream).unwrap()
    };
    let admin = [Stream::Usage, Stream::Failures, Stream::RelayUsers].map(of_each);
    events.extend(admin.clone());
    let as_changed = |event: &Event| Event { change: Change::Changed, ..event.clone() };
    let changed: Vec<Event> = events.iter().map(as_changed).collect();
    events.extend(changed);
    // What was done stays done.
    events.push(samples::audit());
    // Only rows and relay users vanish.
    let rows = admin.into_iter().chain([samples::row()]);
    events.extend(rows.map(|row| Event { change: Change::Vanished, ..row }));
    events
}

/// Every message and row of the vendors' samples, and hostile subjects.
fn all_events() -> Vec<Event> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendors");
    let mut events = each_kind();
    events.push(samples::changed());
    events.extend(samples::ser_admin());
    let ended = json!({"kind": "gap", "state": "closed", "ended": "2026-11-21T11:00:00Z"});
    events.push(samples::event(Stream::Health, &ended, &json!({})));
    let usage = json!({"usage": {"share": 0.5, "burn_rate_30d": 7}});
    events.push(samples::event(Stream::Entitlement, &json!({"license_end": ""}), &usage));
    for (vendor, list, stream) in
        [("etd", "/data/messages", Stream::Messages), ("ser", "/applicationUsers", Stream::Summary)]
    {
        for file in std::fs::read_dir(fixtures.join(vendor)).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let Ok(page) = serde_json::from_str::<Value>(&text) else { continue };
            let records = page.pointer(list).and_then(Value::as_array);
            for record in records.into_iter().flatten().filter(|record| record.is_object()) {
                events.push(samples::event(stream, record, &json!({"details": []})));
            }
        }
    }
    for subject in hostile::SUBJECTS.lines() {
        let record = format!(
            r#"{{"id":"m1","subject":{subject},"senderName":{subject},"serverIP":"192.0.2.9"}}"#
        );
        events.push(samples::event_of_text(Stream::Messages, &record, &json!({})));
    }
    assert!(events.len() > 150, "{}", events.len());
    events
}

#[test]
fn each_event_that_can_come_has_its_line_in_the_map_of_qids_and_no_other() {
    let table = read("qid-map.csv");
    let mut mapped = BTreeMap::new();
    for row in rows(&table) {
        let [id, category, name, description, severity, low_level, low_level_name] = row[..] else {
            panic!("{row:?}");
        };
        assert!(name.len() <= 255 && description.len() <= 2048 && !low_level_name.is_empty());
        assert!((1000..30_000).contains(&low_level.parse::<u32>().unwrap()), "{low_level}");
        let severity: u8 = severity.parse().unwrap();
        assert!(mapped.insert((id.to_owned(), category.to_owned()), severity).is_none(), "{id}");
    }
    let mut come = BTreeSet::new();
    for event in each_kind() {
        let (header, pairs) = attributes(&message(&event, Leef::V2));
        let key = (header[4].clone(), pairs["cat"].clone());
        let severity = mapped.get(&key).unwrap_or_else(|| panic!("{key:?} is not mapped"));
        if event.origin.stream == Stream::Messages {
            assert_eq!(pairs["sev"], severity.to_string(), "{key:?}");
        }
        come.insert(key);
    }
    assert_eq!(mapped.into_keys().collect::<BTreeSet<_>>(), come);
}

/// The extension's fields, each with its expressions in their order.
fn extension() -> BTreeMap<String, Vec<Regex>> {
    let text = read("postrider-lsx.xml");
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    let expected = (Some("event_parsing/device_extension"), "device-extension");
    assert_eq!((root.tag_name().namespace(), root.tag_name().name()), expected);
    let of = |name: &'static str| root.descendants().filter(move |node| node.has_tag_name(name));
    let pattern = |id: &str| {
        let node = of("pattern").find(|node| node.attribute("id") == Some(id));
        Regex::new(node.unwrap_or_else(|| panic!("no pattern {id}")).text().unwrap()).unwrap()
    };
    let mut fields: BTreeMap<String, Vec<(u8, Regex)>> = BTreeMap::new();
    for matcher in of("matcher") {
        assert_eq!(matcher.attribute("capture-group"), Some("1"));
        let order = matcher.attribute("order").unwrap().parse().unwrap();
        let regex = pattern(matcher.attribute("pattern-id").unwrap());
        let field = matcher.attribute("field").unwrap();
        fields.entry(field.to_owned()).or_default().push((order, regex));
    }
    assert_eq!(of("pattern").count(), of("matcher").count(), "each pattern is used");
    let ordered = |(name, mut list): (String, Vec<(u8, Regex)>)| {
        list.sort_by_key(|(order, _)| *order);
        (name, list.into_iter().map(|(_, regex)| regex).collect())
    };
    fields.into_iter().map(ordered).collect()
}

fn first(expressions: &[Regex], text: &str) -> Option<String> {
    let captured = expressions.iter().find_map(|regex| regex.captures(text));
    captured.map(|groups| groups[1].to_owned())
}

#[test]
fn the_extension_finds_what_the_specification_s_reader_finds() {
    let fields = extension();
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["DestinationIp", "EventCategory", "EventName", "SourceIp", "UserName"]);
    let mut found = BTreeMap::new();
    for (event, version) in
        all_events().iter().flat_map(|event| [(event, Leef::V1), (event, Leef::V2)])
    {
        let message = message(event, version);
        let (header, pairs) = attributes(&message);
        let ipv4 = |key: &str| pairs.get(key).filter(|ip| !ip.contains(':')).cloned();
        let expected = [
            ipv4("dst"),
            pairs.get("cat").cloned(),
            Some(header[4].clone()),
            ipv4("src"),
            pairs.get("usrName").cloned(),
        ];
        for ((field, expressions), expected) in fields.iter().zip(expected) {
            let captured = first(expressions, &message);
            assert_eq!(captured, expected, "{field}: {message}");
            *found.entry(field).or_insert(0) += usize::from(captured.is_some());
        }
    }
    assert!(found.values().all(|count| *count > 20), "{found:?}");
}

/// Keys that QRadar reads itself.
const NORMALISED: [&str; 4] = ["devTime", "src", "dst", "usrName"];

/// `custom-properties.csv`, from the table of fields.
fn properties() -> String {
    let mut keys: BTreeMap<&str, (Kind, Vec<&str>)> = BTreeMap::new();
    for stream in Stream::ALL {
        for field in fields::of(stream) {
            let Some(key) = field.leef.filter(|key| !NORMALISED.contains(key)) else { continue };
            let (_, streams) = keys.entry(key).or_insert((field.kind, Vec::new()));
            streams.push(stream.as_str());
        }
    }
    keys.insert("truncated", (Kind::Text, Stream::ALL.map(Stream::as_str).to_vec()));
    let mut table = "property,field_type,leef_key,streams,expression\n".to_owned();
    for (key, (kind, streams)) in keys {
        let kind = match kind {
            Kind::Number => "Numeric",
            Kind::Ip => "IP",
            Kind::Text | Kind::List | Kind::Time | Kind::Flag => "AlphaNumeric",
        };
        let streams = streams.join(" ");
        let expression = format!(r"^[^|]*LEEF:2\.0\|.*?\^{key}=([^\^]+)");
        writeln!(table, "Postrider {key},{kind},{key},{streams},{expression}").unwrap();
    }
    table
}

#[test]
fn custom_properties_are_what_the_table_of_fields_says() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(shipped("custom-properties.csv"), properties()).unwrap();
    }
    let same = std::fs::read_to_string(shipped("custom-properties.csv")).unwrap_or_default();
    assert!(same == properties(), "write it: UPDATE_DOCS=1 cargo test --lib format");
}

#[test]
fn each_custom_property_s_expression_captures_its_own_value() {
    let table = read("custom-properties.csv");
    // As the guide has it for LEEF 1.0.
    let old = |text: &str| text.replace("2\\.0", "1\\.0").replace("\\^", "\\t");
    let properties: Vec<(&str, Regex, Regex)> = rows(&table)
        .iter()
        .map(|row| (row[2], Regex::new(row[4]).unwrap(), Regex::new(&old(row[4])).unwrap()))
        .collect();
    let mut found = BTreeSet::new();
    for event in all_events() {
        for version in [Leef::V1, Leef::V2] {
            let message = message(&event, version);
            let (_, pairs) = attributes(&message);
            for (key, new, old) in &properties {
                let regex = if version == Leef::V1 { old } else { new };
                let captured = regex.captures(&message).map(|groups| groups[1].to_owned());
                // What was nothing but separators is nothing to capture.
                let meant = pairs.get(*key).filter(|value| !value.is_empty());
                assert_eq!(captured.as_ref(), meant, "{key}: {message}");
                found.extend(captured.map(|_| *key));
            }
        }
    }
    let never: Vec<&str> =
        properties.iter().map(|(key, ..)| *key).filter(|key| !found.contains(key)).collect();
    assert_eq!(never, ["truncated"], "seen in no sample");
}
