//! Pages as the ETD simulator writes them, and a collector that is fed with them.

#![allow(dead_code, reason = "each bench uses its part")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use jiff::Timestamp;
use postrider::{
    clock::{Clock, ManualClock},
    collect::{Collector, Memory, backfill::Scope},
    config::{self, Config},
    domain::slice::Stream,
    fault::Fault,
    http,
    simulator::{EtdOptions, Options, Simulation},
    source::{Limits, Page, Query, Source, cisco_etd, pace::Pace},
    store::Store,
    supervisor::Task,
};
use rand::{SeedableRng, rngs::StdRng};

pub(crate) const PAGE: usize = 100;

/// A page of 100 messages, from which others are made.
pub(crate) struct Pattern {
    body: String,
    ids: Vec<String>,
    made: u64,
}

impl Pattern {
    pub(crate) async fn from_simulator(config: &Config) -> anyhow::Result<Self> {
        let [from, to] = ["2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z"];
        let mut options = Options::plain();
        options.clock = Arc::new(ManualClock::at("2026-11-20T12:00:00Z".parse()?));
        options.etd = EtdOptions {
            messages: PAGE as u64,
            range: Some([from.parse()?, to.parse()?]),
            ..options.etd
        };
        let key = options.etd.api_key.clone().unwrap_or_default();
        let (id, secret) = (options.etd.client_id.clone(), options.etd.client_secret.clone());
        let simulation = Simulation::start(options).await?;
        let source = config.sources.values().next().context("no source")?;
        let client = http::client(&source.http)?;
        let post =
            |path| client.post(format!("{}{path}", simulation.etd_url)).header("x-api-key", &key);
        let token = post("/v1/oauth/token").basic_auth(id, Some(secret));
        let token: serde_json::Value =
            token.header("content-length", 0).send().await?.json().await?;
        let token = token["accessToken"].as_str().context("no token")?;
        let search = serde_json::json!({ "timestamp": [from, to], "pageSize": PAGE });
        let search = post("/v1/messages/search").bearer_auth(token).json(&search);
        let body = search.send().await?.text().await?;
        simulation.stop().await;
        let page: serde_json::Value = serde_json::from_str(&body)?;
        let messages = page["data"]["messages"].as_array().context("no messages")?;
        let ids = messages.iter().filter_map(|message| message["id"].as_str());
        let ids: Vec<String> = ids.map(ToOwned::to_owned).collect();
        anyhow::ensure!(ids.len() == PAGE, "{} messages", ids.len());
        Ok(Self { body, ids, made: 0 })
    }

    /// A page whose messages have ids of their own.
    pub(crate) fn page(&mut self) -> String {
        self.made += 1;
        let made = format!("{:08x}", self.made);
        self.ids.iter().fold(self.body.clone(), |body, id| {
            let rest = id.get(8..).unwrap_or_default();
            body.replace(id.as_str(), &format!("{made}{rest}"))
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }
}

/// Serves prepared pages; the last one ends the slice.
#[derive(Default)]
pub(crate) struct Prepared(Mutex<VecDeque<String>>);

impl Source for Prepared {
    fn vendor(&self) -> &'static str {
        "cisco_etd"
    }

    fn stream(&self) -> Stream {
        Stream::Messages
    }

    fn limits(&self) -> Limits {
        Limits { retention: None, aligned: false, page_size: 100 }
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let (body, left) = {
            let mut bodies = self.0.lock().expect("no thread panics with it");
            (bodies.pop_front(), bodies.len())
        };
        let Some(body) = body else { return Ok(Page::default()) };
        let mut page = cisco_etd::read_page(&body, query.interval).map_err(Fault::refused)?;
        page.next = (left > 0).then(|| left.to_string());
        page.total = None;
        Ok(page)
    }

    async fn probe(&self, _: Timestamp) -> Result<String, Fault> {
        Ok(String::new())
    }
}

/// A collector over a store of its own, whose clock is moved by hand.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) config: Config,
    pub(crate) pattern: Pattern,
    pub(crate) runtime: tokio::runtime::Runtime,
    source: Arc<Prepared>,
    clock: Arc<ManualClock>,
    collector: Collector<Prepared>,
    _directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> anyhow::Result<Self> {
        // Another bench of the process may have installed it.
        drop(rustls::crypto::ring::default_provider().install_default());
        let directory = tempfile::tempdir()?;
        let clock = Arc::new(ManualClock::at("2026-11-20T12:00:00Z".parse()?));
        let file = directory.path().join("bench.toml");
        std::fs::write(
            &file,
            "[sources.etd]\ntype = \"cisco_etd\"\nregion = \"us\"\nclient_id = \"x\"\n\
             client_secret = \"x\"\napi_key = \"x\"\nstart = \"1h\"\nlag = \"1s\"\n\
             [sinks.splunk]\ntype = \"splunk_hec\"\nendpoints = [\"http://127.0.0.1:8088\"]\n\
             token = \"x\"\nindex = \"email\"\n",
        )?;
        let loaded = config::load(Some(&file), [], clock.now());
        let config = loaded.map_err(|problems| anyhow::anyhow!("{problems}"))?.config;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let pattern = runtime.block_on(Pattern::from_simulator(&config))?;
        let store = Store::open(&directory.path().join("state"))?;
        let names = config.sinks.keys().cloned().collect();
        runtime.block_on(store.set_sinks(names))?;
        let source = Arc::new(Prepared::default());
        let settings = config.sources.values().next().context("no source")?;
        let collector = Collector {
            config: Arc::new(settings.clone()),
            source: source.clone(),
            pace: Arc::new(Pace::new(settings.rate_limit)),
            store: store.clone(),
            clock: clock.clone(),
            max_spool: u64::MAX,
            scope: Scope::Everything,
            activation: Arc::default(),
            stop: tokio_util::sync::CancellationToken::new(),
            memory: Arc::new(Memory::new(StdRng::seed_from_u64(1))),
        };
        let mut bench = Self {
            store,
            config,
            pattern,
            runtime,
            source,
            clock,
            collector,
            _directory: directory,
        };
        // What comes before the first hour.
        bench.collect(Vec::new());
        Ok(bench)
    }

    pub(crate) fn pages(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.pattern.page()).collect()
    }

    /// Collects pages, as those of the next hour.
    pub(crate) fn collect(&mut self, pages: Vec<String>) {
        *self.source.0.lock().expect("no thread panics with it") = pages.into();
        self.clock.advance(Duration::from_hours(1));
        self.collector.activation.activate();
        let step = self.runtime.block_on(self.collector.step());
        step.expect("the store works");
    }
}
