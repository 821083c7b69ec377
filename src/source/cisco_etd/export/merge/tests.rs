use super::*;
use crate::{
    domain::{change, event::Change},
    source::{
        cisco_etd::{
            export::{
                entry::{self, Entry},
                links::LogType,
            },
            page,
        },
        testing::{at, hour, known, sample, shown},
    },
};

/// The message of a sample page, read as the search's.
fn message(name: &str) -> Record {
    page::read(&sample("etd", name), hour()).unwrap().records.remove(0)
}

/// The samples' lines: a clearance by hand, and a release by an API client.
fn updates() -> [Update; 2] {
    let lines = sample("etd_export", "log_message.ndjson");
    let update = |line: &str| match entry::read(line.as_bytes(), LogType::Message).unwrap() {
        Entry::Update(update) => *update,
        other => panic!("{other:?}"),
    };
    [1, 2].map(|line| update(lines.lines().nth(line).unwrap()))
}

fn update(json: &str) -> Update {
    let line = format!(r#"{{"message":{{"eventType":"update","id":"x",{json}}}}}"#);
    match entry::read(line.as_bytes(), LogType::Message).unwrap() {
        Entry::Update(update) => *update,
        other => panic!("{other:?}"),
    }
}

fn known_again(before: &Known, record: &Record) -> Known {
    Known { revision: before.revision + 1, ..known(record) }
}

#[test]
fn a_clearance_is_the_same_revision_from_the_feed_and_from_a_resweep() {
    let (before, after) =
        (message("pair_cleared_by_hand_before.json"), message("pair_cleared_by_hand_after.json"));
    let [cleared, _] = updates();
    let merged = next(&known(&before), before.time, &cleared).unwrap();
    let now = at("2026-11-21T09:30:00Z");
    let [by_feed, by_search] =
        [&merged, &after].map(|record| shown(&change::next(Some(&known(&before)), record, now)));
    assert_eq!(by_feed, by_search);
    assert_eq!(merged.verdict, after.verdict);
    assert_eq!(merged.fingerprint.members, after.fingerprint.members);
    // So the search finds what is known, and the feed what the search found.
    assert_eq!(standing(&known(&merged), &after), Standing::Same);
    assert!(next(&known(&after), after.time, &cleared).is_none());
    assert_ne!(merged.fingerprint.content, after.fingerprint.content);
    assert_eq!(merged.fingerprint.content, merged.fingerprint.members.pieced());
    assert_ne!(after.fingerprint.content, after.fingerprint.members.pieced());
}

#[test]
fn a_release_after_it_is_one_more_revision() {
    let (before, after) =
        (message("pair_cleared_by_hand_after.json"), message("pair_released_after.json"));
    let [_, released] = updates();
    let merged = next(&known(&before), before.time, &released).unwrap();
    assert_eq!(merged.watched.matches("\"folder\":\"inbox\"").count(), 1);
    let revision = change::next(Some(&known(&before)), &merged, at("2026-11-21T09:30:00Z"));
    assert_eq!((revision.number, revision.change), (2, Change::Changed));
    assert_eq!(revision.time, at("2026-11-21T08:01:00Z"));
    let names = [
        "action.folder",
        "action.isAutoRemediated",
        "action.publicApiClientId",
        "action.timestamp",
    ];
    assert!(revision.changed.iter().all(|name| names.contains(&name.as_str())), "{revision:?}");
    // Another message's sample, the same state: only its ids differ.
    let action = object(&after.watched, "action");
    assert_eq!(object(&merged.watched, "action").state(), action.state());
}

#[test]
fn what_the_line_does_not_tell_comes_with_the_search_and_is_no_revision() {
    let (before, after) = (message("pair_retro_before.json"), message("pair_retro_after.json"));
    let update = update(
        r#""verdict":{"verdict":"phishing","timestamp":"2026-11-20T11:42:10.5Z"},
           "action":{"action":"move","folder":"quarantine","remediatedBy":"automatic","timestamp":"2026-11-20T11:42:13Z"}"#,
    );
    let merged = next(&known(&before), before.time, &update).unwrap();
    assert_eq!(merged.verdict.as_deref(), Some("phishing"));
    assert!(merged.watched.contains(r#""isRetroVerdict":true"#), "{}", merged.watched);
    // The techniques are news, but of the change that is known.
    assert_eq!(standing(&known(&merged), &after), Standing::Same);
    assert_eq!(standing(&known(&before), &after), Standing::Changed);
}

#[test]
fn a_change_after_the_merged_one_is_a_revision() {
    let before = message("pair_cleared_by_hand_before.json");
    let [cleared, _] = updates();
    let merged = next(&known(&before), before.time, &cleared).unwrap();
    // A search that does not have the clearance yet, and one that has a later action.
    assert_eq!(standing(&known(&merged), &before), Standing::Behind);
    let released = message("pair_released_after.json");
    assert_eq!(standing(&known(&merged), &released), Standing::Changed);
}

#[test]
fn late_and_repeated_lines_change_nothing() {
    let before = message("pair_cleared_by_hand_before.json");
    let [cleared, released] = updates();
    let first = next(&known(&before), before.time, &cleared).unwrap();
    let known_first = known_again(&known(&before), &first);
    let second = next(&known_first, before.time, &released).unwrap();
    let known_second = known_again(&known_first, &second);
    for update in [&cleared, &released] {
        assert!(next(&known_second, before.time, update).is_none());
    }
    // In the other order the result is the same.
    let turned = next(&known(&before), before.time, &released).unwrap();
    let turned = next(&known(&turned), before.time, &cleared).unwrap();
    assert_eq!(turned.fingerprint, second.fingerprint);
    let older = update(r#""verdict":{"verdict":"spam","timestamp":"2026-11-19T08:00:00Z"}"#);
    assert!(next(&known_second, before.time, &older).is_none());
    let nothing = update(r#""subject":"x""#);
    assert!(next(&known_second, before.time, &nothing).is_none());
}

#[test]
fn an_unknown_message_arrives_as_new_with_all_that_the_line_says() {
    let [cleared, _] = updates();
    let record = first(&cleared, None).unwrap();
    let revision = change::next(None, &record, at("2026-11-21T09:30:00Z"));
    assert_eq!((revision.number, revision.change), (1, Change::New));
    assert_eq!((record.time, record.verdict.as_deref()), (None, Some("neutral")));
    let json: serde_json::Value = serde_json::from_str(&record.json).unwrap();
    assert_eq!(json["update"]["verdict"]["reclassifiedBy"], "user");
    assert_eq!(json["verdict"]["originalVerdict"], "neutral");
    // Once a search has it, it is a revision with everything else.
    let found = message("pair_cleared_by_hand_after.json");
    assert_eq!(standing(&known(&record), &found), Standing::Changed);
}

#[test]
fn unknown_members_and_numbers_stay_as_they_came() {
    let watched = r#"{"verdict":{"latestVerdict":"spam","score":1.00E+400,"x":{"y":[1]}}}"#;
    let known = Known { revision: 3, members: members(watched), watched: watched.into() };
    let update = update(r#""verdict":{"verdict":"neutral"}"#);
    let merged = next(&known, None, &update).unwrap();
    assert!(merged.watched.contains(r#""score":1.00E+400,"x":{"y":[1]}"#), "{}", merged.watched);
    assert!(next(&known_again(&known, &merged), None, &update).is_none());
}
