//! What a search of messages is narrowed to.

use serde::{Deserialize, Serialize};

/// The vendor's words for what a message was judged to be.
pub const VERDICTS: [&str; 8] =
    ["spam", "malicious", "phishing", "graymail", "neutral", "bec", "scam", "noVerdict"];
pub const DIRECTIONS: [&str; 4] = ["incoming", "outgoing", "internal", "mixed"];

/// The vendor's search filters; an empty one is not sent. All of them must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub directions: Vec<String>,
    /// The subject's beginning.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filename: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file_sha256: String,
    /// The URL's beginning.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This filter where it says something, else `base`.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let list = |own: &Vec<String>, base: &Vec<String>| {
            if own.is_empty() { base.clone() } else { own.clone() }
        };
        let text = |own: &String, base: &String| {
            if own.is_empty() { base.clone() } else { own.clone() }
        };
        Self {
            verdicts: list(&self.verdicts, &base.verdicts),
            directions: list(&self.directions, &base.directions),
            subject: text(&self.subject, &base.subject),
            filename: text(&self.filename, &base.filename),
            file_sha256: text(&self.file_sha256, &base.file_sha256),
            url: text(&self.url, &base.url),
        }
    }
}
