//! The examples load, and the schema knows what they use.

use super::*;

/// Takes the comment sign off every optional key.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A place that has the files and credentials which the examples name.
fn furnished(text: &str) -> Place {
    let place = Place::with(&text.replace("\"/etc/", "\"DIR/etc/"));
    for file in [
        "etc/postrider/ser-secret",
        "etc/postrider/etd-client-secret",
        "etc/postrider/client.pem",
        "etc/postrider/client.key",
        "etc/ssl/proxy-ca.pem",
        "etc/ssl/splunk-ca.pem",
        "etc/ssl/qradar-ca.pem",
        "credentials/etd-client-secret",
        "credentials/etd-api-key",
        "credentials/hec-token",
        "credentials/admin-token",
    ] {
        place.put(file, "something\n", 0o600);
    }
    place.put("etc/postrider/privacy-key", "something of 16 bytes\n", 0o600);
    let directory = place.path("credentials").display().to_string();
    place.env("CREDENTIALS_DIRECTORY", &directory)
}

#[test]
fn the_examples_load_without_a_warning() {
    let (splunk, qradar) = (
        include_str!("../../../config/splunk.toml"),
        include_str!("../../../config/qradar-syslog.toml"),
    );
    for text in [example(), minimal(), splunk, qradar] {
        assert_eq!(furnished(text).told(), "no errors, no warnings");
    }
}

#[test]
fn the_container_s_variables_are_a_configuration() {
    let lines = include_str!("../../../config/container.env").lines();
    let variables = lines.filter_map(|line| line.split_once('=')).filter(|(k, _)| !k.contains('#'));
    let secret = ("ETD_CLIENT_SECRET", "something");
    let env = variables.chain([secret]).map(|(key, value)| (key.to_owned(), value.to_owned()));
    let loaded = load(None, env, now()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.sources.len() + loaded.config.sinks.len(), 2);
}

#[test]
fn the_example_s_optional_keys_are_all_valid() {
    let text = uncommented(example());
    assert_eq!(furnished(&text).told(), "no errors, no warnings");
}

#[test]
fn the_example_shows_the_defaults() {
    let strip = |text: &str| {
        // What has no default is an example only.
        let none = [
            "api_key",
            "token =",
            "tags",
            "expect_",
            "credentials_expire",
            "proxy",
            "tls",
            "host",
            "index",
            "privacy",
        ];
        let lines = text.lines().filter(|line| {
            let line = line.trim_start_matches('#');
            !none.iter().any(|key| line.starts_with(key))
                || line.starts_with("token = { credential = \"hec")
        });
        lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace("#[sinks.stdout]\n#type", "[sinks.stdout]\ntype")
            .replace("#[sources.ser-admin]\n#type", "[sources.ser-admin]\ntype")
            .replace("\n#client_", "\nclient_")
    };
    let text = strip(example());
    let short = furnished(&text);
    let long = furnished(&uncommented(&text));
    let shown = |place: &Place| {
        format!("{:#?}", place.config()).replace(&place.dir.path().display().to_string(), "DIR")
    };
    assert_eq!(shown(&short), shown(&long));
}

#[test]
fn the_example_has_every_key_of_the_schema() {
    let table: toml::Table = uncommented(example()).parse().unwrap();
    let schema = schema();
    let mut missing = Vec::new();
    for (section, kind) in [("sources", "type"), ("sinks", "type")] {
        for (name, value) in table[section].as_table().unwrap() {
            let value = value.as_table().unwrap();
            let word = value[kind].as_str().unwrap();
            for key in keys_of_type(&schema, word) {
                // One of two that exclude each other.
                if key != "base_url" && !value.contains_key(&key) {
                    missing.push(format!("{section}.{name}.{key}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_schema_has_every_key_of_the_example() {
    let table: toml::Value = toml::from_str(&uncommented(example())).unwrap();
    let schema = schema();
    let mut unknown = Vec::new();
    look_up(&schema, &schema, &table, "", &mut unknown);
    assert_eq!(unknown, Vec::<String>::new());
    let wrong =
        toml::from_str("[sources.a]\ntype = \"cisco_etd\"\nresweep = [{ aftr = 1 }]").unwrap();
    look_up(&schema, &schema, &wrong, "", &mut unknown);
    assert_eq!(unknown, [".sources.a.resweep.aftr"]);
}

/// Collects the paths of the keys that the schema does not have.
fn look_up(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    value: &toml::Value,
    path: &str,
    unknown: &mut Vec<String>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return look_up(root, target, value, path, unknown);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        // The one option that knows all; sections are told apart by their `type`.
        let fits = options.iter().any(|option| {
            let mut missing = Vec::new();
            look_up(root, option, value, path, &mut missing);
            let all_known = missing.is_empty();
            if !all_known && unknown.is_empty() && has_type(root, option, value) {
                unknown.append(&mut missing);
            }
            all_known
        });
        assert!(fits || !unknown.is_empty(), "{path} fits no option");
        return;
    }
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = format!("{path}.{key}");
                let known = schema["properties"].get(key).or_else(|| {
                    schema.get("additionalProperties").filter(|below| below.is_object())
                });
                match known {
                    Some(below) => look_up(root, below, value, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        toml::Value::Array(items) => {
            for item in items {
                look_up(root, &schema["items"], item, path, unknown);
            }
        }
        _ => {}
    }
}

fn has_type(root: &serde_json::Value, option: &serde_json::Value, value: &toml::Value) -> bool {
    let reference = option["$ref"].as_str().unwrap_or_default();
    let definition = root.pointer(reference.trim_start_matches('#')).unwrap();
    let word = value.get("type").and_then(toml::Value::as_str).unwrap_or_default();
    definition["properties"]["type"]["enum"][0] == word
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema = schema();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{key}");
        }
    }
    assert_eq!(schema["$defs"]["EtdKeys"]["properties"]["lag"]["default"], "6m");
    assert_eq!(schema["$defs"]["EtdKeys"]["properties"]["page_size"]["default"], 100);
}

/// The keys of the definition whose `type` is `word`.
fn keys_of_type(schema: &serde_json::Value, word: &str) -> Vec<String> {
    let definition = schema["$defs"]
        .as_object()
        .unwrap()
        .values()
        .find(|it| it["properties"]["type"]["enum"][0] == word)
        .unwrap();
    definition["properties"].as_object().unwrap().keys().cloned().collect()
}

/// The schema is what editors and deployments rely on: a change to it is seen.
#[test]
fn the_schema_is_as_published() {
    insta::assert_json_snapshot!(schema());
}
