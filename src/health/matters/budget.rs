//! What runs out: credentials and the day's calls.

use jiff::Timestamp;

use crate::{
    collect::budget::Held,
    config,
    domain::severity::Severity,
    health::matter::{Kind, Matter},
    store::{
        budget::midnight_after,
        conditions::{Condition, State},
    },
};

/// Days before the expiry at which it is told, and how much it matters then.
const AHEAD: [(i64, Severity); 4] =
    [(1, Severity::Error), (7, Severity::Warning), (14, Severity::Warning), (30, Severity::Info)];
const DAY: i64 = 86_400;

/// Whole days until then, rounded down; negative when it has passed.
pub fn days_left(expires: Timestamp, now: Timestamp) -> i64 {
    expires.duration_since(now).as_secs().div_euclid(DAY)
}

/// The word for how near an expiry is, and how much that matters; `None` beyond 30 days.
pub(super) fn nearness(expires: Timestamp, now: Timestamp) -> Option<(String, Severity)> {
    if expires <= now {
        return Some(("expired".to_owned(), Severity::Critical));
    }
    let left = expires.duration_since(now).as_secs();
    let (within, severity) = AHEAD.iter().find(|(within, _)| left <= within * DAY)?;
    let unit = if *within == 1 { "day" } else { "days" };
    Some((format!("expire_within_{within}_{unit}"), *severity))
}

/// Credentials that expire within 30 days, or have.
pub(super) fn credentials(config: &config::Source, now: Timestamp) -> Option<Matter> {
    let name = &config.name;
    let expires = config.credentials_expire?;
    let (condition, severity) = nearness(expires, now)?;
    let days = days_left(expires, now);
    let renew = "Renew them at the vendor, put the new secret where the old one is, and set \
                 credentials_expire to the new time.";
    let message = if expires <= now {
        format!("The credentials of the source {name} expired at {expires}. {renew}")
    } else {
        match days {
            0 => format!(
                "The credentials of the source {name} expire in less than a day, at {expires}. \
                 {renew}"
            ),
            1 => format!(
                "The credentials of the source {name} expire in 1 day, at {expires}. {renew}"
            ),
            _ => format!(
                "The credentials of the source {name} expire in {days} days, at {expires}. {renew}"
            ),
        }
    };
    let matter =
        Matter::new(name, "credentials", (Kind::Credentials, condition), severity, message);
    Some(matter.at("expires_at", Some(expires)).with("days", days))
}

/// The day's calls, once they are nearly used.
pub(super) fn quota(
    config: &config::Source,
    condition: Option<&Condition>,
    calls: u64,
    held: Option<&Held>,
    now: Timestamp,
) -> Option<Matter> {
    let name = &config.name;
    let per_day = config.rate_limit.per_day.map(u64::from);
    let by_vendor = condition.filter(|it| it.state == State::QuotaSpent);
    let day_ends = midnight_after(now);
    let of = per_day.map_or_else(|| calls.to_string(), |most| format!("{calls} of {most}"));
    let (word, severity, until, message) = if let Some(spent) = by_vendor {
        // Over, but not tried yet.
        let Some(until) = spent.until.filter(|until| *until > now) else {
            return Some(Matter::keep(name, "quota", Kind::Quota));
        };
        let message = format!(
            "The day's calls of the source {name} are spent ({of}); collecting goes on at {until}. \
             If this happens often, ask the vendor for more, or lengthen its schedule and resweeps."
        );
        ("spent", Severity::Error, until, message)
    } else if let Some(held) = held {
        let message = format!(
            "The source {name} has used {of} calls of the day. What is left is kept for live \
             collection; {} {} until {}.",
            passes(held).join(" and "),
            if held.passes.len() == 1 { "waits" } else { "wait" },
            held.until
        );
        ("held_back", Severity::Warning, held.until, message)
    } else if per_day.is_some_and(|most| calls * 10 >= most * 9) {
        let message = format!(
            "The source {name} has used {of} calls of the day; when none is left, collecting goes \
             on at {day_ends}."
        );
        ("nearly_used", Severity::Warning, day_ends, message)
    } else {
        return None;
    };
    let matter = Matter::new(name, "quota", (Kind::Quota, word), severity, message)
        .with("calls", calls)
        .with("per_day", per_day)
        .at("until", Some(until));
    Some(match held {
        Some(held) if word == "held_back" => matter.with("passes", passes(held)),
        _ => matter,
    })
}

fn passes(held: &Held) -> Vec<&'static str> {
    held.passes.iter().map(|pass| pass.as_str()).collect()
}
