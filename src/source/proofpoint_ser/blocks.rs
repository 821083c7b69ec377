//! Where an answer's two blocks are: at its top or wrapped, as lists, objects or one object.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::names;
use crate::{domain::fingerprint, source::text::is_nothing};

/// What other APIs wrap their answers in.
const WRAPPERS: [&str; 3] = ["data", "result", "response"];

/// An element, with the name under which it stood, if it stood under one.
type Named<'a> = (Option<Cow<'a, str>>, &'a RawValue);

/// The two blocks, split into their elements, which need not be objects yet.
#[derive(Debug, Default)]
pub(super) struct Blocks<'a> {
    pub(super) rows: Vec<Named<'a>>,
    pub(super) entitlements: Vec<&'a RawValue>,
}

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Finds the blocks of an answer. A missing block says that there is nothing in it; the error says
/// what is odd about an answer that is none.
pub(super) fn find(body: &RawValue) -> Result<Blocks<'_>, &'static str> {
    if body.get().starts_with('[') {
        return Ok(Blocks { rows: rows(body)?, entitlements: Vec::new() });
    }
    let top = fingerprint::object(body).ok_or("the body is neither an object nor a list")?;
    let wrapped: Vec<&RawValue> = WRAPPERS
        .iter()
        .filter_map(|wrapper| named(&top, wrapper))
        .filter(|inner| !is_nothing(inner))
        .collect();
    let inner = wrapped.iter().filter_map(|raw| Some((*raw, fingerprint::object(raw)?)));
    let levels: Vec<(&RawValue, Members<'_>)> = std::iter::once((body, top)).chain(inner).collect();
    let block = |name| levels.iter().find_map(|(_, members)| named(members, name));
    let entitlement = block("entitlement");
    let users = match block("applicationUsers") {
        Some(users) => rows(users)?,
        None => match wrapped.iter().find(|inner| inner.get().starts_with('[')) {
            // A bare list inside a wrapper.
            Some(list) => rows(list)?,
            None if entitlement.is_some() => Vec::new(),
            None => no_block(&levels, &wrapped)?,
        },
    };
    let entitlements = match entitlement {
        Some(list) if list.get().starts_with('[') => items(list)?,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    Ok(Blocks { rows: users, entitlements })
}

/// An answer with neither block: a row in place of the answer, an error, or no activity.
fn no_block<'a>(
    levels: &[(&'a RawValue, Members<'a>)],
    wrapped: &[&'a RawValue],
) -> Result<Vec<Named<'a>>, &'static str> {
    const ERRORS: [&str; 7] =
        ["error", "errors", "message", "errorMessage", "errorCode", "errorDescription", "fault"];
    let has = |members: &Members<'_>, names: &[&str]| {
        names.iter().any(|name| named(members, name).is_some_and(|value| !is_nothing(value)))
    };
    if let Some((row, _)) = levels.iter().find(|(_, members)| has(members, &names::KEYS)) {
        return Ok(vec![(None, row)]);
    }
    if levels.iter().any(|(_, members)| has(members, &ERRORS)) {
        return Err("it has neither block and speaks of an error");
    }
    if wrapped.iter().any(|inner| !inner.get().starts_with('{')) {
        return Err("it has neither block, but something that is not understood");
    }
    Ok(Vec::new())
}

fn named<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    members.iter().find(|(key, _)| names::same(key, name)).map(|(_, value)| *value)
}

fn items(list: &RawValue) -> Result<Vec<&RawValue>, &'static str> {
    fingerprint::list(list.get()).ok_or("a list in it cannot be read, or is longer than any")
}

/// Rows as a list, as an object keyed by name, as one object, or nothing.
fn rows(users: &RawValue) -> Result<Vec<Named<'_>>, &'static str> {
    if is_nothing(users) {
        return Ok(Vec::new());
    }
    if users.get().starts_with('[') {
        return Ok(items(users)?.into_iter().map(|row| (None, row)).collect());
    }
    let members = fingerprint::object(users).ok_or("applicationUsers is of a strange type")?;
    let holds = |value: &RawValue| value.get().starts_with(['{', '[']) || value.get() == "null";
    let is_block = |name: &str| names::same(name, "status") || names::same(name, "details");
    let keyed = members.iter().all(|(_, value)| holds(value))
        && !members.iter().all(|(name, _)| is_block(name));
    if !keyed || members.iter().any(|(name, _)| names::canonical(name, &names::KEYS).is_some()) {
        return Ok(vec![(None, users)]);
    }
    let mut rows = Vec::with_capacity(members.len());
    for (name, value) in members {
        // A user with several address pairs may have a list.
        if value.get().starts_with('[') {
            rows.extend(items(value)?.into_iter().map(|row| (Some(name.clone()), row)));
        } else if !is_nothing(value) {
            rows.push((Some(name), value));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_in_each_shape() {
        let row = r#"{"applicationName":"a","status":{"success":1}}"#;
        let bare = r#"{"status":{"success":1},"details":{}}"#;
        let table = [
            (format!(r#"{{"applicationUsers":[{row},{row}]}}"#), Ok((2, 0))),
            (format!(r#"{{"APPLICATIONUSERS":{row},"entitlement":[{{}},{{}}]}}"#), Ok((1, 2))),
            (format!(r#"{{"applicationUsers":{bare}}}"#), Ok((1, 0))),
            (format!(r#"{{"applicationUsers":{{"x":{row},"y":[{row},{row}]}}}}"#), Ok((3, 0))),
            (format!(r#"{{"applicationUsers":{{"x":{bare}}}}}"#), Ok((1, 0))),
            (format!(r#"{{"result":{{"applicationUsers":[{row}]}},"entitlement":{{}}}}"#), {
                Ok((1, 1))
            }),
            (format!(r#"{{"data":[{row}]}}"#), Ok((1, 0))),
            (format!("[{row}]"), Ok((1, 0))),
            (row.to_owned(), Ok((1, 0))),
            (r#"{"applicationUsers":null,"message":"x"}"#.into(), Ok((0, 0))),
            (r#"{"applicationUsers":{}}"#.into(), Ok((0, 0))),
            ("{}".into(), Ok((0, 0))),
            (r#"{"message":""}"#.into(), Ok((0, 0))),
            (format!(r#"{{"data":{row},"message":"done"}}"#), Ok((1, 0))),
            (r#"{"data":{},"requestId":"r"}"#.into(), Ok((0, 0))),
            (r#"{"Message":"x"}"#.into(), Err(())),
            (r#"{"data":{"error":{"code":7}}}"#.into(), Err(())),
            (r#"{"error_description":"x"}"#.into(), Err(())),
            (r#"{"data":"applicationName=a"}"#.into(), Err(())),
            (r#"{"applicationUsers":"many"}"#.into(), Err(())),
            ("null".into(), Err(())),
            ("7".into(), Err(())),
        ];
        for (json, expected) in table {
            let found = find(serde_json::from_str(&json).unwrap());
            let found = found.map(|found| (found.rows.len(), found.entitlements.len()));
            assert_eq!(found.map_err(|_| ()), expected, "{json}");
        }
    }
}
