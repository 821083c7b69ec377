//! The kinds of single values.

use std::{borrow::Cow, collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::{
    Start,
    node::{Context, Node, Setting},
    section,
    text::join,
    units,
};

/// A whole number from 1.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Count(pub(in crate::config) u32);

/// A duration above zero.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Seconds(pub(in crate::config) Duration);

/// Bytes above zero.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Size(pub(in crate::config) u64);

#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Time(pub(in crate::config) Timestamp);

/// A duration back or a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Begin(pub(in crate::config) Start);

/// Texts and the path of each.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct Strings(pub(in crate::config) Vec<(String, String)>);

/// The tables of a table, by name.
#[derive(Debug)]
pub(in crate::config) struct Named<T>(pub(in crate::config) Vec<Item<T>>);

#[derive(Debug)]
pub(in crate::config) struct Item<T> {
    pub(in crate::config) name: String,
    pub(in crate::config) path: String,
    /// `None`: its problem has been told.
    pub(in crate::config) value: Option<T>,
}

impl Strings {
    pub(in crate::config) fn plain(self) -> Vec<String> {
        self.0.into_iter().map(|(text, _)| text).collect()
    }
}

/// Tells what is wrong with a value.
fn told<T>(node: &Node<'_>, result: Result<T, String>) -> Option<T> {
    result.map_err(|message| node.error(message)).ok()
}

impl Setting for String {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.str("a text in quotes").map(str::to_owned)
    }
}

impl Setting for bool {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.bool()
    }
}

impl Setting for PathBuf {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.str("a path in quotes")?;
        if text.is_empty() {
            node.error("the path is empty; write one or remove the key");
            return None;
        }
        Some(text.into())
    }
}

impl Setting for SocketAddr {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.str("an address and a port in quotes")?;
        told(
            node,
            text.parse().map_err(|_| {
                format!(
                    "{text:?} is not an IP address and a port; write for example \
                     \"127.0.0.1:8686\" or \"[::1]:8686\""
                )
            }),
        )
    }
}

impl Setting for Count {
    fn read(node: &Node<'_>) -> Option<Self> {
        let number = node.integer()?;
        if let Ok(number @ 1..) = u32::try_from(number) {
            return Some(Self(number));
        }
        node.error(format!("{number} is out of range; write a whole number from 1"));
        None
    }
}

impl Setting for Seconds {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.str("a duration in quotes, such as \"30s\" or \"5m\"")?;
        let duration = told(node, units::duration(text))?;
        if duration.is_zero() {
            node.error("the duration is zero; write at least \"1s\"");
            return None;
        }
        Some(Self(duration))
    }
}

impl Setting for Size {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.str("a size in quotes, such as \"64KiB\" or \"2GiB\"")?;
        let size = told(node, units::size(text))?;
        if size == 0 {
            node.error("the size is zero; write at least \"1KiB\"");
            return None;
        }
        Some(Self(size))
    }
}

impl Setting for Time {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.str("an RFC 3339 time, such as 2027-03-01T00:00:00Z")?;
        told(node, units::time(text)).map(Self)
    }
}

impl Setting for Begin {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.str("a duration such as \"24h\", or an RFC 3339 time")?;
        // A time has its year and a dash; whatever else is meant to be a duration.
        let start = match units::time(text) {
            Ok(time) => Ok(Start::At(time)),
            Err(error) if text.contains('-') => Err(error),
            Err(_) => units::duration(text)
                .map(Start::Back)
                .map_err(|error| format!("{error}, or an RFC 3339 time")),
        };
        told(node, start).map(Self)
    }
}

impl Setting for Strings {
    fn read(node: &Node<'_>) -> Option<Self> {
        let mut all = Some(Vec::new());
        node.list("a list of texts", |item| match (item.str("a text in quotes"), &mut all) {
            (Some(text), Some(list)) => list.push((text.to_owned(), item.path.clone())),
            _ => all = None,
        })?;
        all.map(Self)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(node: &Node<'_>) -> Option<Self> {
        let mut all = Some(Self::new());
        node.list("a list of tables", |item| match (T::read(item), &mut all) {
            (Some(value), Some(list)) => list.push(value),
            _ => all = None,
        })?;
        all
    }
}

impl Setting for BTreeMap<String, String> {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.table("a table of texts", |table| {
            let read = |(key, value): (&String, _)| {
                let node = Node::new(node.cx, join(&node.path, key), value);
                Some((key.clone(), String::read(&node)?))
            };
            // Collecting at once would stop at the first problem.
            let read: Vec<Option<(String, String)>> = table.iter().map(read).collect();
            read.into_iter().collect()
        })?
    }

    fn absent(_: &Context<'_>, _: &str) -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: Setting> Setting for Named<T> {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.table("a table of tables", |table| {
            let mut items: Vec<Item<T>> = table
                .iter()
                .map(|(name, value)| {
                    let path = join(&node.path, name);
                    let value = T::read(&Node::new(node.cx, path.clone(), value));
                    Item { name: name.clone(), path, value }
                })
                .collect();
            items.sort_by(|a, b| a.name.cmp(&b.name));
            Self(items)
        })
    }

    fn absent(_: &Context<'_>, _: &str) -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// The schema of a kind of value, written where it is used.
macro_rules! schema {
    ($type:ty, $($json:tt)+) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($json)+)
            }
        }
    };
}

schema!(Count, { "type": "integer", "minimum": 1, "maximum": u32::MAX });
schema!(Seconds, { "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" });
schema!(Size, { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" });
schema!(Time, { "type": "string", "format": "date-time" });
schema!(Begin, { "type": "string" });
schema!(Strings, { "type": "array", "items": { "type": "string" } });

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,64}$" },
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}

/// Reads `type` and opens the section that it names.
pub(super) fn by_type<T>(
    node: &Node<'_>,
    types: &[&str],
    open: impl FnOnce(&str, &config::Map<String, config::Value>) -> Option<T>,
) -> Option<T> {
    node.table("a table", |table| {
        let path = join(&node.path, "type");
        let Some(value) = table.get("type") else {
            node.cx.error(
                &path,
                format!("this key is missing; write `type` as {}", section::one_of(types)),
            );
            return None;
        };
        let node = Node::new(node.cx, path, value);
        let text = node.str(&section::one_of(types))?;
        if !types.contains(&text) {
            section::unknown_word(&node, text, types);
            return None;
        }
        open(text, table)
    })?
}
