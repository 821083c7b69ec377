//! Logs, set up once. Everything goes to standard error: standard output belongs to commands'
//! data and to the stdout sink.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// Libraries that say at `info` what concerns nobody.
const QUIET: &str = "tokio_cron_scheduler=warn,hyper=warn,h2=warn,reqwest=warn,rustls=warn";

/// The target of lines that may quote a record: a support archive leaves them out.
pub const QUOTES: &str = "postrider::collect::quotes";

/// Starts logging as configured.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let directives = format!("{QUIET},{}", log.level);
    let filter = EnvFilter::try_new(&directives)
        .with_context(|| format!("log.level = \"{}\" is not an EnvFilter directive", log.level))?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(ansi)).try_init()
        }
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(true);
            registry.with(layer.with_span_list(false).with_writer(std::io::stderr)).try_init()
        }
    };
    started.context("logging was already started")
}
