//! Privacy: members of an event that a sink is not to have, dropped or hashed before it gets any
//! form. What is left stays as it came. `docs/PRIVACY.md` has the rules.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    config::{self, secret::SecretError},
    domain::{event::Event, fingerprint, slice::Stream},
    sink::Unfit,
};

mod digest;
mod leaves;
pub mod members;
mod queries;

use digest::Digest;
pub use digest::SHORTEST_KEY;
use members::Target;

/// Lists in lists deeper than this are taken as a whole.
const MAX_DEPTH: u32 = 32;

/// What becomes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Drop,
    Hash,
}

/// The end of a path that begins where the walk is, and what becomes of the member there.
type Rule<'r> = (&'r str, Action);

/// Takes from events what one sink is not to have.
pub struct Redactor {
    /// Plain paths, see [`plain`].
    rules: Vec<(String, Action)>,
    /// What becomes of the query strings of URLs.
    queries: Option<Action>,
    digest: Digest,
}

impl Redactor {
    /// Reads the key; without one nothing may be hashed.
    pub fn new(privacy: &config::Privacy) -> Result<Self, SecretError> {
        let digest = match &privacy.key {
            Some(key) => Digest::new(&key.read()?, privacy.keep_domain),
            None => Digest::default(),
        };
        let mut redactor = Self { rules: Vec::new(), queries: None, digest };
        // Should a member be both, it is dropped.
        for (names, action) in [(&privacy.hash, Action::Hash), (&privacy.drop, Action::Drop)] {
            for target in names.iter().filter_map(|name| members::target(name)) {
                match target {
                    Target::Queries => redactor.queries = Some(action),
                    Target::Members(paths) => {
                        let plain = paths.iter().map(|path| plain(path));
                        let all = plain.flat_map(|path| [members::told(&path), vec![path]]);
                        redactor.rules.extend(all.flatten().map(|path| (path, action)));
                    }
                }
            }
        }
        Ok(redactor)
    }

    /// The event as the sink may have it. Health events have nothing that could be taken: they say
    /// how the collector is.
    pub fn apply<'e>(&self, event: &'e Event) -> Result<Cow<'e, Event>, Unfit> {
        if event.origin.stream == Stream::Health {
            return Ok(Cow::Borrowed(event));
        }
        let unfit = || Unfit("the event cannot be read, so privacy cannot be kept".into());
        let json = self.json(&event.json).ok_or_else(unfit)?;
        let verdict = event.verdict.clone().filter(|_| !self.keeps_verdict_back());
        Ok(Cow::Owned(Event { json: json.into(), verdict, ..event.clone() }))
    }

    /// Whether the sink is not to have the verdict, from which formats make severities and classes.
    fn keeps_verdict_back(&self) -> bool {
        let verdict =
            ["verdict", "verdict.latestverdict", "verdict.verdict", "verdict.originalverdict"];
        self.rules.iter().any(|(path, _)| verdict.contains(&path.as_str()))
    }

    /// `None` for what is no object.
    fn json(&self, json: &str) -> Option<String> {
        let whole: &RawValue = serde_json::from_str(json).ok()?;
        let rules: Vec<Rule<'_>> = self.rules.iter().map(|(path, act)| (&**path, *act)).collect();
        let mut out = Object::new(json.len());
        for (name, value) in fingerprint::object(whole)? {
            if name == "postrider" {
                out.name(&name);
                self.own(value, &rules, &mut out.text)?;
            } else {
                self.member(&name, value, &rules, Place::TOP, &mut out)?;
            }
        }
        Some(out.finish())
    }

    /// Postrider's own member says former values and, of SER's counters, how they moved, under the
    /// names of the vendor's members.
    fn own(&self, value: &RawValue, rules: &[Rule<'_>], to: &mut String) -> Option<()> {
        let mut out = Object::new(value.get().len());
        for (name, value) in fingerprint::object(value)? {
            match &*name {
                "previous" | "delta" => {
                    out.name(&name);
                    self.value(value, rules, Place::TOP, &mut out.text)?;
                }
                "details" => self.member(&name, value, rules, Place::TOP, &mut out)?,
                _ => {
                    out.name(&name);
                    out.text.push_str(value.get());
                }
            }
        }
        to.push_str(&out.finish());
        Some(())
    }

    fn member(
        &self,
        name: &str,
        value: &RawValue,
        rules: &[Rule<'_>],
        place: Place,
        out: &mut Object,
    ) -> Option<()> {
        let plain = plain(name);
        let place = Place { is_url: place.is_url || members::is_url(&plain), ..place };
        let mut below = Vec::new();
        let mut whole = None;
        for (path, action) in rules {
            match reach(path, &plain) {
                Reach::Whole => whole = stronger(whole, *action),
                Reach::Below(rest) => below.push((rest, *action)),
                Reach::Not => {}
            }
        }
        if whole == Some(Action::Drop) {
            return Some(());
        }
        out.name(name);
        match whole {
            Some(_) => self.hash(value, &mut out.text),
            None => self.value(value, &below, place, &mut out.text)?,
        }
        Some(())
    }

    fn value(
        &self,
        value: &RawValue,
        rules: &[Rule<'_>],
        place: Place,
        out: &mut String,
    ) -> Option<()> {
        let raw = value.get();
        if rules.is_empty() {
            self.rest(raw, place, out);
        } else if raw.starts_with('{') {
            let mut object = Object::new(raw.len());
            for (name, value) in fingerprint::object(value)? {
                self.member(&name, value, rules, place, &mut object)?;
            }
            out.push_str(&object.finish());
        } else if raw.starts_with('[') {
            let place = Place { depth: place.depth + 1, ..place };
            let mut comma = "";
            out.push('[');
            for element in serde_json::from_str::<Vec<&RawValue>>(raw).ok()? {
                // Elements are objects by the path; what stands in the place of one is what it
                // would have in itself.
                let is_object = element.get().starts_with(['{', '[']) && place.depth < MAX_DEPTH;
                let action = rules.iter().fold(None, |all, (_, action)| stronger(all, *action));
                if !is_object && action == Some(Action::Drop) {
                    continue;
                }
                out.push_str(comma);
                comma = ",";
                if is_object {
                    self.value(element, rules, place, out)?;
                } else {
                    self.hash(element, out);
                }
            }
            out.push(']');
        } else {
            self.rest(raw, place, out);
        }
        Some(())
    }

    /// What no rule is about.
    fn rest(&self, raw: &str, place: Place, out: &mut String) {
        let digest = match self.queries {
            None => return out.push_str(raw),
            Some(Action::Drop) => None,
            Some(Action::Hash) => Some(&self.digest),
        };
        leaves::rewrite(raw, out, |leaf| {
            queries::taken(&leaves::text(leaf)?, place.is_url, digest)
        });
    }

    /// Each text and number at or below a value becomes its hash. Nothing stays nothing.
    fn hash(&self, value: &RawValue, out: &mut String) {
        leaves::rewrite(value.get(), out, |leaf| match leaves::text(leaf) {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(self.digest.of(&text)),
            None => Some(self.digest.of(leaf)),
        });
    }
}

/// Where the walk is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Whether a text here is a URL, with its scheme or without.
    is_url: bool,
    depth: u32,
}

impl Place {
    const TOP: Self = Self { is_url: false, depth: 0 };
}

/// An object that is being written.
struct Object {
    text: String,
}

impl Object {
    fn new(room: usize) -> Self {
        let mut text = String::with_capacity(room + 64);
        text.push('{');
        Self { text }
    }

    fn name(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(&leaves::quoted(name));
        self.text.push(':');
    }

    fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

enum Reach<'r> {
    Not,
    Below(&'r str),
    Whole,
}

/// What a path has to do with a member of this plain name. A name may be several steps of a path, or
/// go on beyond its end: `previous` has such, and so has `details`.
fn reach<'r>(path: &'r str, name: &str) -> Reach<'r> {
    if path == name || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')) {
        return Reach::Whole;
    }
    match path.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
        Some(rest) => Reach::Below(rest),
        None => Reach::Not,
    }
}

fn stronger(known: Option<Action>, other: Action) -> Option<Action> {
    if known == Some(Action::Drop) { known } else { Some(other) }
}

/// A name without case and underscores, in which the vendors are not constant.
fn plain(name: &str) -> String {
    let plain = name.chars().filter(|c| *c != '_');
    plain.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests;
