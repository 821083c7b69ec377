//! What each answer other than a page means.
//!
//! The phrases stand in plain text, in `message` or in `Message`; so they are looked for in the
//! raw text.

use std::time::Duration;

use jiff::Timestamp;

use super::{RETENTION, export, report, search, token};
use crate::{
    domain::slice::Interval,
    fault::{Fault, Kind},
    source::text::{excerpt, has_phrase, is_markup},
};

/// A slice whose end is younger may be refused for that alone. Published connectors stay 5 minutes
/// behind; the vendor does not document its margin (inferred).
const TOO_NEAR: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    Token,
    Search { interval: Interval },
    Report { day: Interval },
    Links { hours: Interval },
}

/// All that counts for the meaning of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    pub(super) call: Call,
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// Without secrets.
    pub(super) body: &'a str,
    pub(super) now: Timestamp,
    pub(super) had_page_token: bool,
}

/// Whether a call was refused for its token: 401, and 400 `Bad Request`, which the vendor's
/// developer pages give for a bad JWT.
pub(super) fn wants_new_token(status: u16, body: &str) -> bool {
    status == 401 || status == 400 && !is_markup(body) && has_phrase(body, "badrequest")
}

/// The fault that an answer is.
pub(super) fn classify(refusal: &Refusal<'_>) -> Fault {
    let (kind, advice) = meaning(refusal);
    let name = match refusal.call {
        Call::Token => token::NAME,
        Call::Search { .. } => search::NAME,
        Call::Report { .. } => report::NAME,
        Call::Links { .. } => export::NAME,
    };
    let mut what = format!("{name} answered {}", refusal.status);
    let body = excerpt(refusal.body.trim());
    if !body.is_empty() {
        what.push_str(": ");
        what.push_str(&body);
    }
    if !advice.is_empty() {
        what.push_str(" (");
        what.push_str(advice);
        what.push(')');
    }
    let fault = Fault::new(kind, what);
    if kind == Kind::Auth { fault.cured_by(advice) } else { fault }
}

/// The kind of an answer, and what a person can do about it.
fn meaning(refusal: &Refusal<'_>) -> (Kind, &'static str) {
    let Refusal { call, status, retry_after, body, .. } = *refusal;
    let has = |phrase| has_phrase(body, phrase);
    let transient = Kind::Transient { retry_after };
    match status {
        429 if has("limitexceeded") && !has("ratelimitexceeded") => {
            (Kind::QuotaSpent, "the tenant's daily quota is spent")
        }
        429 => (Kind::Throttled { retry_after }, ""),
        407 => (Kind::Auth, "the proxy wants credentials: check `proxy`"),
        300..=399 => (transient, "redirects are not followed: check base_url and the proxy"),
        _ if is_markup(body) => (transient, "a web page in place of JSON: a proxy or a portal?"),
        // Whether api_key or the region are wrong, searches tell.
        403 | 404 if matches!(call, Call::Report { .. }) => {
            (Kind::Refused, "not available to this tenant: `reconcile = false` stops asking")
        }
        403 | 404 if matches!(call, Call::Links { .. }) => {
            (Kind::Refused, "no log export for this tenant: `log_export = false` stops asking")
        }
        403 if has("missingauthenticationtoken") => {
            (Kind::Auth, "the gateway does not know this path: check base_url")
        }
        403 => (
            Kind::Auth,
            "check api_key, which is one for the tenant; a new key works after 3 to 5 minutes",
        ),
        404 => (Kind::Auth, "no such resource: check region or base_url"),
        400 | 401 if matches!(call, Call::Token) => (
            Kind::Auth,
            "check client_id and client_secret, which expire one year after they were made",
        ),
        401 => (Kind::Auth, "refused with a new token too: check the region and the API client"),
        400 => bad_request(refusal),
        500..=599
            if matches!(call, Call::Search { .. })
                && (has("exceedsthelimit") || has("reducethepagesize")) =>
        {
            (Kind::TooLarge, "")
        }
        408 | 425 | 500..=599 => (transient, ""),
        // Anything but 200 that claims success has no page.
        100..=299 => (transient, "not an answer to a search"),
        _ => (Kind::Refused, ""),
    }
}

/// Whether an answer says that the request has names, values or types that the vendor does not take.
pub(super) fn is_not_understood(status: u16, body: &str) -> bool {
    status == 400 && !is_markup(body) && has_phrase(body, NOT_UNDERSTOOD)
}

const NOT_UNDERSTOOD: &str = "unabletodeserialize";

/// 400 on a search or a report, after a new token where the body asked for one.
fn bad_request(refusal: &Refusal<'_>) -> (Kind, &'static str) {
    let (interval, is_report) = match refusal.call {
        Call::Token => return (Kind::Auth, ""),
        Call::Links { hours } => return bad_hours(refusal, hours),
        Call::Search { interval } => (interval, false),
        Call::Report { day } => (day, true),
    };
    let has = |phrase| has_phrase(refusal.body, phrase);
    let age = |at: Timestamp| refusal.now.duration_since(at);
    let too_near =
        age(interval.end()) < jiff::SignedDuration::try_from(TOO_NEAR).unwrap_or_default();
    let too_old =
        age(interval.start()) > jiff::SignedDuration::try_from(RETENTION).unwrap_or_default();
    if has(NOT_UNDERSTOOD) && is_report {
        (Kind::Refused, "the vendor takes neither spelling of the report")
    } else if has(NOT_UNDERSTOOD) {
        (Kind::Refused, "check `filter`: the vendor takes other names or values")
    } else if has("invaliddaterange") {
        match (too_near, too_old) {
            (true, _) => (Kind::TooEarly, "the slice ends too near to now"),
            (_, true) => (Kind::PastRetention, "older than the vendor keeps"),
            _ if is_report => (Kind::Refused, ""),
            _ => (Kind::Refused, "the vendor takes at most 32 days at once"),
        }
    } else if refusal.had_page_token {
        // `Bad Request` too: the first page, without a token, tells whether it is the credentials.
        (Kind::PageTokenRejected, "the page token is no longer good")
    } else if has("badrequest") && !is_report {
        (Kind::Auth, "refused with a new token too: check the API client and api_key")
    } else if too_near {
        (Kind::TooEarly, "perhaps because the slice ends near to now")
    } else {
        (Kind::Refused, "")
    }
}

/// The same of the log export, which takes whole hours that are over.
fn bad_hours(refusal: &Refusal<'_>, hours: Interval) -> (Kind, &'static str) {
    let has = |phrase| has_phrase(refusal.body, phrase);
    if has(NOT_UNDERSTOOD) {
        (Kind::Refused, "the vendor takes other names or values")
    } else if !has("invaliddaterange") {
        (Kind::Refused, "")
    } else if refusal.now.duration_since(hours.start()) > export::RETENTION {
        (Kind::PastRetention, "the log export reaches 30 days back")
    } else {
        // By its clock, which decides.
        (Kind::TooEarly, "the last of the hours may not be over for the vendor")
    }
}

#[cfg(test)]
mod tests;
