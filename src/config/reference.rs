//! The page `docs/CONFIGURATION.md`: every key, from the JSON Schema.

use std::fmt::Write;

use serde_json::{Map, Value};

const BEGIN: &str = "\
# Configuration

Every key, from the schema that the code reads by; do not edit it: `UPDATE_DOCS=1 cargo test --lib reference`
writes it. `postrider config example` prints the same as a file, `postrider config schema` as a JSON
Schema for editors, and `postrider check` tries what you wrote.

The file is TOML, by default `/etc/postrider/postrider.toml`; `--config FILE` or `POSTRIDER_CONFIG` names
another. Unknown keys are errors.

| type | is written |
| --- | --- |
| duration | one whole number and one unit: `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"1h\"`, `\"7d\"` |
| size | one whole number and one unit: `\"64KiB\"`, `\"1MiB\"`, `\"2GiB\"` (`B` too) |
| time | RFC 3339: `2027-03-01T00:00:00Z` |
| number | a whole number from 1 |
| texts | a list: `[\"a\", \"b\"]` |
| secret | `{ file = \"/path\" }`, `{ env = \"NAME\" }`, `{ credential = \"name\" }`, or for trials the secret itself |

## From the environment

Each key has a variable, which goes before the file. `NAME` is the name of the source or sink; case does not
matter, nor whether a name has `-` or `_`. Lists are separated by commas, or TOML as everything else that is
not a single value: `[{ after = \"2h\" }]`. Of a secret the variable ends in `__FILE`, `__ENV` or
`__CREDENTIAL`; without such an end it holds the secret itself. Where there is no file and a variable is set,
the environment alone configures.
";

/// The page.
fn page(schema: &Value) -> String {
    let mut page = BEGIN.to_owned();
    for (name, section) in properties(schema) {
        let about = words(section);
        let Some(kinds) = kinds(schema, section) else {
            let section = resolved(schema, section);
            write!(page, "\n## `[{name}]`\n\n{about}\n\n").expect(INFALLIBLE);
            let keys: Vec<_> = properties(section).collect();
            table(schema, &format!("POSTRIDER__{}", name.to_uppercase()), &keys, &mut page);
            continue;
        };
        let prefix = format!("POSTRIDER__{}__NAME", name.to_uppercase());
        write!(page, "\n## `[{name}.NAME]`\n\n{about} `type` decides on the keys.\n")
            .expect(INFALLIBLE);
        let everywhere = |key: &str, of: &Value| {
            kinds.iter().all(|kind| kind["properties"].get(key) == Some(of))
        };
        for kind in &kinds {
            let word = kind.pointer("/properties/type/enum/0").and_then(Value::as_str);
            let (word, about) = (word.unwrap_or_default(), words(kind));
            write!(page, "\n### `type = \"{word}\"`\n\n{about}\n\n").expect(INFALLIBLE);
            let own: Vec<_> = properties(kind).filter(|(key, of)| !everywhere(key, of)).collect();
            table(schema, &prefix, &own, &mut page);
        }
        let shared: Vec<_> = properties(kinds[0]).filter(|(key, of)| everywhere(key, of)).collect();
        write!(page, "\n### Every type of `[{name}.NAME]`\n\n").expect(INFALLIBLE);
        table(schema, &prefix, &shared, &mut page);
    }
    page
}

const INFALLIBLE: &str = "writing to a String does not fail";

fn table(schema: &Value, prefix: &str, keys: &[(&String, &Value)], page: &mut String) {
    page.push_str(
        "| key | type | default | meaning, and the variable |\n| --- | --- | --- | --- |\n",
    );
    for (key, of) in keys {
        let variable = format!("{prefix}__{}", key.to_uppercase());
        rows(schema, key, Some(&variable), of, page);
    }
}

/// The row of a key, and those of the keys below it. What is in a list has no variable of its own.
fn rows(schema: &Value, key: &str, variable: Option<&str>, of: &Value, page: &mut String) {
    let below = resolved(schema, of.get("items").unwrap_or(of));
    let (deeper, in_list) = (below.get("properties").is_some(), of.get("items").is_some());
    if deeper && !in_list {
        // It has no value of its own, but the defaults of what is below stand here.
        writeln!(page, "| `{key}` | table |  | {} |", told(of)).expect(INFALLIBLE);
    } else {
        let (kind, end) = kind(of, deeper);
        let default = of.get("default").filter(|it| *it != "").map(|it| format!("`{it}`"));
        let default = default.unwrap_or_default();
        let variable = variable.map(|name| format!("<br>`{name}{end}`")).unwrap_or_default();
        let about = told(of);
        writeln!(page, "| `{key}` | {kind} | {default} | {about}{variable} |").expect(INFALLIBLE);
    }
    if deeper {
        let list = if in_list { "[]" } else { "" };
        for (name, of) in properties(below) {
            let variable = variable
                .filter(|_| !in_list)
                .map(|variable| format!("{variable}__{}", name.to_uppercase()));
            rows(schema, &format!("{key}{list}.{name}"), variable.as_deref(), of, page);
        }
    }
}

/// What it means, without what the type says already.
fn told(of: &Value) -> String {
    words(of).replace(" A duration.", "").replace(" A size.", "").replace('|', "\\|")
}

/// What a key's value is, and how its variable ends.
fn kind(of: &Value, tables: bool) -> (String, &'static str) {
    if of["$ref"] == "#/$defs/Secret" {
        return ("secret".to_owned(), "__FILE");
    }
    if let Some(words) = of["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return (words.join(", "), "");
    }
    let pattern = of["pattern"].as_str().unwrap_or_default();
    let kind = match of["type"].as_str().unwrap_or_default() {
        "array" if tables => "list of tables",
        "array" => "texts",
        "object" => return ("table of texts".to_owned(), "__KEY"),
        "integer" => "number",
        "boolean" => "`true`, `false`",
        _ if pattern.contains("KiB") => "size",
        _ if pattern.contains("ms") => "duration",
        _ if of["format"] == "date-time" => "time",
        _ => "text",
    };
    (kind.to_owned(), "")
}

/// The alternatives of what a table of named tables holds.
fn kinds<'s>(schema: &'s Value, section: &'s Value) -> Option<Vec<&'s Value>> {
    let named = resolved(schema, section.get("additionalProperties")?);
    let kinds = named.get("anyOf")?.as_array()?;
    Some(kinds.iter().map(|kind| resolved(schema, kind)).collect())
}

fn resolved<'s>(schema: &'s Value, of: &'s Value) -> &'s Value {
    let target = of.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    target.and_then(|path| schema.pointer(path)).unwrap_or(of)
}

fn properties(of: &Value) -> impl Iterator<Item = (&String, &Value)> {
    of.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn words(of: &Value) -> &str {
    of.get("description").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::schema;

    #[test]
    fn docs_configuration_md_is_what_the_schema_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
        let page = page(&schema());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page, "write it: UPDATE_DOCS=1 cargo test --lib reference");
    }

    #[test]
    fn each_key_is_told_of() {
        let (schema, mut keys) = (schema(), Vec::new());
        let page = page(&schema);
        for section in schema["$defs"].as_object().unwrap().values() {
            keys.extend(properties(section).map(|(key, of)| (key.clone(), words(of).to_owned())));
        }
        assert!(keys.len() > 90, "{}", keys.len());
        for (key, about) in keys {
            let row = |line: &str| {
                let Some(first) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next())
                else {
                    return false;
                };
                first.rsplit(['.', ']']).any(|part| part.trim_start_matches('.') == key)
            };
            assert!(!about.is_empty() && page.lines().any(row), "{key}: {about}");
        }
    }
}
