//! A hash of what a JSON object says: equal for texts that differ only in the order of members and
//! lists, in escapes, and in empty or null members, as a vendor's answers do from one read to the
//! next. Numbers count as they are written.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

/// The hash of `json` without its member `without`; `None` when it is no JSON object.
pub(super) fn hash(json: &str, without: &str) -> Option<u64> {
    let mut members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json).ok()?;
    members.remove(without);
    Some(short_hash(object(members).as_bytes()))
}

/// The first 64 bits of a BLAKE3 hash.
pub(super) fn short_hash(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    hash.as_bytes().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

fn object(members: BTreeMap<Cow<'_, str>, &RawValue>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        let value = canonical(value.get());
        if !matches!(value.as_str(), "null" | "\"\"" | "[]" | "{}") {
            put!(&mut text, "{name:?}:{value},");
        }
    }
    // An object of empty members only is as good as an empty one.
    if text.len() == 1 { "{}".to_owned() } else { text + "}" }
}

fn canonical(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'{') => serde_json::from_str(json).map_or_else(|_| json.to_owned(), object),
        Some(b'[') => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else {
                return json.to_owned();
            };
            let mut items: Vec<_> = items.into_iter().map(|item| canonical(item.get())).collect();
            items.sort_unstable();
            format!("[{}]", items.join(","))
        }
        Some(b'"') if json.contains('\\') => {
            // Half a surrogate pair cannot be decoded: then its spelling counts.
            serde_json::from_str::<String>(json)
                .map_or_else(|_| json.to_owned(), |text| format!("{text:?}"))
        }
        Some(b'"') => {
            let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            format!("{:?}", inner.unwrap_or(json))
        }
        _ => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_emptiness_do_not_count() {
        let a = r#"{"a":[1,"é",{"x":1,"y":2}],"b":1.50}"#;
        let b = r#"{"postrider":{"n":1},"b":1.50,"c":null,"d":{"e":[]},"a":[{"y":2,"x":1},"\u00e9",1]}"#;
        assert_eq!(hash(a, "postrider"), hash(b, "postrider"));
        assert!(hash(a, "postrider").is_some());
    }

    #[test]
    fn values_and_their_spelling_count() {
        let hashes = [r#"{"a":1.5}"#, r#"{"a":1.50}"#, r#"{"a":"1.5"}"#, r#"{"a":[1.5]}"#]
            .map(|json| hash(json, "postrider"));
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash));
        }
        assert_eq!(hash("[1]", ""), None);
    }
}
