//! The page `docs/FIELDS.md`: the mapping table as people read it.

use std::fmt::Write;

use super::fields::{self, CefKey, Field, Take};
use crate::domain::slice::Stream;

const BEGIN: &str = "\
# Fields

What each format calls what an event has. The same table in the code makes the formats and this page;
do not edit it: `UPDATE_DOCS=1 cargo test --lib format` writes it.

- **CEF** and **LEEF**: a syslog sink's `payload`. *one* means the first of several. A custom key of
  CEF (`cs1`, `cn1`, …) has its field's name as its label. Times in CEF, and LEEF's `devTime`, are
  milliseconds since 1970.
- **CIM**: what the Splunk add-on calls the field, from the JSON that a `splunk_hec` sink sends.
- **ECS** and **OCSF**: a sink's `schema`. The event as Postrider has it is in there too: under
  `postrider` and `cisco_etd`, `proofpoint_ser` or `health` (ECS), under `unmapped` (OCSF).

Members of `postrider` are Postrider's own, all others the vendor's. Where several are named, the first
that is not empty counts, or, where it says *all of*, each text once. A field that an event does not
have is left out. So is a value that is not of its field's kind, such as a word in the place of an
address or a time without its zone: receivers refuse whole events for one. The JSON keeps it.
";

/// The page.
pub fn page() -> String {
    let mut page = BEGIN.to_owned();
    for stream in Stream::ALL {
        let (vendor, product) = fields::device(stream);
        let (word, title) = (stream.as_str(), fields::title(stream));
        let heading = format!("\n## `{word}`: {title} ({vendor} {product})\n\n");
        page.push_str(&heading);
        page.push_str("| field | from | CEF | LEEF | CIM | ECS | OCSF |\n");
        page.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        for field in fields::of(stream) {
            row(field, &mut page);
        }
    }
    page
}

fn row(field: &Field, page: &mut String) {
    let code = |name: Option<&str>| name.map(|name| format!("`{name}`")).unwrap_or_default();
    let names = [field.leef, field.cim, field.ecs, field.ocsf].map(code);
    let cef = field.cef.map(|key| cef(&key, field)).unwrap_or_default();
    writeln!(page, "| {} | {} | {cef} | {} |", field.name, from(field.from), names.join(" | "))
        .expect("writing to a String does not fail");
}

fn from(take: Take) -> String {
    let listed = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        paths.join(", ")
    };
    match take {
        Take::First(paths) => listed(paths),
        Take::All(paths) => format!("all of {}", listed(paths)),
        Take::Derived(_, words) => words.to_owned(),
    }
}

fn cef(key: &CefKey, field: &Field) -> String {
    let mut text = format!("`{}`", key.key);
    if let Some(ipv6) = key.ipv6 {
        text = format!("{text}, IPv6 `{ipv6}`");
    }
    if let Some(label) = key.label {
        text = format!("{text} ({label})");
    }
    if field.kind == fields::Kind::List && !key.all {
        text.push_str(", one");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::*;

    #[test]
    fn docs_fields_md_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FIELDS.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page(), "write it: UPDATE_DOCS=1 cargo test --lib format");
    }

    #[test]
    fn no_key_is_there_twice() {
        for stream in Stream::ALL {
            let mut cef = HashSet::from(["truncated".to_owned()]);
            let mut leef = HashSet::from(["truncated", "cat", "sev"]);
            for field in fields::of(stream) {
                if let Some(key) = field.cef {
                    assert!(cef.insert(key.key.to_owned()), "{stream:?} {}", key.key);
                    assert!(key.ipv6.is_none_or(|ipv6| cef.insert(ipv6.to_owned())));
                    assert!(key.label.is_none() || cef.insert(format!("{}Label", key.key)));
                }
                assert!(field.leef.is_none_or(|key| leef.insert(key)), "{stream:?} {}", field.name);
            }
            let plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric());
            assert!(cef.iter().all(|key| plain(key)) && leef.iter().all(|key| plain(key)));
        }
    }
}
