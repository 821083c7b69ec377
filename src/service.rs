//! What a service manager is told (systemd's `Type=notify` and watchdog). Without one nothing
//! happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// All parts have been started.
pub fn ready(sources: usize, sinks: usize) {
    let status = format!("collects {sources} sources for {sinks} sinks");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// The configuration is being read again; [`ready`] ends that.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "the service manager cannot be told of the reload"),
    }
}

pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that tasks still have their turns, twice as often as is asked for; never ends. Where nobody
/// asks it says nothing.
pub async fn keep_alive() {
    let Some(within) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut turns = tokio::time::interval((within / 2).max(Duration::from_millis(100)));
    loop {
        turns.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "the service manager cannot be told");
    }
}
