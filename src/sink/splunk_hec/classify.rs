//! What HEC's answers mean. Pure: one function, one table.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    fault::{Fault, Kind},
    sink::Outcome,
};

/// Splunk Cloud refuses bodies above some five megabytes with code 6 for the first object, as if
/// that were malformed. Ours never are, so beyond this size the size is the likelier reason.
const LIKELY_TOO_LARGE: usize = 1_000_000;

/// The JSON that HEC answers with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Reply {
    pub(super) code: Option<u32>,
    #[serde(default)]
    pub(super) text: String,
    /// Counts the batch's objects from 0.
    #[serde(rename = "invalid-event-number")]
    pub(super) invalid_event_number: Option<usize>,
    /// By which the indexers will know the batch; counts from 0.
    #[serde(rename = "ackId")]
    ack_id: Option<Value>,
}

impl Reply {
    /// `None` where the body is not HEC's: a proxy's page, a captive portal.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(body).ok().filter(|reply| reply.code.is_some())
    }

    /// Without the token: whoever answers may echo the request, and the text is shown.
    pub(super) fn without(mut self, token: &HeaderValue) -> Self {
        let token = token.to_str().unwrap_or_default().trim_start_matches("Splunk ");
        if !token.is_empty() {
            self.text = self.text.replace(token, "[secret]");
        }
        self
    }
}

/// An answer to a batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reply: Option<Reply>,
    pub(super) body: Bytes,
    pub(super) retry_after: Option<Duration>,
    /// Where it came from, for the texts.
    pub(super) url: String,
    pub(super) index: Option<String>,
}

impl Answer {
    /// Another endpoint may do better.
    pub(super) fn is_down(&self) -> bool {
        self.status >= 500 || (self.status < 300 && self.reply.is_none())
    }

    /// 24 and 25 are success with a hint that the queue, or the channel, is nearly full.
    pub(super) fn is_success(&self) -> bool {
        let code = self.reply.as_ref().and_then(|reply| reply.code);
        (200..300).contains(&self.status) && matches!(code, Some(0 | 24 | 25))
    }

    /// The id that a batch was accepted with.
    pub(super) fn ack_id(&self) -> Option<u64> {
        let id = self.reply.as_ref().filter(|_| self.is_success())?.ack_id.as_ref()?;
        id.as_u64().or_else(|| id.as_str()?.parse().ok())
    }

    pub(super) fn refuses_token(&self) -> bool {
        let code = self.reply.as_ref().and_then(|reply| reply.code);
        matches!(self.status, 401 | 403) || matches!(code, Some(1..=4 | 21 | 22))
    }
}

/// Decides what became of a batch of `frames` events and `body_len` bytes before compression.
pub(super) fn classify(answer: &Answer, frames: usize, body_len: usize) -> Outcome {
    let reply = answer.reply.clone().unwrap_or_default();
    let said = said(answer);
    let invalid = reply.invalid_event_number.filter(|index| *index < frames);
    let hold = |cure: &str| Outcome::Failed(Fault::auth(said.clone()).with_cure(cure));
    let later = || {
        let kind = Kind::Transient { retry_after: answer.retry_after };
        Outcome::Failed(Fault::new(kind, said.clone()))
    };
    let throttled = || {
        let kind = Kind::Throttled { retry_after: answer.retry_after };
        Outcome::Failed(Fault::new(kind, said.clone()))
    };
    let refused = || match invalid {
        Some(index) => Outcome::Poison { index, reason: said.clone() },
        None => Outcome::SomePoison { reason: said.clone() },
    };
    match (answer.status, reply.code) {
        _ if answer.is_success() => Outcome::Accepted,
        (413, _) => Outcome::TooLarge { reason: said },
        (429, _) | (_, Some(26 | 27)) => throttled(),
        (_, Some(1 | 22)) => hold("the token is disabled: enable it in Splunk"),
        (_, Some(2 | 3 | 4 | 21)) => hold("the token is wrong: check `token`"),
        (_, Some(16)) => hold("the token must not be in the URL: check `endpoints`"),
        (400, Some(7)) => match &answer.index {
            Some(index) => hold(&format!(
                "the index \"{index}\" does not exist or is not allowed for the token: create it, \
                 allow it, or change `index`"
            )),
            None => hold("the token has no usable default index: set `index`"),
        },
        (400, Some(10 | 11 | 28)) => hold("Splunk wants another channel than we send"),
        (400, Some(14)) => Outcome::Failed(without_acknowledgement(&answer.url)),
        (400, Some(6)) if invalid.is_none_or(|at| at == 0) && body_len > LIKELY_TOO_LARGE => {
            Outcome::TooLarge { reason: said }
        }
        (400, Some(5 | 6 | 12 | 13 | 15)) => refused(),
        // A code that we do not know: where it names an event, believe it; else hold, since
        // bisecting a refusal that has nothing to do with an event would drop them all.
        (400, Some(_)) if invalid.is_some() => refused(),
        (400, Some(_)) => hold("an unknown code"),
        (401 | 403, _) => hold("check `token`"),
        (404 | 405, _) => hold("there is no HEC at this URL: check `endpoints`"),
        (407, _) => hold("the proxy wants a user and a password: check `proxy`"),
        (415, _) => hold("gzip is refused: set `compression = \"none\"`"),
        (300..=399, _) => hold("redirects are not followed: check `endpoints`"),
        // An answer that is not HEC's, or HEC's word for "not now". Unknown is not delivered.
        (200..=299 | 400 | 408 | 425 | 500..=599, _) => later(),
        _ => hold("this is no answer that HEC gives: check `endpoints`"),
    }
}

/// What `acknowledgements = "required"` holds for.
pub(super) fn without_acknowledgement(url: &str) -> Fault {
    Fault::auth(format!("{url} has no indexer acknowledgement for the token")).with_cure(
        "switch it on in Splunk (\"Enable indexer acknowledgement\"), or set `acknowledgements = \
         \"auto\"`",
    )
}

/// What an answer to a question for acknowledgements means where it is none.
pub(super) fn refused_question(answer: &Answer) -> Fault {
    match classify(answer, 0, 0) {
        Outcome::Failed(fault) => fault,
        _ => Fault::transient(format!("{}, which says nothing of acknowledgements", said(answer))),
    }
}

/// `URL answered 503 (code 9: Server is busy)`.
pub(super) fn said(answer: &Answer) -> String {
    let Answer { status, url, .. } = answer;
    match &answer.reply {
        Some(Reply { code: Some(code), text, .. }) => {
            // From outside, and shown in logs and on pages.
            let text: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
            format!("{url} answered {status} (code {code}: {text})")
        }
        _ => format!("{url} answered {status} without HEC's JSON"),
    }
}

#[cfg(test)]
mod tests;
