//! Proofpoint Secure Email Relay.

use std::time::Duration;

use super::{DAY, Defaults, HOUR, SECRET_HINT, Times, client_id, common};
use crate::{
    config::{
        ProofpointSer, RateLimit, Source, Vendor,
        check::address,
        node::{Context, Key},
        raw::SerKeys,
    },
    domain::name::SourceName,
};

const DEFAULTS: Defaults = Defaults {
    every: Duration::from_secs(300),
    resweep: &[
        HOUR,
        Duration::from_secs(6 * 3600),
        DAY,
        Duration::from_secs(3 * 86_400),
        Duration::from_secs(7 * 86_400),
    ],
    rate_limit: RateLimit {
        calls: 1000,
        window: Duration::from_secs(60),
        burst: 50,
        per_day: None,
    },
};

pub(super) fn ser(cx: &Context<'_>, keys: SerKeys, name: SourceName) -> Option<Source> {
    let plain = &keys.http.allow_plain_http;
    let url = |key: &Key<String>| address::url(cx, &key.path, key.value.as_ref()?, plain);
    let base_url = url(&keys.base_url);
    let token_url = url(&keys.token_url);
    let client_id = client_id(cx, keys.client_id);
    let client_secret = keys.client_secret.need(cx, SECRET_HINT);
    if let Some(path) = &keys.summary_path.value
        && (!path.starts_with('/') || path.contains(['?', '#', ' ']))
    {
        cx.error(
            &keys.summary_path.path,
            "this must be a path that begins with a slash, without a query, such as \
             \"/v1/sercustomer/report/summary\"",
        );
    }
    for pass in keys.source.resweep.value.iter().flatten().filter(|pass| pass.verdicts.given) {
        cx.error(
            &pass.verdicts.path,
            "the rows of proofpoint_ser have no verdicts; remove this key",
        );
    }
    let vendor = (|| {
        Some(Vendor::ProofpointSer(ProofpointSer {
            base_url: base_url?,
            token_url: token_url?,
            summary_path: keys.summary_path.value?,
            client_id: client_id?,
            client_secret: client_secret?.0,
        }))
    })();
    let times = Times { lag: keys.lag.value, slice: keys.slice.value, start: keys.start };
    common(cx, name, keys.source, keys.http, times, &DEFAULTS, vendor)
}
