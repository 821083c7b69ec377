//! The configuration as it may be shown: keys that Postrider knows with their values, secrets by
//! their form.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::secrets;

const FORMS: [&str; 3] = ["file", "env", "credential"];
/// A user's own words, of no use to who helps.
const TAGS: &str = "tags";

/// What may be shown of a configuration.
struct Known {
    keys: BTreeSet<String>,
    secret: BTreeSet<String>,
}

impl Known {
    fn new() -> Self {
        let mut keys = BTreeSet::new();
        secrets::properties(&crate::config::schema(), &mut |key, _| {
            keys.insert(key.to_owned());
        });
        Self { keys, secret: secrets::keys() }
    }
}

/// The text of a configuration's file without secrets, comments and what Postrider does not know.
pub(super) fn redacted(text: &str, tree: Option<&Table>) -> String {
    let known = Known::new();
    let Some(tree) = tree else { return skeleton(text, &known) };
    let sections = tree.iter().map(|(key, value)| {
        // Below these come names, then keys.
        let value = match value {
            Value::Table(named) if matches!(key.as_str(), "sources" | "sinks") => Value::Table(
                named.iter().map(|(name, value)| pair(name, shown(value, &known))).collect(),
            ),
            value => member(key, value, &known),
        };
        pair(key, value)
    });
    let tree: Table = sections.collect();
    toml::to_string_pretty(&tree).unwrap_or_else(|error| format!("# cannot be shown: {error}"))
}

fn pair(key: &str, value: Value) -> (String, Value) {
    (key.to_owned(), value)
}

fn member(key: &str, value: &Value, known: &Known) -> Value {
    match value {
        value if known.secret.contains(key) => form(value),
        _ if !known.keys.contains(key) => "[not shown: Postrider knows no such key]".into(),
        _ if key == TAGS => "[not shown]".into(),
        value => shown(value, known),
    }
}

fn shown(value: &Value, known: &Known) -> Value {
    match value {
        Value::Table(table) => Value::Table(
            table.iter().map(|(key, value)| pair(key, member(key, value, known))).collect(),
        ),
        Value::Array(values) => {
            Value::Array(values.iter().map(|value| shown(value, known)).collect())
        }
        Value::String(text) => Value::String(without_credentials(text)),
        value => value.clone(),
    }
}

/// A secret's form. A name is shown where it looks like one: somebody may have written the secret.
fn form(value: &Value) -> Value {
    let Value::Table(table) = value else { return "[secret: plain]".into() };
    let forms = table.iter().filter(|(form, _)| FORMS.contains(&form.as_str()));
    let forms = forms.map(|(form, value)| {
        let text = value.as_str().unwrap_or_default();
        pair(form, Value::from(if is_name(form, text) { text } else { "[not shown]" }))
    });
    Value::Table(forms.collect())
}

/// Whether what a form names looks like a name, and not like the secret itself.
pub(super) fn is_name(form: &str, text: &str) -> bool {
    let all = |is: fn(char) -> bool| text.chars().all(is);
    match form {
        "file" => text.starts_with('/'),
        "env" => all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'),
        _ => all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '_' | '.')),
    }
}

/// A URL without user, password and query.
fn without_credentials(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, rest)) => format!("[credentials]@{rest}"),
        None => rest.to_owned(),
    };
    match rest.split_once('?') {
        Some((rest, _)) if !scheme.is_empty() => format!("{scheme}{rest}?[query]"),
        _ => scheme + &rest,
    }
}

/// Of a file that is no TOML: sections and known keys, no values.
fn skeleton(text: &str, known: &Known) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut lines = vec!["# This is no valid TOML; values are not shown.".to_owned()];
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let header = line.strip_prefix('[').and_then(|line| line.split(']').next());
        let parts: Vec<&str> = header.unwrap_or_default().split('.').collect();
        let is_header = known.keys.contains(parts[0])
            && parts.len() <= 4
            && parts.iter().all(|part| !part.is_empty() && part.chars().all(is_word));
        let key = line.split_once('=').map(|(key, _)| key.trim());
        let shown = match (header, key) {
            (Some(header), _) if is_header => format!("[{header}]"),
            (None, Some(key)) if known.keys.contains(key) => format!("{key} = [not shown]"),
            _ if line.is_empty() || line.starts_with('#') => continue,
            _ => "[not shown]".to_owned(),
        };
        lines.push(format!("{:>4}: {shown}", number + 1));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
# hunter2 in a comment
[state]
directory = "/var/lib/postrider"
[sources.etd-us]
type = "cisco_etd"
client_id = "id"
client_secret = "hunter2"
api_key = { env = "hunter2" }
clinet_secret = "hunter2"
base_url = "https://me:hunter2@example.com/v1?key=hunter2"
tags = { tenant = "hunter2" }
schedule = { every = "1m" }
credentials_expire = 2027-03-01T00:00:00Z
[sinks.splunk]
type = "splunk_hec"
endpoints = ["https://me:hunter2@splunk.example.com:8088"]
token = { file = "/etc/postrider/hec", hunter2 = "hunter2" }
proxy = "http://me:hun@ter2/x@proxy:3128"
[unknown]
password = "hunter2"
"#;

    #[test]
    fn secrets_are_shown_by_their_form() {
        let text = redacted(TEXT, TEXT.parse().ok().as_ref());
        assert!(!text.contains("hunter2") && !text.contains("ter2/x"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn of_a_broken_file_keys_are_shown() {
        let text = redacted(&format!("{TEXT}\nhunter2 = \"\"\"\nhunter2=\n"), None);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("client_secret = [not shown]") && text.contains("[sources.etd-us]"));
    }
}
