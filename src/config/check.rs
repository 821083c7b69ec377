//! From what is written to what holds: [`Root`] becomes [`Config`], and every problem is told.
//!
//! Functions here look at all parts of a section before they give up on it.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use tracing_subscriber::EnvFilter;

use super::{
    Admin, Config, Log, Sink, SinkKind, State,
    node::{Context, Key},
    raw::{AdminKeys, Item, LogKeys, Named, RawSource, Root, StateKeys},
};
use crate::domain::{
    name::{BadName, SourceName},
    slice::Stream,
};

mod address;
mod privacy;
mod route;
mod sink;
mod source;

/// The sources that are named and the streams of each; those of a broken source are not known.
type Streams = BTreeMap<String, Option<&'static [Stream]>>;

pub(super) fn config(cx: &Context<'_>, root: Root) -> Option<Config> {
    let state = root.state.value.and_then(state);
    let admin = root.admin.value.and_then(|keys| admin(cx, keys));
    let log = root.log.value.and_then(|keys| log(cx, keys));

    // Without a readable table of sources nothing can be said about what feeds a sink.
    let raw_sources = named(cx, root.sources, "source");
    let streams: Streams = raw_sources
        .iter()
        .map(|item| (item.name.clone(), item.value.as_ref().map(RawSource::streams)))
        .collect();
    let mut sources = BTreeMap::new();
    for item in raw_sources {
        let name: Option<SourceName> = name(cx, &item.path, &item.name);
        if item.name == SourceName::OWN {
            cx.error(
                &item.path,
                "this name stands for the collector itself in its health events; choose another",
            );
        }
        let source = item.value.and_then(|raw| source::source(cx, &item.path, raw, name.clone()?));
        if let (Some(name), Some(source)) = (name, source) {
            sources.insert(name, source);
        }
    }

    let raw_sinks = named(cx, root.sinks, "sink");
    let mut sinks = BTreeMap::new();
    for item in raw_sinks {
        let name = name(cx, &item.path, &item.name);
        let sink =
            item.value.and_then(|raw| sink::sink(cx, &item.path, raw, name.clone()?, &streams));
        if let (Some(name), Some(sink)) = (name, sink) {
            sinks.insert(name, sink);
        }
    }
    one_writer_a_file(cx, sinks.values());
    Some(Config { state: state?, admin: admin?, log: log?, sources, sinks })
}

/// The items of a table, which must not be empty. One that cannot be read has been told.
fn named<T>(cx: &Context<'_>, key: Key<Named<T>>, word: &str) -> Vec<Item<T>> {
    let Some(Named(items)) = key.value else { return Vec::new() };
    if items.is_empty() {
        let section = &key.path;
        cx.error(
            section,
            format!(
                "there is no {word}; add a section [{section}.NAME] with a `type`, or set \
                 POSTRIDER__{}__NAME__TYPE",
                section.to_uppercase()
            ),
        );
    }
    items
}

fn name<T: FromStr<Err = BadName>>(cx: &Context<'_>, path: &str, name: &str) -> Option<T> {
    name.parse().map_err(|error: BadName| cx.error(path, error.to_string())).ok()
}

fn state(keys: StateKeys) -> Option<State> {
    Some(State { directory: keys.directory.value?, max_spool: keys.max_spool.value?.0 })
}

fn admin(cx: &Context<'_>, keys: AdminKeys) -> Option<Admin> {
    let guarded = keys.token.given || keys.allow_unauthenticated.value != Some(false);
    let listen = keys.listen.value?;
    if !listen.ip().is_loopback() && !guarded {
        cx.error(
            &keys.listen.path,
            format!(
                "{listen} can be reached from other machines; set admin.token to a secret, or \
                 admin.allow_unauthenticated to true, or listen on 127.0.0.1"
            ),
        );
    }
    Some(Admin {
        listen,
        token: keys.token.value.map(|key| key.0),
        allow_unauthenticated: keys.allow_unauthenticated.value?,
    })
}

fn log(cx: &Context<'_>, keys: LogKeys) -> Option<Log> {
    let level = keys.level.value;
    if let Some(level) = &level
        && (level.is_empty() || EnvFilter::try_new(level).is_err())
    {
        cx.error(
            &keys.level.path,
            format!(
                "{level:?} is not a log level; write error, warn, info, debug or trace, or \
                 directives such as \"info,postrider::source=debug\""
            ),
        );
    }
    Some(Log { format: keys.format.value?, level: level? })
}

/// Two sinks that write one file would tear its lines and its rotation.
fn one_writer_a_file<'s>(cx: &Context<'_>, sinks: impl Iterator<Item = &'s Sink>) {
    let mut writers: BTreeMap<PathBuf, &Sink> = BTreeMap::new();
    for sink in sinks {
        let path = match &sink.kind {
            SinkKind::File(file) => &file.path,
            SinkKind::Folder(folder) => &folder.path,
            _ => continue,
        };
        let path = address::normal_path(path);
        if let Some(other) = writers.get(&path) {
            cx.error(
                &format!("sinks.{}.path", sink.name),
                format!(
                    "the sink {} writes to {} already; give each sink a file of its own",
                    other.name,
                    path.display()
                ),
            );
        } else {
            writers.insert(path, sink);
        }
    }
}
