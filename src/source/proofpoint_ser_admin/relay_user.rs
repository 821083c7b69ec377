//! A relay user's configuration as a record. What it is now, not what it was on a day: each change
//! is a revision.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{ask::UserId, credentials};
use crate::{
    domain::{
        fingerprint::{self, Builder},
        record::{Facts, Record},
        slice::Stream,
    },
    source::{
        text::{excerpt, filled, is_nothing, member, one_line, renamed, text_or_json},
        when::When,
    },
};

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// The id of a row of the list; `None` where it has none that can be asked for.
pub(super) fn id(row: &RawValue) -> Option<UserId> {
    let members = fingerprint::object(row)?;
    UserId::new(&text_or_json(member(&members, "relayUserId")?))
}

/// Reads a relay user from its row in the list and, where that was asked for, its details, which go
/// before: the list has members that the details lack (`version`, `updatedDate`). `None` for what
/// is no relay user.
pub(super) fn read(
    row: &RawValue,
    details: Option<&RawValue>,
    warnings: &mut Vec<String>,
) -> Option<Record> {
    let mut left_out = Vec::new();
    let mut text = |raw: &RawValue| {
        let cleaned = credentials::without(raw, &mut left_out);
        one_line(cleaned.as_deref().unwrap_or(raw.get())).into_owned()
    };
    let (row, details) = (text(row), details.map(text));
    let row: &RawValue = serde_json::from_str(&row).ok()?;
    let details: Option<&RawValue> =
        details.as_ref().and_then(|details| serde_json::from_str(details).ok());
    let mut members: Members<'_> = match details {
        Some(details) => fingerprint::object(details)?,
        None => Vec::new(),
    };
    for (name, value) in fingerprint::object(row)? {
        if member(&members, &name).is_none() {
            members.push((name, value));
        }
    }
    let ours = renamed(&mut members);
    let (id, name) = (own_id(&members)?, member(&members, "name").and_then(filled));
    if !left_out.is_empty() {
        let (id, names) = (excerpt(&id), excerpt(&left_out.join(", ")));
        warnings.push(format!("relay user {id}: left out what may be a credential: {names}"));
    }
    if let Some((_, name)) = &ours {
        warnings.push(format!("a relay user's member postrider is now {name}"));
    }
    let mut content = Builder::default();
    for (name, value) in &members {
        content.member(name, value);
    }
    let json = ours.map_or_else(|| written(&members), |(json, _)| json);
    Some(Record {
        stream: Stream::RelayUsers,
        facts: Facts::RelayUser { name: name.map(Cow::into_owned) },
        id,
        time: None,
        fingerprint: content.finish(),
        // Any member may change, and its former value is of interest.
        watched: json.clone(),
        json,
        stamps: Vec::new(),
        verdict: None,
    })
}

/// What a relay user's record says of its SMTP credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// Lower case: `active`, `disabled`, `expired`, `revoked`, `invalid`.
    pub(crate) status: Option<String>,
    /// When they expire; of a day its beginning, as the vendor does not say more.
    pub(crate) expires: Option<Timestamp>,
}

impl Standing {
    /// Reads a record's JSON.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let members = fingerprint::object_of(json)?;
        let text = |name| member(&members, name).and_then(filled).map(Cow::into_owned);
        let expires = member(&members, "credentialExpirationDate");
        Some(Self {
            id: own_id(&members)?,
            name: text("name"),
            status: text("status").map(|status| status.to_lowercase()),
            expires: expires.and_then(|at| When::read(&text_or_json(at))?.start()),
        })
    }
}

/// The members that say who a relay user is.
pub(crate) const NAMES: &[&str] = &["relayUserId", "name"];

/// The id of a relay user's record, and the members that name it as one object, from the record's
/// JSON.
pub(crate) fn names(json: &str) -> Option<(String, String)> {
    let mut members = fingerprint::object_of(json)?;
    let id = own_id(&members)?;
    members.retain(|(name, _)| NAMES.contains(&name.as_ref()));
    Some((id, written(&members)))
}

/// The vendor's id; the name where there is none.
fn own_id(members: &Members<'_>) -> Option<String> {
    let given = |name| member(members, name).filter(|value| !is_nothing(value)).map(text_or_json);
    let id = given("relayUserId").map(Cow::into_owned);
    id.or_else(|| given("name").map(|name| format!("name/{name}")))
}

fn written(members: &Members<'_>) -> String {
    let member = |(name, value): &(Cow<'_, str>, &RawValue)| {
        format!("{}:{}", serde_json::Value::from(name.as_ref()), value.get())
    };
    let members: Vec<String> = members.iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{
        proofpoint_ser_admin::envelope,
        testing::{at, revision, sample},
    };

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn details_go_before_the_row_and_unknown_members_are_kept() {
        let (list, details) = (
            sample("ser_admin", "relay_users.json"),
            sample("ser_admin", "relay_user_detail.json"),
        );
        let (list, details) = (envelope::open(&list).unwrap(), envelope::open(&details).unwrap());
        let mut warnings = Vec::new();
        let record = read(list.rows[0], Some(details.rows[0]), &mut warnings).unwrap();
        assert_eq!(record.id, "b30904d5-575e-503d-be50-f1893763626e");
        assert_eq!(record.facts, Facts::RelayUser { name: Some("sap-billing".into()) });
        let json: serde_json::Value = serde_json::from_str(&record.json).unwrap();
        assert_eq!(json["somethingNew"]["a"], 1);
        assert_eq!(json["updatedDate"], "2026-10-01T08:00:00Z");
        // The details say that it never expires, the row that it does: the details are newer.
        assert_eq!(json["credentialExpirationDate"], serde_json::Value::Null);
        assert_eq!(warnings, Vec::<String>::new());
        let bare = read(list.rows[1], None, &mut warnings).unwrap();
        assert_eq!(bare.json, one_line(list.rows[1].get()));
        assert_eq!(id(list.rows[1]).unwrap().as_str(), bare.id);
    }

    #[test]
    fn each_change_is_told_with_what_it_was() {
        let user = |status: &str, limit: &str| {
            let json = format!(
                r#"{{"relayUserId":"1","name":"a","status":"{status}","limits":{{"messagesPer1Hour":{limit}}}}}"#
            );
            read(raw(&json), None, &mut Vec::new()).unwrap()
        };
        let now = at("2026-11-23T00:00:00Z");
        let revision = revision(&user("active", "1"), &user("disabled", "5"), now).unwrap();
        assert_eq!(revision.changed, ["limits.messagesPer1Hour", "status"]);
        let previous: Vec<(String, String)> = revision
            .previous
            .iter()
            .map(|(name, value)| (name.clone(), value.get().to_owned()))
            .collect();
        let known = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            previous,
            [known("limits.messagesPer1Hour", "1"), known("status", "\"active\"")]
        );
        assert_eq!((revision.time, revision.delta.is_none()), (now, true));
    }

    #[test]
    fn a_standing_is_read_from_the_record() {
        let list = sample("ser_admin", "relay_users.json");
        let list = envelope::open(&list).unwrap();
        let read = |row| read(row, None, &mut Vec::new()).unwrap().watched;
        let first = Standing::read(&read(list.rows[0])).unwrap();
        assert_eq!(first.name.as_deref(), Some("sap-billing"));
        assert_eq!(first.expires, Some(at("2027-01-31T00:00:00Z")));
        let second = Standing::read(&read(list.rows[1])).unwrap();
        assert_eq!((second.status.as_deref(), second.expires), (Some("expired"), None));
    }

    #[test]
    fn no_credential_is_kept() {
        let mut warnings = Vec::new();
        let row = raw(r#"{"relayUserId":"u-1","password":"s3cret"}"#);
        let details = raw(r#"{"relayUserId":"u-1","smtp":{"secret":"s3cret","port":587}}"#);
        let record = read(row, Some(details), &mut warnings).unwrap();
        let all = format!("{record:?} {warnings:?}");
        assert!(!all.contains("s3cret"), "{all}");
        assert!(record.json.contains("587") && warnings[0].contains("password, secret"));
    }

    #[test]
    fn what_has_no_name_is_no_relay_user() {
        for json in ["7", "{}", r#"{"status":"active"}"#, "[]"] {
            assert!(read(raw(json), None, &mut Vec::new()).is_none(), "{json}");
        }
        let named = read(raw(r#"{"name":"a"}"#), None, &mut Vec::new()).unwrap();
        assert_eq!(named.id, "name/a");
    }
}
