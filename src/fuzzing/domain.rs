//! Fingerprints and what they say of changes.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::{parts, reversed};
use crate::domain::fingerprint::{self, Builder, Fingerprint};

/// Two JSON values, a NUL between them: before and after.
pub fn fingerprint(bytes: &[u8]) {
    let read = |part| -> Option<&RawValue> { serde_json::from_slice(part).ok() };
    let values: Vec<&RawValue> = parts(bytes).take(2).filter_map(read).collect();
    let prints: Vec<Fingerprint> = values.iter().copied().map(of).collect();
    for (value, print) in values.iter().zip(&prints) {
        let paths: Vec<&str> = print.members.iter().map(|member| member.path).collect();
        assert!(paths.is_sorted(), "{paths:?}");
        assert!(fingerprint::changed(&print.members, &print.members).is_empty());
        let (texts, hashes) = print.members.parts();
        let again = fingerprint::Members::from_parts(texts.to_owned(), hashes.to_vec());
        assert_eq!(again.as_ref(), Some(&print.members), "members are kept as they are");
        if let Some(text) = reversed(value) {
            let turned: &RawValue = serde_json::from_str(&text).expect("reversed JSON is JSON");
            assert_eq!(of(turned), *print, "the order counts in {value}");
        }
    }
    if let [before, after] = prints.as_slice() {
        let names = fingerprint::changed(&before.members, &after.members);
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "named twice: {names:?}");
        let back = fingerprint::changed(&after.members, &before.members);
        assert_eq!(back.iter().collect::<BTreeSet<_>>(), distinct, "there and back");
        if before.content == after.content {
            assert!(names.is_empty(), "{names:?}");
        }
    }
}

fn of(value: &RawValue) -> Fingerprint {
    let mut builder = Builder::default();
    match fingerprint::object(value) {
        Some(members) => members.iter().for_each(|(name, value)| builder.member(name, value)),
        None => builder.member("", value),
    }
    builder.finish()
}
