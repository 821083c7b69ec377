//! `postrider man`: the manual's pages, made of the command line's own help.

use std::path::PathBuf;

use anyhow::Context;
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};

use jiff::Timestamp;

use super::{Exit, print, setup};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the pages go; it is made where there is none.
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    render(&command, &[], &date()?, &mut pages)?;
    for (name, text) in &pages {
        let file = directory.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print(&format!("{} pages in {}", pages.len(), directory.display()))?;
    Ok(Exit::Done)
}

/// The pages of a command and of those below it, each with its file's name; `path` are the names of
/// the commands above.
fn render(
    command: &clap::Command,
    path: &[&str],
    date: &str,
    pages: &mut Vec<(String, String)>,
) -> anyhow::Result<()> {
    let path: Vec<&str> = path.iter().copied().chain([command.get_name()]).collect();
    pages.push((format!("{}.1", path.join("-")), page(command, &path, date)?));
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        render(command, &path, date, pages)?;
    }
    Ok(())
}

fn page(command: &clap::Command, path: &[&str], date: &str) -> anyhow::Result<String> {
    let source = format!("Postrider {}", env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    let man = Man::new(command.clone()).title(path.join("-").to_uppercase());
    man.date(date).source(source).manual("Postrider").render(&mut page)?;
    let mut more = Roff::new();
    exit_status(&mut more, path);
    if path.len() == 1 {
        files(&mut more);
        environment(&mut more);
    }
    see_also(&mut more, command, path);
    more.to_writer(&mut page)?;
    // The same in a way of which `mandoc` does not complain.
    Ok(String::from_utf8(page)?.replace(".br\n\n.br\n", ".sp\n"))
}

/// The pages' day: that of `SOURCE_DATE_EPOCH`, by which packages are built the same again, else today.
fn date() -> anyhow::Result<String> {
    let at = match std::env::var_os("SOURCE_DATE_EPOCH") {
        Some(seconds) => {
            let seconds = seconds.to_string_lossy();
            let wrong = || format!("SOURCE_DATE_EPOCH is no time in seconds: {seconds:?}");
            let seconds = seconds.trim().parse().with_context(wrong)?;
            Timestamp::from_second(seconds).with_context(wrong)?
        }
        None => setup::clock().now(),
    };
    Ok(at.strftime("%Y-%m-%d").to_string())
}

/// What the statuses 0 and 1 mean, by command; 2 means the same everywhere.
const STATUSES: &[(&str, &str, &str)] = &[
    ("run", "stopped by a signal", "a task failed again and again"),
    ("once", "all that was due is collected and delivered", "something is left; it says what"),
    ("demo", "everything arrived", "something is missing"),
    ("check", "all is well", "something needs mending; it says what and how"),
    ("backfill", "all of the range is covered", "parts of it are not, or it was left"),
    ("plan", "it fits the vendor's limits", "it does not"),
    ("status", "done", "there is no store, or it cannot be read"),
    ("health", "it lives, or with --ready works", "it does not, or the configuration is bad"),
    ("coverage", "done, with gaps too", "there is no store, or it cannot be read"),
    ("export", "done", "parts of the range are missing; it says which"),
    ("bundle", "the archive is written, whatever is broken", "the archive cannot be written"),
    ("dead-letters", "done", "of replay: a letter was refused again, or not sent"),
];

fn exit_status(roff: &mut Roff, path: &[&str]) {
    roff.control("SH", ["EXIT STATUS"]);
    let of = path.get(1);
    let known = STATUSES.iter().find(|(name, ..)| Some(name) == of);
    let (done, failed) = known.map_or(("done", "failed"), |(_, done, failed)| (*done, *failed));
    let wrong = "wrong use, or a configuration that cannot be used";
    for (status, means) in [("0", done), ("1", failed), ("2", wrong)] {
        item(roff, [bold(status)], means);
    }
    if path.len() == 1 {
        roff.control("PP", []);
        roff.text([roman("What 0 and 1 mean of each command stands in its own page.")]);
    }
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (file, means) in [
        ("/etc/postrider/postrider.toml", "the configuration, where none is named"),
        (
            "/var/lib/postrider/postrider.db",
            "the store, in the directory that state.directory names, with SQLite's files beside it",
        ),
        ("/var/lib/postrider/postrider.lock", "held by the process that has the store"),
    ] {
        item(roff, [italic(file)], means);
    }
}

fn environment(roff: &mut Roff) {
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, means) in [
        ("POSTRIDER_CONFIG", "the configuration's file; --config goes before it"),
        (
            "POSTRIDER__SECTION__KEY",
            "a value of the configuration, before the file's: POSTRIDER__STATE__DIRECTORY, \
             POSTRIDER__SOURCES__ETD_US__REGION",
        ),
        (
            "CREDENTIALS_DIRECTORY",
            "where secrets of the form { credential = \"name\" } are, as systemd provides it",
        ),
        ("HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "the proxy, where the configuration names none"),
        ("NO_COLOR", "set: no colours"),
        ("CLICOLOR_FORCE", "set to 1: colours into pipes and files, too"),
    ] {
        item(roff, [bold(name)], means);
    }
}

fn see_also(roff: &mut Roff, command: &clap::Command, path: &[&str]) {
    roff.control("SH", ["SEE ALSO"]);
    let above = (path.len() > 1).then(|| path[..path.len() - 1].join("-"));
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    let below = below.map(|below| format!("{}-{}", path.join("-"), below.get_name()));
    let mut line = Vec::new();
    for name in above.into_iter().chain(below) {
        line.extend([bold(name), roman("(1), ")]);
    }
    if path.len() == 1 {
        line.extend([bold("systemd-creds"), roman("(1), "), bold("journalctl"), roman("(1)")]);
    } else if let Some(last) = line.last_mut() {
        *last = roman("(1)");
    }
    roff.text(line);
}

/// One entry of a list: its name, and what it means.
fn item(roff: &mut Roff, name: impl Into<Vec<Inline>>, means: &str) {
    roff.control("TP", []);
    roff.text(name);
    roff.text([roman(means)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_of_commands_that_exist() {
        let command = crate::cli::command();
        for (name, ..) in STATUSES {
            assert!(command.find_subcommand(name).is_some(), "{name}");
        }
    }
}
