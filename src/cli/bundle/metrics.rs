//! The running daemon's metrics, from its admin listener.

use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use crate::{
    cli::health::{ask, reached},
    config::Admin,
};

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn scrape(admin: &Admin) -> anyhow::Result<String> {
    let at = reached(admin.listen);
    anyhow::ensure!(at.port() != 0, "admin.listen names no port, so nobody knows the daemon's");
    let answer = timeout(PATIENCE, ask(admin, at, "/metrics")).await;
    let answer = answer.with_context(|| format!("no answer of {at} in time"))?;
    let (status, text) = answer.with_context(|| format!("no daemon answers at {at}"))?;
    anyhow::ensure!(status.is_success(), "the admin listener answers {status}");
    Ok(text)
}
