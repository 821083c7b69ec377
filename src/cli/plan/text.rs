//! The plan for people.

use super::{Backfill, Plan, RecordsFrom};
use crate::{
    cli::layout::{self, count, drawn, grid, percent, width, wrapped},
    estimate::{self, Estimate},
};

pub(super) fn table(plans: &[Plan]) -> String {
    let mut table = grid(&["source", "pass", "slices", "calls", "share of the day"]);
    for plan in plans {
        let share = |calls: u64| percent(calls, plan.day.per_day);
        for line in &plan.day.lines {
            let mut what = line.what.as_str().to_owned();
            if let Some(after) = &line.after {
                what.extend([" after ", after, if line.narrowed { ", narrowed" } else { "" }]);
            }
            if line.spared {
                what.push_str(", spared");
            }
            let (slices, calls) = if line.spared { (0, 0) } else { (line.slices, line.calls) };
            let slices = if slices > 0 { slices.to_string() } else { "-".into() };
            table.add_row([&plan.source, &what, &slices, &calls.to_string(), &share(calls)]);
        }
        let calls = plan.day.calls;
        let all = format!("a day of {}", plan.source);
        table.add_row(["", &all, "", &calls.to_string(), &share(calls)]);
    }
    let mut text = drawn(table);
    for plan in plans {
        text.push('\n');
        for (at, sentence) in sentences(plan).into_iter().enumerate() {
            let begin = if at == 0 { format!("{}: ", plan.source) } else { "  ".into() };
            text.extend(["\n", &wrapped(&format!("{begin}{sentence}"), 4, width())]);
        }
    }
    text
}

fn sentences(plan: &Plan) -> Vec<String> {
    let Plan { records_from, day, changes, held, due, backfill, .. } = plan;
    let mut all = Vec::new();
    let at_limit = layout::at_limit(day.seconds_at_limit);
    let quota = day.per_day.map(|most| format!(" of {most}")).unwrap_or_default();
    let verdict = if day.fits { "it fits" } else { "it does NOT fit" };
    all.push(format!("{}{quota} calls a day, {at_limit} at the rate limit: {verdict}", day.calls));
    let records = day.records_per_day;
    let a_day = format!("{records} {} a day", plan.records_are);
    let users = day.relay_users.map(|users| format!(" and {users} relay users"));
    let users = users.unwrap_or_default();
    all.push(match records_from {
        RecordsFrom::Assumed => {
            format!("{a_day}{users} are assumed; --records-per-day N says otherwise")
        }
        RecordsFrom::CommandLine if users.is_empty() => format!("for {a_day}, as given"),
        RecordsFrom::CommandLine => format!("for {a_day}, as given,{users}"),
        RecordsFrom::Store => format!("for {a_day}{users}, as collected so far"),
        RecordsFrom::Irrelevant => "however many rows come: an answer has no pages".into(),
    });
    if day.spared_calls > 0 {
        all.push(format!(
            "the log export saves {}: while it tells of every change, only the last resweep is made",
            count(day.spared_calls, "call")
        ));
    }
    let narrowing = changes.iter().any(|change| change.change.contains("verdicts"));
    if narrowing || day.lines.iter().any(|line| line.narrowed) {
        let share = estimate::NARROWED * 100.0;
        all.push(format!("a narrowed resweep is assumed to read {share:.0} % of the messages"));
    }
    if !day.fits {
        if changes.is_empty() {
            all.push(
                "no single change is enough: combine a longer `every` with fewer resweeps, or ask \
                 the vendor for more calls"
                    .into(),
            );
        } else {
            all.push(
                "live collection goes first, and what does not fit waits; each of these alone \
                 makes it fit:"
                    .into(),
            );
        }
        all.extend(changes.iter().map(|c| format!("  {} ({} calls)", c.change, c.calls)));
    }
    if let Some(Estimate { slices, calls, seconds_at_limit, .. }) = due {
        let at_limit = layout::at_limit(*seconds_at_limit);
        all.push(format!(
            "`run` begins with what is due already: {}, {}, {at_limit}",
            count(*slices, "slice"),
            count(*calls, "call")
        ));
    }
    all.extend(held.as_ref().map(|held| format!("today {held}")));
    if let Some(Backfill { from, to, estimate, days }) = backfill {
        let Estimate { slices, calls, seconds_at_limit, .. } = estimate;
        let at_limit = layout::at_limit(*seconds_at_limit);
        let share = match day.per_day {
            Some(_) => format!(", {} of a day's", percent(*calls, day.per_day)),
            None => String::new(),
        };
        let beside = match days {
            Some(1) => "within a day beside the daily calls".to_owned(),
            Some(days) => format!("{days} days beside the daily calls"),
            None => "it would never end, since the daily calls leave nothing".to_owned(),
        };
        all.push(format!(
            "a backfill from {from} to {to}: {}, {}{share}, {at_limit} at the rate limit; {beside}",
            count(*slices, "slice"),
            count(*calls, "call")
        ));
    }
    all
}
