//! What `/metrics` of a daemon gives that has seen some of everything.

use std::collections::{BTreeMap, BTreeSet};

use postrider::simulator::{FaultKind, Faults};
use regex::Regex;

use crate::{
    admin::Admin,
    harness::{Home, etd, hec, plain, ser, simulate},
};

/// By series name: the labels, and their values.
pub(super) type There = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Asks until there is a licence and an event that waits.
pub(super) async fn there() -> There {
    let simulation = simulate(plain(50)).await;
    let kinds = vec![FaultKind::Unavailable];
    simulation.set_hec_faults(Faults { rate: 1.0, kinds, ..Faults::default() });
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, "credentials_expire = 2030-01-01T00:00:00Z"),
        ser(&simulation.ser_url, ""),
        crate::ser_admin::source(&simulation.ser_url),
        hec(&simulation.hec_url, ""),
        home.file_sink(),
    ]);
    let admin = Admin::start(&home).await;
    let all = [
        "postrider_source_entitlement_used_ratio{",
        "postrider_spool_oldest_timestamp_seconds ",
        "postrider_sink_send_seconds_count{sink=\"splunk\"}",
        "postrider_sink_send_seconds_count{sink=\"archive\"}",
        "postrider_source_last_record_timestamp_seconds{source=\"etd\"}",
        "postrider_source_events_total{",
        "postrider_coverage_gap_seconds{source=\"ser-admin\",state=\"failing\",stream=\"usage\"}",
    ];
    loop {
        let text = admin.get("/metrics").await.text().await.unwrap();
        if all.iter().all(|series| text.contains(series)) {
            return read(&text);
        }
        tokio::task::yield_now().await;
    }
}

fn read(text: &str) -> There {
    let label = Regex::new(r#"(\w+)="((?:[^"\\]|\\.)*)""#).unwrap();
    let mut there = There::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let labels = there.entry(name.to_owned()).or_default();
        for found in label.captures_iter(line) {
            labels.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
        }
    }
    // Words that this daemon had no reason for: METRICS.md has them.
    for (name, label, words) in [
        (
            "postrider_http_requests_total",
            "outcome",
            &["throttled", "unauthorized", "refused", "no_answer"][..],
        ),
        ("postrider_sink_batches_total", "outcome", &["poison", "too_large", "failed"]),
        ("postrider_source_events_total", "change", &["changed", "vanished"]),
    ] {
        let page = super::read("docs/METRICS.md");
        let values = there.get_mut(name).unwrap().get_mut(label).unwrap();
        for word in words {
            assert!(page.contains(&format!("`{word}`")), "METRICS.md has no {word}");
            values.insert((*word).to_owned());
        }
    }
    there
}
