//! Each alert fires when the real thing breaks, and clears when it is mended: the built program
//! against the simulators, watched by a real Prometheus with the shipped rules, of which only
//! `for` and one age are shortened (`prometheus::hurried`).
//!
//! One branch each of two rules is left to promtool: `PostriderDown` where nobody scrapes it, and
//! `PostriderCoverageLost` for what is past the vendor's retention, which ends after a day only.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use postrider::simulator::{FaultKind, Faults, Simulation};

use super::prometheus::{Prometheus, tick};
use crate::harness::{Home, Process, ago, etd, hec, now, plain, ser, simulate, skipped};

/// What is to fire, and a label by which it is known.
const ALERTS: [(&str, &str, &str); 22] = [
    ("PostriderDown", "home", "process"),
    ("PostriderHealthMatters", "home", "vendors"),
    ("PostriderSourceAuthFailed", "source", "denied"),
    ("PostriderSourceFailing", "source", "failing"),
    ("PostriderSourceThrottled", "source", "throttled"),
    ("PostriderSourceBehind", "source", "plenty"),
    ("PostriderSourceLag", "source", "failing"),
    ("PostriderCoverageGap", "source", "failing"),
    ("PostriderCoverageLost", "source", "large"),
    ("PostriderSinkAuthFailed", "sink", "denied"),
    ("PostriderSinkDown", "sink", "down"),
    ("PostriderDeadLetters", "sink", "picky"),
    ("PostriderSpoolNearlyFull", "home", "sinks"),
    ("PostriderSpoolOld", "home", "sinks"),
    ("PostriderCredentialsExpire", "within", "30d"),
    ("PostriderCredentialsExpire", "within", "14d"),
    ("PostriderCredentialsExpire", "within", "7d"),
    ("PostriderCredentialsExpire", "within", "1d"),
    ("PostriderCredentialsExpired", "source", "expired"),
    ("PostriderQuotaNearlyUsed", "source", "busy"),
    ("PostriderEntitlementNearlyUsed", "source", "ser"),
    ("PostriderEntitlementForecast", "source", "ser"),
];

pub(super) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A home whose daemon is found at the same address after each reload.
struct Watched {
    home: Home,
    address: SocketAddr,
}

impl Watched {
    fn new() -> Self {
        Self { home: Home::new(), address: free() }
    }

    /// `state` goes into the section of this name.
    fn configure(&self, state: &str, sections: &[String]) {
        self.home.configure(sections);
        let text = self.home.read("postrider.toml");
        let text = text.replace("127.0.0.1:0", &self.address.to_string());
        let text = text.replace("[admin]", &format!("{state}\n[admin]"));
        std::fs::write(self.home.path("postrider.toml"), text).unwrap();
    }

    async fn reload(&self, daemon: &Process) {
        daemon.signal("HUP");
        self.home.logged("configuration read again").await;
    }

    async fn backfill(&self, source: &str, from: Timestamp, to: Timestamp) {
        let [from, to] = [from, to].map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let range = ["backfill", "--source", source, "--from", &from, "--to", &to, "--yes"];
        let ended = self.home.run(&range).await;
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    }
}

fn named(section: &str, name: &str) -> String {
    section.replacen("[sources.etd]", &format!("[sources.{name}]"), 1)
}

fn sink(section: &str, name: &str) -> String {
    section.replacen("[sinks.splunk]", &format!("[sinks.{name}]"), 1)
}

fn always(kind: FaultKind) -> Faults {
    Faults { kinds: vec![kind], ..Faults::at_rate(1.0) }
}

/// All that simulates vendors and receivers. `well` is what all turn to in the end.
struct World {
    well: Simulation,
    down: Simulation,
    slow: Simulation,
    large: Simulation,
    plenty: Simulation,
    rich: Simulation,
}

impl World {
    async fn new() -> Self {
        let well = simulate(plain(100)).await;
        let down = simulate(plain(100)).await;
        down.set_etd_faults(always(FaultKind::Unavailable));
        down.set_hec_faults(always(FaultKind::Unavailable));
        let mut picky = plain(100);
        picky.hec.poison_every = 100;
        let slow = simulate(picky).await;
        slow.set_etd_faults(always(FaultKind::ThrottledSeconds));
        let mut large = plain(100);
        large.etd.quirks.too_large_above = Some(0);
        let large = simulate(large).await;
        let plenty = simulate(plain(4_000)).await;
        let mut rich = plain(0);
        rich.ser.annual_throughput *= 4;
        Self { well, down, slow, large, plenty, rich: simulate(rich).await }
    }

    /// Sources in trouble of each kind, and credentials of all ages.
    fn break_vendors(&self, at: &Watched) {
        let source = |name: &str, of: &Simulation, hours: Option<i64>, extra: &str| {
            let expire = hours.map(|hours| now() + SignedDuration::from_hours(hours));
            let expire = expire.map(|at| format!("credentials_expire = \"{at}\"\n"));
            named(&etd(&of.etd_url, &(expire.unwrap_or_default() + extra)), name)
        };
        let spent =
            "rate_limit = { per_second = 1000, burst = 100, per_day = 100 }\nstart = \"120h\"";
        let seconds = "start = \"364s\"\nschedule = { every = \"1h\" }";
        at.configure(
            "",
            &[
                source("failing", &self.down, Some(29 * 24), ""),
                source("throttled", &self.slow, Some(13 * 24), ""),
                source("denied", &self.well, Some(6 * 24), "client_secret = \"wrong\""),
                source("busy", &self.well, Some(12), spent),
                source("expired", &self.well, Some(-24), ""),
                source("large", &self.large, None, seconds),
                ser(&self.well.ser_url, "start = \"2h\""),
                at.home.file_sink(),
            ],
        );
    }

    fn mend_vendors(&self, at: &Watched) {
        let source = |name: &str, of: &Simulation, extra| named(&etd(&of.etd_url, extra), name);
        self.down.set_etd_faults(Faults::none());
        self.slow.set_etd_faults(Faults::none());
        let seconds = "start = \"364s\"\nschedule = { every = \"1h\" }";
        at.configure(
            "",
            &[
                source("failing", &self.down, ""),
                source("throttled", &self.slow, ""),
                source("denied", &self.well, ""),
                source("busy", &self.well, ""),
                source("expired", &self.well, ""),
                source("large", &self.well, seconds),
                ser(&self.rich.ser_url, "start = \"2h\""),
                at.home.file_sink(),
            ],
        );
    }

    /// Receivers in trouble of each kind, until the spool is full.
    fn configure_sinks(&self, at: &Watched, token: &str) {
        let source = named(&etd(&self.plenty.etd_url, "page_size = 20"), "plenty");
        at.configure(
            "max_spool = \"1MiB\"",
            &[
                source,
                sink(&hec(&self.down.hec_url, ""), "down"),
                sink(&hec(&self.slow.hec_url, ""), "picky"),
                sink(&hec(&self.well.hec_url, token), "denied"),
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fires_when_the_real_thing_breaks_and_clears_when_it_is_mended() {
    let rules = super::rules();
    let mut shipped: Vec<_> = super::alerts(&rules).into_iter().map(|(name, _)| name).collect();
    let mut tried = ALERTS.map(|(name, ..)| name);
    shipped.sort_unstable();
    tried.sort_unstable();
    assert_eq!(shipped, tried, "each rule is tried");

    let (vendors, sinks, process) = (Watched::new(), Watched::new(), Watched::new());
    let watched =
        [("vendors", vendors.address), ("sinks", sinks.address), ("process", process.address)];
    let elsewhere = Home::new();
    let Some(prometheus) = Prometheus::start(&elsewhere, &watched).await else {
        skipped("no alert is seen firing: install prometheus (Debian: prometheus)");
        return;
    };
    let (began, world) = (Instant::now(), World::new().await);
    let broken_at = now();
    world.break_vendors(&vendors);
    world.configure_sinks(&sinks, "token = \"wrong\"");
    process.configure("", &[etd(&world.well.etd_url, ""), process.home.file_sink()]);
    let with_vendors = vendors.home.start(&["run"]);
    let with_sinks = sinks.home.start(&["run"]);
    let alone = process.home.start(&["run"]);
    while !prometheus.up("process").await {
        tick().await;
    }
    alone.kill9().await;

    let mut missing: BTreeSet<_> = ALERTS.into_iter().collect();
    let fires = |firing: &BTreeSet<super::prometheus::Alert>| {
        missing.retain(|(name, label, value)| {
            !firing
                .iter()
                .any(|(it, labels)| it == name && labels.get(*label).is_some_and(|it| it == value))
        });
        println!("{:5.1} s: not yet: {missing:?}", began.elapsed().as_secs_f64());
        missing.is_empty()
    };
    prometheus.when("all fire", fires).await;
    assert_eq!(prometheus.broken().await, Vec::<String>::new());
    // With all of this there is something to see in each panel of the dashboard.
    let chosen = [("$job", ".*"), ("$instance", ".*"), ("$__rate_interval", "1m")];
    for panel in super::dashboard().iter().filter(|it| !it.starts_with("label_values")) {
        let replace = |text: String, (name, value): (&str, &str)| text.replace(name, value);
        let panel = chosen.into_iter().fold(panel.clone(), replace);
        let series = prometheus.series(&panel).await;
        assert!(series.as_ref().is_ok_and(|count| *count > 0), "{panel}: {series:?}");
    }

    world.mend_vendors(&vendors);
    vendors.reload(&with_vendors).await;
    world.down.set_hec_faults(Faults::none());
    world.slow.change_hec(|hec| hec.poison_every = 0);
    world.configure_sinks(&sinks, "");
    sinks.reload(&with_sinks).await;
    let _alone = process.home.start(&["run"]);
    let replayed = sinks.home.run(&["dead-letters", "replay", "--all"]).await;
    assert_eq!(replayed.status, Some(0), "{}", replayed.stderr);
    // What the vendor could not give is asked for once more.
    let from = broken_at - Duration::from_secs(420);
    vendors.backfill("large", from, ago(361).min(broken_at - Duration::from_secs(350))).await;
    // The larger licence is told with each answer, and there may be none for an hour.
    vendors.backfill("ser", ago(6 * 3600), ago(5 * 3600)).await;
    // A reload takes a moment in which there is nothing to see: it must last.
    let mut quiet = 0;
    let clear = |firing: &BTreeSet<super::prometheus::Alert>| {
        let seconds = began.elapsed().as_secs_f64();
        println!("{seconds:5.1} s: {} still fire", firing.len());
        quiet = if firing.is_empty() { quiet + 1 } else { 0 };
        quiet == 8
    };
    prometheus.when("all clear", clear).await;
    println!(
        "all {} rules fired and cleared in {:.1} s",
        ALERTS.len(),
        began.elapsed().as_secs_f64()
    );
}
