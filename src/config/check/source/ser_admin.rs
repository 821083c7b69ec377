//! Proofpoint's SER Admin API.

use std::time::Duration;

use super::{DAY, Defaults, SECRET_HINT, Times, client_id, common};
use crate::{
    config::{
        ProofpointSerAdmin, RateLimit, Source, Vendor,
        check::address,
        node::{Context, Key},
        raw::{Seconds, SerAdminKeys},
    },
    domain::name::SourceName,
};

/// The vendor documents no limit of calls: a careful one.
const DEFAULTS: Defaults = Defaults {
    every: Duration::from_secs(900),
    resweep: &[DAY, Duration::from_secs(3 * 86_400), Duration::from_secs(7 * 86_400)],
    rate_limit: RateLimit { calls: 60, window: Duration::from_secs(60), burst: 10, per_day: None },
};

pub(super) fn ser_admin(cx: &Context<'_>, keys: SerAdminKeys, name: SourceName) -> Option<Source> {
    let plain = &keys.http.allow_plain_http;
    let url = |key: &Key<String>| address::url(cx, &key.path, key.value.as_ref()?, plain);
    let reporting_url = url(&keys.reporting_url);
    let relay_config_url = url(&keys.relay_config_url);
    let token_url = url(&keys.token_url);
    let client_id = client_id(cx, keys.client_id);
    let client_secret = keys.client_secret.need(cx, SECRET_HINT);
    for pass in keys.source.resweep.value.iter().flatten().filter(|pass| pass.verdicts.given) {
        cx.error(
            &pass.verdicts.path,
            "the reports of proofpoint_ser_admin have no verdicts; remove this key",
        );
    }
    let vendor = (|| {
        Some(Vendor::ProofpointSerAdmin(ProofpointSerAdmin {
            reporting_url: reporting_url?,
            relay_config_url: relay_config_url?,
            token_url: token_url?,
            client_id: client_id?,
            client_secret: client_secret?.0,
            failures: keys.failures.value?,
            relay_users: keys.relay_users.value?,
        }))
    })();
    // The reports know no hours.
    let times = Times { lag: keys.lag.value, slice: Some(Seconds(DAY)), start: keys.start };
    common(cx, name, keys.source, keys.http, times, &DEFAULTS, vendor)
}
