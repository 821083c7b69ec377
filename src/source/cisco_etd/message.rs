//! One message of the search, read in one pass over its members.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::{
    domain::{
        fingerprint::{self, Builder},
        record::{Facts, Record},
        slice::Stream,
    },
    source::{
        text::{excerpt, filled, member, one_line, renamed, text_or_json},
        when,
    },
};

/// Reads a message; `None` for what is not an object. What is odd about it goes to `warnings`.
pub(super) fn read(raw: &RawValue, warnings: &mut Vec<String>) -> Option<Record> {
    let line;
    let (raw, mut json) = match one_line(raw.get()) {
        Cow::Borrowed(text) => (raw, Cow::Borrowed(text)),
        Cow::Owned(text) => {
            line = text;
            (serde_json::from_str(&line).ok()?, Cow::Borrowed(line.as_str()))
        }
    };
    let mut members = fingerprint::object(raw)?;
    let renamed = renamed(&mut members);
    if let Some((text, name)) = renamed {
        warnings.push(format!("{}: its member postrider is now {name}", label(&members)));
        json = Cow::Owned(text);
    }
    let verdict = member(&members, "verdict").filter(|value| value.get() != "null");
    let action = member(&members, "action").filter(|value| value.get() != "null");
    let (inside_verdict, inside_action) =
        (verdict.and_then(fingerprint::object), action.and_then(fingerprint::object));
    let stamp = |path, members: &Option<Vec<(Cow<'_, str>, &RawValue)>>| {
        let at = when::parse(&filled(member(members.as_ref()?, "timestamp")?)?)?;
        Some((path, at))
    };
    let stamps =
        [stamp("verdict.timestamp", &inside_verdict), stamp("action.timestamp", &inside_action)];
    Some(Record {
        stream: Stream::Messages,
        id: id(&members, warnings),
        time: time(&members, warnings),
        fingerprint: content(&members, |_| true).finish(),
        watched: watched(verdict, action),
        stamps: stamps.into_iter().flatten().collect(),
        verdict: latest_verdict(verdict, inside_verdict.as_deref()),
        facts: Facts::Message {
            direction: member(&members, "direction")
                .and_then(filled)
                .map(|word| word.to_lowercase()),
        },
        json: json.into_owned(),
    })
}

type Members<'a> = [(Cow<'a, str>, &'a RawValue)];

/// ETD's own id; where there is none, one that the content gives, without what is known to change.
fn id(members: &Members<'_>, warnings: &mut Vec<String>) -> String {
    let given = member(members, "id");
    if let Some(id) = given.and_then(filled) {
        return id.into_owned();
    }
    if let Some(number) = given.filter(|id| id.get().starts_with(|c: char| c.is_ascii_digit())) {
        return number.get().to_owned();
    }
    let stable = |name: &str| !matches!(name, "verdict" | "action");
    let derived = content(members, stable).finish().content;
    let id = format!("derived-{:032x}", u128::from_be_bytes(derived));
    warnings.push(format!("{}: no id, so {id} stands for it", label(members)));
    id
}

/// When the message was delivered, which never changes.
fn time(members: &Members<'_>, warnings: &mut Vec<String>) -> Option<Timestamp> {
    let given = member(members, "timestamp");
    let time = given.and_then(filled).and_then(|text| when::parse(&text));
    if time.is_none() {
        let given = given.map_or("none", RawValue::get);
        let label = label(members);
        warnings.push(format!("{label}: its timestamp cannot be read: {}", excerpt(given)));
    }
    time
}

/// How a warning names a message: by its Message-ID, else by its id.
fn label(members: &Members<'_>) -> String {
    let names = ["internetMessageId", "id"];
    let name = names.iter().find_map(|name| filled(member(members, name)?));
    name.map_or_else(|| "a message without a Message-ID".into(), |name| excerpt(&name))
}

/// The content of the members that `counts` names, to be compared.
///
/// `urls` and its successor `urlMetadata` are one set of URLs, named `urls`: otherwise each message
/// of the last 90 days would be a revision on the day when its region migrates. What `urlMetadata`
/// says beyond the URL is in the event, but a change of it alone makes no revision.
fn content<'m>(members: &'m Members<'_>, counts: impl Fn(&str) -> bool) -> Builder {
    let mut builder = Builder::default();
    let mut urls: Vec<Cow<'m, str>> = Vec::new();
    for (name, value) in members {
        match name.as_ref() {
            "urls" | "urlMetadata" => add_urls(value, &mut urls, &mut builder),
            name if counts(name) => builder.member(name, value),
            _ => {}
        }
    }
    builder.set("urls", urls.iter().map(AsRef::as_ref).filter(|url| !url.is_empty()));
    builder
}

/// The URLs of a list, or of one element in its place: texts, or objects with a member `url`. What
/// is neither counts as a value, whose own order says nothing.
fn add_urls<'m>(value: &'m RawValue, urls: &mut Vec<Cow<'m, str>>, others: &mut Builder) {
    let mut add = |item: &'m RawValue| match item.get() {
        "null" | "{}" => {}
        text if text.starts_with(['{', '[']) => {
            let members = fingerprint::object(item).unwrap_or_default();
            match member(&members, "url").filter(|url| !url.get().starts_with(['{', '['])) {
                Some(url) => urls.push(text_or_json(url)),
                None => others.member("urls", item),
            }
        }
        _ => urls.push(text_or_json(item)),
    };
    match fingerprint::list(value.get()) {
        Some(items) => items.into_iter().for_each(add),
        None => add(value),
    }
}

/// The members that are known to change, as they came.
fn watched(verdict: Option<&RawValue>, action: Option<&RawValue>) -> String {
    let parts = [("verdict", verdict), ("action", action)];
    let length = parts.iter().filter_map(|(_, part)| *part).map(|part| part.get().len() + 12).sum();
    let mut json = String::with_capacity(length);
    json.push('{');
    for (name, value) in parts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        if json.len() > 1 {
            json.push(',');
        }
        json.push('"');
        json.push_str(name);
        json.push_str("\":");
        json.push_str(value.get());
    }
    json.push('}');
    json
}

/// The present verdict, lower case. `latestVerdict` is in all newer samples, `verdict` in exported
/// logs, `originalVerdict` in the vendor's guide of May 2023. `empty` and `noVerdict` are the
/// vendor's words for none.
fn latest_verdict(verdict: Option<&RawValue>, inside: Option<&Members<'_>>) -> Option<String> {
    let names = ["latestVerdict", "verdict", "originalVerdict"];
    let word = match inside {
        Some(members) => names.iter().find_map(|name| filled(member(members, name)?)),
        None => verdict.and_then(filled),
    };
    let word = word?.trim().to_lowercase();
    (!matches!(word.as_str(), "" | "empty" | "noverdict")).then_some(word)
}
