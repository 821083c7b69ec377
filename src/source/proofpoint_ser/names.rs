//! The vendor's member names, whatever their case.

/// The four members that name a row.
pub(super) const KEYS: [&str; 4] =
    ["applicationName", "applicationUserName", "fromEnvelope", "fromHeader"];

/// The five counters that make up `total`.
pub(super) const PARTS: [&str; 5] =
    ["success", "failure", "tempFailure", "partialSuccess", "inProgress"];

/// All counters of `status`: messages, recipients, bytes.
pub(super) const COUNTERS: [&str; 9] = [
    "success",
    "failure",
    "tempFailure",
    "partialSuccess",
    "inProgress",
    "total",
    "recipientsTotal",
    "messageSizeTotal",
    "deliveredSizeTotal",
];

/// The members of an entitlement.
pub(super) const ENTITLEMENT: [&str; 3] = ["annual_throughput", "license_start", "license_end"];

/// Whether two names differ at most in case and underscores: the vendor writes `tempFailure` here
/// and `license_start` there.
pub(in crate::source) fn same(left: &str, right: &str) -> bool {
    fn plain(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase())
    }
    left == right || plain(left).eq(plain(right))
}

/// The vendor's documented spelling of `name`, where it is among `known`.
pub(in crate::source) fn canonical(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().copied().find(|known| same(known, name))
}

/// A DSN code or class: `2.X.X`, `2.x.x`, `2xx` and `2` are the class `2.X.X`, `5.1.1` is kept.
/// `None` for what is neither.
pub(super) fn code(name: &str) -> Option<String> {
    let name = name.trim();
    let class = name.chars().next().filter(|c| matches!(c, '1'..='5'))?;
    let rest = name.strip_prefix(class)?;
    let plain: String = rest.chars().filter(|c| *c != '.').collect();
    if plain.chars().all(|c| matches!(c, 'x' | 'X')) && plain.len() <= 2 {
        return Some(format!("{class}.X.X"));
    }
    let mut parts = rest.strip_prefix('.')?.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        })
    };
    (number(parts.next()) && number(parts.next()) && parts.next().is_none())
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_whatever_their_case() {
        assert_eq!(canonical("TEMPFAILURE", &COUNTERS), Some("tempFailure"));
        assert_eq!(canonical("temp_failure", &COUNTERS), Some("tempFailure"));
        assert_eq!(canonical("annualThroughput", &ENTITLEMENT), Some("annual_throughput"));
        assert_eq!(canonical("quarantined", &COUNTERS), None);
    }

    #[test]
    fn classes_have_one_spelling_and_codes_their_own() {
        let table = [
            ("2.X.X", Some("2.X.X")),
            ("2.x.x", Some("2.X.X")),
            ("4xx", Some("4.X.X")),
            ("5", Some("5.X.X")),
            ("5.1.1", Some("5.1.1")),
            ("5.7.133", Some("5.7.133")),
            ("5.1", None),
            ("5.1.1.1", None),
            ("9.X.X", None),
            ("total", None),
            ("2é", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(code(name).as_deref(), expected, "{name}");
        }
    }
}
