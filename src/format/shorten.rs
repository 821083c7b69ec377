//! Shortens an event's JSON to what a receiver takes.
//!
//! The longest list loses half of its elements, from its end, until the event fits or no list has more than
//! one, or more than 64 bytes; then the longest text loses half of its characters; then the longest member goes, never one of
//! the member `postrider`. What was cut is named in the member `truncated` of the member `postrider`:
//! `"urls 12 of 40"`, `"subject"`, `"no domain"`. What is not cut stays as it came.

use serde_json::value::RawValue;

use super::{schema::quoted, view};
use crate::domain::fingerprint;

/// Texts are not cut shorter than this: ids and hashes stay whole.
pub(super) const FEWEST_CHARACTERS: usize = 64;

/// Nor lists that take no more than this.
pub(super) const FEWEST_BYTES: usize = 64;

/// More names of what was cut are counted only.
const MOST_NAMES: usize = 8;

/// More steps are not worth their time: what has so much in it is no vendor's event.
const MOST_STEPS: usize = 500;

/// Deeper values stay as they are.
const MAX_DEPTH: usize = 32;

enum Node<'a> {
    /// As it came.
    Raw(&'a str),
    /// So many characters of a text.
    Cut(String),
    List {
        elements: Vec<Self>,
        of: usize,
    },
    /// Names as JSON.
    Object(Vec<(String, Self)>),
    /// A member that was left out.
    Gone,
}

/// What may be cut: a path of places, bytes as written, and the elements or characters to keep.
struct Candidate {
    path: Vec<usize>,
    bytes: usize,
    keep: usize,
}

/// All that may be cut.
#[derive(Default)]
struct Candidates {
    lists: Vec<Candidate>,
    texts: Vec<Candidate>,
    members: Vec<Candidate>,
}

/// The event in at most `room` bytes; what was taken off is told in the object at `mark`. `Err` has
/// the fewest bytes that it can be made.
pub(super) fn shorten(json: &str, room: usize, mark: &[&str]) -> Result<String, usize> {
    let mut tree = match serde_json::from_str::<&RawValue>(json) {
        Ok(value) => read(value, 0),
        Err(_) => return Err(json.len()),
    };
    let mut cut = Vec::new();
    for _ in 0..MOST_STEPS {
        let text = tree.text(mark, &cut);
        if text.len() <= room {
            return Ok(text);
        }
        let mut found = Candidates::default();
        tree.candidates(&mut Vec::new(), Some(mark), &mut found);
        // Of equal ones the last, so that the same event is always the same bytes.
        let longest =
            |found: Vec<Candidate>| found.into_iter().max_by_key(|candidate| candidate.bytes);
        let next = longest(found.lists).or_else(|| longest(found.texts));
        let Some(next) = next.or_else(|| longest(found.members)) else {
            return Err(text.len());
        };
        tree.cut(&next);
        cut = Vec::new();
        tree.told("", &mut cut);
        cut = listed(cut);
    }
    Err(tree.text(mark, &cut).len())
}

/// The names of what was cut, the last of them counted only where they are many.
pub(super) fn listed(mut cut: Vec<String>) -> Vec<String> {
    if cut.len() > MOST_NAMES {
        let more = cut.len() - MOST_NAMES;
        cut.truncate(MOST_NAMES);
        cut.push(format!("{more} more"));
    }
    cut
}

fn read(value: &RawValue, depth: usize) -> Node<'_> {
    let raw = value.get();
    if depth < MAX_DEPTH {
        if raw.starts_with('{')
            && let Some(members) = fingerprint::object(value)
        {
            let member = |(name, value): (std::borrow::Cow<'_, str>, _)| {
                (quoted(&name), read(value, depth + 1))
            };
            return Node::Object(members.into_iter().map(member).collect());
        }
        if raw.starts_with('[')
            && let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw)
        {
            let of = elements.len();
            let elements = elements.into_iter().map(|element| read(element, depth + 1)).collect();
            return Node::List { elements, of };
        }
    }
    Node::Raw(raw)
}

impl Node<'_> {
    /// The JSON, with what was cut in the object at `mark`, which is one of names without escapes.
    fn text(&self, mark: &[&str], cut: &[String]) -> String {
        let mut out = String::new();
        self.write(if cut.is_empty() { &[] } else { mark }, cut, &mut out);
        out
    }

    fn write(&self, mark: &[&str], cut: &[String], out: &mut String) {
        match self {
            Self::Raw(raw) => out.push_str(raw),
            Self::Cut(text) => out.push_str(&quoted(text)),
            Self::Gone => {}
            Self::List { elements, .. } => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.write(&[], &[], out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                let left = members.iter().filter(|(_, member)| !member.is_gone());
                for (index, (name, member)) in left.enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(name);
                    out.push(':');
                    let inner = match mark {
                        [first, rest @ ..] if name.trim_matches('"') == *first => Some(rest),
                        _ => None,
                    };
                    match inner {
                        Some([]) => member.marked(cut, out),
                        Some(rest) => member.write(rest, cut, out),
                        None => member.write(&[], &[], out),
                    }
                }
                out.push('}');
            }
        }
    }

    /// Writes the object in which it is said what was cut, that first.
    fn marked(&self, cut: &[String], out: &mut String) {
        let told: Vec<String> = cut.iter().map(|what| quoted(what)).collect();
        let mut whole = String::new();
        self.write(&[], &[], &mut whole);
        match whole.strip_prefix('{') {
            Some(rest) => {
                let comma = if rest == "}" { "" } else { "," };
                for part in [r#"{"truncated":["#, &told.join(","), "]", comma, rest] {
                    out.push_str(part);
                }
            }
            None => out.push_str(&whole),
        }
    }

    /// Whether nothing of it is left.
    fn is_gone(&self) -> bool {
        match self {
            Self::Gone => true,
            Self::Object(members) => {
                !members.is_empty() && members.iter().all(|(_, member)| member.is_gone())
            }
            Self::Raw(_) | Self::Cut(_) | Self::List { .. } => false,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Gone => 0,
            Self::Raw(raw) => raw.len(),
            Self::Cut(text) => quoted(text).len(),
            Self::List { elements, .. } => {
                elements.iter().map(|node| node.bytes() + 1).sum::<usize>() + 1
            }
            Self::Object(members) => {
                members.iter().map(|(name, node)| name.len() + node.bytes() + 2).sum::<usize>() + 1
            }
        }
    }

    /// Collects what may be cut. `mark` is the path to the object whose members stay; none where
    /// that is elsewhere.
    fn candidates(&self, path: &mut Vec<usize>, mark: Option<&[&str]>, found: &mut Candidates) {
        let bytes = self.bytes();
        match self {
            Self::Object(members) => {
                for (index, (name, member)) in members.iter().enumerate() {
                    let mark = match mark {
                        Some([first, rest @ ..]) if name.trim_matches('"') == *first => Some(rest),
                        Some([]) => Some(&[][..]),
                        _ => None,
                    };
                    path.push(index);
                    member.candidates(path, mark, found);
                    let is_leaf = !matches!(member, Self::Object(inside) if !inside.is_empty());
                    if is_leaf && mark.is_none() && !member.is_gone() {
                        let bytes = member.bytes();
                        found.members.push(Candidate { path: path.clone(), bytes, keep: 0 });
                    }
                    path.pop();
                }
            }
            Self::List { elements, .. } => {
                for (index, element) in elements.iter().enumerate() {
                    path.push(index);
                    element.candidates(path, mark, found);
                    path.pop();
                }
                if elements.len() > 1 && bytes > FEWEST_BYTES {
                    let keep = elements.len() / 2;
                    found.lists.push(Candidate { path: path.clone(), bytes, keep });
                }
            }
            Self::Raw(_) | Self::Cut(_) => {
                // No text has more characters than bytes.
                let count = if bytes > FEWEST_CHARACTERS {
                    self.decoded().map_or(0, |text| text.chars().count())
                } else {
                    0
                };
                if count > FEWEST_CHARACTERS {
                    let keep = (count / 2).max(FEWEST_CHARACTERS);
                    found.texts.push(Candidate { path: path.clone(), bytes, keep });
                }
            }
            Self::Gone => {}
        }
    }

    /// The text of a string.
    fn decoded(&self) -> Option<String> {
        match self {
            Self::Cut(text) => Some(text.clone()),
            Self::Raw(raw) if raw.starts_with('"') => {
                let value: &RawValue = serde_json::from_str(raw).ok()?;
                view::text(value).map(std::borrow::Cow::into_owned)
            }
            _ => None,
        }
    }

    fn cut(&mut self, what: &Candidate) {
        let mut node = self;
        for place in &what.path {
            node = match node {
                Self::Object(members) => &mut members[*place].1,
                Self::List { elements, .. } => &mut elements[*place],
                Self::Raw(_) | Self::Cut(_) | Self::Gone => return,
            };
        }
        if what.keep == 0 {
            *node = Self::Gone;
        } else if let Self::List { elements, .. } = node {
            elements.truncate(what.keep);
        } else if let Some(text) = node.decoded() {
            *node = Self::Cut(text.chars().take(what.keep).collect());
        }
    }

    /// Names what was cut.
    fn told(&self, path: &str, cut: &mut Vec<String>) {
        match self {
            _ if self.is_gone() => cut.push(format!("no {path}")),
            Self::Raw(_) | Self::Gone => {}
            Self::Cut(_) => cut.push(path.to_owned()),
            Self::List { elements, of } => {
                if elements.len() < *of {
                    cut.push(format!("{path} {} of {of}", elements.len()));
                }
                let inside = format!("{path}[]");
                let mut below = Vec::new();
                for element in elements {
                    element.told(&inside, &mut below);
                }
                below.dedup();
                cut.append(&mut below);
            }
            Self::Object(members) => {
                for (name, member) in members {
                    let name = name.trim_matches('"');
                    let path =
                        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                    member.told(&path, cut);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVENT: &str = r#"{"postrider":{"schema":1},"subject":"a subject that is long enough, by far more than sixty-four characters, to be cut","n":1.10,"urls":["https://one.example/","https://two.example/","https://three.example/","https://four.example/"],"to":["ann","bob"]}"#;

    fn short(room: usize) -> Result<String, usize> {
        shorten(EVENT, room, &["postrider"])
    }

    #[test]
    fn the_longest_list_goes_first_then_the_longest_text() {
        assert_eq!(short(EVENT.len()).unwrap(), EVENT);
        insta::assert_snapshot!(short(240).unwrap(), @r#"{"postrider":{"truncated":["urls 2 of 4"],"schema":1},"subject":"a subject that is long enough, by far more than sixty-four characters, to be cut","n":1.10,"urls":["https://one.example/","https://two.example/"],"to":["ann","bob"]}"#);
        insta::assert_snapshot!(short(226).unwrap(), @r#"{"postrider":{"truncated":["subject","urls 2 of 4"],"schema":1},"subject":"a subject that is long enough, by far more than sixty-four chara","n":1.10,"urls":["https://one.example/","https://two.example/"],"to":["ann","bob"]}"#);
        insta::assert_snapshot!(short(170).unwrap(), @r#"{"postrider":{"truncated":["no subject","urls 2 of 4"],"schema":1},"n":1.10,"urls":["https://one.example/","https://two.example/"],"to":["ann","bob"]}"#);
        assert!(short(60).unwrap_err() > 60);
    }

    proptest! {
        #[test]
        fn what_is_cut_is_json_that_fits_and_says_so(
            texts in prop::collection::vec(".{0,80}", 0..12), room in 60..600_usize,
        ) {
            let json = format!(r#"{{"postrider":{{"schema":1}},"l":{},"s":{}}}"#,
                serde_json::to_string(&texts).unwrap(), quoted(&texts.concat()));
            match shorten(&json, room, &["postrider"]) {
                Err(least) => prop_assert!(least > room),
                Ok(text) => {
                    prop_assert!(text.len() <= room);
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let told = value["postrider"]["truncated"].is_array();
                    prop_assert_eq!(told, text != json);
                }
            }
        }
    }
}
