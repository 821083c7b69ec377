//! The report for people: strips, gaps, counts.

use super::strip;
use crate::{
    cli::{
        layout::{count, drawn, duration, grid, time},
        paint,
    },
    coverage::{
        State,
        report::{PassReport, Report, Seconds, StreamReport},
    },
};

/// Gaps listed of a pass at most; JSON has them all.
const LISTED: usize = 20;
/// Where the strips begin.
const LABEL: usize = 14;
/// Into a pipe or a file.
const WIDTH: usize = 80;

/// Of the terminal, in characters.
pub(super) fn width() -> usize {
    console::Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| usize::from(columns))
}

/// The report in lines of `width` characters, as far as times and reasons let.
pub fn text(report: &Report, width: usize) -> String {
    let width = width.saturating_sub(LABEL).clamp(10, 200);
    let mut parts = Vec::new();
    for stream in &report.sources {
        parts.push(strips(stream, report, width));
        parts.extend(gaps(stream));
        parts.extend(totals(stream));
        parts.extend(reconciliation(stream));
    }
    parts.push(strip::legend());
    parts.join("\n\n")
}

/// The strips alone.
pub(super) fn strips_alone(report: &Report, width: usize) -> String {
    let width = width.saturating_sub(LABEL).clamp(10, 200);
    let strips = report.sources.iter().map(|stream| strips(stream, report, width));
    strips.chain([strip::legend()]).collect::<Vec<_>>().join("\n\n")
}

fn strips(stream: &StreamReport, report: &Report, width: usize) -> String {
    let mut lines = vec![format!("{} {}: {}", stream.source, stream.stream, missing(stream))];
    for pass in &stream.passes {
        let cells = strip::cells(pass, report.shown, width);
        lines.push(format!("{:LABEL$}{}", label(pass), strip::text(&cells)));
    }
    if stream.passes.is_empty() {
        return lines.join("\n");
    }
    let [from, to] = report.shown.0.map(|at| format!("{at:.0}"));
    let between = width.saturating_sub(from.len());
    lines.push(format!("{:LABEL$}{from}{to:>between$}", ""));
    lines.join("\n")
}

/// What is missing in one line, the worst first.
fn missing(stream: &StreamReport) -> String {
    match stream.missing_seconds {
        Seconds(0) if stream.passes.is_empty() => return "nothing was asked for yet".to_owned(),
        Seconds(0) => return "nothing is missing".to_owned(),
        Seconds(_) => {}
    }
    let worst = [State::Lost, State::Refused, State::Failing, State::Waiting];
    let of = |state| {
        let gaps = stream.missing.iter().filter(|gap| gap.state == state);
        (state.as_str(), Seconds(gaps.map(|gap| gap.seconds.0).sum()))
    };
    let mut by_state: Vec<_> = worst.map(of).into_iter().filter(|(_, sum)| sum.0 > 0).collect();
    if let [("waiting", waiting)] = *by_state
        && waiting == stream.missing_seconds
    {
        return format!("all collected, but {} that waits for its turn", length(waiting));
    }
    let shown: i64 = by_state.iter().map(|(_, sum)| sum.0).sum();
    let elsewhere = Seconds(stream.missing_seconds.0 - shown);
    if by_state.is_empty() {
        return format!("{} missing, outside of what is shown", length(elsewhere));
    }
    by_state.extend((elsewhere.0 > 0).then_some(("outside of what is shown", elsewhere)));
    let parts = by_state.into_iter().map(|(what, sum)| format!("{} {what}", length(sum)));
    match parts.collect::<Vec<_>>().as_slice() {
        [one] => one.clone(),
        parts => format!("{} missing: {}", length(stream.missing_seconds), parts.join(", ")),
    }
}

fn gaps(stream: &StreamReport) -> Vec<String> {
    let mut table = grid(&["gap in", "state", "from", "to", "length", "tries", "reason"]);
    let mut notes = Vec::new();
    let mut any = false;
    for pass in &stream.passes {
        for gap in pass.gaps.iter().take(LISTED) {
            any = true;
            let reason = match gap.next_try {
                Some(at) => format!("{} (next try {})", gap.reason, time(at)),
                None => gap.reason.clone(),
            };
            table.add_row([
                label(pass),
                gap.state.as_str().into(),
                time(gap.from),
                time(gap.to),
                length(gap.seconds),
                gap.attempts.to_string(),
                reason,
            ]);
        }
        let more = pass.gaps.len().saturating_sub(LISTED);
        if more > 0 {
            let more = count(more as u64, "more gap");
            notes.push(format!("{more} in {}: see `--output json`", label(pass)));
        }
        if pass.gaps_elsewhere > 0 {
            let gaps = count(pass.gaps_elsewhere as u64, "gap");
            let (label, [from, to]) = (label(pass), pass.asked.0);
            let see = format!("see `--from {from} --to {to}`");
            notes.push(format!("{gaps} in {label} outside of what is shown: {see}"));
        }
    }
    let table = any.then(|| paint::states(&drawn(table)));
    table.into_iter().chain((!notes.is_empty()).then(|| notes.join("\n"))).collect()
}

fn totals(stream: &StreamReport) -> Vec<String> {
    if stream.passes.is_empty() {
        return Vec::new();
    }
    let mut table =
        grid(&["pass", "asked", "covered", "missing", "slices", "records", "announced"]);
    for pass in &stream.passes {
        let counts = pass.counts;
        let announced = match (counts.announced, counts.short) {
            (0, 0) if counts.read == 0 => "-".to_owned(),
            (announced, 0) => format!("{announced}, all read"),
            (announced, slices) => {
                format!("{announced}, {} read; fewer in {}", counts.read, count(slices, "slice"))
            }
        };
        let missing = Seconds(pass.asked_seconds.0 - pass.covered_seconds.0);
        table.add_row([
            label(pass),
            length(pass.asked_seconds),
            length(pass.covered_seconds),
            length(missing),
            counts.slices.to_string(),
            counts.records.to_string(),
            announced,
        ]);
    }
    let mut parts = vec![drawn(table)];
    let narrowed = stream.backfills.iter().filter_map(|backfill| {
        let narrow = serde_json::to_string(backfill.narrow.as_ref()?).ok()?;
        let (id, state, from, to) =
            (backfill.id, &backfill.state, time(backfill.from), time(backfill.to));
        Some(format!("backfill {id} ({state}), {from} to {to}: narrowed to {narrow}, not counted"))
    });
    let narrowed: Vec<String> = narrowed.collect();
    if !narrowed.is_empty() {
        parts.push(narrowed.join("\n"));
    }
    parts
}

fn reconciliation(stream: &StreamReport) -> Option<String> {
    let mut table = grid(&["day", "direction", "vendor", "collected", "difference", "state"]);
    for day in &stream.reconciliation {
        for (direction, count) in &day.directions {
            let difference =
                if count.difference == 0 { "0".into() } else { format!("{:+}", count.difference) };
            table.add_row([
                day.day.clone(),
                direction.clone(),
                count.vendor.to_string(),
                count.collected.to_string(),
                difference,
                day.state.as_str().into(),
            ]);
        }
    }
    (!stream.reconciliation.is_empty()).then(|| paint::states(&drawn(table)))
}

/// `live`, `resweep 24h`, `recount` (a resweep that the vendor's count set off), `backfill`.
fn label(pass: &PassReport) -> String {
    match pass.after.as_deref() {
        Some("0s") => "recount".to_owned(),
        Some(after) => format!("{} {after}", pass.pass),
        None => pass.pass.to_owned(),
    }
}

fn length(seconds: Seconds) -> String {
    match seconds.0 {
        0 => "-".to_owned(),
        1..1000 => format!("{} ms", seconds.0),
        milliseconds => duration(milliseconds / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::{
        report::{View, gather},
        tests::Scene,
    };

    #[tokio::test]
    async fn a_store_with_gaps_of_each_kind() {
        let scene = Scene::new().await;
        let report = gather(&scene.config, &scene.store, &View::default(), scene.now).unwrap();
        insta::assert_snapshot!(text(&report, 100));
    }

    #[tokio::test]
    async fn gaps_elsewhere_are_told_with_a_range_that_shows_them() {
        let scene = Scene::new().await;
        let told =
            |view: &View| text(&gather(&scene.config, &scene.store, view, scene.now).unwrap(), 100);
        let whole = gather(&scene.config, &scene.store, &View::default(), scene.now).unwrap();
        let live = &whole.sources[0].passes[0];
        let [first, last] = live.asked.0;
        // Up to where nothing was asked for yet: a week without anything.
        let before = told(&View { to: Some(first), ..View::default() });
        let gaps = live.gaps.len();
        let hint = format!(
            "{gaps} gaps in live outside of what is shown: see `--from {first} --to {last}`"
        );
        assert!(before.contains(&hint), "{before}");
        assert!(before.contains(" missing, outside of what is shown\n"), "{before}");
        let shown = told(&View { from: Some(first), to: Some(last), ..View::default() });
        assert!(!shown.contains("outside"), "{shown}");
        let but_one =
            told(&View { from: Some(live.gaps[0].to), to: Some(last), ..View::default() });
        assert!(but_one.contains("\n1 gap in live outside"), "{but_one}");
    }

    #[tokio::test]
    async fn a_strip_fits_the_terminal() {
        let scene = Scene::new().await;
        let report = gather(&scene.config, &scene.store, &View::default(), scene.now).unwrap();
        for width in [60, 80, 133] {
            let text = text(&report, width);
            let strip = text.lines().find(|line| line.starts_with("live")).unwrap();
            assert_eq!(strip.chars().count(), width);
        }
    }
}
