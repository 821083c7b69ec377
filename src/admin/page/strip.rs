//! A week of coverage, an hour a cell.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::of;
use crate::coverage::{
    State, cells,
    report::{Span, StreamReport},
};

const HOURS: usize = 7 * 24;
const HOUR: i64 = 3_600_000;

/// The strip of a stream up to `now`.
pub(super) fn strip(stream: &StreamReport, now: Timestamp) -> Markup {
    let shown = week(now);
    let complete = stream.passes.iter().filter(|pass| matches!(pass.pass, "live" | "backfill"));
    let covered = complete.flat_map(|pass| &pass.covered).map(|span| (*span, State::Covered));
    let missing = stream.missing.iter().map(|gap| (gap.span(), gap.state));
    let cells = cells::cells(covered.chain(missing), shown, HOURS);
    html! {
        svg.strip viewBox={ "0 0 " (HOURS) " 10" } preserveAspectRatio="none" role="img"
            aria-label=(spoken(&cells)) {
            @for (number, cell) in cells.iter().enumerate() {
                rect class=(class(*cell)) x=(number) y="0" width="1" height="10" {
                    title { (hour(shown, number)) ": " (word(*cell)) }
                }
            }
        }
        p.scale { span { "7 days ago" } span { "now" } }
    }
}

/// What the colours mean.
pub(super) fn legend() -> Markup {
    let all = State::ALL.into_iter().map(Some).chain([None]);
    html! {
        ul.legend {
            @for state in all { li { span class={ "key " (class(state)) } {} (word(state)) } }
        }
    }
}

/// The last 168 whole hours, the present one included.
fn week(now: Timestamp) -> Span {
    let end = (now.as_millisecond().div_euclid(HOUR) + 1) * HOUR;
    let end = Timestamp::from_millisecond(end).unwrap_or(now);
    let length = SignedDuration::from_hours(7 * 24);
    Span([end.checked_sub(length).unwrap_or(Timestamp::MIN), end])
}

fn hour(shown: Span, number: usize) -> String {
    let offset = SignedDuration::from_hours(i64::try_from(number).unwrap_or_default());
    let at = shown.0[0].checked_add(offset).unwrap_or(Timestamp::MAX);
    at.strftime("%Y-%m-%d %H:00 UTC").to_string()
}

fn class(cell: Option<State>) -> &'static str {
    match cell {
        Some(State::Covered) => "covered",
        Some(State::Waiting) => "waiting",
        Some(State::Failing) => "failing",
        Some(State::Refused) => "refused",
        Some(State::Lost) => "lost",
        None => "unasked",
    }
}

fn word(cell: Option<State>) -> &'static str {
    cell.map_or("not asked for", State::as_str)
}

/// The strip for who cannot see it.
fn spoken(cells: &[Option<State>]) -> String {
    let states = State::ALL.into_iter().filter_map(|state| {
        let count = cells.iter().filter(|cell| **cell == Some(state)).count();
        (count > 0).then(|| format!("{} {}", of(count, "hour"), state.as_str()))
    });
    let told = states.collect::<Vec<_>>().join(", ");
    format!("the last 7 days: {}", if told.is_empty() { "nothing was asked for" } else { &told })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hour_is_no_hours() {
        let (covered, lost) = (Some(State::Covered), Some(State::Lost));
        let told = spoken(&[covered, covered, lost, None]);
        assert!(told.contains("2 hours covered") && told.contains("1 hour lost"), "{told}");
    }
}
