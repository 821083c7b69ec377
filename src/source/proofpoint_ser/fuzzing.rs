//! The API's answers, arbitrary, for `crate::fuzzing`.

use std::time::Duration;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    entitlement, names,
    refusal::{self, Call},
    row, summary, survey,
    terms::Terms,
    token as token_call,
};
use crate::{
    collect::fuzzing::{COLLECTED_AT, hour},
    domain::{
        fingerprint::Fingerprint,
        record::{Facts, Record},
        usage::{self, Reading},
    },
    fault::Fault,
    fuzzing::{check_records, is_distinct, reversed},
    source::{
        Page,
        fuzzing::{assert_within, decoded},
    },
};

/// A window's summary, which a survey reads too.
pub fn summary(bytes: &[u8]) {
    let body = decoded(bytes);
    let Ok(page) = summary::read(&body, hour()) else { return };
    let rows = page.records.iter().filter(|record| record.facts != Facts::Entitlement);
    assert!(rows.count() as u64 <= page.received);
    for record in &page.records {
        assert_within(&record.json, &body);
        assert_eq!(print(record, &record.json), record.fingerprint, "another reading");
        let raw: &RawValue = serde_json::from_str(&record.json).expect("a record is JSON");
        // A counter that stands in two places counts where it is trusted most.
        if is_distinct(raw, &plain)
            && let Some(turned) = reversed(raw)
        {
            assert_eq!(print(record, &turned), record.fingerprint, "order counts in {turned}");
        }
    }
    check_records(&page.records);
    survey(&page);
}

/// A name in one spelling.
fn plain(name: &str) -> String {
    let letters = || name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect();
    names::code(name).unwrap_or_else(letters)
}

fn print(like: &Record, json: &str) -> Fingerprint {
    let raw = serde_json::from_str(json).expect("a record is JSON");
    let warnings = &mut Vec::new();
    if like.facts == Facts::Entitlement {
        entitlement::read(raw, warnings).expect("an entitlement").fingerprint
    } else {
        row::read(None, raw, warnings).expect("a row").fingerprint
    }
}

/// What is made of the licence where every call has this answer.
fn survey(page: &Page) {
    let Ok(sizes) = survey::sizes(page) else { return };
    let used = sizes.values().fold(0_i128, |sum, bytes| sum.saturating_add(*bytes));
    for record in page.records.iter().filter(|record| record.facts == Facts::Entitlement) {
        let Terms { allowed, period } = Terms::read(&record.json);
        assert!(allowed.is_none_or(|allowed| allowed > 0));
        let usage = usage::usage(&Reading {
            allowed,
            period,
            to: COLLECTED_AT,
            applications: sizes.clone(),
            recent: vec![(hour(), used), (period.unwrap_or(hour()), used)],
            hours: vec![(hour().start(), used)],
        });
        usage::level(&usage);
        assert!(usage.share.is_none_or(|share| share >= 0.0));
    }
}

pub(in crate::source) fn token(body: &str) -> Option<(Zeroizing<String>, Duration)> {
    token_call::read(body)
}

pub(in crate::source) fn refused(status: u16, body: &str) -> Vec<Fault> {
    let calls = [Call::Token, Call::Summary { path: "/v1/reports/summary" }];
    calls.map(|call| refusal::classify(call, status, None, body)).into()
}
