use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::{
    domain::record::Record,
    source::{
        testing::{any_json, at, hour, parsed, revision, sample, samples, shown},
        text::compact,
    },
};

const NOW: &str = "2026-11-20T12:00:00Z";

/// The interval of all samples, so that none is dropped.
fn always() -> Interval {
    Interval::new(at("2020-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z")).unwrap()
}

fn page(body: &str) -> Page {
    read(body, always()).unwrap()
}

fn only(name: &str) -> Record {
    let mut page = page(&sample("etd", name));
    assert_eq!((page.records.len(), page.warnings.len()), (1, 0), "{name} {:?}", page.warnings);
    page.records.remove(0)
}

fn describe(page: &Page) -> String {
    let Page { received, total, next, .. } = page;
    let mut text = format!("received {received}, total {total:?}, next {next:?}\n");
    for record in &page.records {
        let Record { id, verdict, watched, .. } = record;
        let time = record.time.map_or("none".into(), |time| time.to_string());
        let verdict = verdict.as_deref().unwrap_or("none");
        let watched: String = watched.chars().take(60).collect();
        writeln!(text, "  {id} {time} {verdict} {watched}").unwrap();
        for (path, time) in &record.stamps {
            writeln!(text, "    {path} {time}").unwrap();
        }
    }
    for warning in &page.warnings {
        writeln!(text, "  warning: {warning}").unwrap();
    }
    text
}

#[test]
fn each_sample_is_read() {
    let pages = samples("etd", |name| name.starts_with("page_") || name.starts_with("v_"));
    assert!(pages.len() >= 20);
    let read = pages.iter().map(|(name, body)| format!("{name}: {}", describe(&page(body))));
    insta::assert_snapshot!(read.collect::<String>());
}

#[test]
fn each_message_of_each_sample_comes_out_as_it_came() {
    for (name, body) in samples("etd", |name| name.starts_with('p') || name.starts_with("v_")) {
        let compacted = compact(&body);
        let page = page(&body);
        for record in &page.records {
            if name == "v_unknown_fields.json" {
                assert!(record.json.contains("\"postrider_original\":"), "{}", record.json);
                assert!(!record.json.contains("\"postrider\":"));
            } else {
                assert!(compacted.contains(&record.json), "{name}: {}", record.json);
            }
            assert!(name == "v_lone_surrogate.json" || parsed(&record.json).is_some());
        }
    }
    let json = only("v_numbers_verbatim.json").json;
    for text in ["12345678901234567890,", ":1.0,", "1E+3", "0.1000000000000000055511151231257827"] {
        assert!(json.contains(text), "{text} in {json}");
    }
    assert!(only("v_lone_surrogate.json").json.contains(r"half an emoji \ud83d here"));
}

#[test]
fn each_real_change_is_a_revision_that_says_what_changed() {
    let mut text = String::new();
    for pair in ["cleared_by_hand", "released", "remediated", "retro", "verdict_arrives"] {
        let before = only(&format!("pair_{pair}_before.json"));
        let after = only(&format!("pair_{pair}_after.json"));
        let revision = revision(&before, &after, at(NOW)).unwrap();
        writeln!(text, "{pair} {}", shown(&revision)).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn another_order_nothings_and_the_migration_of_urls_are_no_revision() {
    for pair in ["no_real_change", "urls_to_urlmetadata"] {
        let before = only(&format!("pair_{pair}_before.json"));
        let after = only(&format!("pair_{pair}_after.json"));
        assert!(revision(&before, &after, at(NOW)).is_none(), "{pair}");
    }
}

#[test]
fn urls_are_one_set_however_they_are_written() {
    let of = |urls: &str| {
        let body = format!(r#"{{"data":{{"messages":[{{"id":"1",{urls}}}]}}}}"#);
        page(&body).records.remove(0).fingerprint.content
    };
    let same = [
        r#""urls":["a","b"]"#,
        r#""urls":["b","a","b"],"urlMetadata":[{"url":"a","isQrCode":true}]"#,
        r#""urlMetadata":["a",{"url":"b"}]"#,
        r#""urlMetadata":{"url":"a"},"urls":"b""#,
        r#""urls":["a",null,"",{}],"urlMetadata":"b""#,
    ];
    for urls in same {
        assert_eq!(of(urls), of(same[0]), "{urls}");
    }
    assert_eq!(of(r#""urls":[]"#), of(r#""urlMetadata":null"#));
    for other in [r#""urls":["a"]"#, r#""urls":["a","b",{"x":1}]"#, r#""urls":["a","c"]"#] {
        assert_ne!(of(other), of(same[0]), "{other}");
    }
}

#[test]
fn a_message_on_the_end_belongs_to_the_next_slice() {
    let page = read(&sample("etd", "v_timestamps.json"), hour()).unwrap();
    let times: Vec<String> =
        page.records.iter().filter_map(|record| record.time).map(|time| time.to_string()).collect();
    assert_eq!(page.received, 7);
    assert_eq!(
        times,
        [
            "2026-11-20T08:00:00Z",
            "2026-11-20T08:00:00Z",
            "2026-11-20T08:59:59.999999999Z",
            "2026-11-20T08:59:59.9996Z",
            // Far beyond the end: the vendor said that it belongs here, so it is kept.
            "2026-11-20T09:30:00Z",
            "2026-11-20T09:30:00Z",
        ]
    );
    let next = Interval::new(at("2026-11-20T09:00:00Z"), at("2026-11-20T10:00:00Z")).unwrap();
    let page = read(&sample("etd", "v_timestamps.json"), next).unwrap();
    assert_eq!(page.records.len(), 7, "what came before the start is kept too");
}

#[test]
fn a_derived_id_stays_while_verdict_and_action_change() {
    let id = |message: &str| {
        let body = format!(r#"{{"data":{{"messages":[{message}]}}}}"#);
        page(&body).records.remove(0).id
    };
    let first = id(r#"{"internetMessageId":"<a>","mailboxes":["x","y"]}"#);
    assert!(first.starts_with("derived-") && first.len() == 40, "{first}");
    let later = r#"{"mailboxes":["y","x"],"id":"","internetMessageId":"<a>",
        "verdict":{"latestVerdict":"spam"},"action":{"type":"move"}}"#;
    assert_eq!(id(later), first);
    assert_ne!(id(r#"{"internetMessageId":"<b>","mailboxes":["x","y"]}"#), first);
    assert_eq!(id(r#"{"id":7}"#), "7");
}

#[test]
fn strange_types_cost_their_own_reading_only() {
    let table = [
        (r#"{"data":{"messages":{"id":"1"}}}"#, 1, None),
        (r#"{"data":[{"id":"1"},{"id":"2"}]}"#, 2, None),
        (r#"{"data":{"messages":[{"id":"1"}]},"nextPageToken":7}"#, 1, Some("7")),
        (r#"{"data":{"messages":[{"id":"1"}]},"nextPageToken":false}"#, 1, None),
        (r#"{"data":{"messages":[{"id":"1"}],"messages":[]},"totalSize":"x"}"#, 1, None),
        (r#"{"data":{"messages":[{"id":{},"verdict":[7],"action":"x","urls":5}]}}"#, 1, None),
        (r#"{"data":{}}"#, 0, None),
        (r#"{"data":"","nextPageToken":"t"}"#, 0, Some("t")),
        (r#"{"totalSize":-1}"#, 0, None),
    ];
    for (body, messages, next) in table {
        let page = page(body);
        assert_eq!((page.records.len(), page.next.as_deref()), (messages, next), "{body}");
    }
    assert_eq!(page(r#"{"totalSize":" 12 "}"#).total, Some(12));
}

#[test]
fn what_is_no_message_is_told_not_lost_silently() {
    let page = page(
        r#"{"data":{"messages":[null,"text",{"id":"1","timestamp":"2026-11-20T08:00:00Z"},7]}}"#,
    );
    assert_eq!((page.received, page.records.len()), (4, 1));
    assert_eq!(
        page.warnings,
        [
            "a null in place of a message",
            "not a message and not collected: \"text\"",
            "not a message and not collected: 7",
        ]
    );
}

#[test]
fn what_could_hide_messages_is_a_fault() {
    let table = [
        "",
        "null",
        "[]",
        "{}",
        r#"{"message":"Forbidden"}"#,
        r#"{"data":{"messages":[{"id":"1"}"#,
        r#"{"data":{"messages":"many"}}"#,
        r#"{"data":7}"#,
        r#"{"data":{},"nextPageToken":{"at":7}}"#,
        r#"{"data":{},"nextPageToken":"\ud83d"}"#,
        "<!doctype html><title>Sign in</title>",
    ];
    for body in table {
        assert!(read(body, hour()).is_err(), "{body}");
    }
}

proptest! {
    #[test]
    fn no_json_panics_and_no_message_is_altered(
        message in any_json(), more in any_json(), pretty in any::<bool>(),
    ) {
        let body = serde_json::json!({ "data": { "messages": [message, more] } });
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) };
        let page = page(&text.unwrap());
        let objects: Vec<_> = [&message, &more].into_iter().filter(|m| m.is_object()).collect();
        prop_assert_eq!(page.records.len(), objects.len());
        for (record, message) in page.records.iter().zip(objects) {
            let mut expected = message.clone();
            if let Some(theirs) = expected.as_object_mut().unwrap().remove("postrider") {
                expected["postrider_original"] = theirs;
            }
            // By way of the text, because serde_json's floats do not survive it to the last bit.
            prop_assert_eq!(parsed(&record.json), parsed(&expected.to_string()));
            prop_assert!(parsed(&record.watched).is_some());
        }
    }

    #[test]
    fn any_answer_is_read_or_refused(answer in any_json(), cut in 0..400_usize) {
        let text = answer.to_string();
        let cut: String = text.chars().take(cut).collect();
        for body in [text, cut] {
            drop(read(&body, hour()));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
        drop(read(&String::from_utf8_lossy(&bytes), hour()));
    }
}
