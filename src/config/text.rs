//! TOML text to a tree of values and the place of each.

use std::{collections::BTreeMap, ops::Range};

use config::{Map, Value, ValueKind};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problem::Place;

/// Key paths and where their values come from.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, Place>);

impl Places {
    pub(super) fn exactly(&self, path: &str) -> Option<&Place> {
        self.0.get(path)
    }

    /// The place of `path` or of what is nearest above it.
    pub(super) fn nearest(&self, mut path: &str) -> Option<&Place> {
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(place);
            }
            path = path.split_at(path.rfind(['.', '['])?).0;
        }
    }

    /// Notes what brought a table about that nothing else has.
    pub(super) fn found(&mut self, path: &str, place: &Place) {
        self.0.entry(path.to_owned()).or_insert_with(|| place.clone());
    }

    /// Forgets what was at and below `path`, which something else now provides.
    pub(super) fn replace(&mut self, path: &str, place: Place) {
        self.0.retain(|known, _| {
            !known.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
        });
        self.0.insert(path.to_owned(), place);
    }
}

/// A syntax error: message and place. The message never quotes the text, which may hold secrets.
pub(super) type SyntaxError = (String, Option<Place>);

/// Reads a whole file.
pub(super) fn parse(text: &str) -> Result<(Map<String, Value>, Places), Vec<SyntaxError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let mut reader = Reader { lines: Lines::of(text), places: Places::default() };
        let table = reader.table("", table.get_ref());
        return Ok((table, reader.places));
    }
    let lines = Lines::of(text);
    let told = |error: &toml::de::Error| {
        (error.message().to_owned(), error.span().map(|span| lines.place(&span)))
    };
    Err(errors.iter().map(told).collect())
}

/// Reads one value, as an environment variable may hold it.
pub(super) fn parse_value(text: &str) -> Result<Value, String> {
    let value = DeValue::parse(text).map_err(|error| error.message().to_owned())?;
    let mut reader = Reader { lines: Lines::of(text), places: Places::default() };
    Ok(reader.value("", &value))
}

struct Reader<'t> {
    lines: Lines<'t>,
    places: Places,
}

impl Reader<'_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            let path = join(path, key.get_ref());
            self.places.0.insert(path.clone(), self.lines.place(&key.span()));
            map.insert(key.get_ref().to_string(), self.value(&path, value));
        }
        map
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Value {
        let kind = match value.get_ref() {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => ValueKind::I64(number),
                    Err(_) => ValueKind::String(number.to_string()),
                }
            }
            DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
            DeValue::Datetime(time) => ValueKind::String(time.to_string()),
            DeValue::Array(items) => {
                let mut list = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.places.0.insert(path.clone(), self.lines.place(&item.span()));
                    list.push(self.value(&path, item));
                }
                ValueKind::Array(list)
            }
            DeValue::Table(table) => ValueKind::Table(self.table(path, table)),
        };
        Value::new(None, kind)
    }
}

/// `path.key`, the key in quotes where TOML wants them.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let dot = if path.is_empty() { "" } else { "." };
    if !key.is_empty() && key.chars().all(bare) {
        format!("{path}{dot}{key}")
    } else {
        format!("{path}{dot}{key:?}")
    }
}

/// Byte offsets to lines and columns.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let line = self.starts.partition_point(|start| *start <= span.start);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..span.start).unwrap_or("");
        Place::File(line, before.chars().count() + 1)
    }
}
