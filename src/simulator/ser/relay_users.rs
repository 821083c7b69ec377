//! The relay users of one customer, as its people configure them.

use std::{collections::BTreeMap, sync::Mutex};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::Ser;
use crate::simulator::locked;

/// When those were changed last whom nobody has changed since.
const UPDATED: &str = "2024-01-01T08:00:00Z";

/// What the customer's people do with a relay user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayUserChange {
    /// Messages a day.
    Limit(u64),
    /// `active`, `disabled`, `revoked`, …
    Status(&'static str),
    /// `None`: its credentials never expire.
    Expires(Option<Date>),
    Delete,
    /// What was deleted is there again.
    Restore,
}

/// When its credentials end.
#[derive(Debug, Clone, Copy, Default)]
enum Expiry {
    #[default]
    AsAtFirst,
    /// Never, without a day.
    On(Option<Date>),
}

/// What differs from a relay user as it was at first.
#[derive(Debug, Clone, Default)]
struct Changed {
    limit: Option<u64>,
    status: Option<&'static str>,
    expires: Expiry,
    is_deleted: bool,
    at: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct RelayUsers(Mutex<BTreeMap<u32, Changed>>);

/// A relay user's id: a function of its number, so that it outlives a new name.
pub(super) fn id(number: u32) -> String {
    format!("b30904d5-575e-503d-be50-{number:012x}")
}

/// As the list has them: without the details.
pub(super) fn listed(user: &Value) -> Value {
    let names = ["relayUserId", "name", "status", "version", "creationDate", "updatedDate"];
    names.iter().map(|name| ((*name).to_owned(), user[*name].clone())).collect()
}

impl RelayUsers {
    pub(crate) fn change(&self, number: u32, change: &RelayUserChange, now: Timestamp) {
        let mut users = locked(&self.0);
        let user = users.entry(number).or_default();
        user.at = now;
        match *change {
            RelayUserChange::Limit(limit) => user.limit = Some(limit),
            RelayUserChange::Status(status) => user.status = Some(status),
            RelayUserChange::Expires(expires) => user.expires = Expiry::On(expires),
            RelayUserChange::Delete => user.is_deleted = true,
            RelayUserChange::Restore => user.is_deleted = false,
        }
    }

    /// All that there are now, with their details.
    pub(crate) fn all(&self, ser: &Ser) -> Vec<Value> {
        let changed = locked(&self.0);
        let user = |number: u32| {
            let is = changed.get(&number).cloned().unwrap_or_default();
            let name = ser.relay.name(number).filter(|_| !is.is_deleted)?;
            let expires = match is.expires {
                Expiry::AsAtFirst => expiry(ser.desk.now(), number),
                Expiry::On(day) => day,
            };
            let updated = changed.get(&number).map(|_| format!("{:.0}", is.at));
            Some(json!({
                "relayUserId": id(number), "name": name, "status": is.status.unwrap_or("active"),
                "version": "v2", "creationDate": "2024-01-01T08:00:00Z",
                "updatedDate": updated.as_deref().unwrap_or(UPDATED),
                "allowedAddress": [{ "mailFrom": format!("app{number}.example.com"),
                    "headerFrom": format!("noreply@app{number}.example.com") }],
                "allowedIps": ["192.0.2.10"],
                "credentialExpirationDate": expires.map(|day| day.to_string()),
                "limits": { "messagesPer24Hours": is.limit.unwrap_or(100_000),
                    "messagesPer1Hour": null },
                "somethingNew": { "a": 1 },
            }))
        };
        (0..ser.options.users).filter_map(user).collect()
    }
}

/// Every third never; in December of the year that `now` is in, or of the next.
fn expiry(now: Timestamp, number: u32) -> Option<Date> {
    let year = now.to_zoned(TimeZone::UTC).year() + i16::from(!number.is_multiple_of(2));
    (!number.is_multiple_of(3)).then(|| Date::new(year, 12, 10).ok()).flatten()
}
