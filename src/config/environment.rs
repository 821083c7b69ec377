//! The environment's overlay: `POSTRIDER__SOURCES__ETD_US__REGION` and the like.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};

use super::{
    problem::{Place, Problem, Severity},
    text::{Places, join},
};

const PREFIX: &str = "POSTRIDER__";

/// Parts of a name; no key has half as many.
const DEEPEST: usize = 16;

/// Keys of which a table has one at a time: setting one from the environment drops the file's
/// others.
const ALTERNATIVES: [&[&str]; 4] = [
    &["file", "env", "credential"],
    &["every", "cron"],
    &["per_second", "per_minute"],
    &["region", "base_url"],
];

/// Whether the environment configures anything, so that there need not be a file.
pub fn configures(env: &BTreeMap<String, String>) -> bool {
    env.keys().any(|name| strip_prefix(name).is_some())
}

fn strip_prefix(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    (prefix.eq_ignore_ascii_case(PREFIX) && !rest.is_empty()).then_some(rest)
}

/// What the environment sets, as a tree under the names that the file uses.
///
/// The `config` crate's own environment source would put `ETD_US` beside the file's `etd-us`, so
/// names are matched here and only the merging is left to it.
pub(super) fn overlay(
    env: &BTreeMap<String, String>,
    file: &mut Map<String, Value>,
    places: &mut Places,
) -> (Map<String, Value>, Vec<Problem>) {
    let mut tree = Map::new();
    let mut problems = Vec::new();
    let mut set: BTreeMap<Vec<String>, &str> = BTreeMap::new();
    for (name, value) in env {
        let Some(rest) = strip_prefix(name) else { continue };
        let refuse = |message: String| {
            Problem::new(Severity::Error, message).at(Some(&Place::Variable(name.clone())), None)
        };
        let path = match names(rest, file) {
            Ok(path) => path,
            Err(message) => {
                problems.push(refuse(message));
                continue;
            }
        };
        let beside = set.iter().find(|(other, _)| {
            let shorter = other.len().min(path.len());
            other.get(..shorter) == path.get(..shorter)
        });
        if let Some((_, other)) = beside {
            problems.push(refuse(format!(
                "it sets the same key as {other}, or one below it; remove one of them"
            )));
            continue;
        }
        drop_alternatives(file, &path);
        let place = Place::Variable(name.clone());
        let mut so_far = String::new();
        for key in &path {
            so_far = join(&so_far, key);
            places.found(&so_far, &place);
        }
        places.replace(&so_far, place);
        insert(&mut tree, &path, value);
        set.insert(path, name);
    }
    (tree, problems)
}

/// Splits a variable's name at `__`, preferring at each level a name that the file has.
fn names(mut rest: &str, file: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut table = Some(file);
    let mut path = Vec::new();
    loop {
        let plain = normal(rest);
        let mut known: Vec<&String> = table
            .into_iter()
            .flat_map(Map::keys)
            .filter(|key| {
                plain
                    .strip_prefix(&normal(key))
                    .is_some_and(|r| r.is_empty() || r.starts_with("__"))
            })
            .collect();
        known.sort_by_key(|key| (std::cmp::Reverse(key.len()), *key));
        if let [first, second, ..] = known.as_slice()
            && first.len() == second.len()
        {
            return Err(format!(
                "it fits both {first} and {second}; rename one of them, since the environment \
                 does not tell `-` from `_` or upper from lower case"
            ));
        }
        let (key, length) = if let Some(key) = known.first() {
            ((*key).clone(), key.len())
        } else {
            let length = plain.find("__").unwrap_or(plain.len());
            (plain.split_at(length).0.to_owned(), length)
        };
        if key.is_empty() {
            return Err("it has an empty part; write POSTRIDER__SECTION__KEY or \
                 POSTRIDER__SECTION__NAME__KEY"
                .to_owned());
        }
        table = match table.and_then(|table| table.get(&key)).map(|value| &value.kind) {
            Some(ValueKind::Table(table)) => Some(table),
            _ => None,
        };
        path.push(key);
        if path.len() > DEEPEST {
            return Err(
                "it has more parts than any key; write POSTRIDER__SECTION__NAME__KEY".to_owned()
            );
        }
        rest = rest.split_at(length).1;
        if rest.is_empty() {
            return Ok(path);
        }
        rest = rest.strip_prefix("__").unwrap_or(rest);
    }
}

/// Length stays the same, so positions in the normal form fit the name.
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

fn insert(tree: &mut Map<String, Value>, path: &[String], value: &str) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        tree.insert(key.clone(), Value::new(None, value));
        return;
    }
    let below =
        tree.entry(key.clone()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
    if let ValueKind::Table(table) = &mut below.kind {
        insert(table, rest, value);
    }
}

fn drop_alternatives(file: &mut Map<String, Value>, path: &[String]) {
    let Some((key, rest)) = path.split_first() else { return };
    if !rest.is_empty() && key != "tags" {
        if let Some(Value { kind: ValueKind::Table(table), .. }) = file.get_mut(key) {
            drop_alternatives(table, rest);
        }
        return;
    }
    for group in ALTERNATIVES {
        if group.contains(&key.as_str()) {
            file.retain(|other, _| other == key || !group.contains(&other.as_str()));
        }
    }
}
