//! What a record's content is, regardless of order and of the vendor's many spellings of nothing.
//!
//! A fingerprint is a cryptographic hash of the whole and a short hash of each member. Members are the leaves of
//! nested objects; a list is one member, compared regardless of order. Missing, `null`, `""`,
//! `[]` and `{}` are the same, as the vendors use them in turn.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

mod differ;
mod list;
mod pieced;

pub use differ::changed;
pub use list::{List, list};

/// Separates the segments of a path inside Postrider: member names may contain dots.
const SEPARATOR: char = '\u{1f}';

/// Deeper nesting than any vendor's is compared by its text.
const MAX_DEPTH: u32 = 32;

/// How much longer than a member's own text the paths of its leaves may be together. Each leaf's
/// path repeats the names above it, so that a long name over many leaves would fill any memory:
/// such a member is compared as a whole.
const MAX_PATHS: usize = 8;

/// Of more members that differ, only those of the top level are named.
const MAX_NAMES: usize = 256;

type Hash = [u8; 16];

/// A record's content, hashed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprint {
    pub content: Hash,
    pub members: Members,
}

/// The leaves of a record, sorted by path. Together in one text, since a record has dozens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// Each path's segments, joined by an internal separator; each path ended by a NUL.
    paths: String,
    hashes: Vec<u32>,
}

/// One leaf of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member<'a> {
    pub path: &'a str,
    /// Enough to name what changed once the content hash says that something did; not a
    /// cryptographic one.
    pub hash: u32,
}

impl Members {
    /// What [`Members::parts`] gave; `None` where the parts do not fit.
    pub fn from_parts(paths: String, hashes: Vec<u32>) -> Option<Self> {
        let ends = paths.bytes().filter(|byte| *byte == 0).count();
        (ends == hashes.len()).then_some(Self { paths, hashes })
    }

    /// As it is stored: the paths, each ended by a NUL, and the hashes.
    pub fn parts(&self) -> (&str, &[u32]) {
        (&self.paths, &self.hashes)
    }

    pub fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        let paths = self.paths.split_terminator('\0');
        paths.zip(&self.hashes).map(|(path, hash)| Member { path, hash: *hash })
    }
}

/// Collects members into a [`Fingerprint`].
#[derive(Debug, Default)]
pub struct Builder {
    /// Of the member that is being added.
    path: String,
    /// Each leaf's path and content.
    text: Vec<u8>,
    leaves: Vec<Leaf>,
}

/// Where a leaf is in the text: its path, then its content.
#[derive(Debug)]
struct Leaf {
    start: usize,
    content: usize,
    end: usize,
}

impl Builder {
    /// Adds a member of the record's top level with everything below it.
    pub fn member(&mut self, name: &str, value: &RawValue) {
        self.path.clear();
        self.enter(name);
        self.whole(value, 0);
    }

    /// Adds everything below the present path; as one leaf where the paths would take too much.
    fn whole(&mut self, value: &RawValue, depth: u32) {
        let before = (self.text.len(), self.leaves.len(), self.path.len());
        let mut room = (value.get().len() + self.path.len()).saturating_mul(MAX_PATHS);
        if !self.add(value, depth, &mut room) {
            self.text.truncate(before.0);
            self.leaves.truncate(before.1);
            self.path.truncate(before.2);
            self.leaf(value, depth);
        }
    }

    /// Adds a member below an object: `nested(["status", "success"], …)`.
    pub fn nested(&mut self, path: &[&str], text: &str) {
        self.path.clear();
        for segment in path {
            self.enter(segment);
        }
        let start = self.start();
        self.text.push(b'v');
        self.text.extend_from_slice(text.as_bytes());
        self.end(start);
    }

    /// Like [`Builder::nested`], with everything below the value.
    pub fn below(&mut self, path: &[&str], value: &RawValue) {
        self.path.clear();
        for segment in path {
            self.enter(segment);
        }
        self.whole(value, 1);
    }

    /// Adds a list of texts as one member, regardless of order and repetition.
    pub fn set<'t>(&mut self, name: &str, texts: impl IntoIterator<Item = &'t str>) {
        let mut texts: Vec<&str> = texts.into_iter().collect();
        texts.sort_unstable();
        texts.dedup();
        if texts.is_empty() {
            return;
        }
        self.path.clear();
        self.enter(name);
        let start = self.start();
        self.text.push(b'l');
        for text in texts {
            append(text.as_bytes(), &mut self.text);
        }
        self.end(start);
    }

    /// False where the paths would take more than `room`.
    fn add(&mut self, value: &RawValue, depth: u32, room: &mut usize) -> bool {
        if depth < MAX_DEPTH
            && let Some(members) = object(value)
        {
            let length = self.path.len();
            for (name, value) in members {
                self.enter(&name);
                if !self.add(value, depth + 1, room) {
                    return false;
                }
                self.path.truncate(length);
            }
            return true;
        }
        let Some(left) = room.checked_sub(self.path.len()) else { return false };
        *room = left;
        self.leaf(value, depth);
        true
    }

    fn leaf(&mut self, value: &RawValue, depth: u32) {
        let start = self.start();
        if write(value, depth, &mut self.text) {
            self.end(start);
        } else {
            self.text.truncate(start.0);
        }
    }

    fn enter(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push(SEPARATOR);
        }
        // Paths end with a NUL where they are kept.
        if name.contains(['\0', SEPARATOR]) {
            self.path.push_str(&name.replace(['\0', SEPARATOR], "\u{fffd}"));
        } else {
            self.path.push_str(name);
        }
    }

    /// Begins a leaf with its path: where it starts, and where its content does.
    fn start(&mut self) -> (usize, usize) {
        let start = self.text.len();
        self.text.extend_from_slice(self.path.as_bytes());
        (start, self.text.len())
    }

    fn end(&mut self, (start, content): (usize, usize)) {
        self.leaves.push(Leaf { start, content, end: self.text.len() });
    }

    pub fn finish(mut self) -> Fingerprint {
        let text = &self.text;
        let parts = |leaf: &Leaf| (&text[leaf.start..leaf.content], &text[leaf.content..leaf.end]);
        // Duplicate members stay apart by their content: the order is total.
        self.leaves.sort_unstable_by(|left, right| parts(left).cmp(&parts(right)));
        let mut whole = Vec::with_capacity(text.len() + self.leaves.len() * 8);
        let mut paths = Vec::with_capacity(text.len() / 2);
        let mut hashes = Vec::with_capacity(self.leaves.len());
        for leaf in &self.leaves {
            let (path, content) = parts(leaf);
            append(path, &mut whole);
            append(content, &mut whole);
            paths.extend_from_slice(path);
            paths.push(0);
            hashes.push(short(content));
        }
        let mut content = Hash::default();
        content.copy_from_slice(&blake3::hash(&whole).as_bytes()[..16]);
        let paths = String::from_utf8(paths).expect("made of texts");
        Fingerprint { content, members: Members { paths, hashes } }
    }
}

/// A fast hash that stays the same for ever, as it is stored.
fn short(bytes: &[u8]) -> u32 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = bytes.len() as u64;
    let mut mix = |word: [u8; 8]| {
        hash = (hash.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(ODD);
    };
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().copied().for_each(&mut mix);
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(last);
    let [.., a, b, c, d] = (hash ^ hash >> 29).wrapping_mul(ODD).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The members of an object in their order, duplicates included; `None` for anything else.
pub fn object(value: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    object_of(value.get())
}

/// The same of a text that begins with the object.
pub fn object_of(json: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::with_capacity(16);
            while let Some(Key(name)) = map.next_key()? {
                members.push((name, map.next_value()?));
            }
            Ok(members)
        }
    }
    if !json.starts_with('{') {
        return None;
    }
    serde_json::Deserializer::from_str(json).deserialize_map(Members).ok()
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

/// Appends what a value is: a byte for its kind, then its content. False for the spellings of
/// nothing; what was appended then is to be forgotten.
fn write(value: &RawValue, depth: u32, out: &mut Vec<u8>) -> bool {
    let raw = value.get();
    match raw.as_bytes().first() {
        None | Some(b'n') => return false,
        Some(b'"') => match text(value) {
            Some(text) if text.is_empty() => return false,
            Some(text) => {
                out.push(b's');
                out.extend_from_slice(text.as_bytes());
            }
            None => {
                out.push(b'r');
                out.extend_from_slice(raw.as_bytes());
            }
        },
        Some(b'[') if depth < MAX_DEPTH => {
            let Some(items) = list(raw) else {
                // Longer than any vendor's, it is compared by its text.
                out.push(b'v');
                out.extend_from_slice(raw.as_bytes());
                return true;
            };
            out.push(b'l');
            return sorted(items, out, |item, out| write(item, depth + 1, out));
        }
        Some(b'{') if depth < MAX_DEPTH => {
            let Some(members) = object(value) else { return false };
            out.push(b'o');
            return sorted(members, out, |(name, value), out| {
                append(name.as_bytes(), out);
                write(value, depth + 1, out)
            });
        }
        Some(_) => {
            out.push(b'v');
            out.extend_from_slice(raw.as_bytes());
        }
    }
    true
}

/// Appends what `write` writes of each item, in the order of what is written. False where it is
/// nothing at all.
fn sorted<T>(items: Vec<T>, out: &mut Vec<u8>, write: impl Fn(T, &mut Vec<u8>) -> bool) -> bool {
    let (mut text, mut parts) = (Vec::new(), Vec::with_capacity(items.len()));
    for item in items {
        let start = text.len();
        if write(item, &mut text) {
            parts.push(start..text.len());
        } else {
            text.truncate(start);
        }
    }
    parts.sort_unstable_by(|left, right| text[left.clone()].cmp(&text[right.clone()]));
    for part in &parts {
        append(&text[part.clone()], out);
    }
    !parts.is_empty()
}

/// Appends a part with its length, so that parts cannot be taken for others.
fn append(part: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(part);
}

#[cfg(test)]
mod tests;
