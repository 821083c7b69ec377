//! `postrider demo`: the whole system on one machine. Simulated vendors and a simulated SIEM with
//! faults on, the real daemon between them, killed once on the way; then verdicts change at the
//! vendor, and their hours are asked for again; at the end a count of what arrived.

mod report;
mod scene;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::{Instant, interval, sleep};

use self::{report::Report, scene::Scene};
use super::{Exit, Output, complain, print};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// ETD messages that the vendor holds, over two days.
    #[arg(long, default_value_t = 30_000)]
    messages: u64,
    /// The share of all calls that fail, 0 to 1.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    faults: f64,
    /// Chooses data and faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Do not kill the daemon on the way.
    #[arg(long)]
    no_kill: bool,
    /// Go on with new messages until Ctrl-C.
    #[arg(long)]
    stay: bool,
    /// Give up when not everything has arrived after this many seconds.
    #[arg(long, default_value_t = 180, value_name = "SECONDS")]
    timeout: u64,
    /// Keep the configuration, the store, the log and the delivered file here.
    #[arg(long, value_name = "DIRECTORY")]
    keep: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// How often the bars are brought up to date.
const REFRESH: Duration = Duration::from_millis(100);

pub async fn run(args: Args) -> anyhow::Result<Exit> {
    let temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
    let directory = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let started = Instant::now();
    let mut scene = Scene::set(&args, &directory).await?;
    if args.output == Output::Table {
        complain(&format!(
            "demo: two days of mail, {:.0} % of all calls fail, and the daemon is killed once (kill -9)",
            args.faults * 100.0
        ));
    }
    let bars = Bars::new(&scene);
    let deadline = started + Duration::from_secs(args.timeout);
    let mut tick = interval(REFRESH);
    let mut killed = args.no_kill;
    loop {
        tick.tick().await;
        let progress = scene.progress();
        bars.show(&scene, &progress);
        if progress.complete(&scene) && killed {
            changes(&mut scene, &bars, deadline).await?;
            break;
        }
        if !killed && progress.collected >= scene.held() / 2 {
            killed = true;
            bars.say("kill -9, in the middle of it; starting the daemon again");
            scene.kill().await?;
            scene.start()?;
        }
        if let Some(status) = scene.ended()? {
            bars.say(&format!("the daemon ended by itself ({status}); its log says why:"));
            bars.say(&scene.log_tail());
            break;
        }
        if Instant::now() >= deadline {
            bars.say("the time is over; this is how far it came");
            break;
        }
    }
    if args.stay {
        stay(&scene, &bars).await?;
    }
    // What is still on its way, such as a batch whose reply was lost, may come twice: wait for it.
    sleep(Duration::from_millis(300)).await;
    scene.stop().await?;
    bars.clear();
    let report = Report::make(&scene, started.elapsed())?;
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&report)?)?,
        Output::Table => print(&report.table())?,
    }
    Ok(if report.well() { Exit::Done } else { Exit::Failed })
}

/// Verdicts change at the vendor, and the hours in which that happened are asked for again.
async fn changes(scene: &mut Scene, bars: &Bars, deadline: Instant) -> anyhow::Result<()> {
    let mut asked = scene.change()?;
    bars.say(&format!(
        "the vendor changes {} verdicts of mail that was delivered; asking again: postrider backfill",
        scene.changed.len()
    ));
    let mut tick = interval(REFRESH);
    let mut read = None;
    while Instant::now() < deadline {
        tick.tick().await;
        bars.show(scene, &scene.progress());
        if read.is_none() {
            read = asked.try_wait().context("waiting for the backfill")?;
        }
        if read.is_some_and(|status| !status.success()) {
            bars.say("the backfill failed; the log says why:");
            bars.say(&scene.log_tail());
            return Ok(());
        }
        if read.is_some() && scene.waiting() == Some(0) {
            return Ok(());
        }
    }
    bars.say("the time is over; this is how far it came");
    Ok(())
}

/// Shows live messages until Ctrl-C.
async fn stay(scene: &Scene, bars: &Bars) -> anyhow::Result<()> {
    bars.say(&format!(
        "everything arrived; new mail keeps coming. Look around, Ctrl-C ends it:\n  \
         postrider --config {} status\n  curl {}/sim/stats",
        scene.config_file().display(),
        scene.hec_url()
    ));
    let mut tick = interval(REFRESH);
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            _ = tick.tick() => bars.show(scene, &scene.progress()),
            stopped = &mut stop => return stopped.context("waiting for Ctrl-C"),
        }
    }
}

/// Live progress in the terminal; nothing where there is none.
struct Bars {
    all: MultiProgress,
    collected: ProgressBar,
    sinks: Vec<ProgressBar>,
}

impl Bars {
    fn new(scene: &Scene) -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix:>22} {bar:32} {pos:>7} of {len} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = |name: &'static str| {
            let bar = ProgressBar::new(scene.held()).with_style(style.clone());
            all.add(bar.with_prefix(name))
        };
        let collected = bar("collected");
        let sinks = scene::SINKS.iter().map(|name| bar(name)).collect();
        Self { all, collected, sinks }
    }

    fn show(&self, scene: &Scene, progress: &scene::Progress) {
        let held = (scene.held() + scene.changed.len() as u64).max(progress.collected);
        self.collected.set_length(held);
        self.collected.set_position(progress.collected);
        self.collected.set_message(format!("({} calls failed so far)", progress.faults));
        for (bar, count) in self.sinks.iter().zip(progress.delivered) {
            bar.set_length(held);
            bar.set_position(count);
        }
    }

    fn say(&self, text: &str) {
        if self.all.println(text).is_err() || self.all.is_hidden() {
            complain(text);
        }
    }

    fn clear(&self) {
        for bar in self.sinks.iter().chain([&self.collected]) {
            bar.finish_and_clear();
        }
    }
}
