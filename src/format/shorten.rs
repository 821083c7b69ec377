//! Shortens an event's JSON to what a receiver takes.
//!
//! The longest list loses half of its elements, from its end, until the event fits or no list has more than
//! one; then the longest text loses half of its characters. What was cut is named in the member
//! `truncated` of the member `postrider`: `"urls 12 of 40"`, `"subject"`. Numbers, names and everything
//! that is not cut stay as they came.

use serde_json::value::RawValue;

use super::{schema::quoted, view};
use crate::domain::fingerprint;

/// Texts are not cut shorter than this.
const FEWEST_CHARACTERS: usize = 32;

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
}

/// What may be cut: a path of places, bytes as written, and elements or characters.
struct Candidate {
    path: Vec<usize>,
    bytes: usize,
    count: usize,
}

/// The event in at most `room` bytes; what was taken off is told in the object at `mark`. `Err` has
/// the fewest bytes that it can be made.
pub(super) fn shorten(json: &str, room: usize, mark: &[&str]) -> Result<String, usize> {
    let mut tree = match serde_json::from_str::<&RawValue>(json) {
        Ok(value) => read(value, 0),
        Err(_) => return Err(json.len()),
    };
    let mut cut = Vec::new();
    loop {
        let text = tree.text(mark, &cut);
        if text.len() <= room {
            return Ok(text);
        }
        let (mut lists, mut texts) = (Vec::new(), Vec::new());
        tree.candidates(&mut Vec::new(), &mut lists, &mut texts);
        // Of equal ones the first, so that the same event is always the same bytes.
        let longest =
            |found: Vec<Candidate>| found.into_iter().rev().max_by_key(|candidate| candidate.bytes);
        let Some(found) = longest(lists).or_else(|| longest(texts)) else {
            return Err(text.len());
        };
        tree.cut(&found);
        cut = Vec::new();
        tree.told("", &mut cut);
    }
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
                for (index, (name, member)) in members.iter().enumerate() {
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
                out.push_str(&format!(r#"{{"truncated":[{}]{comma}{rest}"#, told.join(",")));
            }
            None => out.push_str(&whole),
        }
    }

    fn bytes(&self) -> usize {
        match self {
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

    fn candidates(
        &self,
        path: &mut Vec<usize>,
        lists: &mut Vec<Candidate>,
        texts: &mut Vec<Candidate>,
    ) {
        let mut inside = |nodes: &mut dyn Iterator<Item = &Self>, path: &mut Vec<usize>| {
            for (index, node) in nodes.enumerate() {
                path.push(index);
                node.candidates(path, lists, texts);
                path.pop();
            }
        };
        match self {
            Self::Object(members) => inside(&mut members.iter().map(|(_, node)| node), path),
            Self::List { elements, .. } => {
                inside(&mut elements.iter(), path);
                let (bytes, count) = (self.bytes(), elements.len());
                if count > 1 {
                    lists.push(Candidate { path: path.clone(), bytes, count });
                }
            }
            Self::Raw(_) | Self::Cut(_) => {
                let count = self.decoded().map_or(0, |text| text.chars().count());
                if count > FEWEST_CHARACTERS {
                    texts.push(Candidate { path: path.clone(), bytes: self.bytes(), count });
                }
            }
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
                Self::Raw(_) | Self::Cut(_) => return,
            };
        }
        if let Self::List { elements, .. } = node {
            elements.truncate(what.count / 2);
        } else if let Some(text) = node.decoded() {
            let most = (what.count / 2).max(FEWEST_CHARACTERS);
            *node = Self::Cut(text.chars().take(most).collect());
        }
    }

    /// Names what was cut.
    fn told(&self, path: &str, cut: &mut Vec<String>) {
        match self {
            Self::Raw(_) => {}
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

    const EVENT: &str = r#"{"postrider":{"schema":1},"subject":"a long enough subject to be cut once, or more often","n":1.10,"urls":["https://one.example/","https://two.example/","https://three.example/","https://four.example/"],"to":["ann","bob"]}"#;

    fn short(room: usize) -> Result<String, usize> {
        shorten(EVENT, room, &["postrider"])
    }

    #[test]
    fn the_longest_list_goes_first_then_the_longest_text() {
        assert_eq!(short(EVENT.len()).unwrap(), EVENT);
        insta::assert_snapshot!(short(220).unwrap(), @"");
        insta::assert_snapshot!(short(190).unwrap(), @"");
        insta::assert_snapshot!(short(175).unwrap(), @"");
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
