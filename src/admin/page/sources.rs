//! The sources: what each does, how far it is, and the week behind it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{SOURCES, ago, ago_words, error, number, of, state, strip, time};
use crate::{
    coverage::report::{Gap, Report, StreamReport},
    health::state::words,
    status::{SourceStatus, Status},
};

/// Gaps that are named; the data has all.
const GAPS: usize = 5;

pub(super) fn section(status: &Status, coverage: &Report) -> Markup {
    // Where there are many, those that are well say the same.
    let all = status.sources.len() <= SOURCES;
    let shown = status.sources.iter().filter(|it| all || !it.health.is_well()).take(SOURCES);
    let shown: Vec<&SourceStatus> = shown.collect();
    let left = status.sources.len() - shown.len();
    html! {
        section aria-labelledby="sources" {
            h2 id="sources" { "Sources" }
            (strip::legend())
            @for source in shown {
                @let of_source = |it: &&StreamReport| it.source.as_str() == source.source;
                @let reports: Vec<_> = coverage.sources.iter().filter(of_source).collect();
                (card(source, &reports, status))
            }
            @if left > 0 { p { "and " (of(left, "source")) " more, most of which are well" } }
        }
    }
}

fn card(source: &SourceStatus, reports: &[&StreamReport], status: &Status) -> Markup {
    let lag = source.lag_seconds.and_then(|lag| u64::try_from(lag).ok());
    html! {
        article.card {
            h3 {
                (source.source) " "
                small {
                    (source.vendor)
                    @if source.streams.len() == 1 { " " (source.stream) }
                }
            }
            @for stream in &source.streams {
                @if source.streams.len() > 1 { h4 { (stream.stream) } }
                p { (state(&stream.health, status.at)) }
                (error(&stream.health))
                @for report in reports.iter().filter(|it| it.stream == stream.stream) {
                    (strip::strip(report, status.at))
                }
            }
            dl {
                div {
                    dt { "Collected up to" }
                    dd {
                        @match source.covered_to { Some(to) => (time(to)), None => "nothing yet" }
                        @if let Some(lag) = lag {
                            ", " (words(std::time::Duration::from_secs(lag))) " behind now"
                        }
                    }
                }
                div { dt { "Calls today" } dd { (calls(source)) } }
                div {
                    dt { "Slices to fetch" }
                    dd {
                        (number(source.open_slices))
                        @if source.failing_slices > 0 { ", " (number(source.failing_slices)) " failing" }
                    }
                }
                @let lost = source.lost_slices + source.refused_slices;
                @if lost > 0 { div { dt { "Slices that cannot be had" } dd.bad { (number(lost)) } } }
                @if let Some(at) = source.credentials_expire {
                    div { dt { "Credentials" } dd { (expiry(at, status.at)) } }
                }
            }
            @for report in reports { (gaps(report, source.health.is_well())) }
        }
    }
}

/// When credentials expire, or did.
fn expiry(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        @if at > now { "expire in " (ago_words(now, at)) }
        @else { strong.bad { "expired " (ago(at, now)) } }
    }
}

fn calls(source: &SourceStatus) -> Markup {
    html! {
        (number(source.calls_today))
        @if let Some(most) = source.calls_per_day {
            " of " (number(most.into())) " "
            meter min="0" max=(most) value=(source.calls_today) high=(most / 10 * 9)
                aria-label="share of the day's calls" {}
        }
    }
}

fn gaps(report: &StreamReport, well: bool) -> Markup {
    let gap = |gap: &Gap| {
        html! {
            li {
                strong { (gap.state.as_str()) } " " (time(gap.from)) " to " (time(gap.to)) ": "
                (gap.reason)
            }
        }
    };
    // What waits for its turn is no gap yet to anybody, as long as all is well.
    let named = |gap: &&Gap| !well || gap.state.is_trouble();
    let missing: Vec<&Gap> = report.missing.iter().filter(named).collect();
    html! {
        @if !missing.is_empty() {
            h4 { "Gaps" }
            ul.gaps {
                @for missing in missing.iter().take(GAPS) { (gap(missing)) }
                @if missing.len() > GAPS { li { "and " (missing.len() - GAPS) " more" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_expired_did_so_in_the_past() {
        let day = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        let told = |at| expiry(day(at), day(100)).into_string();
        assert_eq!(told(109), "expire in 9 days");
        assert_eq!(told(101), "expire in 24 hours");
        assert_eq!(told(97), "<strong class=\"bad\">expired 3 days ago</strong>");
    }
}
