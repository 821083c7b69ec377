//! The objects of a batch, judged one by one: those before the first bad one are accepted.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::HecOptions;
use crate::simulator::{content::short_hash, dice::one_in};

const KEYS: &[&str] = &["time", "host", "source", "sourcetype", "index", "event", "fields"];

/// An accepted object.
pub(super) struct Object<'a> {
    pub(super) whole: &'a str,
    pub(super) event: Option<&'a str>,
    pub(super) event_id: Option<String>,
}

#[derive(Default)]
pub(super) struct Read<'a> {
    pub(super) accepted: Vec<Object<'a>>,
    pub(super) dropped: u64,
    pub(super) refused: u64,
    /// Code, text and the number that is told.
    pub(super) refusal: Option<(u16, &'static str, usize)>,
}

enum Verdict<'a> {
    Good(Object<'a>),
    /// Dropped without a word, with all that follows.
    Unknown,
    Bad(u16, &'static str),
}

pub(super) fn read<'a>(body: &'a [u8], options: &HecOptions) -> Read<'a> {
    const INVALID: &str = "Invalid data format";
    let mut read = Read::default();
    let mut objects = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>();
    for number in 0.. {
        let verdict = match objects.next() {
            None => break,
            Some(Err(_)) => Verdict::Bad(6, INVALID),
            Some(Ok(raw)) if raw.get().len() > options.max_event_size => Verdict::Bad(6, INVALID),
            Some(Ok(raw)) => judge(raw, options),
        };
        match verdict {
            Verdict::Good(object) => read.accepted.push(object),
            Verdict::Unknown => {
                read.dropped = 1 + objects.flatten_ok();
                break;
            }
            Verdict::Bad(code, text) => {
                read.refused = 1 + objects.flatten_ok();
                // For a wrong index Splunk names the object after the bad one.
                read.refusal = Some((code, text, number + usize::from(code == 7)));
                break;
            }
        }
    }
    read
}

trait FlattenOk {
    fn flatten_ok(self) -> u64;
}

impl<'a> FlattenOk
    for serde_json::StreamDeserializer<'a, serde_json::de::SliceRead<'a>, &'a RawValue>
{
    /// Counts the objects that follow, up to the first that cannot be read.
    fn flatten_ok(self) -> u64 {
        self.map_while(Result::ok).count() as u64
    }
}

fn judge<'a>(raw: &'a RawValue, options: &HecOptions) -> Verdict<'a> {
    const FIELDS: &str = "Error in handling indexed fields";
    let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'a, str>, &'a RawValue>>(raw.get())
    else {
        return Verdict::Bad(6, "Invalid data format");
    };
    if members.keys().any(|key| !KEYS.contains(&key.as_ref())) {
        return Verdict::Unknown;
    }
    let event = match members.get("event").map(|event| event.get()) {
        None | Some("null") => return Verdict::Bad(12, "Event field is required"),
        Some("\"\"") => return Verdict::Bad(13, "Event field cannot be blank"),
        Some(event) => event,
    };
    if members.get("time").is_some_and(|time| !is_time(time.get())) {
        return Verdict::Bad(15, FIELDS);
    }
    for name in ["host", "source", "sourcetype", "index"] {
        if members.get(name).is_some_and(|value| !value.get().starts_with('"')) {
            return Verdict::Bad(6, "Invalid data format");
        }
    }
    let mut event_id = None;
    if let Some(fields) = members.get("fields") {
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(fields.get()) else {
            return Verdict::Bad(15, FIELDS);
        };
        if !fields.values().all(|value| is_flat(value.get())) {
            return Verdict::Bad(15, FIELDS);
        }
        let id = fields.get("event_id");
        event_id = id.and_then(|id| serde_json::from_str::<String>(id.get()).ok());
    }
    let index =
        members.get("index").and_then(|index| serde_json::from_str::<String>(index.get()).ok());
    if index.is_some_and(|index| !options.indexes.is_empty() && !options.indexes.contains(&index)) {
        return Verdict::Bad(7, "Incorrect index");
    }
    let poison = event_id.as_ref().map(|id| short_hash(id.as_bytes()));
    if poison.is_some_and(|hash| one_in(options.poison_every, 0, hash)) {
        return Verdict::Bad(6, "Invalid data format");
    }
    Verdict::Good(Object {
        whole: raw.get(),
        event: event.starts_with('{').then_some(event),
        event_id,
    })
}

/// Seconds since the epoch as a number or a string, with a dot and no exponent.
fn is_time(json: &str) -> bool {
    let text = json.trim_matches('"');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(fraction)
}

/// A scalar, or a list of strings.
fn is_flat(json: &str) -> bool {
    match json.as_bytes().first() {
        Some(b'{' | b'n') => false,
        Some(b'[') => serde_json::from_str::<Vec<String>>(json).is_ok(),
        _ => true,
    }
}
