use super::*;
use crate::source::{
    proofpoint_ser_admin::envelope,
    testing::{at, revision, sample, shown},
};

fn days() -> Days {
    Days { first: "2026-11-20".parse().unwrap(), last: "2026-11-20".parse().unwrap() }
}

fn sap() -> RelayUser {
    let id = "b30904d5-575e-503d-be50-f1893763626e".to_owned();
    RelayUser { id, name: Some("sap-billing".to_owned()) }
}

fn place(report: Report, user: &RelayUser) -> Place<'_> {
    let of_one = matches!(report, Report::Recipients | Report::Violations | Report::Filtered);
    Place { report, days: days(), user: of_one.then_some(user) }
}

fn read_text(text: &str, report: Report) -> (Vec<Record>, Vec<String>) {
    let mut warnings = Vec::new();
    let rows = envelope::open(text).unwrap().rows;
    let records = read(&rows, place(report, &sap()), &mut warnings).records;
    (records, warnings)
}

fn data(rows: &str) -> String {
    format!(r#"{{"data":[{rows}]}}"#)
}

const SAMPLES: [(&str, Report); 8] = [
    ("traffic_summary", Report::TrafficSummary),
    ("message_trend", Report::MessageTrend),
    ("data_trend", Report::DataTrend),
    ("overview_v2", Report::Overview),
    ("failures_relay_users_p1", Report::FailingUsers),
    ("failures_recipient", Report::Recipients),
    ("failures_policy_violations", Report::Violations),
    ("failures_message_filtering", Report::Filtered),
];

#[test]
fn each_sample_has_its_records() {
    let mut lines = Vec::new();
    for (file, report) in SAMPLES {
        let (records, warnings) = read_text(&sample("ser_admin", &format!("{file}.json")), report);
        for record in records {
            let Facts::Report { counters, user, flags, window, report } = record.facts else {
                panic!("{file}");
            };
            let user = user.map(|user| user.id).unwrap_or_default();
            lines.push(format!("{} {report} {} {user}", record.stream, record.id));
            lines.push(format!("  {window} {:?} {flags:?}", counters.status));
        }
        lines.extend(warnings.into_iter().map(|warning| format!("  ! {warning}")));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_record_is_the_row_as_it_came() {
    let text = sample("ser_admin", "failures_recipient.json");
    let (records, _) = read_text(&text, Report::Recipients);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (record, row) in records.iter().zip(json["data"].as_array().unwrap()) {
        assert_eq!(serde_json::from_str::<serde_json::Value>(&record.json).unwrap(), *row);
        assert!(!record.json.contains('\n'));
    }
}

#[test]
fn another_spelling_is_no_revision() {
    let pairs = [
        (r#"{"blockedMessage":4,"acceptedThroughput":"282009600"}"#, {
            r#"{"acceptedThroughput":282009600,"blockedMessages":"4"}"#
        }),
        (r#"{"totalFailureRate":0.65}"#, r#"{"totalFailureRate":"0.65"}"#),
        (r#"{"reason":null,"count":40}"#, r#"{"count":"40"}"#),
    ];
    for (left, right) in pairs {
        let print = |row: &str| read_text(&data(row), Report::Violations).0[0].fingerprint.content;
        assert_eq!(print(left), print(right), "{left} {right}");
    }
}

#[test]
fn a_changed_count_is_a_revision_with_what_it_was_and_the_difference() {
    let row = |count: &str, date: &str| {
        let row = format!(
            r#"{{"recipient":"a@example.net","dsnCode":"4.2.2","details":"x","count":{count},"lastFailedDate":"{date}"}}"#
        );
        read_text(&data(&row), Report::Recipients).0.remove(0)
    };
    let (before, after) = (row("9", "2026-11-20"), row("\"7\"", "2026-11-20"));
    let revision = revision(&before, &after, at("2026-11-23T00:00:00Z")).unwrap();
    assert_eq!(revision.changed, ["count"]);
    assert_eq!(revision.delta.as_ref().unwrap().status["count"], -2);
    assert_eq!(revision.time, at("2026-11-20T00:00:00Z"));
    assert!(shown(&revision).contains("count=9"), "{}", shown(&revision));
}

#[test]
fn rows_have_different_ids_where_anything_of_their_key_differs() {
    let rows = [
        r#"{"recipient":"a@example.net","dsnCode":"5.1.1","details":"x"}"#,
        r#"{"recipient":"a@example.net","dsnCode":"5.1.1"}"#,
        r#"{"recipient":"a@example.net","dsnCode":"5.1.2","details":"x"}"#,
        r#"{"recipient":"a@example.net5.1.1","dsnCode":"","details":"x"}"#,
    ];
    let (records, _) = read_text(&data(&rows.join(",")), Report::Recipients);
    let other = RelayUser { id: "other-1".to_owned(), name: None };
    let text = data(rows[0]);
    let rows = envelope::open(&text).unwrap().rows;
    let of_other = read(&rows, place(Report::Recipients, &other), &mut Vec::new()).records;
    let ids: std::collections::BTreeSet<&str> =
        records.iter().chain(&of_other).map(|record| record.id.as_str()).collect();
    assert_eq!(ids.len(), 5);
}

#[test]
fn twins_are_both_kept_whatever_their_order() {
    let rows = [r#"{"finalAction":"a","finalRule":"b","count":1}"#, {
        r#"{"finalAction":"a","finalRule":"b","count":2}"#
    }];
    let by_count = |text: String| {
        let (records, warnings) = read_text(&text, Report::Filtered);
        assert_eq!(warnings.len(), 1);
        let mut ids: Vec<(String, String)> =
            records.into_iter().map(|record| (record.json, record.id)).collect();
        ids.sort();
        assert_ne!(ids[0].1, ids[1].1);
        ids
    };
    let reversed = [rows[1], rows[0]];
    assert_eq!(by_count(data(&rows.join(","))), by_count(data(&reversed.join(","))));
}

#[test]
fn what_cannot_be_read_costs_its_own_reading_only() {
    let (records, warnings) = read_text(
        &data(
            r#"7,{"date":"2026-11-19","throughput":"1"},{"date":"2026-11-20T00:00:00Z","throughput":"many","new":{"a":1},"smtpPassword":"s3cret"}"#,
        ),
        Report::DataTrend,
    );
    assert_eq!((records.len(), warnings.len()), (1, 2));
    assert_eq!(records[0].id, "data_trend/2026-11-20");
    assert!(records[0].json.contains(r#""new":{"a":1}"#));
    assert!(!records[0].json.contains("s3cret") && !records[0].watched.contains("s3cret"));
    let Facts::Report { flags, .. } = &records[0].facts else { panic!() };
    assert_eq!(*flags, ["left_out:smtpPassword", "unreadable:throughput"]);
}

#[test]
fn only_kinds_that_failed_are_asked_further() {
    let text = sample("ser_admin", "failures_relay_users_p1.json");
    let (records, _) = read_text(&text, Report::FailingUsers);
    let wanted: Vec<Vec<Report>> =
        records.iter().map(|record| follow_ups(record).unwrap().1).collect();
    assert_eq!(wanted[0], [Report::Recipients, Report::Violations, Report::Filtered]);
    assert_eq!(wanted[1], [Report::Recipients]);
    // What is not told, or cannot be read, may be anything.
    let unclear = [
        r#"{"relayUserId":"u-1","totalFailedMessages":3,"deliveryFailureMessages":"some","policyViolationMessages":0,"filteredMessages":0,"quarantinedMessages":0}"#,
        r#"{"relayUserId":"u-1","totalFailedMessages":3,"deliveryFailureMessages":null,"policyViolationMessages":0,"filteredMessages":0,"quarantinedMessages":0}"#,
    ];
    for row in unclear {
        let wanted = follow_ups(&read_text(&data(row), Report::FailingUsers).0[0]).unwrap().1;
        assert_eq!(wanted, [Report::Recipients], "{row}");
    }
    let none = r#"{"relayUserId":"u-1","totalFailedMessages":0}"#;
    assert!(follow_ups(&read_text(&data(none), Report::FailingUsers).0[0]).unwrap().1.is_empty());
    let odd = r#"{"relayUserId":"../tags","deliveryFailureMessages":1}"#;
    assert!(follow_ups(&read_text(&data(odd), Report::FailingUsers).0[0]).is_none());
}
