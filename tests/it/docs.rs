//! What the guides for SIEMs show is what Postrider takes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use regex::Regex;
use serde_json::Value;

use crate::{
    harness::{Home, etd},
    pki::Pki,
    splunk::sent,
};

fn guides() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = std::fs::read_dir(root.join("docs/siem")).unwrap();
    let mut pages: Vec<_> = pages.map(|page| page.unwrap().path()).collect();
    pages.push(root.join("deploy/qradar/README.md"));
    pages.sort();
    assert!(pages.len() > 5, "{pages:?}");
    pages
}

/// The blocks of a language.
fn blocks(page: &Path, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let (mut blocks, mut inside) = (Vec::new(), false);
    for line in text.lines() {
        match line.trim().strip_prefix("```") {
            Some(word) if !inside && word == language => {
                inside = true;
                blocks.push(String::new());
            }
            Some(_) => inside = false,
            None if inside => blocks.last_mut().unwrap().extend([line, "\n"]),
            None => {}
        }
    }
    blocks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_configuration_in_the_guides_is_a_good_one() {
    let pki = Pki::new();
    let client = pki.issue("client", &["postrider.example.com"], false);
    let mut count = 0;
    for page in guides() {
        for block in blocks(&page, "toml") {
            let home = Home::new();
            home.secret("hec-token", "11111111-2222-3333-4444-555555555555");
            let mut text = block;
            // What a guide's reader has elsewhere.
            for (there, here) in [
                ("/etc/ssl/[a-z]+-ca.pem", pki.ca_file()),
                ("/etc/ssl/postrider.pem", client.cert.clone()),
                ("/etc/ssl/postrider.key", client.key.clone()),
                ("/var/log/postrider", home.root().to_owned()),
            ] {
                let there = Regex::new(there).unwrap();
                text = there.replace_all(&text, here.to_str().unwrap()).into_owned();
            }
            home.configure(&[etd("https://api.example.com", ""), text.clone()]);
            let mut command = home.command(&["check", "--offline"]);
            command.env("CREDENTIALS_DIRECTORY", home.root());
            let checked = command.output().await.unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{}:\n{text}\n{said}", page.display());
            count += 1;
        }
    }
    assert!(count >= 6, "{count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elastic_s_templates_are_json_and_map_members_that_events_have() {
    let page = guides().into_iter().find(|page| page.ends_with("elastic.md")).unwrap();
    let templates = blocks(&page, "json");
    let read = |text: &String| -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let templates: Vec<Value> = templates.iter().map(read).collect();
    assert_eq!(templates.len(), 3);
    let mapped = templates.iter().find_map(|template| {
        template.pointer("/template/mappings/properties/postrider/properties")?.as_object()
    });
    let sent = sent::all().await;
    let names: BTreeSet<&str> = sent
        .iter()
        .flat_map(|event| event.fields.keys())
        .map(|name| {
            let own = name.strip_prefix("postrider.").unwrap_or_default();
            own.split(['.', '{']).next().unwrap_or_default()
        })
        .collect();
    for member in mapped.unwrap().keys() {
        assert!(names.contains(member.as_str()), "no event has postrider.{member}");
    }
    // A vendor's record is under its own name.
    let properties = templates.iter().find_map(|it| it.pointer("/template/mappings/properties"));
    for vendor in sent.iter().filter_map(|event| event.fields.get("postrider.vendor")) {
        let vendor = if vendor[0] == "postrider" { "health" } else { &vendor[0] };
        assert_eq!(properties.unwrap()[vendor]["type"], "flattened", "{vendor}");
    }
}
