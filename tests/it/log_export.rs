//! The log export of an account, read by the built binary: what it tells arrives once, whatever is
//! wrong with its files and whenever the process is killed.

mod kill;
mod large;
mod odd;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use postrider::{
    clock::ManualClock,
    simulator::{
        EtdOptions, LogExport, Mutation, MutationKind, Options, Simulation, Spoil, SpoilKind,
    },
};
use serde_json::Value;

use crate::{
    delivery::hour,
    harness::{Home, ago, etd, now, simulate},
    records::lines,
};

const MESSAGES: u64 = 700;
const HOURS: i64 = 8;
/// Messages of the last hours are not found by searches: their changes come from the export alone.
const UNSEARCHED: i64 = 5;

/// A tenant whose messages changed in the hours that are over.
struct Tenant {
    simulation: Simulation,
    home: Home,
    from: Timestamp,
    /// Where the last hour ends whose files are asked for.
    to: Timestamp,
}

/// Files that appear at once, some lines each.
fn export() -> LogExport {
    LogExport { after: Duration::ZERO, late_every: 0, lines_a_file: 40, ..LogExport::default() }
}

async fn tenant(log_export: LogExport) -> Tenant {
    let now = now();
    let clock = Arc::new(ManualClock::at(now));
    let mut options = Options { clock: clock.clone(), ..Options::plain() };
    let from = hour(ago(HOURS * 3600));
    options.etd = EtdOptions {
        messages: MESSAGES,
        range: Some([from, ago(600)]),
        searchable_after: Duration::from_secs(UNSEARCHED.unsigned_abs() * 3600),
        now_margin: Duration::ZERO,
        token_life: Duration::from_secs(86_400),
        quirks: options.etd.quirks,
        log_export,
        ..EtdOptions::default()
    };
    let simulation = simulate(options).await;
    let all: Vec<_> = simulation.truth().map(|message| (message.id, message.time)).collect();
    let unsearched =
        hour(ago(UNSEARCHED * 3600)).checked_add(SignedDuration::from_hours(1)).unwrap();
    // The tenant's time goes through the hours: what is changed then is in their files.
    let kinds = [MutationKind::RetroVerdict, MutationKind::Remediation, MutationKind::Clearance];
    for (n, (id, delivered)) in late(&simulation, &clock, now, &all, unsearched).enumerate() {
        for (kind, minutes) in kinds.into_iter().take(1 + n % 3).zip([5, 20, 40]) {
            let at = delivered.checked_add(SignedDuration::from_mins(minutes)).unwrap();
            clock.set(at);
            simulation.mutate(&Mutation::of(kind, id));
        }
    }
    // A little ahead, so that nothing that is asked for lies in its future.
    clock.set(now.checked_add(SignedDuration::from_mins(3)).unwrap());
    let home = Home::new();
    let tenant = Tenant { simulation, home, from, to: hour(ago(20 * 60)) };
    tenant.configure(true);
    tenant
}

/// Every fourth message that no search finds, with when it was delivered.
fn late(
    simulation: &Simulation,
    clock: &ManualClock,
    now: Timestamp,
    found: &[(uuid::Uuid, Timestamp)],
    unsearched: Timestamp,
) -> impl Iterator<Item = (uuid::Uuid, Timestamp)> + use<> {
    clock.set(now.checked_add(SignedDuration::from_hours(UNSEARCHED)).unwrap());
    let known: BTreeSet<_> = found.iter().map(|(id, _)| *id).collect();
    let truth: Vec<_> = simulation.truth().map(|message| (message.id, message.time)).collect();
    let last = hour(now).checked_sub(SignedDuration::from_mins(45)).unwrap();
    let of_late = move |(id, at): &(uuid::Uuid, Timestamp)| {
        !known.contains(id) && (unsearched..last).contains(at)
    };
    truth.into_iter().filter(of_late).step_by(4)
}

/// What the feed is to make, from the vendor's own lines.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    /// Revisions by message.
    revisions: BTreeMap<String, usize>,
    audits: usize,
}

impl Tenant {
    fn configure(&self, log_export: bool) {
        let extra = format!(
            "start = {:?}\nlog_export = {log_export}\nreconcile = false\n\
             resweep = [{{ after = \"1s\" }}, {{ after = \"7d\" }}]",
            self.from.to_string()
        );
        self.home.configure(&[etd(&self.simulation.etd_url, &extra), self.home.file_sink()]);
    }

    fn expected(&self) -> Expected {
        let whole = [self.from, self.to];
        let mut revisions: BTreeMap<String, usize> = BTreeMap::new();
        for line in self.simulation.exported("message", whole) {
            let message = &line["message"];
            if message["eventType"] == "update" {
                *revisions.entry(message["id"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        Expected { revisions, audits: self.simulation.exported("audit", whole).len() }
    }

    /// What came from the feed; each event once, revisions without a gap.
    fn arrived(&self) -> Expected {
        let (mut ids, mut audits) = (BTreeSet::new(), 0);
        let mut revisions: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for line in lines(&self.home) {
            let post = &line.json["postrider"];
            if !ids.insert(post["event_id"].as_str().unwrap().to_owned()) {
                continue;
            }
            if post["stream"] == "audit" {
                assert_eq!(post["change"], "new");
                audits += 1;
            } else if line.json.get("update").is_some() {
                let id = post["record_id"].as_str().unwrap().to_owned();
                assert!(
                    revisions.entry(id).or_default().insert(post["revision"].as_u64().unwrap())
                );
            }
        }
        let count = |(id, numbers): (String, BTreeSet<u64>)| {
            assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{id}: {numbers:?}");
            (id, numbers.len())
        };
        Expected { revisions: revisions.into_iter().map(count).collect(), audits }
    }

    async fn coverage(&self) -> Value {
        let ended = self.home.run(&["coverage", "--output", "json"]).await;
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        report["sources"][0]["log_export"].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_and_audit_lines_arrive_once() {
    let tenant = tenant(export()).await;
    tenant.home.once().await;
    let expected = tenant.expected();
    assert!(expected.revisions.len() > 30 && expected.audits > 30, "{expected:?}");
    assert_eq!(tenant.arrived(), expected);
    tenant.home.once().await;
    assert_eq!(tenant.arrived(), expected);
    let audit =
        lines(&tenant.home).into_iter().find(|line| line.json["postrider"]["stream"] == "audit");
    let audit = audit.unwrap().json;
    assert!(audit["user"]["ip"].is_string() && audit["postrider"]["pass"] == "live", "{audit}");
    let coverage = tenant.coverage().await;
    assert_eq!(coverage["gaps"].as_array().unwrap().len(), 0, "{coverage}");
    assert!(coverage["complete_since"].is_string() && coverage["trouble"].is_null(), "{coverage}");
    // What searches find, the export tells of.
    assert!(coverage["told"].as_u64() > Some(200), "{coverage}");
    assert_eq!(coverage["told"], coverage["found"], "{coverage}");
    // Links are counted as calls, files are not.
    let calls = &tenant.simulation.stats().etd.calls;
    assert!(calls["POST /v1/logs/downloadLinks 200"] < 10, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_none_at_first_costs_nothing() {
    for kind in [SpoilKind::BrokenGzip, SpoilKind::HalfLine, SpoilKind::Html, SpoilKind::Expired] {
        let spoils = vec![Spoil { kind, every: 3, times: 1 }];
        let tenant = tenant(LogExport { spoils, ..export() }).await;
        tenant.home.once().await;
        assert_eq!(tenant.arrived(), tenant.expected(), "{kind:?}");
        let coverage = tenant.coverage().await;
        assert_eq!(coverage["gaps"].as_array().unwrap().len(), 0, "{kind:?}: {coverage}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_for_good_is_a_gap_that_says_so_and_holds_up_nothing() {
    for (kind, words) in [
        (SpoilKind::BrokenGzip, "its gzip is broken or cut short"),
        (SpoilKind::HalfLine, "ends in the middle of a line"),
        (SpoilKind::LongLine, "lines of the log export that are none, or too long: "),
        (SpoilKind::Gone, "the file is not there"),
    ] {
        let spoils = vec![Spoil { kind, every: 5, times: 0 }];
        let tenant = tenant(LogExport { spoils, ..export() }).await;
        tenant.home.once().await;
        let coverage = tenant.coverage().await;
        let gaps = coverage["gaps"].as_array().unwrap();
        assert!(!gaps.is_empty() && gaps.len() <= 8, "{kind:?}: {coverage}");
        assert!(gaps.iter().all(|gap| gap["reason"].as_str().unwrap().contains(words)), "{gaps:?}");
        let (expected, arrived) = (tenant.expected(), tenant.arrived());
        assert!(arrived.revisions.len() > expected.revisions.len() / 2, "{kind:?}");
        if kind == SpoilKind::LongLine {
            assert_eq!(arrived, expected);
        }
        let text = tenant.home.run(&["coverage"]).await.stdout;
        assert!(text.contains("log export: ") && text.contains(words), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_that_is_switched_off_is_told_in_words() {
    let tenant = tenant(LogExport { types: vec!["message"], ..export() }).await;
    tenant.home.once().await;
    let words =
        "the log export gives no audit logs: switch them on under Administration > Business";
    let status = tenant.home.status().await;
    let told = status["sources"][0]["log_export"]["trouble"].as_str().unwrap();
    assert!(told.contains(words), "{status}");
    let text = tenant.home.run(&["status"]).await.stdout.replace("\n  ", " ");
    assert!(text.contains("the log export gives no audit logs"), "{text}");
    let check = tenant.home.run(&["check"]).await;
    assert_eq!(check.status, Some(1));
    let found = check.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(found.contains("gives no audit logs") && found.contains("mend:"), "{found}");
    // What changes of messages it tells of is whole.
    let coverage = tenant.coverage().await;
    assert!(coverage["complete_since"].is_string(), "{coverage}");
    let reason = coverage["gaps"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("audit only: the log export gives no audit logs"), "{reason}");
    // What is on arrives.
    let (expected, arrived) = (tenant.expected(), tenant.arrived());
    assert_eq!((arrived.revisions, arrived.audits), (expected.revisions, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_links_are_asked_for_by_the_hour_and_then_are_a_gap() {
    // Three hours have more than 200 files, one hour has not.
    let tenant = tenant(LogExport { lines_a_file: 1, ..export() }).await;
    tenant.home.once().await;
    let coverage = tenant.coverage().await;
    assert_eq!(coverage["gaps"].as_array().unwrap().len(), 0, "{coverage}");
    assert_eq!(tenant.arrived(), tenant.expected());

    let narrow = LogExport { lines_a_file: 1, most_links: 200, ..export() };
    let tenant = dense(narrow).await;
    tenant.home.once().await;
    let coverage = tenant.coverage().await;
    let gaps = coverage["gaps"].as_array().unwrap();
    assert!(!gaps.is_empty(), "{coverage}");
    assert!(
        gaps[0]["reason"].as_str().unwrap().contains("200 links of the type message"),
        "{gaps:?}"
    );
}

/// More than 200 lines an hour, and no changes.
async fn dense(log_export: LogExport) -> Tenant {
    let mut options = Options::plain();
    let from = hour(ago(3 * 3600));
    options.etd = EtdOptions {
        messages: 1_200,
        range: Some([from, ago(600)]),
        quirks: options.etd.quirks,
        log_export,
        ..EtdOptions::default()
    };
    let (simulation, to) = (simulate(options).await, hour(ago(20 * 60)));
    let tenant = Tenant { simulation, home: Home::new(), from, to };
    tenant.configure(true);
    tenant
}
