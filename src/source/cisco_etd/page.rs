//! A page of the search, read leniently: a member of an unexpected type costs its own reading,
//! never the page; and what could hide messages is a fault, never an end.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::message;
use crate::{
    domain::{
        fingerprint::{self, List},
        slice::Interval,
    },
    source::{
        Page,
        text::{excerpt, few, member},
    },
};

/// The usual shape, split in one pass.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usual<'a> {
    #[serde(borrow)]
    next_page_token: Option<&'a RawValue>,
    #[serde(borrow)]
    total_size: Option<&'a RawValue>,
    #[serde(borrow)]
    data: UsualData<'a>,
}

#[derive(Deserialize)]
struct UsualData<'a> {
    #[serde(borrow)]
    messages: List<'a>,
}

/// The parts of a page.
struct Parts<'a> {
    next: Option<&'a RawValue>,
    total: Option<&'a RawValue>,
    messages: Vec<&'a RawValue>,
}

/// Reads an answer to the search of `interval`. The error says what is odd about an answer that is
/// none.
pub fn read(body: &str, interval: Interval) -> Result<Page, &'static str> {
    let parts = match serde_json::from_str::<Usual<'_>>(body) {
        Ok(Usual { next_page_token: next, total_size: total, data }) => {
            Parts { next, total, messages: data.messages.0 }
        }
        Err(_) => unusual(body)?,
    };
    let mut page = Page {
        received: parts.messages.len() as u64,
        total: parts.total.and_then(count),
        next: parts.next.map(token).transpose()?.flatten(),
        ..Page::default()
    };
    page.records.reserve(parts.messages.len());
    for raw in parts.messages {
        match message::read(raw, &mut page.warnings) {
            Some(record) => {
                if record.time.is_none_or(|time| !is_next_slices(time, interval)) {
                    page.records.push(record);
                }
            }
            None if raw.get() == "null" => {
                page.warnings.push("a null in place of a message".into());
            }
            None => {
                let text = excerpt(raw.get());
                page.warnings.push(format!("not a message and not collected: {text}"));
            }
        }
    }
    few(&mut page.warnings);
    Ok(page)
}

/// Whether a message on the search's inclusive end belongs to the slice that begins there. Up to a
/// second after it, because the vendor's comparison may know whole seconds only; anything else that
/// came is kept, whatever its time.
fn is_next_slices(time: Timestamp, interval: Interval) -> bool {
    let after = time.duration_since(interval.end());
    !after.is_negative() && after <= SignedDuration::from_secs(1)
}

/// All other shapes.
fn unusual(body: &str) -> Result<Parts<'_>, &'static str> {
    let body: &RawValue = serde_json::from_str(body).map_err(|_| "the body is not whole JSON")?;
    let top = fingerprint::object(body).ok_or("the body is not a JSON object")?;
    let named = |name| member(&top, name);
    let (next, total, data) = (named("nextPageToken"), named("totalSize"), named("data"));
    if next.is_none() && total.is_none() && data.is_none() {
        return Err("the body has neither data nor totalSize nor nextPageToken");
    }
    let messages = match data.map(RawValue::get) {
        None | Some("null" | "\"\"") => Vec::new(),
        Some(list) if list.starts_with('[') => items(list)?,
        Some(_) => {
            let data = data.and_then(fingerprint::object).ok_or("data is of a strange type")?;
            match member(&data, "messages").map(|messages| (messages, messages.get())) {
                None | Some((_, "null" | "\"\"" | "{}")) => Vec::new(),
                Some((_, list)) if list.starts_with('[') => items(list)?,
                Some((one, object)) if object.starts_with('{') => vec![one],
                Some(_) => return Err("data.messages is of a strange type"),
            }
        }
    };
    Ok(Parts { next, total, messages })
}

fn items(list: &str) -> Result<Vec<&RawValue>, &'static str> {
    fingerprint::list(list).ok_or("the list of messages is not whole, or longer than any page")
}

/// The next page's token: absent, null, empty and `false` end the search.
fn token(value: &RawValue) -> Result<Option<String>, &'static str> {
    match value.get() {
        "null" | "\"\"" | "false" => Ok(None),
        // To take an end from what cannot be read would lose the pages after it.
        text if text.starts_with(['{', '[']) => Err("nextPageToken is of a strange type"),
        text if text.starts_with('"') => match fingerprint::text(value) {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err("nextPageToken is not a text"),
        },
        number => Ok(Some(number.to_owned())),
    }
}

fn count(value: &RawValue) -> Option<u64> {
    let text = fingerprint::text(value);
    text.as_deref().unwrap_or(value.get()).trim().parse().ok()
}

#[cfg(test)]
mod tests;
