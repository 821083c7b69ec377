//! The API's answers, arbitrary, for `crate::fuzzing`.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::{
    ask::{Days, Sheet},
    credentials,
    cursor::Cursor,
    envelope, overview, refusal, relay_user,
    report::{self, Place, Report},
};
use crate::{
    collect::fuzzing::COLLECTED_AT,
    domain::record::{Record, RelayUser},
    fault::Fault,
    fuzzing::{check_records, parts},
    source::fuzzing::decoded,
};

const REPORTS: [Report; 8] = [
    Report::TrafficSummary,
    Report::MessageTrend,
    Report::DataTrend,
    Report::Overview,
    Report::FailingUsers,
    Report::Recipients,
    Report::Violations,
    Report::Filtered,
];

/// An answer, as each report and as relay users; behind a NUL a relay user's details.
pub fn admin(bytes: &[u8]) {
    let mut bodies = parts(bytes).map(decoded);
    let Some(body) = bodies.next() else { return };
    if let Some(cursor) = Cursor::read(&body) {
        assert_eq!(Cursor::read(&cursor.text()), Some(cursor), "a cursor is read as written");
    }
    let Ok(envelope) = envelope::open(&body) else { return };
    for (number, size) in [(1, 100), (2, 1), (u64::MAX, u32::MAX)] {
        let sheet = Sheet { number, size };
        if envelope.goes_on(sheet) == Ok(false) {
            envelope.is_short(sheet);
        }
    }
    let day = super::ask::day(COLLECTED_AT);
    let user = RelayUser { id: "u-1".to_owned(), name: None };
    for report in REPORTS {
        let days = Days { first: day, last: day };
        let place = Place { report, days, user: Some(&user) };
        let rows = report::read(&envelope.rows, place, &mut Vec::new());
        let all = rows.records.len() as u64 + rows.unread;
        assert!(all <= envelope.rows.len() as u64, "{report:?}");
        check(&rows.records);
        for record in &rows.records {
            report::follow_ups(record);
        }
    }
    let details = bodies.next();
    let details = details.as_deref().and_then(|body| envelope::open(body).ok());
    let details: Option<&RawValue> = details.as_ref().and_then(|it| it.rows.first().copied());
    let users = envelope.rows.iter().filter_map(|row| {
        overview::read(row, COLLECTED_AT);
        relay_user::read(row, details, &mut Vec::new())
    });
    let users: Vec<Record> = users.collect();
    for user in &users {
        let (id, _) = relay_user::names(&user.watched).expect("who it is");
        assert_eq!(id, user.id);
        assert_eq!(relay_user::Standing::read(&user.watched).map(|it| it.id), Some(id));
    }
    // Two rows may be of one relay user.
    let mut seen = HashSet::new();
    check(&users.into_iter().filter(|user| seen.insert(user.id.clone())).collect::<Vec<_>>());
}

fn check(records: &[Record]) {
    let ids: HashSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids.len(), records.len(), "each has its own id");
    for record in records {
        let raw: &RawValue = serde_json::from_str(&record.json).expect("a record is JSON");
        let mut found = Vec::new();
        assert_eq!(credentials::without(raw, &mut found), None, "{found:?} in {}", record.json);
    }
    check_records(records);
}

pub(in crate::source) fn refused(status: u16, body: &str) -> Vec<Fault> {
    let calls = ["GET /v1/relay-users", "POST /v1/failures/relay-users"];
    calls.map(|call| refusal::classify(call, status, None, body)).into()
}
