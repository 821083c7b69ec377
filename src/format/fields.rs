//! What each format calls what an event has: one table a stream, from which CEF, LEEF, ECS and OCSF
//! are made, and the page `docs/FIELDS.md`.

use std::{borrow::Cow, net::IpAddr};

use jiff::Timestamp;

use super::view::{Texts, View};
use crate::domain::slice::Stream;

mod audit;
mod common;
mod derived;
mod entitlement;
mod failures;
mod health;
mod messages;
mod relay_users;
mod summary;
mod usage;

/// Something an analyst searches by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Its name in the documentation.
    pub(super) name: &'static str,
    pub(super) from: Take,
    pub(super) kind: Kind,
    pub(super) cef: Option<CefKey>,
    pub(super) leef: Option<&'static str>,
    /// Of Splunk's Common Information Model; the add-on makes it.
    pub(super) cim: Option<&'static str>,
    pub(super) ecs: Option<&'static str>,
    pub(super) ocsf: Option<&'static str>,
}

/// Where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Take {
    /// The first of these members that is not empty.
    First(&'static [&'static str]),
    /// What all of these members have, each text once.
    All(&'static [&'static str]),
    /// Worked out, and in words.
    Derived(for<'a> fn(&View<'a>, &mut Texts<'a>), &'static str),
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Several texts. Where a format has one only, it is the first.
    List,
    /// A time: RFC 3339 in the event, milliseconds since 1970 where a format wants them.
    Time,
    Number,
    Flag,
    Ip,
}

/// A key of CEF's extension.
#[derive(Debug, Clone, Copy)]
pub(super) struct CefKey {
    pub(super) key: &'static str,
    /// The value of the key's own label, for keys that need one.
    pub(super) label: Option<&'static str>,
    /// Characters that a receiver takes.
    pub(super) most: usize,
    /// All of a list, not its first only.
    pub(super) all: bool,
    /// The key in its place for addresses of IPv6.
    pub(super) ipv6: Option<&'static str>,
}

/// The table of a stream.
pub(super) fn of(stream: Stream) -> &'static [Field] {
    match stream {
        Stream::Messages => messages::FIELDS,
        Stream::Audit => audit::FIELDS,
        Stream::Summary => summary::FIELDS,
        Stream::Entitlement => entitlement::FIELDS,
        Stream::Usage => usage::FIELDS,
        Stream::Failures => failures::FIELDS,
        Stream::RelayUsers => relay_users::FIELDS,
        Stream::Health => health::FIELDS,
    }
}

impl Field {
    /// What the field holds in an event; nothing where that is nothing, or not of its kind.
    pub(super) fn texts<'a>(&self, view: &View<'a>, texts: &mut Texts<'a>) {
        texts.clear();
        match self.from {
            Take::First(paths) => {
                for path in paths {
                    view.add(path, texts);
                    texts.retain(|text| self.kind.takes(text));
                    if !texts.is_empty() {
                        break;
                    }
                }
            }
            Take::All(paths) => {
                for path in paths {
                    view.add(path, texts);
                }
                texts.retain(|text| self.kind.takes(text));
                once(texts);
            }
            Take::Derived(derive, _) => {
                derive(view, texts);
                texts.retain(|text| self.kind.takes(text));
            }
        }
    }
}

impl Kind {
    /// Whether a text is of this kind. What is not stays in the record only: for one value of a wrong
    /// kind some receivers refuse the whole event.
    fn takes(self, text: &str) -> bool {
        match self {
            Self::Text | Self::List => !trimmed(text).is_empty(),
            Self::Time => text.parse::<Timestamp>().is_ok(),
            Self::Number => {
                serde_json::from_str::<serde_json::Number>(text).is_ok()
                    && text.parse::<f64>().is_ok_and(f64::is_finite)
            }
            Self::Flag => matches!(text, "true" | "false"),
            Self::Ip => text.parse::<IpAddr>().is_ok(),
        }
    }
}

/// A text without what cannot be seen at its ends.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control())
}

/// Leaves each text once, in the order of their first places.
fn once(texts: &mut Texts<'_>) {
    if texts.len() > 1 {
        let mut seen = std::collections::HashSet::with_capacity(texts.len());
        texts.retain(|text| seen.insert(text.clone()));
    }
}

const fn first(name: &'static str, paths: &'static [&'static str]) -> Field {
    field(name, Take::First(paths), Kind::Text)
}

const fn all(name: &'static str, paths: &'static [&'static str]) -> Field {
    field(name, Take::All(paths), Kind::List)
}

const fn derived(
    name: &'static str,
    derive: for<'a> fn(&View<'a>, &mut Texts<'a>),
    words: &'static str,
) -> Field {
    field(name, Take::Derived(derive, words), Kind::Text)
}

const fn field(name: &'static str, from: Take, kind: Kind) -> Field {
    Field { name, from, kind, cef: None, leef: None, cim: None, ecs: None, ocsf: None }
}

impl Field {
    const fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// A key of CEF and the characters it may have.
    const fn cef(self, key: &'static str, most: usize) -> Self {
        Self { cef: Some(CefKey { key, label: None, most, all: false, ipv6: None }), ..self }
    }

    /// The same for all of a list.
    const fn cef_all(self, key: &'static str, most: usize) -> Self {
        Self { cef: Some(CefKey { key, label: None, most, all: true, ipv6: None }), ..self }
    }

    /// A custom key of CEF, which has a label.
    const fn custom(self, key: &'static str, most: usize) -> Self {
        let label = Some(self.name);
        Self { cef: Some(CefKey { key, label, most, all: true, ipv6: None }), ..self }
    }

    /// Keys of CEF for addresses of IPv4 and of IPv6.
    const fn cef_ip(self, key: &'static str, ipv6: &'static str) -> Self {
        let (label, most, ipv6) = (None, 45, Some(ipv6));
        Self { cef: Some(CefKey { key, label, most, all: false, ipv6 }), kind: Kind::Ip, ..self }
    }

    const fn leef(self, key: &'static str) -> Self {
        Self { leef: Some(key), ..self }
    }

    const fn cim(self, name: &'static str) -> Self {
        Self { cim: Some(name), ..self }
    }

    const fn ecs(self, path: &'static str) -> Self {
        Self { ecs: Some(path), ..self }
    }

    const fn ocsf(self, path: &'static str) -> Self {
        Self { ocsf: Some(path), ..self }
    }
}

/// The device that an event is of: vendor, product.
pub(super) fn device(stream: Stream) -> (&'static str, &'static str) {
    match stream {
        Stream::Messages | Stream::Audit => ("Cisco", "Secure Email Threat Defense"),
        Stream::Summary
        | Stream::Entitlement
        | Stream::Usage
        | Stream::Failures
        | Stream::RelayUsers => ("Proofpoint", "Secure Email Relay"),
        Stream::Health => ("Postrider", "Postrider"),
    }
}

/// What kind of event it is, for rules: a word that never has a vendor's text in it.
pub(super) fn class(view: &View<'_>) -> Cow<'static, str> {
    match view.event.origin.stream {
        Stream::Messages => match derived::verdict_word(view) {
            Some(known) => format!("message-{known}").into(),
            None => "message-unknown".into(),
        },
        Stream::Audit => "console-audit".into(),
        Stream::Summary => "relay-summary".into(),
        Stream::Entitlement => "relay-entitlement".into(),
        Stream::Usage => "relay-usage".into(),
        Stream::Failures => "relay-failure".into(),
        Stream::RelayUsers => "relay-user".into(),
        Stream::Health => "collector-health".into(),
    }
}

/// The same for people.
pub(super) fn title(stream: Stream) -> &'static str {
    match stream {
        Stream::Messages => "E-mail message",
        Stream::Audit => "Console audit",
        Stream::Summary => "E-mail relay summary",
        Stream::Entitlement => "E-mail relay entitlement",
        Stream::Usage => "E-mail relay usage",
        Stream::Failures => "E-mail relay failures",
        Stream::RelayUsers => "E-mail relay user",
        Stream::Health => "Collector health",
    }
}

#[cfg(test)]
pub(super) use derived::VERDICTS;
pub(super) use derived::{THREATS, is_threat, severity};
