//! What can go wrong between Postrider and a vendor or a SIEM, classified once, where the protocol
//! is known. Nobody above a source or a sink sees a status code.

use std::{fmt, time::Duration};

use rand::Rng;

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes away by itself: the network, a 5xx, a cut body, HTML instead of JSON. Try again after
    /// `retry_after`, or after a backoff.
    Transient { retry_after: Option<Duration> },
    /// The vendor or SIEM says that it is asked too often (429): pause all calls, then go slower.
    Throttled { retry_after: Option<Duration> },
    /// The vendor's daily quota is spent: pause until its next day.
    QuotaSpent,
    /// Credentials or rights are wrong, or the configuration of the other side (a wrong index):
    /// hold everything, say so, try again slowly. Never drop.
    Auth,
    /// The answer or the request is too large: ask for, or send, less at once.
    TooLarge,
    /// The slice ends too near the vendor's now: wait.
    TooEarly,
    /// The slice lies before what the vendor keeps: it is lost.
    PastRetention,
    /// The page token is no longer good: start the slice anew.
    PageTokenRejected,
    /// Refused for good: asking again the same way cannot help.
    Refused,
}

/// Something that failed: what happened, to what, and what a person can do about it.
#[derive(Debug)]
pub struct Fault {
    pub kind: Kind,
    what: String,
    cure: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// `what` is a sentence part without the cause: `"POST /v1/messages/search answered 503"`.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), cure: None, cause: None }
    }

    pub fn transient(what: impl Into<String>) -> Self {
        Self::new(Kind::Transient { retry_after: None }, what)
    }

    pub fn auth(what: impl Into<String>) -> Self {
        Self::new(Kind::Auth, what)
    }

    pub fn refused(what: impl Into<String>) -> Self {
        Self::new(Kind::Refused, what)
    }

    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Names what was being done: `"POST /v1/messages/search: cannot connect to …"`.
    #[must_use]
    pub fn during(mut self, doing: &str) -> Self {
        self.what = format!("{doing}: {}", self.what);
        self
    }

    /// Says what a person can do, in the text too: `"the certificate of … has expired: renew it"`.
    #[must_use]
    pub fn with_cure(mut self, cure: &str) -> Self {
        self.what = format!("{}: {cure}", self.what);
        self.cured_by(cure)
    }

    /// Remembers what a person can do, for whoever tells it apart. The text stays as it is; where it
    /// names the cure already, it does so in brackets or after a colon.
    #[must_use]
    pub fn cured_by(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// What a person can do about it, where that is known.
    pub fn cure(&self) -> Option<&str> {
        self.cure.as_deref().filter(|cure| !cure.is_empty())
    }

    /// [`Self::chain`] without the cure, for whoever tells that apart.
    pub fn cause_alone(&self) -> String {
        let chain = self.chain();
        let Some(cure) = &self.cure else { return chain };
        let forms = [format!(" ({cure})"), format!(": {cure}")];
        forms.iter().fold(chain, |chain, form| chain.replacen(form, "", 1))
    }

    /// The whole chain in one line, for a log, the store and `status`.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// `error` and its causes, joined with `: `: one line, whatever a peer put into it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    tamed(&text)
}

/// A text as it may reach a terminal or a log's line: one line, whatever a peer put into it.
pub fn tamed(text: &str) -> String {
    text.chars().map(tame).collect()
}

/// A character as it may reach a terminal or a log's line: a space for one that would command the
/// terminal, end the line or turn the order of what is read around.
pub fn tame(c: char) -> char {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns { ' ' } else { c }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

/// How long to wait before attempt `attempt + 1` (`attempt` counts from 1): exponential from
/// `base`, at most `cap`, between a half and the whole of it by chance so that clients spread.
pub fn backoff(attempt: u32, base: Duration, cap: Duration, rng: &mut impl Rng) -> Duration {
    let whole = base.saturating_mul(1_u32 << attempt.saturating_sub(1).min(20)).min(cap);
    whole.mul_f64(rng.random_range(0.5..=1.0))
}

/// Nobody is to wait longer because somebody else's clock, or a typing error, says so.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// Reads a `Retry-After` header: seconds, or an HTTP date that is compared with `now`; at most a
/// day. What cannot be read counts as absent; a date in the past as zero.
pub fn retry_after(header: Option<&str>, now: jiff::Timestamp) -> Option<Duration> {
    let text = header?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        Duration::try_from(http_date(text)?.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST_WAIT))
}

/// Reads an HTTP date; a leap second as the second before it.
pub fn http_date(text: &str) -> Option<jiff::Timestamp> {
    let text = text.replace(":60 ", ":59 ");
    jiff::Timestamp::try_from(httpdate::parse_http_date(&text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let mut rng = StdRng::seed_from_u64(1);
        let (base, cap) = (Duration::from_millis(500), Duration::from_secs(60));
        for (attempt, whole) in [(1, 500), (2, 1_000), (4, 4_000), (8, 60_000), (200, 60_000)] {
            let wait = backoff(attempt, base, cap, &mut rng);
            assert!(
                wait <= Duration::from_millis(whole) && wait * 2 >= Duration::from_millis(whole)
            );
        }
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now = "2026-11-20T08:00:00Z".parse().unwrap();
        assert_eq!(retry_after(Some(" 7 "), now), Some(Duration::from_secs(7)));
        let date = Some("Fri, 20 Nov 2026 08:00:30 GMT");
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(30)));
        let leap = Some("Fri, 20 Nov 2026 08:00:60 GMT");
        assert_eq!(retry_after(leap, now), Some(Duration::from_secs(59)));
        let past = Some("Fri, 20 Nov 2026 07:00:30 GMT");
        assert_eq!(retry_after(past, now), Some(Duration::ZERO));
        for long in ["18446744073709551615", "1795166100", "Fri, 31 Dec 2100 23:59:59 GMT"] {
            assert_eq!(retry_after(Some(long), now), Some(LONGEST_WAIT), "{long}");
        }
        assert_eq!(retry_after(Some("soon"), now), None);
        assert_eq!(retry_after(None, now), None);
    }

    #[test]
    fn a_cure_can_be_told_apart() {
        let fault = Fault::auth("a answered 401").with_cure("check b").caused_by("c");
        assert_eq!(fault.chain(), "a answered 401: check b: c");
        assert_eq!(
            (fault.cause_alone().as_str(), fault.cure()),
            ("a answered 401: c", Some("check b"))
        );
        let fault = Fault::auth("a answered 401: no (check b)").cured_by("check b");
        assert_eq!(fault.cause_alone(), "a answered 401: no");
        assert_eq!(Fault::auth("a").cured_by("b").cause_alone(), "a");
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        let fault = Fault::transient("reading the answer").caused_by("connection reset");
        assert_eq!(fault.chain(), "reading the answer: connection reset");
        let hostile = Fault::transient("a\r\nb").caused_by("\u{1b}[2J\u{9b}\u{202e}\u{2028}c");
        assert_eq!(hostile.chain(), "a  b:  [2J   c");
    }
}
