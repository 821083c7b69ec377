//! The sinks and the spool before them.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{super::throughput::Rates, ago, error, number, state, things};
use crate::status::{SinkStatus, Status};

pub(super) fn section(status: &Status, rates: &Rates) -> Markup {
    html! {
        section aria-labelledby="sinks" {
            h2 id="sinks" { "Sinks" }
            (spool(status))
            @for sink in &status.sinks { (card(sink, status, rates)) }
            @for left in &status.unconfigured {
                p.error {
                    (things(left.dead_letters, "dead letter")) " of " (left.sink)
                    ", which is no longer configured"
                }
            }
        }
    }
}

fn spool(status: &Status) -> Markup {
    let (used, most) = (status.spool.on_disk, status.max_spool);
    html! {
        p {
            "Spool: " (things(status.spool.events, "event")) ", " (mib(used)) " of " (mib(most)) " MiB "
            meter min="0" max=(most) value=(used) high=(most / 10 * 8) aria-label="share of the spool" {}
            @if let Some(oldest) = status.oldest_spooled_at {
                ", the oldest from " (ago(oldest, status.at))
            }
        }
    }
}

fn card(sink: &SinkStatus, status: &Status, rates: &Rates) -> Markup {
    html! {
        article.card {
            h3 { (sink.sink) " " small { (sink.kind) } }
            p { (state(&sink.health, status.at)) }
            (error(&sink.health))
            (sparkline(&rates.of(&sink.sink)))
            dl {
                div { dt { "Delivered" } dd { (number(sink.delivered)) } }
                div { dt { "Waiting" } dd { (number(sink.waiting)) } }
                div {
                    dt { "Dead letters" }
                    dd class=(if sink.dead_letters > 0 { "bad" } else { "" }) {
                        (number(sink.dead_letters))
                    }
                }
            }
            @if let Some(refusal) = &sink.last_refusal {
                p.error { "Refused last, " (ago(refusal.at, status.at)) ": " (refusal.reason) }
            }
        }
    }
}

/// Events a minute, the newest on the right.
fn sparkline(rates: &[u64]) -> Markup {
    let most = rates.iter().copied().max().unwrap_or(0).max(1);
    let mut points = String::new();
    let width = rates.len().saturating_sub(1).max(1);
    for (number, rate) in rates.iter().enumerate() {
        // Tenths, so that nothing has to be rounded.
        let height = 200 - u128::from(*rate) * 200 / u128::from(most);
        let (x, y) = (number * 1_000 / width, height);
        write!(points, "{x},{y} ").unwrap_or_default();
    }
    let now = rates.last().copied().unwrap_or(0);
    let events = if now == 1 { " event" } else { " events" };
    let label = format!("events a minute: {now} now, {most} at most in the last hour");
    html! {
        @if rates.len() > 1 {
            svg.spark viewBox="0 -10 1000 220" preserveAspectRatio="none" role="img" aria-label=(label) {
                title { (label) }
                polyline points=(points.trim_end()) {}
            }
            p.scale { (number(now)) (events) " a minute; at most " (number(most)) " in the last hour" }
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{}.{}", bytes >> 20, ((bytes & 0xF_FFFF) * 10) >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_is_no_events() {
        assert!(sparkline(&[5, 1]).into_string().contains(">1 event a minute; at most 5"));
        assert!(sparkline(&[1, 5]).into_string().contains(">5 events a minute; at most 5"));
    }
}
