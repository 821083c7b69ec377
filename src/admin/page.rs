//! The status page: what an operator sees at a glance. Server-rendered; it works without a script,
//! and with one refreshes itself without moving what is read.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::throughput::Rates;
use crate::{
    coverage::report::Report,
    health::state::words,
    status::{Health, Open, Status},
};

mod burn;
mod sinks;
mod sources;
mod strip;

pub(super) const STYLE: &str = include_str!("page/style.css");
pub(super) const ICON: &str = include_str!("page/icon.svg");
pub(super) const SCRIPT: &str = include_str!("page/refresh.js");

/// Sources that are shown in full; of the others, those that are well are only counted.
const SOURCES: usize = 50;

/// The whole document.
pub(super) fn document(status: &Status, coverage: &Report, rates: &Rates) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (summary(status)) " · Postrider" }
                link rel="stylesheet" href="/style.css";
                // A browser would ask for one.
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                script src="/refresh.js" defer {}
                noscript { meta http-equiv="refresh" content="30"; }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    h1 { "Postrider" }
                    p.summary { (summary(status)) }
                    p.when { "As of " (time(status.at)) ", version " (env!("CARGO_PKG_VERSION")) }
                }
                main id="main" {
                    (attention(status))
                    (sources::section(status, coverage))
                    (sinks::section(status, rates))
                    (burn::section(status))
                }
                footer {
                    p {
                        "As data: " a href="/api/v1/status" { "status" } ", "
                        a href="/api/v1/coverage" { "coverage" } ", "
                        a href="/metrics" { "metrics" } ". "
                        "Nothing can be changed here; the command line does that."
                    }
                }
            }
        }
    };
    page.into_string()
}

/// How everything is, in a few words.
fn summary(status: &Status) -> String {
    let (sources, sinks) = (
        ill(status.sources.iter().map(|it| &it.health)),
        ill(status.sinks.iter().map(|it| &it.health)),
    );
    match (sources, sinks, status.health.len()) {
        (0, 0, 0) => "All is well".to_owned(),
        (0, 0, matters) => format!("{} to look at", of(matters, "matter")),
        (sources, 0, _) => format!("{} not well", of(sources, "source")),
        (0, sinks, _) => format!("{} not well", of(sinks, "sink")),
        (sources, sinks, _) => {
            format!("{} and {} not well", of(sources, "source"), of(sinks, "sink"))
        }
    }
}

fn ill<'a>(all: impl Iterator<Item = &'a Health>) -> usize {
    all.filter(|health| !health.is_well()).count()
}

fn of(count: usize, thing: &str) -> String {
    things(u64::try_from(count).unwrap_or(u64::MAX), thing)
}

fn things(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", number(count), if count == 1 { "" } else { "s" })
}

/// What needs somebody, the worst first.
fn attention(status: &Status) -> Markup {
    html! {
        @if !status.health.is_empty() {
            section aria-labelledby="attention" {
                h2 id="attention" { "Needs attention" }
                ul.matters {
                    @for open in &status.health { (matter(open, status.at)) }
                }
            }
        }
    }
}

fn matter(open: &Open, now: Timestamp) -> Markup {
    html! {
        li class=(open.severity.as_str()) {
            strong { (open.severity.as_str()) } " "
            (open.message) " "
            span.since { "since " (time(open.since)) ", " (ago(open.since, now)) }
        }
    }
}

/// A state as a word in its colour; the word alone tells it, too.
fn state(health: &Health, now: Timestamp) -> Markup {
    let class = if health.is_active() {
        "good"
    } else if health.is_idle() {
        "idle"
    } else if health.is_broken() {
        "bad"
    } else {
        "warn"
    };
    html! {
        span class={ "state " (class) } { (health.state.replace('_', " ")) }
        @if let Some(since) = health.since { " for " (ago_words(since, now)) }
        @if let Some(until) = health.paused_until { ", paused until " (time(until)) }
    }
}

/// The last error of what is not well.
fn error(health: &Health) -> Markup {
    html! {
        @if let Some(error) = &health.error { p.error { (error) } }
    }
}

fn time(at: Timestamp) -> Markup {
    let machine = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    html! { time datetime=(machine) { (at.strftime("%Y-%m-%d %H:%M UTC").to_string()) } }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", ago_words(at, now))
}

fn ago_words(at: Timestamp, now: Timestamp) -> String {
    words(now.duration_since(at).try_into().unwrap_or_default())
}

/// A number with its thousands apart.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join("\u{202f}")
}
