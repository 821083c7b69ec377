//! Vendors' answers, arbitrary, for `crate::fuzzing`.

use std::{borrow::Cow, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{answer, bearer, cisco_etd, proofpoint_ser, proofpoint_ser_admin, text::compact, when};
use crate::{
    collect::fuzzing::COLLECTED_AT,
    fault::{self, Fault},
    fuzzing::parts,
};

pub use cisco_etd::fuzzing::{page as etd_page, report as etd_report};
pub use proofpoint_ser::fuzzing::summary as ser_summary;
pub use proofpoint_ser_admin::fuzzing::admin as ser_admin;

/// A token request's answer, and behind a NUL a JSON Web Token's payload.
pub fn tokens(bytes: &[u8]) {
    let longest = Duration::from_secs(366 * 86_400);
    for part in parts(bytes).take(2) {
        let body = decoded(part);
        let etd = cisco_etd::fuzzing::token(&body);
        for (token, life) in [etd, proofpoint_ser::fuzzing::token(&body)].into_iter().flatten() {
            assert!(!token.is_empty() && life <= longest, "{life:?}");
        }
        let jwt = format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(part));
        for token in [&jwt, &*body] {
            let life = bearer::life_in_jwt(token, COLLECTED_AT);
            assert!(life.is_none_or(|life| life <= longest), "{life:?}");
        }
    }
}

/// What each refusal means, whatever its status.
pub fn refusals(bytes: &[u8]) {
    let body = decoded(bytes);
    for status in [0, 100, 204, 302, 400, 401, 403, 404, 407, 413, 422, 429, 500, 503, 999] {
        let faults = [
            cisco_etd::fuzzing::refused(status, &body),
            proofpoint_ser::fuzzing::refused(status, &body),
            proofpoint_ser_admin::fuzzing::refused(status, &body),
        ];
        faults.iter().flatten().for_each(assert_one_line);
    }
}

fn assert_one_line(fault: &Fault) {
    let chain = fault.chain();
    assert!(!chain.contains(char::is_control) && chain.chars().count() < 500, "{chain}");
}

/// Times and waits, as vendors and SIEMs write them.
pub fn times(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(when) = when::When::read(&text) {
        let (start, end) = (when.start(), when.end());
        assert!(start.zip(end).is_none_or(|(start, end)| start <= end), "{when:?}");
    }
    if let Some(at) = when::parse(&text) {
        assert_eq!(when::parse(&at.to_string()), Some(at));
        let up = when::ceil(at);
        assert!(up >= at || up.as_millisecond() == at.as_millisecond(), "{at}");
        assert!(when::floor(at, jiff::Unit::Hour) <= at, "{at}");
        when::milliseconds(at);
    }
    if let Some(wait) = fault::retry_after(Some(&text), COLLECTED_AT) {
        assert!(wait <= Duration::from_secs(86_400), "{wait:?} for {text:?}");
    }
}

/// The text of an answer's body.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    answer::decode(bytes)
}

/// A record's text is the vendor's own: the whole answer has it, white space aside.
pub(super) fn assert_within(record: &str, answer: &str) {
    // Where a member had our member's name, the record is another text on purpose.
    if !record.contains("postrider_original") && !answer.starts_with('"') {
        assert!(compact(answer).contains(&compact(record)), "{record} is not what came");
    }
}
