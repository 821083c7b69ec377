//! Reading the tree of values: each [`Node`] knows its key path, and what is wrong goes to the
//! [`Context`], so that one run finds everything.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::PathBuf,
};

use config::{Map, Value, ValueKind};
use jiff::Timestamp;

use super::{
    problem::{Place, Problem, Severity},
    text::{Places, join, parse_value},
};

/// What the configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// For work: each secret must be there.
    Secrets,
    /// To look at the store, perhaps where the service manager gives no secrets: none is looked for.
    NoSecrets,
}

/// What reading needs and leaves behind.
#[derive(Debug)]
pub(super) struct Context<'e> {
    pub(super) places: Places,
    pub(super) file: Option<PathBuf>,
    pub(super) env: &'e BTreeMap<String, String>,
    pub(super) now: Timestamp,
    pub(super) need: Need,
    /// Whether the file itself holds a secret.
    pub(super) secret_in_file: Cell<bool>,
    pub(super) problems: RefCell<Vec<Problem>>,
}

impl Context<'_> {
    pub(super) fn error(&self, path: &str, message: impl Into<String>) {
        self.tell(Severity::Error, path, message);
    }

    pub(super) fn warn(&self, path: &str, message: impl Into<String>) {
        self.tell(Severity::Warning, path, message);
    }

    fn tell(&self, severity: Severity, path: &str, message: impl Into<String>) {
        let mut problem =
            Problem::new(severity, message).at(self.places.nearest(path), self.file.as_deref());
        problem.key = (!path.is_empty()).then(|| path.to_owned());
        self.problems.borrow_mut().push(problem);
    }
}

/// One value and where it is.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) path: String,
    pub(super) value: &'a Value,
    /// The value is text that stands for a number, a list and so on: from the environment, or a
    /// default.
    text: bool,
}

/// What can be read from a node. `None`: the problem has been told.
pub(super) trait Setting: Sized {
    fn read(node: &Node<'_>) -> Option<Self>;

    /// What an absent key without a default means.
    fn absent(_cx: &Context<'_>, _path: &str) -> Option<Self> {
        None
    }
}

impl<'a> Node<'a> {
    pub(super) fn new(cx: &'a Context<'a>, path: String, value: &'a Value) -> Self {
        let text = matches!(value.kind, ValueKind::String(_))
            && matches!(cx.places.exactly(&path), Some(Place::Variable(_)));
        Self { cx, path, value, text }
    }

    pub(super) fn error(&self, message: impl Into<String>) {
        self.cx.error(&self.path, message);
    }

    /// Tells of a wrong type without quoting the value.
    pub(super) fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match &self.value.kind {
            _ if self.text => "other text",
            ValueKind::Nil => "nothing",
            ValueKind::Boolean(_) => "true or false",
            ValueKind::Float(_) => "a number with a fraction",
            ValueKind::String(_) => "a text",
            ValueKind::Table(_) => "a table",
            ValueKind::Array(_) => "a list",
            _ => "a whole number",
        };
        self.error(format!("this must be {what}, but is {found}"));
        None
    }

    pub(super) fn as_str(&self) -> Option<&'a str> {
        match &self.value.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// Like `as_str`, but tells when it is none.
    pub(super) fn str(&self, what: &str) -> Option<&'a str> {
        self.as_str().or_else(|| self.expected(what))
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match &self.value.kind {
            ValueKind::Boolean(flag) => Some(*flag),
            ValueKind::String(text) if self.text && text == "true" => Some(true),
            ValueKind::String(text) if self.text && text == "false" => Some(false),
            _ => self.expected("true or false"),
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        match &self.value.kind {
            ValueKind::I64(number) => Some(*number),
            ValueKind::String(text) if self.text => {
                text.parse().ok().or_else(|| self.expected("a whole number"))
            }
            _ => self.expected("a whole number"),
        }
    }

    /// Calls `each` with every item of a list. Text is a list in TOML, or separated by commas.
    pub(super) fn list(&self, what: &str, mut each: impl FnMut(&Node<'_>)) -> Option<()> {
        let text = match &self.value.kind {
            ValueKind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{}[{index}]", self.path);
                    each(&Node { cx: self.cx, path, value: item, text: false });
                }
                return Some(());
            }
            ValueKind::String(text) if self.text => text.trim(),
            _ => return self.expected(what),
        };
        if text.starts_with('[') {
            return self.toml(text, |node| node.list(what, each))?;
        }
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let value = Value::new(None, item);
            each(&Node { cx: self.cx, path: self.path.clone(), value: &value, text: true });
        }
        Some(())
    }

    /// Calls `use_it` with the table. Text is a table in TOML.
    pub(super) fn table<T>(
        &self,
        what: &str,
        use_it: impl FnOnce(&Map<String, Value>) -> T,
    ) -> Option<T> {
        match &self.value.kind {
            ValueKind::Table(table) => Some(use_it(table)),
            ValueKind::String(text) if self.text && text.trim_start().starts_with('{') => {
                self.toml(text.trim(), |node| node.table(what, use_it))?
            }
            _ => self.expected(what),
        }
    }

    fn toml<T>(&self, text: &str, use_it: impl FnOnce(&Node<'_>) -> T) -> Option<T> {
        match parse_value(text) {
            Ok(value) => Some(use_it(&Node {
                cx: self.cx,
                path: self.path.clone(),
                value: &value,
                text: false,
            })),
            Err(message) => {
                self.error(format!("this begins like TOML but cannot be read as such: {message}"));
                None
            }
        }
    }
}

/// A key of a section: its value if it was given and right, or has a default.
#[derive(Debug)]
pub(super) struct Key<T> {
    pub(super) value: Option<T>,
    pub(super) path: String,
    /// Whether it stands in the configuration, rightly or not.
    pub(super) given: bool,
}

impl<T: Setting> Key<T> {
    pub(super) fn read(
        cx: &Context<'_>,
        path: &str,
        table: &Map<String, Value>,
        name: &str,
        default: Option<Value>,
    ) -> Self {
        let path = join(path, name);
        let given = table.contains_key(name);
        let value = match (table.get(name), default) {
            (Some(value), _) => T::read(&Node::new(cx, path.clone(), value)),
            (None, Some(value)) => {
                T::read(&Node { cx, path: path.clone(), value: &value, text: true })
            }
            (None, None) => T::absent(cx, &path),
        };
        Self { value, path, given }
    }
}

impl<T> Key<T> {
    /// The value, telling if the key is missing altogether; `hint` says what to write.
    pub(super) fn need(self, cx: &Context<'_>, hint: &str) -> Option<T> {
        if self.value.is_none() && !self.given {
            cx.error(&self.path, format!("this key is missing; {hint}"));
        }
        self.value
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Key<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }
}
