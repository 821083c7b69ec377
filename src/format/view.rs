//! An event's members by path, read as far as they are asked for.

use std::{borrow::Cow, cell::OnceCell};

use serde::de::{Deserializer as _, Visitor};
use serde_json::value::RawValue;

use crate::domain::{event::Event, fingerprint};

/// What a member or a field holds: the texts of what is not empty, in order.
pub(super) type Texts<'a> = Vec<Cow<'a, str>>;

/// An event whose members can be asked for by path: `verdict.techniques[].type`.
pub(super) struct View<'a> {
    pub(super) event: &'a Event,
    top: Vec<Member<'a>>,
}

struct Member<'a> {
    name: Cow<'a, str>,
    value: &'a RawValue,
    inside: OnceCell<Vec<Self>>,
}

impl<'a> View<'a> {
    pub(super) fn new(event: &'a Event) -> Self {
        Self { event, top: members(&event.json) }
    }

    /// The names of the vendor's own members, with their values.
    pub(super) fn vendors(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        let others = self.top.iter().filter(|member| member.name != "postrider");
        others.map(|member| (&*member.name, member.value))
    }

    /// The value at a path without lists.
    pub(super) fn value(&self, path: &str) -> Option<&'a RawValue> {
        let mut found = None;
        each(&self.top, path, &mut |value| found = found.or(Some(value)));
        found
    }

    /// The first text at a path that is not empty.
    pub(super) fn text(&self, path: &str) -> Option<Cow<'a, str>> {
        let mut found = None;
        each(&self.top, path, &mut |value| {
            if found.is_none() {
                found = text(value);
            }
        });
        found
    }

    /// Adds the texts at a path: of a list all, of anything else the one.
    pub(super) fn add(&self, path: &str, to: &mut Texts<'a>) {
        each(&self.top, path, &mut |value| to.extend(text(value)));
    }

    /// The texts at a path.
    pub(super) fn texts(&self, path: &str) -> Texts<'a> {
        let mut texts = Texts::new();
        self.add(path, &mut texts);
        texts
    }

    /// Calls `with` for each element of the list at a path, or for the one thing in its place.
    pub(super) fn each(&self, path: &str, mut with: impl FnMut(Element<'a>)) {
        each(&self.top, path, &mut |value| with(Element(members(value.get()))));
    }
}

/// An element of a list.
pub(super) struct Element<'a>(Vec<Member<'a>>);

impl<'a> Element<'a> {
    /// The text of a member.
    pub(super) fn text(&self, path: &str) -> Option<Cow<'a, str>> {
        let mut found = None;
        each(&self.0, path, &mut |value| found = found.take().or_else(|| text(value)));
        found
    }

    /// The names and texts of its members, without those that are empty.
    pub(super) fn pairs(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.0.into_iter().filter_map(|member| Some((member.name, text(member.value)?)))
    }
}

fn members(json: &str) -> Vec<Member<'_>> {
    let members = fingerprint::object_of(json).unwrap_or_default().into_iter();
    members.map(|(name, value)| Member { name, value, inside: OnceCell::new() }).collect()
}

fn each<'a>(members: &[Member<'a>], path: &str, with: &mut dyn FnMut(&'a RawValue)) {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let (name, listed) = match head.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (head, false),
    };
    let Some(member) = members.iter().find(|member| member.name == name) else { return };
    let is_list = listed && member.value.get().starts_with('[');
    match (is_list, rest) {
        (false, None) => with(member.value),
        (false, Some(rest)) => {
            let inside = member.inside.get_or_init(|| self::members(member.value.get()));
            each(inside, rest, with);
        }
        (true, rest) => {
            let elements: Vec<&RawValue> =
                serde_json::from_str(member.value.get()).unwrap_or_default();
            for element in elements {
                match rest {
                    None => with(element),
                    Some(rest) => each(&self::members(element.get()), rest, with),
                }
            }
        }
    }
}

/// A value as a text; `None` where it says nothing. Objects and lists are their JSON.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let raw = value.get();
    let text = match raw.as_bytes().first()? {
        b'"' => fingerprint::text(value).unwrap_or_else(|| lossy(raw)),
        b'n' => return None,
        _ if matches!(raw, "[]" | "{}") => return None,
        _ => Cow::Borrowed(raw),
    };
    (!text.is_empty()).then_some(text)
}

/// The text of a string with a lone surrogate, which no text can hold: U+FFFD stands for it.
fn lossy(raw: &str) -> Cow<'_, str> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = String;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }
    let text = serde_json::Deserializer::from_str(raw).deserialize_bytes(Bytes);
    text.map_or(Cow::Borrowed(raw), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::slice::Stream, format::tests::event};

    #[test]
    fn paths_go_into_objects_and_lists_whatever_is_there() {
        let json = r#"{"postrider":{"schema":1},"a":{"b":"x","n":1.10,"e":"","o":{}},
            "l":["p","",null,7],"s":"alone","k":[{"t":"u"},{"t":"v"},"w"],"h":"half \ud800"}"#;
        let event = event(Stream::Messages, json);
        let view = View::new(&event);
        assert_eq!(view.text("a.b").unwrap(), "x");
        assert_eq!(view.text("a.n").unwrap(), "1.10");
        for nothing in ["a.e", "a.o", "a.zz", "zz.a", "s.b"] {
            assert_eq!(view.text(nothing), None, "{nothing}");
        }
        assert_eq!(view.texts("l[]"), ["p", "7"]);
        assert_eq!(view.texts("s[]"), ["alone"]);
        assert_eq!(view.texts("k[].t"), ["u", "v"]);
        assert!(view.text("h").unwrap().starts_with("half \u{fffd}"));
        assert_eq!(view.vendors().count(), 5);
    }
}
