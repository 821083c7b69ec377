//! An answer's envelope: `{"data": …, "metadata": …}`, two styles of paging, or no envelope at all.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::ask::Sheet;
use crate::{
    domain::fingerprint,
    source::{
        proofpoint_ser::number::{Count, count},
        text::{is_nothing, member},
    },
};

/// What is said of an answer that [`Envelope::is_short`].
pub(super) const SHORT: &str =
    "fewer rows came than the answer counts; the others are not collected";

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// An answer, taken out of its envelope.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    /// One object is a list of one.
    pub(super) rows: Vec<&'a RawValue>,
    /// The page that the vendor says it is.
    current: Option<u64>,
    pages: Option<u64>,
    /// Rows of all pages.
    pub(super) items: Option<u64>,
}

/// Takes an answer out of its envelope. The error says what is odd about an answer that is none.
pub(super) fn open(body: &str) -> Result<Envelope<'_>, &'static str> {
    let body: &RawValue = serde_json::from_str(body).map_err(|_| "the body is not whole JSON")?;
    if body.get().starts_with('[') {
        return Ok(Envelope { rows: items(body)?, ..Envelope::default() });
    }
    let top = fingerprint::object(body).ok_or("the body is neither an object nor a list")?;
    let metadata = member(&top, "metadata").and_then(fingerprint::object).unwrap_or_default();
    let rows = match member(&top, "data") {
        Some(data) if is_nothing(data) => Vec::new(),
        Some(data) if data.get().starts_with('[') => items(data)?,
        Some(data) if data.get().starts_with('{') => vec![data],
        Some(_) => return Err("data is of a strange type"),
        None if is_error(&top) => return Err("it has no data and speaks of an error"),
        // The traffic summary is its own data.
        None if metadata.is_empty() && !top.is_empty() => vec![body],
        None => return Err("it has no data"),
    };
    let paging = member(&metadata, "pagination").and_then(fingerprint::object).unwrap_or_default();
    let totals = ["totalItemCount", "totalCount"];
    let items = totals.iter().find_map(|name| number(&paging, name).or(number(&metadata, name)));
    let (current, pages) = (number(&paging, "currentPage"), number(&paging, "totalPages"));
    Ok(Envelope { rows, current, pages, items })
}

impl Envelope<'_> {
    /// Whether there is a page after `sheet`; the error says what is odd about this one.
    ///
    /// Of an answer that tells no total, a page that is full may have a successor.
    pub(super) fn goes_on(&self, sheet: Sheet) -> Result<bool, &'static str> {
        if self.current.is_some_and(|current| current != sheet.number) {
            return Err("it is another page than the one that was asked for");
        }
        let (rows, size) = (self.rows.len() as u64, u64::from(sheet.size.max(1)));
        if rows == 0 {
            return Ok(false);
        }
        let pages = self.pages.or(self.items.map(|items| items.div_ceil(size)));
        Ok(pages.map_or(rows >= size, |pages| sheet.number < pages))
    }

    /// Whether the last page leaves fewer rows than the answer says there are.
    pub(super) fn is_short(&self, sheet: Sheet) -> bool {
        let before = sheet.number.saturating_sub(1).saturating_mul(u64::from(sheet.size.max(1)));
        self.items.is_some_and(|items| before.saturating_add(self.rows.len() as u64) < items)
    }
}

fn items(list: &RawValue) -> Result<Vec<&RawValue>, &'static str> {
    fingerprint::list(list.get()).ok_or("a list in it cannot be read, or is longer than any")
}

/// A number, which may come as text.
fn number(members: &Members<'_>, name: &str) -> Option<u64> {
    match count(member(members, name)?) {
        Count::Given(number) => u64::try_from(number).ok(),
        Count::Nothing | Count::Unreadable => None,
    }
}

fn is_error(top: &Members<'_>) -> bool {
    let words = ["error", "errors", "message", "errorMessage", "errorCode", "fault"];
    words.iter().any(|word| member(top, word).is_some_and(|value| !is_nothing(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::sample;

    const FIRST: Sheet = Sheet { number: 1, size: 100 };

    #[test]
    fn both_styles_of_paging_are_understood() {
        let list = |metadata: &str| format!(r#"{{"data":[{{}},{{}}],"metadata":{metadata}}}"#);
        let sheet = |number| Sheet { number, size: 2 };
        let pages = r#"{"pagination":{"currentPage":"2","totalPages":"3","totalItemCount":5}}"#;
        let table = [
            (list(pages), 2, Ok(true)),
            (list(&pages.replace("\"2\"", "3")), 3, Ok(false)),
            (list(pages), 1, Err(())),
            (list(r#"{"totalCount":"5"}"#), 2, Ok(true)),
            (list(r#"{"totalCount":5}"#), 3, Ok(false)),
            (list(r#"{"pagination":{"totalItemCount":4}}"#), 1, Ok(true)),
            (list("null"), 1, Ok(true)),
            (r#"{"data":[{}]}"#.to_owned(), 1, Ok(false)),
            (r#"{"data":[],"metadata":{"totalCount":9}}"#.to_owned(), 1, Ok(false)),
        ];
        for (json, number, expected) in table {
            let goes_on = open(&json).unwrap().goes_on(sheet(number));
            assert_eq!(goes_on.map_err(|_| ()), expected, "{json} page {number}");
        }
    }

    #[test]
    fn each_sample_is_opened() {
        let table = [
            ("traffic_summary", 1),
            ("overview_v2", 1),
            ("relay_user_detail", 1),
            ("message_trend", 2),
            ("data_trend", 2),
            ("failures_relay_users_p1", 2),
            ("failures_recipient", 2),
            ("failures_policy_violations", 1),
            ("failures_message_filtering", 1),
            ("relay_users", 2),
        ];
        for (name, rows) in table {
            let text = sample("ser_admin", &format!("{name}.json"));
            assert_eq!(open(&text).unwrap().rows.len(), rows, "{name}");
        }
        let first = sample("ser_admin", "failures_relay_users_p1.json");
        assert_eq!(open(&first).unwrap().goes_on(Sheet { number: 1, size: 2 }), Ok(true));
        let only = sample("ser_admin", "failures_policy_violations.json");
        assert_eq!(open(&only).unwrap().goes_on(FIRST), Ok(false));
    }

    #[test]
    fn what_is_no_answer_is_never_an_empty_one() {
        let bad = [
            "",
            "<html>",
            "7",
            "null",
            "{}",
            r#"{"metadata":{"totalCount":0}}"#,
            r#"{"error":"x"}"#,
            r#"{"message":"later"}"#,
            r#"{"data":"many"}"#,
            r#"{"data":[1,"#,
        ];
        for body in bad {
            assert!(open(body).is_err(), "{body}");
        }
        for body in [r#"{"data":null}"#, r#"{"data":[]}"#, "[]", r#"{"data":{}}"#] {
            assert_eq!(open(body).unwrap().rows.len(), 0, "{body}");
        }
    }
}
