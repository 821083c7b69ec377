//! From a file and the environment to a checked configuration.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use config::{ConfigError, Map, Source, Value};
use jiff::Timestamp;

use super::{
    Config, check,
    environment::{configures, overlay},
    node::{Context, Need},
    problem::{Place, Problem, Problems, Severity},
    raw::Root,
    section,
    text::{Places, parse},
};

/// A configuration that can be used, and what should be mended nevertheless.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Problem>,
}

/// The file to load when none was named: none where the default does not exist but the
/// environment configures something, as in a container.
pub fn default_file(default: &Path, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    (default.exists() || !configures(env)).then(|| default.to_owned())
}

/// Loads the file, if there is one, lays the environment over it and checks everything.
///
/// Nothing is read from the process's environment but by way of `env`.
pub fn load(
    path: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
    now: Timestamp,
) -> Result<Loaded, Problems> {
    load_for(Need::Secrets, path, env, now)
}

/// Like [`load`], with or without secrets.
pub fn load_for(
    need: Need,
    path: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
    now: Timestamp,
) -> Result<Loaded, Problems> {
    let text = path.map(read).transpose()?;
    checked(need, text.as_deref(), path, &env.into_iter().collect(), now)
}

/// Like [`load`], of a file's text.
pub(super) fn checked(
    need: Need,
    text: Option<&str>,
    path: Option<&Path>,
    env: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Loaded, Problems> {
    let (mut file, mut places) = match text.map(parse) {
        None => (Map::new(), Places::default()),
        Some(Ok(read)) => read,
        Some(Err(errors)) => return Err(syntax(path, errors)),
    };
    let (overlaid, problems) = overlay(env, &mut file, &mut places);
    let root = merge(file, overlaid)
        .map_err(|error| Problems::from(vec![Problem::new(Severity::Error, error.to_string())]))?;

    let cx = Context {
        places,
        file: path.map(Path::to_owned),
        env,
        now,
        need,
        secret_in_file: Cell::new(false),
        problems: RefCell::new(problems),
    };
    let root: Root = section::open(&cx, "", &root);
    let config = check::config(&cx, root);
    if cx.secret_in_file.get() {
        warn_if_open(&cx);
    }
    let problems = cx.problems.into_inner();
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    let problems = Problems::from(problems);
    match config {
        Some(config) if !failed => Ok(Loaded { config, warnings: problems.into_vec() }),
        _ => Err(problems),
    }
}

fn read(path: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(path).map_err(|error| {
        let cure = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "create it (`postrider config example` prints a start), name another with \
                 --config, or configure by the environment alone"
            }
            std::io::ErrorKind::PermissionDenied => "let Postrider's user read it",
            std::io::ErrorKind::InvalidData => "save it as UTF-8",
            _ => "name a readable file with --config",
        };
        let message = format!("the file cannot be read ({error}); {cure}");
        Problems::from(vec![Problem::new(Severity::Error, message).at(None, Some(path))])
    })
}

fn syntax(path: Option<&Path>, errors: Vec<(String, Option<Place>)>) -> Problems {
    let told = |(message, place): (String, Option<Place>)| {
        // The parser lists what it expected in a second line.
        let message = message.trim().replace('\n', ", ");
        Problem::new(Severity::Error, format!("this is not valid TOML: {message}"))
            .at(place.as_ref(), path)
    };
    let mut problems: Vec<Problem> = errors.into_iter().map(told).collect();
    // One error makes others behind it on its line.
    problems.dedup_by_key(|problem| problem.line);
    Problems::from(problems)
}

/// Lays one tree over the other.
fn merge(
    file: Map<String, Value>,
    env: Map<String, Value>,
) -> Result<Map<String, Value>, ConfigError> {
    config::Config::builder().add_source(Tree(file)).add_source(Tree(env)).build()?.collect()
}

/// A tree that has been read already.
#[derive(Debug, Clone)]
struct Tree(Map<String, Value>);

impl Source for Tree {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn warn_if_open(cx: &Context<'_>) {
    let Some(path) = &cx.file else { return };
    let mode = std::fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & 0o004 != 0 {
        cx.warn(
            "",
            format!(
                "the file holds a secret and everybody on this machine may read it (mode {:04o}); \
                 run `chmod o-rwx {}`, or keep secrets in files of their own",
                mode & 0o7777,
                path.display()
            ),
        );
    }
}
