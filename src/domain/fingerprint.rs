//! What a record's content is, regardless of order and of the vendor's many spellings of nothing.
//!
//! A fingerprint is a hash of the whole and a short hash of each member. Members are the leaves of
//! nested objects; a list is one member, compared regardless of order. Missing, `null`, `""`,
//! `[]` and `{}` are the same, as the vendors use them in turn.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Separates the segments of a path inside Postrider: member names may contain dots.
const SEPARATOR: char = '\u{1f}';

/// Deeper nesting than any vendor's is compared by its text.
const MAX_DEPTH: u32 = 32;

type Hash = [u8; 16];

/// A record's content, hashed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprint {
    pub content: Hash,
    /// Sorted by path.
    pub members: Vec<Member>,
}

/// One leaf of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Segments joined by an internal separator.
    pub path: String,
    /// The first bytes of its hash: enough to name what changed once the content hash says that
    /// something did.
    pub hash: u32,
}

/// Collects members into a [`Fingerprint`].
#[derive(Debug, Default)]
pub struct Builder {
    leaves: Vec<(String, Hash)>,
}

impl Builder {
    /// Adds a member of the record's top level with everything below it.
    pub fn member(&mut self, name: &str, value: &RawValue) {
        self.add(name.to_owned(), value, 0);
    }

    /// Adds a member below an object: `nested(["status", "success"], …)`.
    pub fn nested(&mut self, path: &[&str], text: &str) {
        let path = path.join(&SEPARATOR.to_string());
        self.leaves.push((path, leaf(b'v', text.as_bytes())));
    }

    /// Adds a list of texts as one member, regardless of order and repetition.
    pub fn set<'t>(&mut self, name: &str, texts: impl IntoIterator<Item = &'t str>) {
        let mut hashes: Vec<Hash> =
            texts.into_iter().map(|text| leaf(b's', text.as_bytes())).collect();
        hashes.sort_unstable();
        hashes.dedup();
        if !hashes.is_empty() {
            self.leaves.push((name.to_owned(), leaf(b'l', hashes.as_flattened())));
        }
    }

    fn add(&mut self, path: String, value: &RawValue, depth: u32) {
        if depth < MAX_DEPTH
            && let Some(members) = object(value)
        {
            for (name, value) in members {
                self.add(format!("{path}{SEPARATOR}{name}"), value, depth + 1);
            }
        } else if let Some(hash) = value_hash(value, depth) {
            self.leaves.push((path, hash));
        }
    }

    pub fn finish(mut self) -> Fingerprint {
        // Duplicate members stay apart by their hashes: the order is total.
        self.leaves.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for (path, hash) in &self.leaves {
            hasher.update(path.as_bytes()).update(&[0]).update(hash);
        }
        let mut content = Hash::default();
        hasher.finalize_xof().fill(&mut content);
        let short = |hash: Hash| u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]);
        let members = self.leaves.into_iter();
        let members = members.map(|(path, hash)| Member { path, hash: short(hash) }).collect();
        Fingerprint { content, members }
    }
}

/// The members of an object in their order, duplicates included; `None` for anything else.
pub fn object(value: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::with_capacity(32);
            while let Some(Key(name)) = map.next_key()? {
                members.push((name, map.next_value()?));
            }
            Ok(members)
        }
    }
    if !value.get().starts_with('{') {
        return None;
    }
    serde_json::Deserializer::from_str(value.get()).deserialize_map(Members).ok()
}

/// A member's name, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Key(String::from_utf8_lossy(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(String::from_utf8_lossy(name).into_owned())))
            }
        }
        // As bytes, because a lone surrogate in one name must not hide all other members.
        deserializer.deserialize_bytes(Name)
    }
}

/// The text of a JSON string, decoded; `None` for anything else and for what no text can hold (a
/// lone surrogate).
pub fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(value.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// `None` for the spellings of nothing.
fn value_hash(value: &RawValue, depth: u32) -> Option<Hash> {
    let raw = value.get();
    match raw.as_bytes().first()? {
        b'n' => None,
        b'"' => match text(value) {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(leaf(b's', text.as_bytes())),
            None => Some(leaf(b'r', raw.as_bytes())),
        },
        b'[' if depth < MAX_DEPTH => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
            let mut hashes: Vec<Hash> =
                items.iter().filter_map(|item| value_hash(item, depth + 1)).collect();
            hashes.sort_unstable();
            (!hashes.is_empty()).then(|| leaf(b'l', hashes.as_flattened()))
        }
        b'{' if depth < MAX_DEPTH => {
            let mut members: Vec<(Cow<'_, str>, Hash)> = object(value)?
                .into_iter()
                .filter_map(|(name, value)| Some((name, value_hash(value, depth + 1)?)))
                .collect();
            members.sort_unstable();
            let mut flat = Vec::with_capacity(members.len() * 32);
            for (name, hash) in &members {
                flat.extend_from_slice(name.as_bytes());
                flat.push(0);
                flat.extend_from_slice(hash);
            }
            (!members.is_empty()).then(|| leaf(b'o', &flat))
        }
        _ => Some(leaf(b'v', raw.as_bytes())),
    }
}

fn leaf(kind: u8, bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    // One call on one buffer is much cheaper than an incremental hasher for short texts.
    if bytes.len() < 256 {
        let mut buffer = [0; 257];
        buffer[0] = kind;
        buffer[1..=bytes.len()].copy_from_slice(bytes);
        hash.copy_from_slice(&blake3::hash(&buffer[..=bytes.len()]).as_bytes()[..16]);
    } else {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]).update(bytes);
        hasher.finalize_xof().fill(&mut hash);
    }
    hash
}

/// The names of what differs: where both sides have an object, what is inside it; else the member.
/// In order, each once, segments as a list.
pub fn changed<'m>(before: &'m [Member], after: &'m [Member]) -> Vec<Vec<&'m str>> {
    let mut names: Vec<Vec<&'m str>> = Vec::new();
    let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let path = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(was), Some(is)) if was == is => {
                left.next();
                right.next();
                continue;
            }
            (Some(was), Some(is)) if was.path == is.path => {
                right.next();
                left.next().map(|was| &was.path)
            }
            (Some(was), Some(is)) if was.path > is.path => right.next().map(|is| &is.path),
            (Some(_), _) => left.next().map(|was| &was.path),
            (None, Some(_)) => right.next().map(|is| &is.path),
        };
        let Some(path) = path else { break };
        let segments: Vec<&str> = path.split(SEPARATOR).collect();
        let shared = |depth: usize| {
            let object = segments[..depth].join(&SEPARATOR.to_string()) + &SEPARATOR.to_string();
            let has = |members: &[Member]| members.iter().any(|m| m.path.starts_with(&object));
            has(before) && has(after)
        };
        let mut depth = 1;
        while depth < segments.len() && shared(depth) {
            depth += 1;
        }
        let name = segments[..depth].to_vec();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(json: &str) -> Fingerprint {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let mut builder = Builder::default();
        for (name, value) in object(raw).unwrap() {
            builder.member(&name, value);
        }
        builder.finish()
    }

    fn names(before: &str, after: &str) -> Vec<String> {
        let (before, after) = (of(before), of(after));
        changed(&before.members, &after.members).iter().map(|name| name.join(".")).collect()
    }

    #[test]
    fn order_and_spellings_of_nothing_are_no_change() {
        let same = [
            (r#"{"a":[1,2],"b":{"c":1,"d":2}}"#, r#"{"b":{"d":2,"c":1},"a":[2,1]}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":null,"c":"","d":[],"e":{},"f":{"g":null}}"#),
            (r#"{"a":[{"x":1,"y":null},{"x":2}]}"#, r#"{"a":[{"x":2},{"x":1}]}"#),
            (r#"{"a":"\u00e9"}"#, r#"{"a":"é"}"#),
        ];
        for (left, right) in same {
            assert_eq!(of(left).content, of(right).content, "{left} {right}");
        }
    }

    #[test]
    fn numbers_are_compared_as_they_are_written() {
        let different = [
            (r#"{"a":123456789012345678901234567890}"#, r#"{"a":123456789012345678901234567891}"#),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#"{"a":[1,1]}"#, r#"{"a":[1]}"#),
            (r#"{"a":"half \ud83d"}"#, r#"{"a":"half \ud83e"}"#),
        ];
        for (left, right) in different {
            assert_ne!(of(left).content, of(right).content, "{left} {right}");
        }
    }

    #[test]
    fn changes_are_named_where_both_sides_are_objects() {
        let before = r#"{"v":{"o":"neutral","t":1},"l":[1,2],"s":"x"}"#;
        let after = r#"{"v":{"o":"phishing","t":1},"action":{"type":"move"},"l":[2,3],"s":"x"}"#;
        assert_eq!(names(before, after), ["action", "l", "v.o"]);
        assert_eq!(names(r#"{"a":{"b":1}}"#, r#"{"a":2}"#), ["a"]);
        assert_eq!(names(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":1}}"#), ["a.c"]);
        assert_eq!(names(r#"{"a":{"b":{"c":1}}}"#, r#"{"a":{"x":1}}"#), ["a.b", "a.x"]);
        assert_eq!(names(r#"{"d":{"2.X.X":1}}"#, r#"{"d":{"2.X.X":2}}"#), ["d.2.X.X"]);
        assert_eq!(names(r#"{"a":{"b":1}}"#, r#"{"a":{}}"#), ["a"]);
    }

    #[test]
    fn half_a_character_in_a_name_hides_no_other_member() {
        let raw: &RawValue = serde_json::from_str(r#"{"half \ud83d":1,"\u0069d":"x"}"#).unwrap();
        assert_eq!(object(raw).unwrap()[1].0, "id");
    }

    #[test]
    fn deep_nesting_neither_overflows_nor_fails() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(of(&deep).members.len(), 1);
    }

    proptest! {
        #[test]
        fn something_is_named_exactly_when_the_content_differs(
            left in "[a-c]{0,3}", right in "[a-c]{0,3}", extra in 0..3_u8,
        ) {
            let make = |x: &str| format!(r#"{{"k":"{x}","o":{{"i":"{x}","e":{extra}}}}}"#);
            let (left, right) = (make(&left), make(&right));
            let same = of(&left).content == of(&right).content;
            prop_assert_eq!(same, names(&left, &right).is_empty());
        }
    }
}
