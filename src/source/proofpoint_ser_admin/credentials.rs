//! Members that may hold a credential. None is asked for; should the vendor send one all the same,
//! it is left out of the record before anything else is made of it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::domain::fingerprint;

/// Deeper than any answer; what is below is left out whole.
const MAX_DEPTH: u32 = 16;

/// A record's text without credentials; `None` where it has none. The names of what was left out go
/// to `found`.
pub(super) fn without(record: &RawValue, found: &mut Vec<String>) -> Option<String> {
    let before = found.len();
    let text = clean(record, 0, found);
    (found.len() > before).then_some(text)
}

fn clean(value: &RawValue, depth: u32, found: &mut Vec<String>) -> String {
    if depth > MAX_DEPTH && value.get().starts_with(['{', '[']) {
        found.push("(nested too deep)".to_owned());
        return "null".to_owned();
    }
    let mut parts = Vec::new();
    if let Some(members) = fingerprint::object(value) {
        for (name, value) in members {
            if is_credential(&name) && may_hold(value) {
                found.push(name.into_owned());
                continue;
            }
            let name: Cow<'_, str> = name;
            let name = serde_json::Value::from(name.as_ref());
            parts.push(format!("{name}:{}", clean(value, depth + 1, found)));
        }
        return format!("{{{}}}", parts.join(","));
    }
    if let Some(items) = fingerprint::list(value.get()) {
        parts.extend(items.into_iter().map(|item| clean(item, depth + 1, found)));
        return format!("[{}]", parts.join(","));
    }
    value.get().to_owned()
}

/// Whether a name is one that a credential may have: `password`, `smtpSecret`, `api_key`. What is
/// said *about* credentials (`credentialExpirationDate`) is no credential.
fn is_credential(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let said_about = ["date", "status", "expired", "days", "policy"];
    if said_about.iter().any(|end| plain.ends_with(end)) {
        return false;
    }
    let inside = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "privatekey",
        "apikey",
        "accesskey",
        "token",
        "credential",
    ];
    let whole = ["pwd", "pass", "key", "auth", "authorization"];
    inside.iter().any(|part| plain.contains(part)) || whole.contains(&plain.as_str())
}

/// `null`, `true` and `false` say whether there is one, not which.
fn may_hold(value: &RawValue) -> bool {
    !matches!(value.get(), "null" | "true" | "false" | "\"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(json: &str) -> (Option<String>, Vec<String>) {
        let mut found = Vec::new();
        (without(serde_json::from_str(json).unwrap(), &mut found), found)
    }

    #[test]
    fn credentials_are_left_out_wherever_they_are() {
        let json = r#"{"name":"a","smtpPassword":"s3cret","b":{"Client_Secret":"s3cret","n":1.0},
            "c":[{"apiKey":["s3cret"]},"x"],"credentials":{"user":"u","value":"s3cret"}}"#;
        let (text, found) = cleaned(json);
        assert_eq!(text.unwrap(), r#"{"name":"a","b":{"n":1.0},"c":[{},"x"]}"#);
        assert_eq!(found, ["smtpPassword", "Client_Secret", "apiKey", "credentials"]);
    }

    #[test]
    fn what_is_said_about_credentials_stays() {
        let json = r#"{"credentialExpirationDate":"2027-01-31","hasSecret":true,"password":null,
            "credentialStatus":"active","preferredUsername":"u","tags":["t"]}"#;
        assert_eq!(cleaned(json), (None, Vec::new()));
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        assert_eq!(cleaned(&deep).1, ["(nested too deep)"]);
    }

    #[test]
    fn no_sample_has_one() {
        let files = crate::source::testing::samples("ser_admin", |_| true);
        assert!(files.len() >= 11);
        for (name, text) in files {
            let (_, found) = cleaned(&text);
            assert_eq!(found, Vec::<String>::new(), "{name}");
        }
    }
}
