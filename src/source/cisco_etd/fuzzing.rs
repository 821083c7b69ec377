//! The API's answers, arbitrary, for `crate::fuzzing`.

use std::time::Duration;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    message, page,
    refusal::{self, Call, Refusal},
    report, token as token_call,
};
use crate::{
    collect::fuzzing::{COLLECTED_AT, hour},
    domain::record::Record,
    fault::Fault,
    fuzzing::{check_records, reversed},
    source::fuzzing::{assert_within, decoded},
};

/// A page of the search.
pub fn page(bytes: &[u8]) {
    let body = decoded(bytes);
    let Ok(page) = page::read(&body, hour()) else { return };
    assert!(page.records.len() as u64 <= page.received);
    for record in &page.records {
        assert_within(&record.json, &body);
        let again = read(&record.json);
        assert_eq!(again.json, record.json);
        assert_eq!(
            (&again.id, again.time, &again.verdict),
            (&record.id, record.time, &record.verdict)
        );
        assert_eq!((&again.fingerprint, &again.watched), (&record.fingerprint, &record.watched));
        let raw = serde_json::from_str(&record.json).expect("a record is JSON");
        if let Some(turned) = reversed(raw) {
            let turned = read(&turned);
            assert_eq!(turned.fingerprint, record.fingerprint, "order counts in {}", record.json);
            assert_eq!((&turned.id, turned.time), (&record.id, record.time));
        }
    }
    // As the next request has it.
    let next = serde_json::to_string(&page.next).expect("a text");
    assert_eq!(serde_json::from_str::<Option<String>>(&next).ok(), Some(page.next));
    check_records(&page.records);
}

fn read(json: &str) -> Record {
    let raw: &RawValue = serde_json::from_str(json).expect("a record is JSON");
    message::read(raw, &mut Vec::new()).expect("a record is a message")
}

/// The vendor's own counts.
pub fn report(bytes: &[u8]) {
    let body = decoded(bytes);
    if let Ok(counts) = report::read(&body, hour()) {
        assert!(counts.keys().all(|word| *word == word.trim().to_lowercase()), "{counts:?}");
    }
}

pub(in crate::source) fn token(body: &str) -> Option<(Zeroizing<String>, Duration)> {
    token_call::read(body, COLLECTED_AT)
}

pub(in crate::source) fn refused(status: u16, body: &str) -> Vec<Fault> {
    let calls = [Call::Token, Call::Search { interval: hour() }, Call::Report { day: hour() }];
    let fault = |call| {
        refusal::wants_new_token(status, body);
        let (retry_after, now, had_page_token) = (None, COLLECTED_AT, status.is_multiple_of(2));
        refusal::classify(&Refusal { call, status, retry_after, body, now, had_page_token })
    };
    calls.map(fault).into()
}
