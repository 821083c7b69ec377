//! One thing that was tried: what was found, and what to do about it.

use serde::Serialize;

use crate::fault::{Fault, Kind};

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    /// It works, and a person should look at it nevertheless.
    Warning,
    /// It does not work.
    Mend,
}

impl State {
    /// As the table has it.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Mend => "MEND",
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Trial {
    pub(super) what: String,
    /// Whether it works, perhaps with a warning.
    pub(super) well: bool,
    pub(super) state: State,
    /// What was found; of what does not work, the cause.
    pub(super) found: String,
    /// What to do about it, where there is something to do.
    pub(super) cure: Option<String>,
}

impl Trial {
    pub(super) fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        let (what, found) = (what.into(), found.into());
        Self { what, well: true, state: State::Ok, found, cure: None }
    }

    pub(super) fn warning(
        what: impl Into<String>,
        found: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        let cure = Some(cure.into());
        Self { state: State::Warning, cure, ..Self::ok(what, found) }
    }

    pub(super) fn mend(
        what: impl Into<String>,
        found: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { well: false, state: State::Mend, ..Self::warning(what, found, cure) }
    }

    /// What a source or sink says of itself.
    pub(super) fn of(what: impl Into<String>, found: Result<String, Fault>) -> Self {
        match found {
            Ok(found) => Self::ok(what, found),
            Err(fault) => Self::mend(what, fault.cause_alone(), cure(&fault)),
        }
    }
}

/// The cure that the fault knows, else what helps against its kind.
fn cure(fault: &Fault) -> String {
    let by_kind = match fault.kind {
        Kind::Transient { .. } => {
            "try again in a minute, as `postrider run` does by itself; if it stays, ask whoever runs it"
        }
        Kind::Throttled { .. } => {
            "wait some minutes; if it comes back, lower `rate_limit`: others spend from the same limits"
        }
        Kind::QuotaSpent => {
            "wait until 00:00 UTC; `rate_limit.per_day` leaves others of the tenant a share, and \
             `postrider plan` tells what a day costs"
        }
        Kind::Auth => "check the credentials and the rights that go with them",
        Kind::TooLarge
        | Kind::TooEarly
        | Kind::PastRetention
        | Kind::PageTokenRejected
        | Kind::Refused => "check `filter` and the URLs, which a configuration can get wrong",
    };
    fault.cure().unwrap_or(by_kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_fails_has_a_cure() {
        let known = Fault::auth("a answered 401").with_cure("check b");
        let trial = Trial::of("sinks.a", Err(known));
        assert_eq!(
            (trial.found.as_str(), trial.cure.as_deref()),
            ("a answered 401", Some("check b"))
        );
        for kind in [
            Kind::Transient { retry_after: None },
            Kind::Throttled { retry_after: None },
            Kind::QuotaSpent,
            Kind::Auth,
            Kind::Refused,
        ] {
            let trial = Trial::of("sinks.a", Err(Fault::new(kind, "no")));
            assert!(!trial.well && trial.cure.is_some_and(|cure| !cure.is_empty()));
        }
    }
}
