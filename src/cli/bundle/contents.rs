//! What goes into the archive. Whatever is broken is said in its place, and the rest goes on.

use std::{
    fmt::Write as _,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use jiff::Timestamp;

use super::{archive::Entry, configuration, logs, metrics, secrets::Secrets, versions};
use crate::{
    cli::{check, coverage, setup, status},
    config::{Config, Loaded, Need},
    coverage::report,
    status::{Status, gather as gather_status},
    store::{Store, dead_letters::Which},
};

/// Dead letters whose reasons are told, the newest.
const LETTERS: usize = 1_000;
/// Columns of tables.
const WIDTH: usize = 120;
const STATE: &str = "/var/lib/postrider";

pub(super) async fn gather(named: Option<&Path>, now: Timestamp) -> Vec<Entry> {
    let env = setup::environment();
    let file = setup::file(named, &env);
    let text = file.as_deref().map(std::fs::read_to_string);
    let raw = text.as_ref().and_then(|text| text.as_deref().ok()).unwrap_or_default();
    let tree: Option<toml::Table> = raw.parse().ok();
    let secrets = Secrets::find(tree.as_ref(), raw, &env);
    let shown = match &text {
        None => Ok(String::from("# There is no file: the environment alone configures.\n")),
        Some(Ok(text)) => Ok(configuration::redacted(text, tree.as_ref())),
        Some(Err(error)) => Err(anyhow!("the configuration cannot be read ({error})")),
    };
    let shown = shown.map(|text| text + &variables(&env));

    let loaded = setup::configuration(Need::NoSecrets, named, now);
    let config = loaded.map(|Loaded { config, .. }| config);
    let config =
        config.as_ref().map_err(|_| anyhow!("the configuration cannot be used: see check.json"));
    let directory = directory(config.as_ref().ok().copied(), tree.as_ref());
    let store = Store::open_read_only(&directory).context("the store cannot be read");
    let status = both(&config, &store).and_then(|(config, store)| {
        gather_status(config, store, Store::is_in_use(&directory), now)
    });
    let status = status.as_ref();
    let coverage = both(&config, &store).and_then(|(config, store)| {
        Ok(report::gather(config, store, &report::View::default(), now)?)
    });
    let coverage = coverage.as_ref();
    let (checked, _) = check::report(named, true).await;
    let metrics = match &config {
        Ok(config) => metrics::scrape(&config.admin).await,
        Err(error) => Err(anyhow!("{error:#}")),
    };
    let health = |status: &Status| pretty(&status.health);
    let entries = vec![
        Entry::new("versions.txt", "versions of postrider and of what it runs on", {
            Ok(versions::versions(file.as_deref(), now))
        }),
        Entry::new("configuration.toml", "the configuration, secrets by their form", shown),
        Entry::new("check.json", "what `check --offline` says", pretty(&checked)),
        Entry::new("status.json", "sources, sinks, spool and budgets", apply(status, pretty)),
        Entry::new("status.txt", "the same as tables", apply(status, |it| Ok(status::table(it)))),
        Entry::new(
            "coverage.json",
            "what was collected and what is missing",
            apply(coverage, pretty),
        ),
        Entry::new("coverage.txt", "the same as strips and tables", {
            apply(coverage, |report| Ok(coverage::text(report, WIDTH)))
        }),
        Entry::new("health.json", "matters that need attention", apply(status, health)),
        Entry::new("dead-letters.json", "refusals in the SIEM's words, no events", {
            apply(store.as_ref(), dead_letters)
        }),
        Entry::new("store.txt", "sizes of files and rows of tables, no content", {
            Ok(sizes(&directory, store.as_ref()))
        }),
        Entry::new("metrics.txt", "the running daemon's metrics", metrics),
        Entry::new("logs.txt", "the end of the journal", logs::tail().await),
    ];
    entries.into_iter().map(|entry| entry.masked(|text| secrets.mask(text))).collect()
}

/// The variables that configure, by name.
fn variables(env: &[(String, String)]) -> String {
    let names = env.iter().map(|(name, _)| name.as_str());
    let ours = |name: &&str| {
        let name = name.to_uppercase();
        name.starts_with("POSTRIDER_")
            || name.ends_with("_PROXY")
            || name == "CREDENTIALS_DIRECTORY"
    };
    let names: Vec<&str> = names.filter(ours).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("\n# Set in the environment: {}\n", names.join(", ")),
    }
}

/// Where the store is, as far as can be known.
fn directory(config: Option<&Config>, tree: Option<&toml::Table>) -> PathBuf {
    let written = || tree?.get("state")?.get("directory")?.as_str().map(PathBuf::from);
    let checked = config.map(|config| config.state.directory.clone());
    checked.or_else(written).unwrap_or_else(|| PathBuf::from(STATE))
}

fn both<'a>(
    config: &'a anyhow::Result<&Config>,
    store: &'a anyhow::Result<Store>,
) -> anyhow::Result<(&'a Config, &'a Store)> {
    let again = |error: &anyhow::Error| anyhow!("{error:#}");
    Ok((config.as_ref().map_err(again)?, store.as_ref().map_err(again)?))
}

/// What follows from something, or why that is not there.
fn apply<T>(
    found: Result<&T, &anyhow::Error>,
    show: impl FnOnce(&T) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    show(found.map_err(|error| anyhow!("{error:#}"))?)
}

fn pretty(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

fn dead_letters(store: &Store) -> anyhow::Result<String> {
    pretty(&store.letters(&Which::All, u64::MAX, LETTERS)?)
}

/// The files of the state directory, and how many rows each table has.
fn sizes(directory: &Path, store: Result<&Store, &anyhow::Error>) -> String {
    let mut text = format!("{}\n", directory.display());
    let mut files: Vec<_> = match std::fs::read_dir(directory) {
        Ok(files) => files.flatten().collect(),
        Err(error) => {
            text.extend(["cannot be read (", &error.to_string(), ")\n"]);
            Vec::new()
        }
    };
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in files {
        let Ok(meta) = file.metadata() else { continue };
        let (name, mode, owner) = (file.file_name(), meta.mode() & 0o7777, meta.uid());
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "{:24} {:>14} bytes, mode {mode:04o}, user {owner}",
            name.to_string_lossy(),
            meta.len()
        );
    }
    text.push('\n');
    match store.map(Store::tables) {
        Ok(Ok(tables)) => {
            for (name, rows) in tables {
                let _written = writeln!(text, "{name:24} {rows:>14} rows");
            }
        }
        Ok(Err(error)) => text.push_str(&crate::fault::chain(&error)),
        Err(error) => {
            let _written = write!(text, "{error:#}");
        }
    }
    text
}
