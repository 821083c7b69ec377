//! What a line of the log export says.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::links::LogType;
use crate::{
    domain::{
        fingerprint::{self, Fingerprint},
        record::{Facts, Record},
        slice::Stream,
    },
    source::{
        text::{excerpt, filled, member, one_line, renamed},
        when,
    },
};

#[derive(Debug)]
pub(crate) enum Entry {
    Create(Create),
    Update(Box<Update>),
    Audit(Audit),
    /// Another log type, or an event of a kind that is not known.
    Other(String),
}

/// A message came. Searching brings the message itself: this says that there is one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Create {
    pub(crate) id: String,
    /// When it was delivered.
    pub(crate) time: Timestamp,
    pub(crate) direction: Option<String>,
}

/// A message changed, whenever it was delivered: what changed, and nothing else.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) id: String,
    pub(crate) internet_message_id: Option<String>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) action: Option<Action>,
    /// As it came, on one line.
    pub(crate) json: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) word: String,
    pub(crate) by: By,
    pub(crate) at: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) word: Option<String>,
    pub(crate) folder: Option<String>,
    pub(crate) by: By,
    pub(crate) at: Option<Moment>,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct By {
    /// `user`, `api`, `manual`, `automatic`, lower case; empty where it is not told.
    pub(crate) how: String,
    pub(crate) user: Option<String>,
    pub(crate) client: Option<String>,
}

/// A time as it came and as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}

/// Who did what in the console.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Of the content: the vendor gives none. Two lines that are the same are one record.
    pub(crate) id: String,
    pub(crate) time: Option<Timestamp>,
    pub(crate) content: Fingerprint,
    /// As it came, on one line.
    pub(crate) json: String,
}

impl Audit {
    pub(crate) fn record(self) -> Record {
        Record {
            stream: Stream::Audit,
            id: self.id,
            json: self.json,
            time: self.time,
            fingerprint: self.content,
            watched: "{}".to_owned(),
            stamps: Vec::new(),
            verdict: None,
            facts: Facts::Audit,
        }
    }
}

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Reads a line of a file of `log_type`. The error says what is odd about one that is none.
pub(crate) fn read(line: &[u8], log_type: LogType) -> Result<Entry, String> {
    let text = String::from_utf8_lossy(line);
    let text = one_line(text.trim());
    let outer = fingerprint::object_of(&text)
        .ok_or_else(|| format!("a line that is no JSON object: {}", excerpt(&text)))?;
    let told = member(&outer, "logType").and_then(filled);
    match told.as_deref().unwrap_or(log_type.as_str()) {
        "message" => message(inner(&outer, "message").unwrap_or((&text, outer))),
        "audit" => Ok(audit(inner(&outer, "audit").unwrap_or((&text, outer)))),
        other => Ok(Entry::Other(format!("a line of the log type {}", excerpt(other)))),
    }
}

/// The object that a line wraps. Message lines are known with it, audit lines without.
fn inner<'a>(outer: &Members<'a>, name: &str) -> Option<(&'a str, Members<'a>)> {
    let value = member(outer, name)?;
    Some((value.get(), fingerprint::object(value)?))
}

fn message((json, members): (&str, Members<'_>)) -> Result<Entry, String> {
    let id = text(&members, "id").ok_or_else(|| format!("a line without id: {}", excerpt(json)))?;
    let kind = text(&members, "eventType").unwrap_or_default().to_lowercase();
    match kind.as_str() {
        "create" => {
            let time = moment(&members, "timestamp");
            let time = time.ok_or_else(|| format!("{id}: a create without readable timestamp"))?;
            let direction = text(&members, "direction").map(|word| word.to_lowercase());
            Ok(Entry::Create(Create { id, time: time.at, direction }))
        }
        "update" => {
            let inside = |name| member(&members, name).and_then(fingerprint::object);
            Ok(Entry::Update(Box::new(Update {
                id,
                internet_message_id: text(&members, "internetMessageId"),
                verdict: inside("verdict").and_then(|members| verdict(&members)),
                action: inside("action").and_then(|members| action(&members)),
                json: json.to_owned(),
            })))
        }
        other => Ok(Entry::Other(format!("{id}: an event of the kind {:?}", excerpt(other)))),
    }
}

fn verdict(members: &Members<'_>) -> Option<Verdict> {
    // The second is the search's name for it.
    let word = text(members, "verdict").or_else(|| text(members, "latestVerdict"))?;
    Some(Verdict { word, by: by(members, "reclassifiedBy"), at: moment(members, "timestamp") })
}

fn action(members: &Members<'_>) -> Option<Action> {
    let word = text(members, "action").or_else(|| text(members, "type"));
    let (folder, at) = (text(members, "folder"), moment(members, "timestamp"));
    if word.is_none() && folder.is_none() && at.is_none() {
        return None;
    }
    Some(Action { word, folder, by: by(members, "remediatedBy"), at })
}

fn by(members: &Members<'_>, how: &str) -> By {
    By {
        how: text(members, how).unwrap_or_default().to_lowercase(),
        user: text(members, "user").or_else(|| text(members, "userId")),
        client: text(members, "publicApiClientId"),
    }
}

fn audit((json, mut members): (&str, Members<'_>)) -> Entry {
    let json = renamed(&mut members).map_or_else(|| json.to_owned(), |(text, _)| text);
    let mut content = fingerprint::Builder::default();
    for (name, value) in &members {
        content.member(name, value);
    }
    let content = content.finish();
    let id = format!("{:032x}", u128::from_be_bytes(content.content));
    let time = moment(&members, "timestamp").map(|moment| moment.at);
    Entry::Audit(Audit { id, time, content, json })
}

fn text(members: &Members<'_>, name: &str) -> Option<String> {
    member(members, name).and_then(filled).map(Cow::into_owned)
}

fn moment(members: &Members<'_>, name: &str) -> Option<Moment> {
    let text = text(members, name)?;
    Some(Moment { at: when::parse(&text)?, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{at, sample};

    fn entries(name: &str, log_type: LogType) -> Vec<Entry> {
        let lines = sample("etd_export", name);
        lines.lines().map(|line| read(line.as_bytes(), log_type).unwrap()).collect()
    }

    #[test]
    fn the_samples_say_who_changed_what() {
        let entries = entries("log_message.ndjson", LogType::Message);
        let [Entry::Create(create), Entry::Update(cleared), Entry::Update(released)] = &entries[..]
        else {
            panic!("{entries:?}")
        };
        assert_eq!(create.time, at("2026-11-20T08:15:00Z"));
        assert_eq!(create.direction.as_deref(), Some("incoming"));
        assert_eq!((&create.id, &create.id), (&cleared.id, &released.id));
        let verdict = cleared.verdict.as_ref().unwrap();
        assert_eq!((verdict.word.as_str(), verdict.by.how.as_str()), ("neutral", "user"));
        assert!(cleared.action.is_none() && released.verdict.is_none());
        let action = released.action.as_ref().unwrap();
        assert_eq!(
            (action.word.as_deref(), action.folder.as_deref()),
            (Some("move"), Some("inbox"))
        );
        assert_eq!(action.by.how, "api");
    }

    #[test]
    fn audit_lines_are_records_with_ids_of_their_own() {
        let entries = entries("log_audit.ndjson", LogType::Audit);
        let [Entry::Audit(first), Entry::Audit(second)] = &entries[..] else { panic!() };
        assert_eq!(first.time, Some(at("2026-11-21T08:00:00Z")));
        assert_ne!(first.id, second.id);
        let wrapped = format!(r#"{{"logType":"audit","audit":{}}}"#, first.json);
        let Ok(Entry::Audit(again)) = read(wrapped.as_bytes(), LogType::Message) else { panic!() };
        assert_eq!(&again, first);
    }

    #[test]
    fn what_is_no_entry_says_so() {
        let table = [
            ("rubbish", "a line that is no JSON object: rubbish"),
            ("[1]", "a line that is no JSON object: [1]"),
            (
                r#"{"message":{"eventType":"update"}}"#,
                "a line without id: {\"eventType\":\"update\"}",
            ),
            (
                r#"{"message":{"id":"x","eventType":"create","timestamp":"soon"}}"#,
                "x: a create without readable timestamp",
            ),
        ];
        for (line, expected) in table {
            assert_eq!(read(line.as_bytes(), LogType::Message).unwrap_err(), expected);
        }
        let others = [
            (r#"{"logType":"connection"}"#, "a line of the log type connection"),
            (
                r#"{"message":{"id":"x","eventType":"delete"}}"#,
                "x: an event of the kind \"delete\"",
            ),
        ];
        for (line, expected) in others {
            let Ok(Entry::Other(what)) = read(line.as_bytes(), LogType::Message) else { panic!() };
            assert_eq!(what, expected);
        }
    }
}
