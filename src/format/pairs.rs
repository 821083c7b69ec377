//! Lines of `key=value`, as CEF and LEEF have them, and how one that is too long is shortened.

use std::{borrow::Cow, collections::BTreeMap, net::Ipv6Addr};

use jiff::Timestamp;

use super::{
    fields::{self, Field, Kind, trimmed},
    shorten::{FEWEST_BYTES, FEWEST_CHARACTERS, listed},
    view::{Texts, View},
};

/// How a format writes pairs.
pub(super) struct Style {
    pub(super) separator: u8,
    /// Printable ASCII that `escape` does not write as it is.
    pub(super) special: [u8; 2],
    pub(super) escape: fn(char, &mut Vec<u8>),
    pub(super) key: fn(&Field) -> Option<Key>,
}

/// What a format calls a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
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
    Nothing,
}

/// A pair as it was written.
struct Written {
    field: usize,
    bytes: usize,
    elements: usize,
    of: usize,
    /// Of the last element.
    characters: usize,
    is_cut: bool,
}

/// Without these an event could not be told from others.
const ALWAYS: [&str; 3] = ["time", "eventId", "revision"];

/// Appends an event's pairs in at most `room` bytes.
///
/// Where they do not fit, the longest list loses half of its elements, from its end, again and again;
/// then the longest text half of its characters; then the longest pair goes. The pair `truncated`
/// says what was cut: `urls 12 of 40, subject, no files`.
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
        let Some((field, less)) = shorten(view, &written) else {
            return Err(TooLong { least: length });
        };
        keep.insert(field, less);
    }
}

/// What to cut next.
fn shorten(view: &View<'_>, written: &[Written]) -> Option<(usize, Keep)> {
    let longest = |can: &dyn Fn(&Written) -> bool| {
        written.iter().filter(|w| can(w)).max_by_key(|w| (w.bytes, w.field))
    };
    if let Some(list) = longest(&|w| w.elements > 1 && w.bytes > FEWEST_BYTES) {
        return Some((list.field, Keep::Elements(list.elements / 2)));
    }
    if let Some(text) = longest(&|w| w.characters > FEWEST_CHARACTERS) {
        let most = (text.characters / 2).max(FEWEST_CHARACTERS);
        return Some((text.field, Keep::Characters(most)));
    }
    let table = fields::of(view.event.origin.stream);
    let pair = longest(&|w| !ALWAYS.contains(&table[w.field].name))?;
    Some((pair.field, Keep::Nothing))
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
    let mut line = Line { style, begin: out.len(), out };
    for (index, field) in fields::of(view.event.origin.stream).iter().enumerate() {
        let Some(key) = (style.key)(field) else { continue };
        let keep = keep.get(&index).copied();
        if keep == Some(Keep::Nothing) {
            cut.push(format!("no {}", field.name));
            continue;
        }
        field.texts(view, &mut texts);
        if texts.is_empty() {
            continue;
        }
        if !(key.all && field.kind == Kind::List) {
            texts.truncate(1);
        }
        let start = line.out.len();
        let mut written = line.pair(field.kind, &key, &texts, keep);
        if let Some(label) = key.label {
            line.key(&format!("{}Label", key.name));
            line.text(label, usize::MAX);
        }
        (written.field, written.bytes) = (index, line.out.len() - start);
        if written.elements < written.of {
            cut.push(format!("{} {} of {}", field.name, written.elements, written.of));
        } else if written.is_cut {
            cut.push(field.name.to_owned());
        }
        all_written.push(written);
    }
    if !cut.is_empty() {
        line.key("truncated");
        line.text(&listed(cut).join(", "), usize::MAX);
    }
    all_written
}

/// The line as far as it is written.
struct Line<'o> {
    style: &'o Style,
    begin: usize,
    out: &'o mut Vec<u8>,
}

impl Line<'_> {
    /// As many elements as the key takes: whole ones, but for the first.
    fn pair(&mut self, kind: Kind, key: &Key, texts: &Texts<'_>, keep: Option<Keep>) -> Written {
        let (most, mut room) = match keep {
            Some(Keep::Elements(most)) => (most, key.most),
            Some(Keep::Characters(most)) => (1, key.most.min(most)),
            Some(Keep::Nothing) | None => (usize::MAX, key.most),
        };
        self.key(match key.ipv6 {
            Some(ipv6) if texts[0].parse::<Ipv6Addr>().is_ok() => ipv6,
            _ => key.name,
        });
        let of = texts.len();
        let mut written =
            Written { field: 0, bytes: 0, elements: 0, of, characters: 0, is_cut: false };
        for element in texts.iter().take(most) {
            let time = (kind == Kind::Time && key.milliseconds)
                .then(|| element.parse::<Timestamp>().ok())
                .flatten();
            let shown = match time {
                Some(time) => Cow::Owned(time.as_millisecond().to_string()),
                None => Cow::Borrowed(&**element),
            };
            let length = trimmed(&shown).chars().count() + ", ".len();
            if written.elements > 0 {
                if length > room {
                    break;
                }
                self.out.extend_from_slice(b", ");
            }
            let is_cut;
            (written.characters, is_cut) = self.text(&shown, room);
            written.is_cut |= is_cut;
            room = room.saturating_sub(length);
            written.elements += 1;
        }
        written
    }

    fn key(&mut self, key: &str) {
        if self.out.len() > self.begin {
            self.out.push(self.style.separator);
        }
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
    }

    /// Appends a text of at most so many characters, without white space or separators at its ends:
    /// how many those were, and whether there were more. An escape is one character, so none is cut.
    fn text(&mut self, text: &str, most: usize) -> (usize, bool) {
        // What becomes a space at the end of a line would be lost at receivers.
        let separator = char::from(self.style.separator);
        let ends = |c: char| c.is_whitespace() || c.is_control() || c == separator;
        let whole = text.trim_matches(ends);
        // No text has more characters than bytes.
        let end = if whole.len() <= most {
            whole.len()
        } else {
            whole.char_indices().nth(most).map_or(whole.len(), |(at, _)| at)
        };
        let (kept, left) = whole.split_at(end);
        let mut count = 0;
        let mut rest = kept.trim_matches(ends);
        loop {
            let (as_it_is, from) = rest.split_at(self.as_it_is(rest));
            self.out.extend_from_slice(as_it_is.as_bytes());
            count += as_it_is.len();
            let mut characters = from.chars();
            let Some(character) = characters.next() else { break };
            (self.style.escape)(character, self.out);
            count += 1;
            rest = characters.as_str();
        }
        (count, !left.is_empty())
    }

    /// How many bytes at a text's beginning are printable ASCII that is written as it is.
    fn as_it_is(&self, text: &str) -> usize {
        let [one, other] = self.style.special;
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != one && byte != other;
        text.bytes().position(|byte| !plain(byte)).unwrap_or(text.len())
    }
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
