//! Lines of `key=value`, as CEF and LEEF have them, and how one that is too long is shortened.

use std::{borrow::Cow, collections::BTreeMap, net::Ipv6Addr};

use jiff::Timestamp;

use super::{
    fields::{self, Field, Kind},
    view::{Texts, View},
};

/// How a format writes pairs.
pub(super) struct Style {
    pub(super) separator: u8,
    pub(super) escape: fn(char, &mut Vec<u8>),
    pub(super) key: fn(&Field) -> Option<Key>,
}

/// What a format calls a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) key: &'static str,
    pub(super) label: Option<&'static str>,
    /// Characters at most.
    pub(super) most: usize,
    /// All of a list, not its first only.
    pub(super) all: bool,
    pub(super) ipv6: Option<&'static str>,
    /// Times as milliseconds since 1970.
    pub(super) milliseconds: bool,
}

/// The pairs do not fit whatever is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong {
    /// Bytes that they take at least.
    pub(super) least: usize,
}

/// How much of a field is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Elements(usize),
    Characters(usize),
}

/// A pair as it was written.
struct Written {
    field: usize,
    bytes: usize,
    /// Elements that were written, and characters where it is one text.
    elements: usize,
    of: usize,
    characters: usize,
}

/// Texts are not cut shorter than this.
const FEWEST_CHARACTERS: usize = 32;

/// Appends an event's pairs in at most `room` bytes.
///
/// Where they do not fit, the longest list loses half of its elements, from its end, again and again; then the
/// longest text half of its characters. The pair `truncated` says what was cut: `urls 12 of 40,
/// subject`.
pub(super) fn append(
    view: &View<'_>,
    style: &Style,
    room: usize,
    out: &mut Vec<u8>,
) -> Result<(), TooLong> {
    let start = out.len();
    let mut keep = BTreeMap::new();
    loop {
        let written = write(view, style, &keep, out);
        let length = out.len() - start;
        if length <= room {
            return Ok(());
        }
        out.truncate(start);
        let Some((field, less)) = shorten(&written) else {
            return Err(TooLong { least: length });
        };
        keep.insert(field, less);
    }
}

/// What to cut next: the longest list that has more than one element, else the longest text.
fn shorten(written: &[Written]) -> Option<(usize, Keep)> {
    let list = written.iter().filter(|w| w.elements > 1).max_by_key(|w| (w.bytes, w.field));
    if let Some(list) = list {
        return Some((list.field, Keep::Elements(list.elements / 2)));
    }
    let texts = written.iter().filter(|w| w.characters > FEWEST_CHARACTERS);
    let text = texts.max_by_key(|w| (w.bytes, w.field))?;
    Some((text.field, Keep::Characters((text.characters / 2).max(FEWEST_CHARACTERS))))
}

fn write(
    view: &View<'_>,
    style: &Style,
    keep: &BTreeMap<usize, Keep>,
    out: &mut Vec<u8>,
) -> Vec<Written> {
    let mut all_written = Vec::with_capacity(48);
    let mut texts = Texts::new();
    let mut cut: Vec<String> = Vec::new();
    let begin = out.len();
    for (index, field) in fields::of(view.event.origin.stream).iter().enumerate() {
        let Some(key) = (style.key)(field) else { continue };
        field.texts(view, &mut texts);
        if texts.is_empty() {
            continue;
        }
        let start = out.len();
        let mut written = Written { field: index, bytes: 0, elements: 1, of: 1, characters: 0 };
        if key.all && field.kind == Kind::List {
            list(&texts, &key, keep.get(&index), style, begin, out, &mut written);
        } else {
            one(&texts[0], field.kind, &key, keep.get(&index), style, begin, out, &mut written);
        }
        if out.len() == start {
            continue;
        }
        written.bytes = out.len() - start;
        if written.elements < written.of {
            cut.push(format!("{} {} of {}", field.name, written.elements, written.of));
        } else if let Some(Keep::Characters(_)) = keep.get(&index) {
            cut.push(field.name.to_owned());
        }
        if let Some(label) = key.label {
            pair(&format!("{}Label", key.key), style, begin, out);
            text(label, usize::MAX, style, out);
        }
        all_written.push(written);
    }
    if !cut.is_empty() {
        pair("truncated", style, begin, out);
        text(&cut.join(", "), usize::MAX, style, out);
    }
    all_written
}

fn pair(key: &str, style: &Style, begin: usize, out: &mut Vec<u8>) {
    if out.len() > begin {
        out.push(style.separator);
    }
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
}

/// As many whole elements as the key takes.
fn list(
    texts: &Texts<'_>,
    key: &Key,
    keep: Option<&Keep>,
    style: &Style,
    begin: usize,
    out: &mut Vec<u8>,
    written: &mut Written,
) {
    let most = match keep {
        Some(Keep::Elements(most)) => *most,
        _ => usize::MAX,
    };
    let mut room = match keep {
        Some(Keep::Characters(most)) => key.most.min(*most),
        _ => key.most,
    };
    written.of = texts.len();
    written.elements = 0;
    let start = out.len();
    pair(key.key, style, begin, out);
    for element in texts.iter().take(most) {
        let length = element.chars().count() + 2;
        if written.elements > 0 && length > room {
            break;
        }
        if written.elements > 0 {
            out.extend_from_slice(b", ");
        }
        written.characters = text(element, room, style, out);
        room = room.saturating_sub(length);
        written.elements += 1;
    }
    if written.elements == 0 {
        out.truncate(start);
    }
}

#[expect(clippy::too_many_arguments, reason = "all of it decides on one value")]
fn one(
    value: &str,
    kind: Kind,
    key: &Key,
    keep: Option<&Keep>,
    style: &Style,
    begin: usize,
    out: &mut Vec<u8>,
    written: &mut Written,
) {
    let most = match keep {
        Some(Keep::Characters(most)) => key.most.min(*most),
        _ => key.most,
    };
    let name = match key.ipv6 {
        Some(ipv6) if value.parse::<Ipv6Addr>().is_ok() => ipv6,
        _ => key.key,
    };
    let value = match value.parse::<Timestamp>() {
        Ok(time) if kind == Kind::Time && key.milliseconds => {
            Cow::Owned(time.as_millisecond().to_string())
        }
        _ => Cow::Borrowed(value),
    };
    let start = out.len();
    pair(name, style, begin, out);
    let before = out.len();
    written.characters = text(&value, most, style, out);
    if out.len() == before {
        out.truncate(start);
    }
}

/// Appends a text of at most so many characters, without white space at its ends; how many those
/// were. Whole characters, and an escape is one of them.
fn text(text: &str, most: usize, style: &Style, out: &mut Vec<u8>) -> usize {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let mut count = 0;
    for character in trimmed.chars().take(most) {
        (style.escape)(character, out);
        count += 1;
    }
    count
}

/// Appends a character, as a space where it would make two lines of one, or be rewritten by a
/// receiver.
pub(super) fn plain(character: char, out: &mut Vec<u8>) {
    let shown = if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
        ' '
    } else {
        character
    };
    out.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
}
