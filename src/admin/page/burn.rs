//! What is left of a relay's licence, from its start to its end.

use jiff::Timestamp;
use maud::{Markup, html};

use super::time;
use crate::{
    domain::usage::Usage,
    status::{SourceStatus, Status},
};

/// The chart's own units.
const WIDTH: i128 = 1_000;
const HEIGHT: i128 = 300;

pub(super) fn section(status: &Status) -> Markup {
    let licensed = |source: &&SourceStatus| source.licence.is_some();
    let sources: Vec<&SourceStatus> = status.sources.iter().filter(licensed).collect();
    html! {
        @if !sources.is_empty() {
            section aria-labelledby="licences" {
                h2 id="licences" { "Licences" }
                @for source in sources {
                    @if let Some(usage) = &source.licence { (card(&source.source, usage)) }
                }
            }
        }
    }
}

fn card(name: &str, usage: &Usage) -> Markup {
    html! {
        article.card {
            h3 { (name) " " small { "licence" } }
            p { (words(usage)) }
            @if let Some(chart) = chart(usage) { (chart) }
        }
    }
}

fn words(usage: &Usage) -> Markup {
    html! {
        @match usage.share {
            Some(share) => { (format!("{:.1}", share * 100.0)) " % is used" }
            None => "how much is used is not known",
        }
        @if let Some(end) = usage.license_end { ", it ends " (time(end)) }
        @match (usage.share, usage.exhausted_on) {
            // Nobody can say.
            (None, _) => "",
            (_, Some(day)) if usage.exhausted_before_end => {
                "; " strong.bad { "at this rate nothing is left on " (day) }
            }
            _ => "; it lasts",
        }
    }
}

/// What is left over time: so far in full, as it goes on dashed. `None` where the vendor does not
/// say enough.
fn chart(usage: &Usage) -> Option<Markup> {
    let (start, end) = (usage.license_start?, usage.license_end?);
    let (allowed, used) = (usage.allowed_bytes?, usage.used_bytes?);
    if end <= start || allowed <= 0 {
        return None;
    }
    let length = i128::from(end.as_second() - start.as_second());
    let x = |at: Timestamp| {
        (i128::from(at.as_second() - start.as_second()) * WIDTH / length).clamp(0, WIDTH)
    };
    let y = |left: i128| (HEIGHT - left.clamp(0, allowed) * HEIGHT / allowed).clamp(0, HEIGHT);
    let now = (x(usage.as_of), y(allowed - used));
    let a_day = usage.burn_rate_7d.max(usage.burn_rate_30d).unwrap_or(0).max(0);
    let days_left = i128::from(end.as_second() - usage.as_of.as_second()) / 86_400;
    let at_end = allowed - used - a_day * days_left;
    // Down to nothing, or to what is left in the end.
    let goes_to = if at_end < 0 && a_day > 0 {
        let days = (allowed - used).max(0) / a_day;
        (now.0 + days * 86_400 * WIDTH / length, HEIGHT)
    } else {
        (WIDTH, y(at_end))
    };
    let label = "what is left of the licence from its start to its end; dashed: as it goes on";
    Some(html! {
        svg.burn viewBox={ "-5 -5 " (WIDTH + 10) " " (HEIGHT + 10) } role="img" aria-label=(label)
            preserveAspectRatio="none" {
            title { (label) }
            line.even x1="0" y1="0" x2=(WIDTH) y2=(HEIGHT) {}
            polyline.used points={ "0,0 " (now.0) "," (now.1) } {}
            polyline.ahead points={ (now.0) "," (now.1) " " (goes_to.0) "," (goes_to.1) } {}
        }
        p.scale { span { (time(start)) } span { (time(end)) } }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(share: Option<f64>) -> String {
        let end = "2027-02-28T00:00:00Z";
        let usage = json!({
            "used_bytes": 1, "as_of": "2026-11-22T00:00:00Z", "license_end": end, "share": share,
            "exhausted_before_end": false, "applications": [],
        });
        words(&serde_json::from_value(usage).unwrap()).into_string()
    }

    #[test]
    fn whether_a_licence_lasts_is_said_only_where_it_is_known() {
        assert!(
            told(Some(0.5)).starts_with("50.0 % is used")
                && told(Some(0.5)).ends_with("; it lasts")
        );
        let unknown = told(None);
        assert!(unknown.starts_with("how much is used is not known, it ends "), "{unknown}");
        assert!(!unknown.contains("lasts"), "{unknown}");
    }
}
