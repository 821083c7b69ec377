//! What goes to a sink, and whether anything does.

use super::{Streams, source::verdict};
use crate::{
    config::{
        Route,
        node::Context,
        raw::{RouteKeys, Strings},
        section::{nearest, one_of},
    },
    domain::{name::SourceName, slice::Stream},
};

pub(super) fn route(cx: &Context<'_>, path: &str, keys: RouteKeys, all: &Streams) -> Route {
    let verdicts = chosen(keys.verdicts.value);
    if verdicts.as_ref().is_some_and(Vec::is_empty) {
        cx.error(
            &keys.verdicts.path,
            "the list is empty, so no message would go here; write verdicts, [\"*\"] for all, or \
             choose `streams` without \"messages\"",
        );
    }
    for (word, path) in verdicts.iter().flatten() {
        verdict(cx, path, word);
    }
    let before = cx.problems.borrow().len();
    let sources = chosen(keys.sources.value);
    for (name, path) in sources.iter().flatten() {
        // Nothing is known of the sources when their table could not be read.
        let known = all.contains_key(name) || name == SourceName::OWN;
        if !all.is_empty() && !known {
            cx.error(path, format!("there is no source {name:?}; {}", existing(name, all)));
        }
    }
    let streams = chosen(keys.streams.value);
    let mut parsed = Vec::new();
    for (word, path) in streams.iter().flatten() {
        if let Some(stream) = Stream::parse(word) {
            parsed.push(stream);
            continue;
        }
        let words = ["messages", "audit", "summary", "entitlement", "health", "*"];
        let near = nearest(word, words)
            .map(|near| format!("; did you mean {near:?}?"))
            .unwrap_or_default();
        cx.error(path, format!("{word:?} is not a stream; write {}{near}", one_of(&words)));
    }
    let route = Route {
        sources: sources.map(|list| list.into_iter().map(|(name, _)| name).collect()),
        streams: streams.map(|_| parsed),
        verdicts: verdicts
            .map(|list| list.into_iter().map(|(word, _)| word.to_lowercase()).collect()),
    };
    // A word that was wrong has been told; that nothing is left then follows from it.
    let sound = cx.problems.borrow().len() == before;
    if sound && !all.is_empty() && !is_fed(&route, all) {
        let sources: Vec<&str> = all.keys().map(String::as_str).collect();
        cx.error(
            path,
            format!(
                "no source feeds this sink: no stream fits its `sources` and `streams`; widen \
                 them (the sources are {}) or remove the sink",
                described(&sources, all)
            ),
        );
    }
    route
}

/// The words of a filter; `None` for everything.
fn chosen(list: Option<Strings>) -> Option<Vec<(String, String)>> {
    list.map(|list| list.0).filter(|list| !list.iter().any(|(word, _)| word == "*"))
}

fn existing(name: &str, all: &Streams) -> String {
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) if names.len() == 1 => format!("did you mean {near:?}?"),
        Some(near) => format!("did you mean {near:?}? The sources are {}", names.join(", ")),
        None => format!("the sources are {}", names.join(", ")),
    }
}

fn described(names: &[&str], all: &Streams) -> String {
    let one = |name: &&str| match all.get(*name).copied().flatten() {
        Some(streams) => {
            let streams: Vec<&str> = streams.iter().map(|stream| stream.as_str()).collect();
            format!("{name} with {}", streams.join(" and "))
        }
        None => (*name).to_owned(),
    };
    names.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn is_fed(route: &Route, all: &Streams) -> bool {
    // The collector's own health events.
    let own = (SourceName::OWN, Some(&[Stream::Health][..]));
    let all = all.iter().map(|(name, streams)| (name.as_str(), *streams)).chain([own]);
    all.into_iter().any(|(name, streams)| {
        let source_fits =
            route.sources.as_ref().is_none_or(|list| list.iter().any(|it| it == name));
        let stream_fits = route.streams.as_ref().is_none_or(|list| {
            // Each source has health events; a broken source's streams are not known.
            list.contains(&Stream::Health)
                || streams.is_none_or(|streams| streams.iter().any(|it| list.contains(it)))
        });
        source_fits && stream_fits && !route.streams.as_ref().is_some_and(Vec::is_empty)
    })
}
