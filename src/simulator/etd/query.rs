//! The body of a search, read as strictly as the vendor does.

use axum::body::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use super::EtdOptions;
use crate::simulator::{
    content::short_hash,
    message::Profile,
    timeline::nanos,
    words::{DIRECTIONS, VERDICTS},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Raw {
    timestamp: [String; 2],
    verdicts: Option<Vec<String>>,
    subject: Option<String>,
    filename: Option<String>,
    #[serde(rename = "fileSHA256")]
    file_sha256: Option<String>,
    url: Option<String>,
    directions: Option<Vec<String>>,
    page_token: Option<String>,
    page_size: Option<u32>,
}

pub(super) struct Query {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) page_token: Option<String>,
    pub(super) page_size: u32,
    /// Equal for queries that ask for the same messages, whatever the page.
    pub(super) fingerprint: u64,
    verdicts: Vec<String>,
    directions: Vec<String>,
    subject: String,
    filename: String,
    file_sha256: String,
    url: String,
}

pub(super) fn has_page_token(body: &Bytes) -> bool {
    serde_json::from_slice::<Raw>(body)
        .is_ok_and(|raw| raw.page_token.is_some_and(|token| !token.is_empty()))
}

pub(super) fn parse(body: &Bytes) -> Option<Query> {
    let raw: Raw = serde_json::from_slice(body).ok()?;
    let known = |words: &[&str], list: &Option<Vec<String>>| {
        list.iter().flatten().all(|word| words.contains(&word.as_str()))
    };
    let page_size = raw.page_size.unwrap_or(100);
    let good = known(VERDICTS, &raw.verdicts)
        && known(DIRECTIONS, &raw.directions)
        && raw.directions.as_ref().is_none_or(|list| (1..=4).contains(&list.len()))
        && (1..=100).contains(&page_size);
    if !good {
        return None;
    }
    let [from, to] = [time(&raw.timestamp[0])?, time(&raw.timestamp[1])?];
    let (verdicts, directions) =
        (raw.verdicts.unwrap_or_default(), raw.directions.unwrap_or_default());
    let [subject, filename, file_sha256, url] =
        [raw.subject, raw.filename, raw.file_sha256, raw.url].map(Option::unwrap_or_default);
    let all = format!(
        "{from} {to} {verdicts:?} {directions:?} {subject:?} {filename:?} {file_sha256:?} {url:?}"
    );
    Some(Query {
        from,
        to,
        page_token: raw.page_token.filter(|token| !token.is_empty()),
        page_size,
        fingerprint: short_hash(all.as_bytes()),
        verdicts,
        directions,
        subject,
        filename,
        file_sha256,
        url,
    })
}

/// ISO 8601 in UTC with `T` and `Z`, to the second or finer.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let shape = text.as_bytes();
    let separated = shape.get(4) == Some(&b'-') && shape.get(10) == Some(&b'T');
    (separated && shape.len() >= 20 && text.ends_with('Z')).then(|| text.parse().ok()).flatten()
}

impl Query {
    pub(super) fn range_is_good(&self, now: Timestamp, options: &EtdOptions) -> bool {
        let span = i128::from(nanos(self.to)) - i128::from(nanos(self.from));
        let longest = i128::try_from(options.longest_span.as_nanos()).unwrap_or(i128::MAX);
        let oldest = now.checked_sub(options.retention).unwrap_or(Timestamp::MIN);
        let newest = now.checked_sub(options.now_margin).unwrap_or(Timestamp::MIN);
        span > 0 && span <= longest && self.from >= oldest && self.to <= newest
    }

    /// Whether each message of the range is wanted, so that counting needs no look at them.
    pub(super) fn is_unfiltered(&self) -> bool {
        self.verdicts.is_empty()
            && self.directions.is_empty()
            && self.subject.is_empty()
            && self.filename.is_empty()
            && self.file_sha256.is_empty()
            && self.url.is_empty()
    }

    /// `latest` is the latest verdict, "" for none.
    pub(super) fn matches(&self, message: &Profile, latest: &str) -> bool {
        let latest = if latest.is_empty() { "noVerdict" } else { latest };
        let listed =
            |list: &[String], word: &str| list.is_empty() || list.iter().any(|w| w == word);
        listed(&self.verdicts, latest)
            && listed(&self.directions, message.direction)
            && message.subject().starts_with(&self.subject)
            && (self.url.is_empty()
                || (0..message.urls).any(|number| message.url(number).starts_with(&self.url)))
            && (self.filename.is_empty()
                || message.attachments().any(|(name, _)| name == self.filename))
            && (self.file_sha256.is_empty()
                || message.attachments().any(|(_, hash)| hash == self.file_sha256))
    }
}
