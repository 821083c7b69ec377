//! How much of a licence is used.

use serde_json::Value;

use crate::{
    domain::{name::SourceName, severity::Severity},
    health::matter::{Kind, Matter},
};

/// Shares at which it is told, and how much it matters then.
const LEVELS: [(f64, &str, Severity); 3] = [
    (1.0, "used_100_percent", Severity::Critical),
    (0.9, "used_90_percent", Severity::Error),
    (0.8, "used_80_percent", Severity::Warning),
];
/// What events take over from the survey.
const DETAILS: [&str; 6] =
    ["share", "used_bytes", "allowed_bytes", "license_start", "license_end", "exhausted_on"];

/// From the last survey, as JSON.
pub(super) fn matters(name: &SourceName, usage: &str) -> Vec<Matter> {
    let usage: Value = serde_json::from_str(usage).unwrap_or_default();
    let detailed = |matter: Matter| {
        DETAILS.into_iter().fold(matter, |matter, key| {
            matter.with(key, usage.get(key).cloned().unwrap_or_default())
        })
    };
    // The day is enough, of what may be a time.
    let day = |key: &str| {
        let text = usage.get(key).and_then(Value::as_str).unwrap_or("an unknown day");
        text.split('T').next().unwrap_or(text)
    };
    let mut matters = Vec::new();
    let share = usage.get("share").and_then(Value::as_f64).unwrap_or_default();
    if let Some((level, condition, severity)) = LEVELS.iter().find(|(level, ..)| share >= *level) {
        let message = format!(
            "At least {:.0} % of the licence of the source {name} is used, which ends on {}. Ask \
             the vendor for more, or have applications send less.",
            level * 100.0,
            day("license_end")
        );
        let kind = (Kind::Entitlement, *condition);
        matters.push(detailed(Matter::new(name, "entitlement", kind, *severity, message)));
    }
    if usage.get("exhausted_before_end").and_then(Value::as_bool) == Some(true) {
        let message = format!(
            "The licence of the source {name} will be used up on {} if use goes on like this, \
             before it ends on {}. Ask the vendor for more, or have applications send less.",
            day("exhausted_on"),
            day("license_end")
        );
        let kind = (Kind::EntitlementForecast, "exhausted_before_end");
        let matter = Matter::new(name, "entitlement_forecast", kind, Severity::Warning, message);
        matters.push(detailed(matter));
    }
    matters
}
