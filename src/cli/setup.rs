//! What several commands begin with.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use jiff::Timestamp;

use super::{Exit, complain, say};
use crate::{
    clock::{Clock, SteadyClock, SystemClock},
    config::{Loaded, Need, Problems, default_file, load_for},
    store::{Store, StoreError},
};

const DEFAULT_FILE: &str = "/etc/postrider/postrider.toml";

/// The machine's clock, for what works for long: without its steps.
pub(super) fn steady_clock() -> Arc<dyn Clock> {
    Arc::new(SteadyClock::new(clock()))
}

/// The machine's clock.
pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// This process's environment, as far as it is text.
pub(super) fn environment() -> Vec<(String, String)> {
    let text = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.collect()
}

/// The configuration's file: the one that is named, or the default one.
pub(super) fn file(named: Option<&Path>, env: &[(String, String)]) -> Option<PathBuf> {
    let known = env.iter().cloned().collect();
    named.map(Path::to_owned).or_else(|| default_file(Path::new(DEFAULT_FILE), &known))
}

/// Loads the configuration from the named or the default file and the environment.
pub(super) fn configuration(
    need: Need,
    named: Option<&Path>,
    now: Timestamp,
) -> Result<Loaded, Problems> {
    let env = environment();
    load_for(need, file(named, &env).as_deref(), env, now)
}

/// The configuration, or every problem on standard error and the exit status for it. Warnings are
/// told too.
pub(super) fn configuration_or_exit(need: Need, file: Option<&Path>) -> Result<Loaded, Exit> {
    match configuration(need, file, clock().now()) {
        Ok(loaded) => {
            loaded.warnings.iter().for_each(|warning| complain(&warning.to_string()));
            Ok(loaded)
        }
        Err(problems) => {
            complain(&format!("the configuration cannot be used\n{problems}"));
            Err(Exit::Wrong)
        }
    }
}

/// The configuration for what a running daemon does, or else this process: who does it needs the
/// secrets.
pub(super) fn configuration_beside_or_exit(file: Option<&Path>) -> Result<Loaded, Exit> {
    let quiet = configuration(Need::NoSecrets, file, clock().now());
    let is_beside = |loaded: &Loaded| Store::is_in_use(&loaded.config.state.directory);
    let need =
        if quiet.is_ok_and(|loaded| is_beside(&loaded)) { Need::NoSecrets } else { Need::Secrets };
    configuration_or_exit(need, file)
}

/// The store for this process alone, or beside the process that has it; whether there is one.
pub(super) fn store(directory: &Path) -> Result<(Store, bool), StoreError> {
    match Store::open(directory) {
        Ok(store) => Ok((store, false)),
        Err(StoreError::Locked { .. }) => Ok((Store::open_beside(directory)?, true)),
        Err(error) => Err(error),
    }
}

/// Asks whether to go on; without a terminal nobody can answer. `else_` is said after a no.
pub(super) fn confirmed(question: &str, else_: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() || !console::user_attended_stderr() {
        complain("there is no terminal to ask whether to go on; add --yes");
        return Ok(false);
    }
    say(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    let yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if !yes {
        complain(else_);
    }
    Ok(yes)
}
