//! Prometheus itself (Debian: `prometheus`), with the shipped rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::File,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use regex::Regex;
use reqwest::Client;
use serde_json::Value;

use crate::harness::{Home, until};

/// The name of an alert and its labels.
pub(super) type Alert = (String, BTreeMap<String, String>);

pub(super) struct Prometheus {
    child: Child,
    client: Client,
    url: String,
}

/// The rules as shipped, but for how long something must go on: each `for`, and the one expression
/// that has an age in it.
fn hurried() -> String {
    let hold = Regex::new(r"(?m)^( +for: )\w+$").unwrap();
    let rules = super::rules();
    assert!(hold.find_iter(&rules).count() > 5);
    let rules = hold.replace_all(&rules, "${1}1s").into_owned();
    let old = "time() - postrider_spool_oldest_timestamp_seconds > 3600";
    assert!(rules.contains(old));
    rules.replace(old, "time() - postrider_spool_oldest_timestamp_seconds > 3")
}

impl Prometheus {
    /// Watches daemons at these addresses; each gets the label `home`. `None` where it is not installed.
    pub(super) async fn start(home: &Home, watched: &[(&str, SocketAddr)]) -> Option<Self> {
        let mut config = "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: \
                          1s }\nrule_files: [rules.yml]\nscrape_configs:\n  - job_name: \
                          postrider\n    static_configs:\n"
            .to_owned();
        for (name, address) in watched {
            let line = format!("{{ targets: [\"{address}\"], labels: {{ home: {name} }} }}");
            writeln!(config, "      - {line}").unwrap();
        }
        std::fs::write(home.path("prometheus.yml"), config).unwrap();
        std::fs::write(home.path("rules.yml"), hurried()).unwrap();
        let address = super::live::free();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", home.path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", home.path("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(home.path("prometheus.log")).unwrap())
            .spawn()
            .ok()?;
        let client = crate::admin::client();
        let listens = || std::net::TcpStream::connect(address).ok();
        until("Prometheus listens", listens).await;
        Some(Self { child, client, url: format!("http://{address}/api/v1") })
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}/{path}", self.url)).send().await.unwrap();
        // While it starts it has words for it.
        answer.json().await.unwrap_or_default()
    }

    /// The alerts that fire now.
    pub(super) async fn firing(&self) -> BTreeSet<Alert> {
        let answer = self.get("alerts").await;
        let Some(alerts) = answer["data"]["alerts"].as_array() else { return BTreeSet::new() };
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        let read = |alert: &Value| {
            let annotations = alert["annotations"].to_string();
            assert!(
                !annotations.contains("<error") && !annotations.contains("no value"),
                "{alert:#}"
            );
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let labels = alert["labels"].as_object().unwrap().iter();
            let labels: BTreeMap<_, _> =
                labels.map(|(name, it)| (name.clone(), text(it))).collect();
            (labels["alertname"].clone(), labels)
        };
        firing.map(read).collect()
    }

    /// Rules that could not be evaluated, and why.
    pub(super) async fn broken(&self) -> Vec<String> {
        let answer = self.get("rules").await;
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let broken = rules.filter(|rule| rule["health"] == "err");
        broken.map(|rule| format!("{}: {}", rule["name"], rule["lastError"])).collect()
    }

    async fn query(&self, expression: &str) -> Value {
        let url = format!("{}/query", self.url);
        let answer = self.client.post(url).form(&[("query", expression)]).send().await.unwrap();
        answer.json().await.unwrap_or_default()
    }

    /// Whether a daemon answers.
    pub(super) async fn up(&self, home: &str) -> bool {
        let answer = self.query(&format!("up{{home=\"{home}\"}}")).await;
        answer["data"]["result"][0]["value"][1] == "1"
    }

    /// How many series an expression gives; why it is none is the error.
    pub(super) async fn series(&self, expression: &str) -> Result<usize, String> {
        let answer = self.query(expression).await;
        let result = answer["data"]["result"].as_array();
        result.map(Vec::len).ok_or_else(|| answer["error"].to_string())
    }

    /// Asks twice a second until it is as wanted, and tells what fires if that is never so.
    pub(super) async fn when(&self, what: &str, mut good: impl FnMut(&BTreeSet<Alert>) -> bool) {
        let mut last = BTreeSet::new();
        for _ in 0..240 {
            last = self.firing().await;
            if good(&last) {
                return;
            }
            tick().await;
        }
        panic!("never: {what}; firing: {last:#?}; broken: {:?}", self.broken().await);
    }
}

pub(super) async fn tick() {
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    ticks.tick().await;
    ticks.tick().await;
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
