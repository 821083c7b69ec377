//! The shipped alerts, their runbook and the dashboard: good by Prometheus's own tools, told of in
//! the runbook, made of metrics that there are, and true (`live`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;
use serde_json::Value;

use crate::harness::skipped;

mod live;
mod metrics;
mod prometheus;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const RULES: &str = "deploy/prometheus/postrider.rules.yml";

fn rules() -> String {
    read(RULES)
}

/// The text of each rule, by its alert's name, in the order of the file.
fn alerts(rules: &str) -> Vec<(&str, &str)> {
    let blocks = rules.split("- alert: ").skip(1);
    blocks.map(|block| block.split_once('\n').unwrap()).collect()
}

fn promtool(arguments: &[&str], files: &[PathBuf]) -> bool {
    let output = Command::new("promtool").args(arguments).args(files).output();
    let Ok(output) = output else {
        skipped("the alerts' rules are not tried: install promtool (Debian: prometheus)");
        return false;
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    true
}

#[test]
fn promtool_finds_the_rules_good_and_sees_each_alert_fire_and_clear() {
    promtool(&["check", "rules"], &[root().join(RULES)]);
    let tests = std::fs::read_dir(root().join("deploy/prometheus/tests")).unwrap();
    let mut tests: Vec<PathBuf> = tests.map(|entry| entry.unwrap().path()).collect();
    tests.sort();
    promtool(&["test", "rules"], &tests);
    let text: String = tests.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let within = Regex::new("within: (\\w+)").unwrap();
    for (name, rule) in alerts(&rules()) {
        let label = within.captures(rule).map(|it| format!(", within=\"{}\"", &it[1]));
        let named = format!("{{alertname=\"{name}\"{}", label.unwrap_or_default());
        assert!(text.contains(&named), "no unit test has {named}");
    }
}

#[test]
fn each_alert_has_its_section_in_the_runbook_and_each_section_its_alert() {
    let (rules, runbook) = (rules(), read("docs/RUNBOOK.md"));
    let mut named: Vec<&str> = alerts(&rules).into_iter().map(|(name, _)| name).collect();
    named.dedup();
    let sections: BTreeMap<&str, &str> =
        runbook.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    let titles: BTreeSet<&str> = sections.keys().copied().collect();
    assert_eq!(titles, named.iter().copied().collect());
    for (title, section) in sections {
        for part in ["**Symptom.**", "**See it.**", "**Do.**", "**Else.**"] {
            assert!(section.contains(part), "{title} has no {part}");
        }
        assert!(section.contains("```"), "{title} shows no command");
    }
    for (name, rule) in alerts(&rules) {
        let own = rules.split(&format!("- alert: {name}\n")).nth(1).unwrap();
        let url = format!("runbook_url: docs/RUNBOOK.md#{}\n", name.to_lowercase());
        let rule = if rule.contains("annotations: *") { own } else { rule };
        for part in ["expr: ", "severity: ", "summary: ", "description: ", &url] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
    }
}

/// The expressions of all panels and variables.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if matches!(name.as_str(), "expr" | "query" | "definition") => {
                        found.push(text.to_owned());
                    }
                    _ => expressions(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/postrider.json")).unwrap();
    let mut asked = Vec::new();
    expressions(&dashboard, &mut asked);
    // The kind of the data source, which a variable's `query` is too.
    asked.retain(|text| text != "prometheus");
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_dashboard_ask_for_metrics_and_labels_that_there_are() {
    let mut asked = dashboard();
    assert!(asked.len() > 20, "{asked:#?}");
    asked.push(rules());
    let there = metrics::there().await;
    let selector = Regex::new(r"\b((?:postrider|process)_\w+)\b(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new(r#"(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)""#).unwrap();
    let mut names = BTreeSet::new();
    for expression in &asked {
        for found in selector.captures_iter(expression) {
            let name = &found[1];
            let labels = there.get(name).unwrap_or_else(|| panic!("no {name}: {expression}"));
            names.insert(name.to_owned());
            let matchers = found.get(2).map_or("", |it| it.as_str());
            for found in matcher.captures_iter(matchers) {
                // Prometheus's own, or chosen by who looks.
                if matches!(&found[1], "job" | "instance") || found[3].starts_with('$') {
                    continue;
                }
                let values = labels.get(&found[1]);
                let values = values.unwrap_or_else(|| panic!("{name} has no label {}", &found[1]));
                for value in found[3].split('|') {
                    assert!(values.contains(value), "{name} has no {}: {values:?}", &found[0]);
                }
            }
        }
    }
    assert!(names.len() > 20, "{names:?}");
    // What no one shows may as well not be there.
    let unseen: Vec<_> = there.keys().filter(|name| !names.contains(*name)).collect();
    let shown = |name: &&&String| !name.ends_with("_sum") && !name.ends_with("_count");
    assert_eq!(unseen.iter().filter(shown).collect::<Vec<_>>(), Vec::<&&String>::new());
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/postrider.json")).unwrap();
    assert!(dashboard["schemaVersion"].as_u64() >= Some(41), "{}", dashboard["schemaVersion"]);
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives it one");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut bottom) = (BTreeSet::new(), 0);
    for panel in panels {
        let (title, place) = (&panel["title"], &panel["gridPos"]);
        let at = |name: &str| place[name].as_u64().unwrap();
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is another's");
        assert!(at("x") + at("w") <= 24, "{title}: {place}");
        bottom = bottom.max(at("y") + at("h"));
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(targets.iter().all(|it| it["expr"].is_string()), "{title}");
        }
    }
    // No two in one place.
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for (x, y) in (at("x")..at("x") + at("w"))
            .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
        }
    }
    assert!(bottom > 20);
    let rows = panels.iter().filter(|panel| panel["type"] == "row");
    let rows: Vec<_> = rows.map(|row| row["title"].as_str().unwrap()).collect();
    let wanted = ["At a glance", "Sources", "Sinks", "Spool", "Quota and licence", "The process"];
    assert_eq!(rows, wanted);
}
