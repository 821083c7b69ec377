//! Searches, as far as the add-on's are written: which fields each command needs, and which it leaves.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

pub(super) type Names = BTreeSet<String>;

/// `name="value"` of a search.
pub(super) type Terms = Vec<(String, String)>;

fn regex(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// The search with what its macros stand for.
pub(super) fn expanded(search: &str, macros: &BTreeMap<String, String>) -> String {
    let mut text = search.to_owned();
    let call = regex("`([^`]*)`");
    for _ in 0..8 {
        text = call
            .replace_all(&text, |groups: &regex::Captures<'_>| {
                let name = &groups[1];
                macros.get(name).unwrap_or_else(|| panic!("no macro {name}")).clone()
            })
            .into_owned();
    }
    // What a person chooses in a dashboard.
    regex(r"\$[a-z.]+\$").replace_all(&text, "*").into_owned()
}

/// The commands of a search; the first is `search` where nothing else is said.
pub(super) fn commands(search: &str) -> Vec<(String, String)> {
    let (mut parts, mut quoted) = (vec![String::new()], false);
    for character in search.chars() {
        quoted ^= character == '"';
        if character == '|' && !quoted {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(character);
        }
    }
    let first = parts.remove(0).trim().to_owned();
    let mut commands = Vec::new();
    if !first.is_empty() {
        commands.push(("search".to_owned(), first));
    }
    for part in parts {
        let (name, rest) = part.trim().split_once(' ').unwrap_or((part.trim(), ""));
        commands.push((name.to_owned(), rest.trim().to_owned()));
    }
    commands
}

/// The fields that an expression reads.
pub(super) fn read_by(expression: &str) -> Names {
    // Texts, then names in quotes, functions, words.
    let token = regex(r#""(?:[^"\\]|\\.)*"|'([^']+)'|([A-Za-z_][\w.{}]*)(\s*\()?"#);
    let words = ["AND", "OR", "NOT", "IN", "LIKE", "true", "false"];
    let mut names = Names::new();
    for groups in token.captures_iter(expression) {
        let word = groups.get(2).filter(|_| groups.get(3).is_none());
        let word = word.filter(|word| !words.contains(&word.as_str()));
        names.extend(groups.get(1).or(word).map(|name| name.as_str().to_owned()));
    }
    names
}

/// What a search compares.
pub(super) fn terms(search: &str) -> Terms {
    let one = regex(r#"(?:"([^"]+)"|([\w.{}]+))\s*(?:!?=|[<>]=?)\s*(?:"([^"]*)"|([^\s"|()]+))"#);
    let several = regex(r"([\w.]+) IN \(([^)]*)\)");
    let mut terms = Terms::new();
    for groups in one.captures_iter(search) {
        let of = |a, b| groups.get(a).or(groups.get(b)).unwrap().as_str().to_owned();
        terms.push((of(1, 2), of(3, 4)));
    }
    for groups in several.captures_iter(search) {
        let values = groups[2].split(',').map(|value| value.trim().trim_matches('"'));
        terms.extend(values.map(|value| (groups[1].to_owned(), value.to_owned())));
    }
    terms
}

/// Words of a list of fields.
fn listed(text: &str) -> Names {
    let words = text.split([' ', ',']).map(|word| word.trim_matches('"'));
    let is_field = |word: &&str| !word.is_empty() && !["-", "+"].contains(word);
    let words = words.filter(is_field).filter(|word| word.parse::<u32>().is_err());
    words.map(str::to_owned).collect()
}

/// What `stats` and its like read, and what they leave.
fn aggregated(text: &str) -> (Names, Names) {
    let (what, by) = text.split_once(" by ").unwrap_or((text, ""));
    let by = regex(r"\w+=\S+").replace_all(by, "").into_owned();
    let by = listed(&by);
    let function = regex(r"(\w+)\(([^)]*)\)(?:\s+as\s+(\w+))?");
    let (mut needs, mut leaves) = (by.clone(), by);
    for groups in function.captures_iter(what) {
        needs.extend(listed(&groups[2]));
        let name = groups.get(3).map_or(&groups[0], |alias| alias.as_str());
        leaves.insert(name.to_owned());
    }
    if regex(r"\bcount\b").is_match(what) {
        leaves.insert("count".to_owned());
    }
    (needs, leaves)
}

/// Goes through a search that begins with these fields. `Err` names those that are not there.
pub(super) fn fields_after(
    search: &str,
    there: &Names,
    indexed: &Names,
) -> Result<Names, Vec<String>> {
    let (mut there, mut missing) = (there.clone(), Vec::new());
    for (name, rest) in commands(search) {
        let named = |terms: Terms| terms.into_iter().map(|(name, _)| name).collect::<Names>();
        let (needs, leaves) = match name.as_str() {
            "search" => (named(terms(&rest)), None),
            "where" => (read_by(&rest), None),
            "eval" => {
                let (to, from) = rest.split_once('=').unwrap();
                let mut leaves = there.clone();
                leaves.insert(to.trim().to_owned());
                (read_by(from), Some(leaves))
            }
            "stats" => {
                let (needs, leaves) = aggregated(&rest);
                (needs, Some(leaves))
            }
            "timechart" => {
                let (mut needs, mut leaves) = aggregated(&rest);
                needs.insert("_time".to_owned());
                leaves.insert("_time".to_owned());
                (needs, Some(leaves))
            }
            "tstats" => {
                // It sees what is in the index only.
                there.clone_from(indexed);
                let (what, filter) = rest.split_once(" where ").unwrap();
                let (filter, by) = filter.rsplit_once(" by ").unwrap();
                let (mut needs, leaves) = aggregated(&format!("{what} by {by}"));
                needs.extend(named(terms(filter)));
                (needs, Some(leaves))
            }
            "table" | "fields" => (listed(&rest), Some(listed(&rest))),
            "dedup" | "mvexpand" | "sort" => (listed(&rest), None),
            "convert" => (aggregated(&rest).0, None),
            other => panic!("the test does not know the command {other}"),
        };
        let absent = needs.iter().filter(|need| !there.contains(*need));
        missing.extend(absent.map(|field| format!("{field} ({name})")));
        there = leaves.unwrap_or(there);
    }
    if missing.is_empty() { Ok(there) } else { Err(missing) }
}
