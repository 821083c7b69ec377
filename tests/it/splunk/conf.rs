//! Splunk's `.conf` files and lookups, as far as the add-on uses them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The add-on's folder.
pub(super) fn add_on() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/splunk/TA-postrider")
}

pub(super) fn read(name: &str) -> String {
    let path = add_on().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Stanzas by their names, each with its settings.
pub(super) type Conf = BTreeMap<String, BTreeMap<String, String>>;

pub(super) fn conf(name: &str) -> Conf {
    let mut conf = Conf::new();
    let mut stanza = String::new();
    for line in read(&format!("default/{name}.conf")).lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            stanza = name.to_owned();
            let before = conf.insert(stanza.clone(), BTreeMap::new());
            assert!(before.is_none(), "[{stanza}] twice");
            continue;
        }
        assert!(!line.ends_with('\\'), "longer lines are not needed: {line}");
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
        let settings = conf.get_mut(&stanza).unwrap();
        let before = settings.insert(key.trim().to_owned(), value.trim().to_owned());
        assert!(before.is_none(), "[{stanza}] {key} twice");
    }
    conf
}

/// A lookup's columns and rows; no cell has a comma or a quote.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn read(file: &str) -> Self {
        let text = read(&format!("lookups/{file}"));
        assert!(!text.contains('"'), "{file}");
        let mut rows: Vec<Vec<String>> =
            text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
        let columns = rows.remove(0);
        assert!(rows.iter().all(|row| row.len() == columns.len()), "{file}");
        Self { columns, rows }
    }

    pub(super) fn column(&self, name: &str) -> usize {
        let at = self.columns.iter().position(|column| column == name);
        at.unwrap_or_else(|| panic!("no column {name} in {:?}", self.columns))
    }

    /// What `column` has where `key` is `value`.
    pub(super) fn find(&self, key: &str, value: &str, column: &str) -> Option<&str> {
        let (key, column) = (self.column(key), self.column(column));
        let row = self.rows.iter().find(|row| row[key].eq_ignore_ascii_case(value));
        row.map(|row| row[column].as_str())
    }
}
