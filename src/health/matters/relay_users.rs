//! SMTP credentials of relay users that run out, or do not work.

use jiff::Timestamp;

use super::budget::nearness;
use crate::{
    domain::{name::SourceName, severity::Severity},
    health::matter::{Kind, Matter},
    source::proofpoint_ser_admin::Standing,
};

/// One matter for each relay user about whom somebody should know.
pub(in crate::health) fn matters(
    source: &SourceName,
    users: &[Standing],
    now: Timestamp,
) -> Vec<Matter> {
    users.iter().filter_map(|user| matter(source, user, now)).collect()
}

fn matter(source: &SourceName, user: &Standing, now: Timestamp) -> Option<Matter> {
    let name = user.name.as_deref().unwrap_or(&user.id);
    let near = user.expires.and_then(|expires| nearness(expires, now));
    // Who was switched off by hand is not about to expire.
    let (condition, severity, what) = match (user.status.as_deref(), near) {
        (Some("disabled"), _) => ("disabled".to_owned(), Severity::Info, "are disabled".to_owned()),
        (Some("revoked"), _) => ("revoked".to_owned(), Severity::Warning, "are revoked".to_owned()),
        (Some("invalid"), _) => ("invalid".to_owned(), Severity::Warning, "are invalid".to_owned()),
        (Some("expired"), _) => ("expired".to_owned(), Severity::Error, "have expired".to_owned()),
        (_, Some((_, Severity::Critical))) => {
            ("expired".to_owned(), Severity::Error, "have expired".to_owned())
        }
        (_, Some((condition, severity))) => {
            let what = user.expires.map_or_else(String::new, |at| format!("expire at {at}"));
            (condition, severity, what)
        }
        (_, None) => return None,
    };
    let message = format!(
        "The SMTP credentials of the relay user {name} of the source {source} {what}. Renew them in \
         the SER console and in the application, or remove the relay user."
    );
    let kind = (Kind::Credentials, condition);
    let matter = Matter::new(source, format!("relay_user/{}", user.id), kind, severity, message);
    let matter = matter.with("relay_user", user.name.clone()).at("expires_at", user.expires);
    Some(matter.with("relay_user_id", user.id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_standing_has_its_word() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let table = [
            ("active", None, None),
            ("active", Some("2026-12-23T00:00:00Z"), None),
            ("active", Some("2026-12-20T00:00:00Z"), Some("expire_within_30_days")),
            ("active", Some("2026-12-05T00:00:00Z"), Some("expire_within_14_days")),
            ("active", Some("2026-11-28T00:00:00Z"), Some("expire_within_7_days")),
            ("active", Some("2026-11-22T09:00:00Z"), Some("expire_within_1_day")),
            ("active", Some("2026-11-21T00:00:00Z"), Some("expired")),
            ("expired", None, Some("expired")),
            ("disabled", Some("2026-11-28T00:00:00Z"), Some("disabled")),
            ("revoked", None, Some("revoked")),
            ("invalid", None, Some("invalid")),
        ];
        let source = "ser".parse().unwrap();
        for (status, expires, expected) in table {
            let user = Standing {
                id: "u-1".to_owned(),
                name: Some("sap".to_owned()),
                status: Some(status.to_owned()),
                expires: expires.map(|at| at.parse().unwrap()),
            };
            let matters = matters(&source, &[user], now);
            let word = matters.first().map(|matter| matter.telling.condition.as_str());
            assert_eq!(word, expected, "{status} {expires:?}");
            assert!(matters.iter().all(|matter| matter.telling.message.contains("sap")));
        }
    }
}
