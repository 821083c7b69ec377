//! JSON, turned around without its values being read.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::domain::fingerprint;

/// Deeper than this nothing is turned around; what is compared as text begins below it.
const DEPTH: u32 = 24;

/// The same value with the members of all objects and the items of all lists in reverse order.
/// `None` where that may mean something else: a name stands twice in an object, or it is very deep.
pub(crate) fn reversed(value: &RawValue) -> Option<String> {
    let mut out = String::with_capacity(value.get().len());
    reverse(value, 0, &mut out)?;
    Some(out)
}

fn reverse(value: &RawValue, depth: u32, out: &mut String) -> Option<()> {
    if depth > DEPTH {
        return None;
    }
    let comma = |out: &mut String| {
        if !out.ends_with(['{', '[']) {
            out.push(',');
        }
    };
    if let Some(members) = fingerprint::object(value) {
        let names: HashSet<_> = members.iter().map(|(name, _)| name).collect();
        (names.len() == members.len()).then_some(())?;
        out.push('{');
        for (name, value) in members.iter().rev() {
            comma(out);
            out.push_str(&serde_json::Value::from(name.as_ref()).to_string());
            out.push(':');
            reverse(value, depth + 1, out)?;
        }
        out.push('}');
    } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        out.push('[');
        for item in items.into_iter().rev() {
            comma(out);
            reverse(item, depth + 1, out)?;
        }
        out.push(']');
    } else {
        out.push_str(value.get());
    }
    Some(())
}

/// Whether each member's name stands once in the whole value, once `plain` has made one spelling
/// of it: only then the order of members says nothing.
pub(crate) fn is_distinct(value: &RawValue, plain: &impl Fn(&str) -> String) -> bool {
    fn add(
        value: &RawValue,
        plain: &impl Fn(&str) -> String,
        depth: u32,
        seen: &mut HashSet<String>,
    ) -> bool {
        if depth > DEPTH {
            return false;
        }
        let go_on =
            |value: &RawValue, seen: &mut HashSet<String>| add(value, plain, depth + 1, seen);
        if let Some(members) = fingerprint::object(value) {
            let new = |name: &str, seen: &mut HashSet<_>| seen.insert(plain(name));
            return members.iter().all(|(name, value)| new(name, seen) && go_on(value, seen));
        }
        let items: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
        items.into_iter().all(|item| go_on(item, seen))
    }
    add(value, plain, 0, &mut HashSet::new())
}
