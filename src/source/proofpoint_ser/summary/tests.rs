use std::{collections::BTreeMap, fmt::Write as _};

use proptest::prelude::*;

use super::*;
use crate::{
    domain::{change, counters::Counters},
    source::{
        testing::{any_json, at, hour, known, parsed, revision, sample, samples, shown},
        text::compact,
    },
};

const NOW: &str = "2026-11-20T12:00:00Z";

fn page(body: &str) -> Page {
    read(body.trim_start_matches('\u{feff}').trim(), hour()).unwrap()
}

fn file(name: &str) -> Page {
    page(&sample("ser", name))
}

fn rows(page: &Page) -> Vec<(&Record, &Counters, &[String])> {
    let read = page.records.iter().filter_map(|record| match &record.facts {
        Facts::SummaryRow { counters, flags, .. } => Some((record, counters, flags.as_slice())),
        Facts::Message { .. }
        | Facts::Audit
        | Facts::Entitlement
        | Facts::Report { .. }
        | Facts::RelayUser { .. } => None,
    });
    read.collect()
}

fn describe(page: &Page) -> String {
    let counts = |counts: &BTreeMap<String, i128>| -> String {
        let each: Vec<String> = counts.iter().map(|(name, n)| format!("{name}={n}")).collect();
        each.join(" ")
    };
    let mut text = String::new();
    for (record, counters, flags) in rows(page) {
        let id: String = record.id.chars().take(8).collect();
        let (status, details) = (counts(&counters.status), counts(&counters.details));
        let flags =
            if flags.is_empty() { String::new() } else { format!(" !{}", flags.join(" !")) };
        writeln!(text, "  {id} {status} | {details}{flags}").unwrap();
    }
    for record in page.records.iter().filter(|record| record.facts == Facts::Entitlement) {
        writeln!(text, "  entitlement {}: {}", record.id, record.watched).unwrap();
    }
    for warning in &page.warnings {
        writeln!(text, "  warning: {warning}").unwrap();
    }
    text
}

fn is_json(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|kind| kind == "json")
}

#[test]
fn each_sample_is_read() {
    let wanted = |name: &str| {
        let bad = ["errors.json", "error_with_200.json", "truncated.json"];
        is_json(name) && !name.starts_with("token") && !bad.contains(&name)
    };
    let pages = samples("ser", wanted);
    assert!(pages.len() >= 35);
    let read = pages.iter().map(|(name, body)| format!("{name}:\n{}", describe(&page(body))));
    insta::assert_snapshot!(read.collect::<String>());
}

#[test]
fn what_is_not_understood_is_a_fault_never_an_empty_window() {
    let bad = samples("ser", |name| {
        !is_json(name) || matches!(name, "error_with_200.json" | "truncated.json")
    });
    assert_eq!(bad.len(), 6);
    for (name, body) in bad {
        assert!(read(body.trim(), hour()).is_err(), "{name}");
    }
    for body in
        ["null", "7", "\"\"", "\"applicationUsers\"", "\"\\ud83d\"", "{\"applicationUsers\":1}"]
    {
        assert!(read(body, hour()).is_err(), "{body}");
    }
}

#[test]
fn each_row_comes_out_as_it_came() {
    for (name, body) in samples("ser", |name| name.starts_with("summary_")) {
        let compacted = compact(&body);
        for record in page(&body).records {
            assert!(compacted.contains(&record.json), "{name}: {}", record.json);
            assert!(parsed(&record.json).is_some());
        }
    }
    let big = file("summary_big_numbers.json");
    assert!(big.records[0].json.contains(":18446744073709551616,"));
    assert!(file("summary_odd_numbers.json").records[0].json.contains(r#""failure":12.0,"#));
}

#[test]
fn another_shape_of_the_same_rows_is_no_revision() {
    let normal = file("summary_normal.json");
    let expected: BTreeMap<&str, &Record> =
        rows(&normal).iter().map(|(record, ..)| (record.id.as_str(), *record)).collect();
    let same = [
        "bare_list",
        "delivered_in_details",
        "details_in_status",
        "entitlement_list",
        "entitlement_null",
        "flat",
        "keyed",
        "no_entitlement",
        "sizes_in_row",
        "strings",
        "wrapped",
    ];
    let same = same.map(|name| format!("summary_{name}.json"));
    for name in same.iter().map(String::as_str).chain(["reordered_after.json"]) {
        let page = file(name);
        assert_eq!(rows(&page).len(), expected.len(), "{name}");
        for (record, ..) in rows(&page) {
            let normal = expected[record.id.as_str()];
            assert_eq!(record.facts, normal.facts, "{name}");
            assert!(revision(normal, record, at(NOW)).is_none(), "{name}");
        }
    }
    // These have the first row only.
    for name in [
        "summary_case.json",
        "summary_one_object.json",
        "json_in_a_string.json",
        "json_with_bom.json",
    ] {
        let page = file(name);
        let (record, ..) = rows(&page)[0];
        let normal = expected[record.id.as_str()];
        assert_eq!(record.facts, normal.facts, "{name}");
        assert!(revision(normal, record, at(NOW)).is_none(), "{name}");
    }
}

#[test]
fn deltas_of_a_reclassified_window_add_up_to_its_last_reading() {
    let readings = ["1_fresh", "2_after_1h", "3_after_24h", "4_after_7d"]
        .map(|name| file(&format!("reclassified_{name}.json")));
    let (mut before, mut sum) = (None, Counters::default());
    let mut text = String::new();
    for reading in &readings {
        let (record, counters, _) = rows(reading)[0];
        assert_eq!(counters.status["total"], 948);
        let next = change::next(before.as_ref(), record, at(NOW));
        writeln!(text, "{}", shown(&next)).unwrap();
        let delta = next.delta.unwrap();
        for (total, delta) in [(&mut sum.status, delta.status), (&mut sum.details, delta.details)] {
            for (name, count) in delta {
                *total.entry(name).or_default() += count;
            }
        }
        assert_eq!(sum, *counters);
        before = Some(known(record));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_renamed_row_is_another_record_and_a_vanished_one_is_gone() {
    let ids = |name: &str| -> Vec<String> {
        rows(&file(name)).iter().map(|(record, ..)| record.id.clone()).collect()
    };
    assert_ne!(ids("renamed_before.json"), ids("renamed_after.json"));
    let (before, after) = (ids("vanished_before.json"), ids("vanished_after.json"));
    assert_eq!((before.len(), after.len()), (2, 1));
    assert!(before.contains(&after[0]));
}

#[test]
fn an_id_tells_window_key_and_missing_members_apart() {
    let row = |members: &str| format!(r#"{{"applicationUsers":[{{{members}}}]}}"#);
    let texts = [
        "",
        r#""applicationName":"""#,
        r#""applicationName":"a""#,
        r#""applicationUserName":"a""#,
        r#""applicationName":["a"]"#,
        r#""applicationName":"[\"a\"]""#,
        r#""fromEnvelope":"a","fromHeader":"b""#,
        r#""fromEnvelope":"ab","fromHeader":"""#,
    ];
    let mut ids: Vec<String> =
        texts.iter().map(|text| page(&row(text)).records.remove(0).id).collect();
    let other = Interval::new(hour().start(), at("2026-11-20T10:00:00Z")).unwrap();
    ids.push(read(&row(texts[2]), other).unwrap().records.remove(0).id);
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let id = |members: &str| page(&row(members)).records.remove(0).id;
    assert_eq!(id(r#""applicationName":null"#), id(""));
    assert_eq!(id(r#""fromHeader":[ "a", "b" ]"#), id(r#""fromHeader":["a","b"]"#));
}

#[test]
fn rows_of_one_key_keep_their_ids_whatever_their_order() {
    let row = |success: u32, total: u32| {
        format!(r#"{{"applicationName":"a","status":{{"success":{success},"total":{total}}}}}"#)
    };
    let ids = |rows: &[String]| -> Vec<String> {
        let page = page(&format!(r#"{{"applicationUsers":[{}]}}"#, rows.join(",")));
        page.records.into_iter().map(|record| record.id).collect()
    };
    let first = ids(&[row(5, 10), row(90, 100)]);
    assert_ne!(first[0], first[1]);
    // Later, with reclassified messages and in another order.
    let second = ids(&[row(100, 100), row(10, 10)]);
    assert_eq!([&second[1], &second[0]], [&first[0], &first[1]]);
    // Equal rows are two records as well.
    let third = ids(&[row(5, 5), row(5, 5)]);
    assert_ne!(third[0], third[1]);
}

#[test]
fn a_keyed_row_without_a_name_takes_its_key_for_the_id_only() {
    let row = r#"{"applicationName":"a","status":{"success":1}}"#;
    let keyed = page(&format!(r#"{{"applicationUsers":{{"u":{row}}}}}"#));
    assert_eq!(keyed.records[0].json, row);
    let named = page(
        r#"{"applicationUsers":[{"applicationName":"a","applicationUserName":"u","status":{"success":1}}]}"#,
    );
    assert_eq!(keyed.records[0].id, named.records[0].id);
}

#[test]
fn oddities_are_flagged_and_cost_only_themselves() {
    let odd = page(
        r#"{"applicationUsers":[{"applicationName":"a","total":7,"postrider":1,"details":"x",
        "status":{"success":"many","total":8,"failure":9,"quarantined":3,"state":"ok"}},null,"x"]}"#,
    );
    let (record, counters, flags) = rows(&odd)[0];
    assert_eq!(
        flags,
        [
            "unreadable:status.success",
            "ambiguous:status.total",
            "unreadable:details",
            "total_mismatch"
        ]
    );
    assert_eq!(counters.status.get("quarantined"), Some(&3));
    assert_eq!(counters.status.get("success"), None);
    assert!(record.json.contains("\"postrider_original\":1"));
    assert_eq!((odd.received, odd.records.len(), odd.warnings.len()), (3, 1, 4));
}

#[test]
fn ten_thousand_rows_are_read() {
    let row = |n: u32| format!(r#"{{"applicationUserName":"u{n}","status":{{"success":{n}}}}}"#);
    let all: Vec<String> = (0..10_000).map(row).collect();
    let page = page(&format!(r#"{{"applicationUsers":[{}]}}"#, all.join(",")));
    assert_eq!((page.records.len(), page.warnings.len()), (10_000, 0));
}

proptest! {
    #[test]
    fn no_json_panics_and_no_row_is_altered(row in any_json(), more in any_json()) {
        let body = serde_json::json!({ "applicationUsers": [row, more] });
        let page = page(&serde_json::to_string_pretty(&body).unwrap());
        let objects: Vec<_> = [&row, &more].into_iter().filter(|row| row.is_object()).collect();
        let records = rows(&page);
        prop_assert_eq!(records.len(), objects.len());
        for ((record, counters, _), row) in records.into_iter().zip(objects) {
            let mut expected = row.clone();
            if let Some(theirs) = expected.as_object_mut().unwrap().remove("postrider") {
                expected["postrider_original"] = theirs;
            }
            prop_assert_eq!(parsed(&record.json), parsed(&expected.to_string()));
            prop_assert_eq!(&KnownRow::read(&record.watched).counters(), counters);
        }
    }

    #[test]
    fn any_answer_is_read_or_refused(answer in any_json(), cut in 0..400_usize) {
        let text = answer.to_string();
        let cut: String = text.chars().take(cut).collect();
        for body in [serde_json::Value::from(text.as_str()).to_string(), text, cut] {
            drop(read(&body, hour()));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
        drop(read(&String::from_utf8_lossy(&bytes), hour()));
    }
}
