//! Sources for tests, as they are by default.

use std::time::Duration;

use super::{
    CiscoEtd, Http, ProofpointSer, RateLimit, Resweep, Schedule, Secret, Source, Start, Vendor,
};
use crate::domain::filter::Filter;

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

pub(crate) fn resweeps(hours: &[u64]) -> Vec<Resweep> {
    let step = |hours: &u64| Resweep { after: minutes(60 * hours), verdicts: Vec::new() };
    hours.iter().map(step).collect()
}

/// As it is by default.
pub(crate) fn etd() -> Source {
    let vendor = CiscoEtd {
        base_url: "http://127.0.0.1:1".into(),
        client_id: "id".into(),
        client_secret: Secret::plain("secret"),
        api_key: None,
        page_size: 100,
        filter: Filter::default(),
        reconcile: true,
        log_export: false,
    };
    Source {
        name: "etd".parse().unwrap(),
        schedule: Schedule::Every(minutes(1)),
        start: Start::Back(minutes(24 * 60)),
        lag: minutes(6),
        slice: minutes(60),
        max_in_flight: 4,
        resweep: resweeps(&[1, 24, 168]),
        rate_limit: RateLimit {
            calls: 2,
            window: Duration::from_secs(1),
            burst: 4,
            per_day: Some(10_000),
        },
        tags: [].into(),
        expect_records_within: None,
        credentials_expire: None,
        http: Http::default(),
        vendor: Vendor::CiscoEtd(vendor),
    }
}

pub(crate) fn ser() -> Source {
    let vendor = ProofpointSer {
        base_url: "http://127.0.0.1:1".into(),
        token_url: "http://127.0.0.1:1/v1/token".into(),
        summary_path: "/summary".into(),
        client_id: "id".into(),
        client_secret: Secret::plain("secret"),
    };
    Source {
        schedule: Schedule::Every(minutes(5)),
        lag: minutes(15),
        resweep: resweeps(&[1, 6, 24, 72, 168]),
        rate_limit: RateLimit { calls: 1000, window: minutes(1), burst: 50, per_day: None },
        vendor: Vendor::ProofpointSer(vendor),
        ..etd()
    }
}
