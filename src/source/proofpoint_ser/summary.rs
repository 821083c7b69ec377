//! A whole answer: from its text to records.

use std::{cmp::Reverse, collections::HashMap};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    blocks, entitlement,
    row::{self, Part, Row},
};
use crate::{
    domain::{
        fingerprint,
        record::{Facts, Record},
        row::{Identity, KnownRow},
        slice::{Interval, Stream},
    },
    source::{
        Page,
        text::{excerpt, few, is_nothing},
    },
};

/// Reads an answer for `window`. The error says what is odd about an answer that is none: HTML, a
/// form (`key=value`), uuencoded text, cut JSON.
pub(crate) fn read(body: &str, window: Interval) -> Result<Page, &'static str> {
    const NOT_JSON: &str = "the body is not whole JSON";
    let outer: &RawValue = serde_json::from_str(body).map_err(|_| NOT_JSON)?;
    let inner;
    let answer = if outer.get().starts_with('"') {
        inner = fingerprint::text(outer).ok_or(NOT_JSON)?;
        serde_json::from_str(inner.trim_start_matches('\u{feff}').trim()).map_err(|_| NOT_JSON)?
    } else {
        outer
    };
    let blocks = blocks::find(answer)?;
    let mut page = Page { received: blocks.rows.len() as u64, ..Page::default() };
    let mut rows = Vec::with_capacity(blocks.rows.len());
    for (name, raw) in blocks.rows {
        if let Some(row) = row::read(name.as_deref(), raw, &mut page.warnings) {
            rows.push(row);
        } else {
            let text = excerpt(raw.get());
            page.warnings.push(format!("not a row and not collected: {text}"));
            page.unread += 1;
        }
    }
    page.records = records(rows, window, &mut page.warnings);
    for raw in blocks.entitlements.into_iter().filter(|raw| !is_nothing(raw)) {
        if let Some(record) = entitlement::read(raw, &mut page.warnings) {
            page.records.push(record);
        } else {
            let text = excerpt(raw.get());
            page.warnings.push(format!("not an entitlement and not collected: {text}"));
        }
    }
    few(&mut page.warnings);
    Ok(page)
}

/// Rows in the vendor's order, with their ids. Nothing says that keys are unique: rows of one key
/// are told apart by an ordinal in order of their content, because their order is not promised.
fn records(mut rows: Vec<Row>, window: Interval, warnings: &mut Vec<String>) -> Vec<Record> {
    let mut places: HashMap<[Part; 4], Vec<usize>> = HashMap::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        places.entry(row.key.clone()).or_default().push(at);
    }
    let mut ordinals = vec![1_u32; rows.len()];
    let mut doubled = 0_u64;
    for same in places.values_mut().filter(|same| same.len() > 1) {
        doubled += same.len() as u64;
        same.sort_by_cached_key(|at| order(&rows[*at]));
        for (ordinal, at) in (1..).zip(same.iter()) {
            ordinals[*at] = ordinal;
            rows[*at].flags.push("duplicate_key".to_owned());
        }
    }
    if doubled > 0 {
        warnings.push(format!("{doubled} rows share their names with another row; all are kept"));
    }
    let mut odd = rows.iter().filter(|row| row.flags.iter().any(|flag| flag != "duplicate_key"));
    if let Some(first) = odd.next() {
        let (row, flags, others) = (excerpt(&first.label), first.flags.join(", "), odd.count());
        let more = if others > 0 { format!(", and {others} more rows") } else { String::new() };
        warnings.push(format!("row {row}: {}{more}", excerpt(&flags)));
    }
    rows.into_iter().zip(ordinals).map(|(row, ordinal)| record(row, ordinal, window)).collect()
}

/// What tells rows of one key apart as long as possible: what does not count messages, then what
/// reclassification does not move, then the rest. Busy rows first, so that a late one with few
/// messages does not take another's place.
fn order(row: &Row) -> impl Ord + use<> {
    let counts = |path: &str| path.starts_with("status") || path.starts_with("details");
    let members = row.fingerprint.members.iter().filter(|member| !counts(member.path));
    let steady = ["total", "messageSizeTotal", "recipientsTotal"];
    let steady = steady.map(|name| row.counters.status.get(name).copied());
    let members = members.map(|member| (member.path.to_owned(), member.hash));
    (members.collect::<Vec<_>>(), Reverse(steady), row.fingerprint.content)
}

fn record(row: Row, ordinal: u32, window: Interval) -> Record {
    let id = id(&row.key, ordinal, window).to_string();
    let identity = Identity::new(id.clone(), window, row.names);
    Record {
        stream: Stream::Summary,
        id,
        json: row.json,
        time: Some(window.start()),
        fingerprint: row.fingerprint,
        watched: KnownRow::new(row.counters.clone(), Some(identity)).text(),
        stamps: Vec::new(),
        verdict: None,
        facts: Facts::SummaryRow { window, counters: row.counters, flags: row.flags },
    }
}

/// A function of window, key and ordinal: the same row has the same id at each fetch.
fn id(key: &[Part; 4], ordinal: u32, window: Interval) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    for at in [window.start(), window.end()] {
        hasher.update(&at.as_nanosecond().to_le_bytes());
    }
    for part in key {
        part.hash(&mut hasher);
    }
    hasher.update(&ordinal.to_le_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests;
