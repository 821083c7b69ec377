//! Proofpoint's SER Admin API, the successor of the summary API: usage and failures by day, and the
//! relay users' configuration. Nothing of it is ever written: see `ask`.
//!
//! All that is known of it is a public library of the vendor's community; no answer was published.
//! Member names are sure, the formats of values are not: counts come as numbers or texts, with or
//! without an envelope, and unknown members are kept.

use std::{fmt, sync::Arc};

use account::Account;
use days::DayReports;

use super::{bearer::Tokens, pace::Pace};
use crate::{clock::Clock, config, http};

mod account;
mod ask;
mod credentials;
mod cursor;
mod days;
mod envelope;
#[cfg(feature = "testing")]
pub(in crate::source) mod fuzzing;
mod overview;
mod refusal;
mod relay_user;
mod relay_users;
mod report;

pub(crate) use relay_user::{NAMES as RELAY_USER_NAMES, Standing, names as relay_user_names};
pub use relay_users::RelayUsers;

/// One SER customer. Its streams are sliced differently, so that it is two sources of pages.
pub struct ProofpointSerAdmin(Arc<Account>);

impl ProofpointSerAdmin {
    pub fn new(
        config: &config::ProofpointSerAdmin,
        http: http::Client,
        pace: Arc<Pace>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (config, tokens) = (config.clone(), Tokens::default());
        Self(Arc::new(Account { config, http, pace, clock, tokens }))
    }

    /// The streams `usage` and `failures`, by days.
    pub fn days(&self) -> DayReports {
        DayReports(Arc::clone(&self.0))
    }

    /// The stream `relay_users`, by hours; `None` where it is not wanted.
    pub fn relay_users(&self) -> Option<RelayUsers> {
        self.0.config.relay_users.then(|| RelayUsers(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for ProofpointSerAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ProofpointSerAdmin");
        shown.field("reporting_url", &self.0.config.reporting_url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
