//! The entitlement: what the licence allows. It does not depend on the window, but comes with each
//! answer.

use serde_json::value::RawValue;

use super::names;
use crate::{
    domain::{
        fingerprint::{self, Builder},
        record::{Facts, Record},
        slice::Stream,
    },
    source::text::{is_nothing, one_line, renamed, text_or_json},
};

/// Reads an entitlement; `None` for what is not an object.
///
/// It has no time of its own: an event dated at the licence's start, months ago, would be seen by
/// nobody.
pub(super) fn read(raw: &RawValue, warnings: &mut Vec<String>) -> Option<Record> {
    let line = one_line(raw.get());
    let raw: &RawValue = serde_json::from_str(&line).ok()?;
    let mut members = fingerprint::object(raw)?;
    let renamed = renamed(&mut members);
    if let Some((_, name)) = &renamed {
        warnings.push(format!("the entitlement's member postrider is now {name}"));
    }
    let mut content = Builder::default();
    let mut watched = String::from("{");
    let mut id = None;
    for (name, value) in &members {
        // One spelling, so that another one at the vendor is no revision.
        let name = names::canonical(name, &names::ENTITLEMENT).unwrap_or(name);
        content.member(name, value);
        if name == "license_start" && !is_nothing(value) {
            id = Some(text_or_json(value).into_owned());
        }
        if watched.len() > 1 {
            watched.push(',');
        }
        watched.push_str(&serde_json::Value::from(name).to_string());
        watched.push(':');
        watched.push_str(value.get());
    }
    watched.push('}');
    Some(Record {
        stream: Stream::Entitlement,
        id: id.unwrap_or_else(|| "entitlement".to_owned()),
        json: renamed.map_or_else(|| line.clone().into_owned(), |(json, _)| json),
        time: None,
        fingerprint: content.finish(),
        watched,
        stamps: Vec::new(),
        verdict: None,
        facts: Facts::Entitlement,
    })
}
