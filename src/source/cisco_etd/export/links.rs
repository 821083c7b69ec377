//! The links to an export's files: what is asked for, and what came.
//!
//! A link is signed: whoever has it has the file. So only its path is ever shown or kept, which also
//! is what tells files apart: the query is another one in each answer.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::hours::{Ask, Hour};
use crate::source::text::excerpt;

pub(crate) const PATH: &str = "/v1/logs/downloadLinks";
pub(crate) const NAME: &str = "POST /v1/logs/downloadLinks";

/// A kind of log. There is `connection` too, which nobody wants so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum LogType {
    Message,
    Audit,
}

impl LogType {
    pub(crate) const ALL: [Self; 2] = [Self::Message, Self::Audit];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for LogType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The request's body.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body {
    time_range: [String; 2],
    log_types: Vec<&'static str>,
}

impl Body {
    pub(crate) fn new(ask: &Ask) -> Self {
        Self {
            time_range: [ask.first, ask.end].map(|hour| hour.to_string()),
            log_types: ask.types.iter().map(|log_type| log_type.as_str()).collect(),
        }
    }
}

/// A link to one file.
#[derive(Clone)]
pub(crate) struct Link {
    url: Zeroizing<String>,
    /// The path, as it came: the file's identity.
    pub(crate) file: String,
    /// The hour that the path names.
    pub(crate) hour: Option<Hour>,
}

impl Link {
    /// `None` for what is no link. One without TLS is taken only where the API has none either.
    fn read(url: &str, plain: bool) -> Option<Self> {
        let parsed = reqwest::Url::parse(url).ok()?;
        let fits = parsed.scheme() == "https" || plain && parsed.scheme() == "http";
        if !fits || parsed.host_str().is_none() {
            return None;
        }
        let file = parsed.path().to_owned();
        Some(Self { hour: hour(&file), url: Zeroizing::new(url.to_owned()), file })
    }

    /// With its signature: for the request, and for nothing else.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The hour in a path such as `…/log_date%3D2026-11-20/hour%3D08/…`, percent-encoded or not.
fn hour(path: &str) -> Option<Hour> {
    let value = |name: &str| {
        let (_, rest) = path.split_once(name)?;
        let rest = rest.strip_prefix('=').or_else(|| {
            let (sign, rest) = rest.split_at_checked(3)?;
            sign.eq_ignore_ascii_case("%3d").then_some(rest)
        })?;
        rest.split('/').next()
    };
    let (date, hour) = (value("log_date")?, value("/hour")?);
    let start: jiff::Timestamp = format!("{date}T{hour:0>2}:00:00Z").parse().ok()?;
    Some(Hour::of(start))
}

/// What an answer has.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// By type; each file once. A type that is not here was not in the answer, or `null`: it may be
    /// switched off in the console (inferred: the vendor does not say how that shows).
    pub(crate) of: BTreeMap<LogType, Vec<Link>>,
    /// How many links came of each type, before any was left out.
    pub(crate) received: BTreeMap<LogType, usize>,
    pub(crate) warnings: Vec<String>,
}

/// Reads an answer to `ask`. The error says what is odd about one that cannot be counted on: an
/// hour that looks empty would be an hour of changes that nobody misses.
pub(crate) fn read(body: &str, ask: &Ask, plain: bool) -> Result<Links, &'static str> {
    let body: Value = serde_json::from_str(body).map_err(|_| "the body is not whole JSON")?;
    let data = match body.get("data") {
        Some(Value::Object(data)) => data,
        Some(_) => return Err("data is of a strange type"),
        None => return Err("the body has no data"),
    };
    let mut links = Links::default();
    for log_type in &ask.types {
        let list = match data.get(log_type.as_str()) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(list)) => list,
            Some(_) => return Err("a list of links is of a strange type"),
        };
        let mut of_type: Vec<Link> = Vec::with_capacity(list.len());
        for item in list {
            let Some(link) = item.as_str().and_then(|url| Link::read(url, plain)) else {
                // Without its text, which may be signed all the same.
                return Err("a link cannot be read");
            };
            if of_type.iter().all(|known| known.file != link.file) {
                of_type.push(link);
            }
        }
        for link in of_type.iter().filter(|link| link.hour.is_some_and(|h| !ask.has(h))) {
            let file = excerpt(&link.file);
            links.warnings.push(format!("a file of an hour that was not asked for: {file}"));
        }
        links.received.insert(*log_type, list.len());
        links.of.insert(*log_type, of_type);
    }
    Ok(links)
}

/// Where logs are switched on.
pub(crate) const CONSOLE: &str =
    "Administration > Business > Export Log Preferences in the console";

const GIVES_NO: &str = "the log export gives no ";
/// Between the reasons of a gap that has two.
const ALSO: &str = "; also: ";
/// How the reason of a gap begins in which no change of a message can be missing.
pub(crate) const AUDIT_ONLY: &str = "audit only: ";

/// What to tell when types do not come.
pub(crate) fn switched_off(types: &[LogType]) -> String {
    let names: Vec<&str> = types.iter().map(|log_type| log_type.as_str()).collect();
    format!(
        "{GIVES_NO}{} logs: switch them on under {CONSOLE}; the first files come 15 to \
         20 minutes later, and nothing from before",
        names.join(" and no ")
    )
}

/// The gap of an hour that was read again. That a type did not come stays: what was not written then
/// never is. What is of audit only stands last.
pub(crate) fn gap(before: Option<&str>, now: Option<String>) -> Option<String> {
    let off = before.and_then(|before| before.split(ALSO).find(|why| why.contains(GIVES_NO)));
    match (off, now) {
        (Some(off), Some(now)) if now.contains(off) => Some(now),
        (Some(off), Some(now)) if off.starts_with(AUDIT_ONLY) => Some(format!("{now}{ALSO}{off}")),
        (Some(off), Some(now)) => Some(format!("{off}{ALSO}{now}")),
        (Some(off), None) => Some(off.to_owned()),
        (None, now) => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{at, sample};

    fn ask() -> Ask {
        let first = Hour::of(at("2026-11-20T08:00:00Z"));
        Ask { first, end: first.next(), types: LogType::ALL.to_vec() }
    }

    #[test]
    fn the_request_has_exactly_the_documented_shape() {
        let body = serde_json::to_string(&Body::new(&ask())).unwrap();
        assert_eq!(
            body,
            r#"{"timeRange":["2026-11-20T08","2026-11-20T09"],"logTypes":["message","audit"]}"#
        );
    }

    #[test]
    fn a_file_is_known_by_its_path_and_its_signature_is_shown_nowhere() {
        let links = read(&sample("etd_export", "log_links.json"), &ask(), false).unwrap();
        let link = &links.of[&LogType::Message][0];
        assert_eq!(
            link.file,
            "/tenant_id%3D1/log_date%3D2026-11-20/hour%3D08/log_type%3Dmessage/part-0000.jsonl"
        );
        assert_eq!(link.hour, Some(Hour::of(at("2026-11-20T08:30:00Z"))));
        assert!(link.url().ends_with("X-Amz-Signature=aa"));
        let shown = format!("{links:?}");
        assert!(!shown.contains("Signature") && !shown.contains("Expires"), "{shown}");
        assert_eq!(links.of[&LogType::Audit].len(), 0);
        assert_eq!(links.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_path_is_read_encoded_or_not() {
        let eight = Some(Hour::of(at("2026-11-20T08:00:00Z")));
        for path in [
            "/a/log_date=2026-11-20/hour=08/log_type=message/x",
            "/a/log_date%3d2026-11-20/hour%3D8/x",
        ] {
            assert_eq!(hour(path), eight, "{path}");
        }
        for path in ["", "/log_date=2026-11-20", "/log_date=x/hour=08/", "/log_date%3/hour%3"] {
            assert_eq!(hour(path), None, "{path}");
        }
    }

    #[test]
    fn a_type_that_is_missing_is_told_from_one_without_files() {
        let links = read(r#"{"data":{"audit":[],"message":null}}"#, &ask(), false).unwrap();
        assert!(links.of.contains_key(&LogType::Audit));
        assert!(!links.of.contains_key(&LogType::Message));
        assert!(switched_off(&[LogType::Message]).contains("no message logs: switch them on"));
    }

    #[test]
    fn an_hour_that_a_type_did_not_come_for_stays_a_gap() {
        let (off, broken) = (switched_off(&[LogType::Audit]), "its gzip is broken");
        let mut known = gap(None, Some(broken.to_owned()));
        assert_eq!(known.as_deref(), Some(broken));
        assert_eq!(gap(known.as_deref(), None), None);
        known = gap(known.as_deref(), Some(off.clone()));
        for _ in 0..2 {
            assert_eq!(known.as_ref(), Some(&off));
            let both = gap(known.as_deref(), Some(broken.to_owned()));
            assert_eq!(both, Some(format!("{off}; also: {broken}")));
            known = gap(both.as_deref(), None);
        }
        // Of messages comes before of audit: a reader of its beginning must not think that none is missing.
        let audit = format!("{AUDIT_ONLY}{off}");
        let both = gap(Some(&audit), Some(broken.to_owned())).unwrap();
        assert!(both.starts_with(broken) && both.ends_with(&audit), "{both}");
        assert_eq!(gap(Some(&audit), Some(both.clone())).as_ref(), Some(&both));
        assert_eq!(gap(Some(&both), None), Some(audit));
    }

    #[test]
    fn the_same_file_counts_once_and_what_came_in_all_is_known() {
        let body = r#"{"data":{"message":["https://h/a?s=1","https://h/a?s=2","https://h/b"]}}"#;
        let links = read(body, &ask(), false).unwrap();
        assert_eq!(links.of[&LogType::Message].len(), 2);
        assert_eq!(links.received[&LogType::Message], 3);
    }

    #[test]
    fn another_hours_file_is_told_by_its_path() {
        let body = r#"{"data":{"message":["https://h/log_date=2026-11-19/hour=08/a?secret"]}}"#;
        let links = read(body, &ask(), false).unwrap();
        assert_eq!(
            links.warnings,
            ["a file of an hour that was not asked for: /log_date=2026-11-19/hour=08/a"]
        );
    }

    #[test]
    fn what_is_no_list_of_links_is_no_empty_hour() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":{"message":{}}}"#,
            r#"{"data":{"message":[1]}}"#,
            r#"{"data":{"message":["ftp://h/a?secret"]}}"#,
            r#"{"data":{"message":["/a?secret"]}}"#,
            r#"{"data":{"message":["http://h/a?secret"]}}"#,
        ] {
            let error = read(body, &ask(), false).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
