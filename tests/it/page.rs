//! The status page in a real browser: Chromium, driven by playwright-core.
//!
//! `UPDATE_DOCS=1` keeps the pictures for `docs/`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use postrider::simulator::{FaultKind, Faults, Options, Simulation};
use serde_json::Value;

use crate::{
    admin::Admin,
    harness::{Home, etd, hec, plain, ser, simulate, skipped, until},
};

const EACH_SECOND: &str = "schedule = { every = \"1s\" }\nlag = \"6m\"";

/// Chromium and the folder that has `playwright-core`.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
    let chromium = chromium.iter().map(PathBuf::from).find(|path| path.exists());
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/page/node_modules");
    let modules = Some(modules).filter(|path| path.join("playwright-core").exists());
    let found = chromium.zip(modules);
    if found.is_none() {
        skipped("the status page is not looked at: install chromium, and run tests/install.sh");
    }
    found
}

/// Looks at the page, which must say these words, and pictures it.
async fn look(admin: &Admin, home: &Home, name: &str, words: &[&str]) {
    let Some((chromium, modules)) = browser() else { return };
    let folder = match std::env::var_os("UPDATE_DOCS") {
        Some(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images"),
        None => home.root().to_owned(),
    };
    std::fs::create_dir_all(&folder).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/check.mjs");
    let output = tokio::process::Command::new("node")
        .arg(script)
        .arg(format!("http://{}/", admin.address))
        .arg(folder.join(name))
        .args(words)
        .env("CHROMIUM", chromium)
        .env("NODE_MODULES", modules)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{name}:\n{said}");
    let picture = std::fs::metadata(folder.join(format!("{name}-dark.png"))).unwrap();
    assert!(picture.len() > 10_000, "{picture:?}");
}

fn configure(home: &Home, simulation: &Simulation, hec_extra: &str) {
    home.configure(&[
        etd(&simulation.etd_url, EACH_SECOND),
        ser(&simulation.ser_url, "schedule = { every = \"1s\" }"),
        hec(&simulation.hec_url, hec_extra),
        home.file_sink(),
    ]);
}

/// One whose licence lasts: it would be another matter on the page.
fn tenant() -> Options {
    let mut options = plain(300);
    options.ser.annual_throughput *= 4;
    options
}

async fn status(admin: &Admin) -> Value {
    admin.get("/api/v1/status").await.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_well() {
    let simulation = simulate(tenant()).await;
    let home = Home::new();
    configure(&home, &simulation, "");
    let admin = Admin::start(&home).await;
    home.status_when("all delivered", |status| {
        let delivered = |sink: &Value| sink["delivered"].as_u64() >= Some(300);
        status["sinks"].as_array().unwrap().iter().all(delivered)
            && status["sources"].as_array().unwrap().iter().all(|it| it["open_slices"] == 0)
    })
    .await;
    let words = ["All is well", "etd cisco_etd messages", "splunk splunk_hec", "Licences"];
    look(&admin, &home, "page-well", &words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_throttled_and_has_a_gap() {
    let simulation = simulate(tenant()).await;
    let home = Home::new();
    configure(&home, &simulation, "");
    let throttled = |rate, seconds| Faults {
        rate,
        kinds: vec![FaultKind::ThrottledSeconds],
        retry_after: Duration::from_secs(seconds),
        ..Faults::default()
    };
    simulation.set_etd_faults(throttled(0.7, 1));
    let admin = Admin::start(&home).await;
    home.status_when("some of it", |status| status["sinks"][0]["delivered"].as_u64() > Some(0))
        .await;
    simulation.set_etd_faults(throttled(1.0, 3600));
    home.status_when("paused for long", |status| {
        let source = &status["sources"][0];
        source["state"] == "throttled" && source["paused_until"].is_string()
    })
    .await;
    let words = ["1 source not well", "throttled", "paused until", "Gaps", "429"];
    look(&admin, &home, "page-throttled", &words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_is_down() {
    let simulation = simulate(tenant()).await;
    let home = Home::new();
    configure(&home, &simulation, "");
    let kinds = vec![FaultKind::Unavailable];
    simulation.set_hec_faults(Faults { rate: 1.0, kinds, ..Faults::default() });
    let admin = Admin::start(&home).await;
    let failing = |status: &Value| status["sinks"][1]["state"] == "failing";
    home.status_when("the sink fails", failing).await;
    until("the file has all", || (crate::records::so_far(&home) >= 300).then_some(())).await;
    // What is shown may be some seconds old.
    while status(&admin).await["spool"]["events"].as_u64() == Some(0) {
        tokio::task::yield_now().await;
    }
    let words = ["1 sink not well", "failing for", "Spool", "503", "the oldest from"];
    look(&admin, &home, "page-sink-down", &words).await;
}
