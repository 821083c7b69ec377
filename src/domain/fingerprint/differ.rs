//! What differs between two versions of a record.

use std::collections::HashSet;

use super::{MAX_NAMES, Members, SEPARATOR};

/// The names of what differs: where both sides have an object, what is inside it; else the member.
/// In order, each once, segments as a list.
pub fn changed<'m>(before: &'m Members, after: &'m Members) -> Vec<Vec<&'m str>> {
    let paths = differing(before, after);
    let names = names(before, after, &paths, usize::MAX);
    if names.len() <= MAX_NAMES { names } else { self::names(before, after, &paths, 1) }
}

/// The paths of the leaves that came, went or are others.
fn differing<'m>(before: &'m Members, after: &'m Members) -> Vec<&'m str> {
    let mut paths = Vec::new();
    let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let path = match (left.peek(), right.peek()) {
            (None, None) => break paths,
            (Some(was), Some(is)) if was == is => {
                left.next();
                right.next();
                continue;
            }
            (Some(was), Some(is)) if was.path == is.path => {
                right.next();
                left.next().map(|was| was.path)
            }
            (Some(was), Some(is)) if was.path > is.path => right.next().map(|is| is.path),
            (Some(_), _) => left.next().map(|was| was.path),
            (None, Some(_)) => right.next().map(|is| is.path),
        };
        paths.extend(path);
    }
}

/// What the differing paths are called, gone into down to `deepest` segments.
fn names<'m>(
    before: &Members,
    after: &Members,
    paths: &[&'m str],
    deepest: usize,
) -> Vec<Vec<&'m str>> {
    // They are sorted by their paths, so that an object's leaves stand side by side.
    let all = |members| -> Vec<&str> { Members::iter(members).map(|m| m.path).collect() };
    let sides = [all(before), all(after)];
    let has = |object: &str| {
        sides.iter().all(|paths| {
            let at = paths.partition_point(|path| *path < object);
            paths.get(at).is_some_and(|path| path.starts_with(object))
        })
    };
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for path in paths {
        let segments: Vec<&str> = path.split(SEPARATOR).collect();
        let mut object = String::new();
        let mut depth = 0;
        loop {
            object.push_str(segments[depth]);
            object.push(SEPARATOR);
            depth += 1;
            if depth == segments.len() || depth >= deepest || !has(&object) {
                break;
            }
        }
        let name = segments[..depth].to_vec();
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}
