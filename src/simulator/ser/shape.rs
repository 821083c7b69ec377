//! The spellings in which an answer may come: no real one was ever published.

use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::RowTruth;

/// One way to write the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Normal,
    /// Counters beside the names.
    Flat,
    /// Under `data`.
    Wrapped,
    /// Rows in an object, by user name.
    Keyed,
    /// Rows alone.
    BareList,
    /// Numbers as strings.
    Strings,
    /// Names with a capital.
    Case,
    DetailsInStatus,
    /// A second row with the key of the first and its own counters.
    DuplicateKey,
    EntitlementNull,
    EntitlementList,
    NoEntitlement,
    /// The answer as a JSON string.
    InString,
    /// With a byte order mark.
    Bom,
    UnknownMembers,
}

const NAMES: &[(&str, Shape)] = &[
    ("normal", Shape::Normal),
    ("flat", Shape::Flat),
    ("wrapped", Shape::Wrapped),
    ("keyed", Shape::Keyed),
    ("bare-list", Shape::BareList),
    ("strings", Shape::Strings),
    ("case", Shape::Case),
    ("details-in-status", Shape::DetailsInStatus),
    ("duplicate-key", Shape::DuplicateKey),
    ("entitlement-null", Shape::EntitlementNull),
    ("entitlement-list", Shape::EntitlementList),
    ("no-entitlement", Shape::NoEntitlement),
    ("in-string", Shape::InString),
    ("bom", Shape::Bom),
    ("unknown-members", Shape::UnknownMembers),
];

impl FromStr for Shape {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
        NAMES
            .iter()
            .find_map(|(name, shape)| (*name == text).then_some(*shape))
            .ok_or_else(|| format!("unknown shape \"{text}\"; there are {}", names.join(", ")))
    }
}

impl Shape {
    pub(super) fn render(
        self,
        rows: &[RowTruth],
        throughput: u64,
        licence: [Timestamp; 2],
    ) -> String {
        let mut users: Vec<Value> = rows.iter().map(|row| self.row(row)).collect();
        if self == Self::DuplicateKey && rows.len() > 1 {
            let twin = RowTruth {
                application_name: rows[0].application_name.clone(),
                application_user_name: rows[0].application_user_name.clone(),
                from_envelope: rows[0].from_envelope.clone(),
                from_header: rows[0].from_header.clone(),
                ..rows[1].clone()
            };
            users.push(self.row(&twin));
        }
        let [start, end] = licence.map(|time| format!("{time:.3}"));
        let entitlement = json!({
            "annual_throughput": throughput,
            "license_start": start,
            "license_end": end,
        });
        let entitlement = match self {
            Self::EntitlementNull => Value::Null,
            Self::EntitlementList => json!([entitlement]),
            _ => entitlement,
        };
        let mut users = Value::Array(users);
        if self == Self::Keyed {
            let rows = users.as_array_mut().map(std::mem::take).unwrap_or_default();
            let keyed = rows.into_iter().filter_map(|row| {
                Some((row.get("applicationUserName")?.as_str()?.to_owned(), row))
            });
            users = Value::Object(keyed.collect());
        }
        let mut all = match self {
            Self::NoEntitlement => json!({ "applicationUsers": users }),
            Self::BareList => users,
            _ => json!({ "applicationUsers": users, "entitlement": entitlement }),
        };
        match self {
            Self::Wrapped => json!({ "data": all, "requestId": "r-1" }).to_string(),
            Self::InString => Value::String(all.to_string()).to_string(),
            Self::Bom => format!("\u{feff}{all}"),
            Self::Strings => {
                spell(&mut all);
                all.to_string()
            }
            Self::Case => capital(all).to_string(),
            Self::UnknownMembers => {
                all["generatedBy"] = json!({ "version": 2 });
                all.to_string()
            }
            _ => all.to_string(),
        }
    }

    fn row(self, row: &RowTruth) -> Value {
        let names = json!({
            "applicationName": row.application_name,
            "applicationUserName": row.application_user_name,
            "fromEnvelope": row.from_envelope,
            "fromHeader": row.from_header,
        });
        let mut status = json!({
            "success": row.success,
            "failure": row.failure,
            "tempFailure": row.temp_failure,
            "partialSuccess": row.partial_success,
            "inProgress": row.in_progress,
            "total": row.total,
            "recipientsTotal": row.recipients_total,
            "messageSizeTotal": row.message_size_total,
            "deliveredSizeTotal": row.delivered_size_total,
        });
        if let (Some(missing), Value::Object(status)) = (row.missing, &mut status) {
            status.remove(missing);
        }
        let details = json!({
            "2.X.X": row.success,
            "3.X.X": 0,
            "4.X.X": row.temp_failure,
            "5.X.X": row.failure,
        });
        let mut all = names;
        match self {
            Self::Flat => {
                for part in [status, details] {
                    extend(&mut all, part);
                }
            }
            Self::DetailsInStatus => {
                all["status"] = status;
                all["status"]["details"] = details;
            }
            _ => {
                all["status"] = status;
                all["details"] = details;
            }
        }
        if self == Self::UnknownMembers {
            all["region"] = json!("eu");
            all["status"]["quarantined"] = json!(3);
        }
        all
    }
}

fn extend(object: &mut Value, with: Value) {
    if let (Value::Object(object), Value::Object(with)) = (object, with) {
        object.extend(with);
    }
}

fn spell(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::String(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(spell),
        Value::Object(members) => members.values_mut().for_each(spell),
        _ => {}
    }
}

fn capital(value: Value) -> Value {
    let first_up = |name: String| {
        let mut letters = name.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
    };
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(capital).collect()),
        Value::Object(members) => {
            let renamed = members.into_iter().map(|(name, value)| (first_up(name), capital(value)));
            Value::Object(renamed.collect::<Map<String, Value>>())
        }
        other => other,
    }
}
