//! How much of a licence is used.

use serde_json::Value;

use crate::{
    domain::{
        name::SourceName,
        severity::Severity,
        usage::{Usage, level},
    },
    health::matter::{Kind, Matter},
};

/// From the last survey.
pub(super) fn matters(name: &SourceName, usage: &Usage) -> Vec<Matter> {
    let mut matters = Vec::new();
    let end = usage
        .license_end
        .map_or_else(|| "an unknown day".to_owned(), |end| end.strftime("%Y-%m-%d").to_string());
    if let Some(percent) = level(usage) {
        let (condition, severity) = match percent {
            100.. => ("used_100_percent", Severity::Critical),
            90.. => ("used_90_percent", Severity::Error),
            _ => ("used_80_percent", Severity::Warning),
        };
        let message = format!(
            "At least {percent} % of the licence of the source {name} is used, which ends on {end}. \
             Ask the vendor for more, or have applications send less."
        );
        let kind = (Kind::Entitlement, condition);
        matters.push(detailed(Matter::new(name, "entitlement", kind, severity, message), usage));
    }
    if let Some(day) = usage.exhausted_on.filter(|_| usage.exhausted_before_end) {
        let message = format!(
            "The licence of the source {name} will be used up on {day} if use goes on like this, \
             before it ends on {end}. Ask the vendor for more, or have applications send less."
        );
        let kind = (Kind::EntitlementForecast, "exhausted_before_end");
        let matter = Matter::new(name, "entitlement_forecast", kind, Severity::Warning, message);
        matters.push(detailed(matter, usage));
    }
    matters
}

/// What events take over from the survey.
fn detailed(matter: Matter, usage: &Usage) -> Matter {
    matter
        .with("share", usage.share)
        .with("used_bytes", usage.used_bytes.map(bytes))
        .with("allowed_bytes", usage.allowed_bytes.map(bytes))
        .at("license_start", usage.license_start)
        .at("license_end", usage.license_end)
        .with("exhausted_on", usage.exhausted_on.map(|day| day.to_string()))
}

/// A JSON number, or a text where it is none of 64 bits.
fn bytes(count: i128) -> Value {
    u64::try_from(count).map_or_else(|_| count.to_string().into(), Value::from)
}
