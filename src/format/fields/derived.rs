//! Fields that are worked out from several members.

use std::borrow::Cow;

use crate::{
    domain::slice::Stream,
    format::view::{Texts, View},
};

/// The vendor's words for verdicts that are known, by how severe they are (0 to 10). Unknown ones
/// pass through as texts, but never become a part of an event's class.
pub(in crate::format) const VERDICTS: [(&str, u8); 8] = [
    ("malicious", 10),
    ("phishing", 9),
    ("bec", 9),
    ("scam", 8),
    ("spam", 4),
    ("graymail", 2),
    ("neutral", 1),
    ("noverdict", 1),
];

/// Those that somebody should look at.
pub(crate) const THREATS: [&str; 4] = ["bec", "scam", "phishing", "malicious"];

pub(in crate::format) fn is_threat(view: &View<'_>) -> bool {
    view.event.verdict.as_deref().is_some_and(|verdict| THREATS.contains(&verdict))
}

/// The verdict as one of the known words.
pub(super) fn verdict_word(view: &View<'_>) -> Option<&'static str> {
    let verdict = view.event.verdict.as_deref().unwrap_or("noverdict");
    VERDICTS.iter().map(|(word, _)| *word).find(|word| *word == verdict)
}

/// How severe an event is, 0 to 10: by its verdict, by the share of the licence that is used, by what
/// a health event says.
pub(in crate::format) fn severity(view: &View<'_>) -> u8 {
    match view.event.origin.stream {
        Stream::Messages => match verdict_word(view) {
            Some(known) => VERDICTS.iter().find(|(word, _)| *word == known).map_or(3, |(_, s)| *s),
            None => 3,
        },
        // What was refused, or did not work, may be somebody who tries.
        Stream::Audit if audit_outcome(view) == Some("success") => 1,
        Stream::Audit | Stream::Failures => 3,
        Stream::Summary => {
            let failures = view.text("postrider.delta.status.failure");
            let more = failures.is_some_and(|text| text.parse::<i64>().is_ok_and(|n| n > 0));
            if more { 3 } else { 1 }
        }
        Stream::Entitlement => {
            let share = view.text("postrider.usage.share").and_then(|text| text.parse().ok());
            match share.unwrap_or(0.0_f64) {
                share if share >= 1.0 => 8,
                share if share >= 0.9 => 7,
                share if share >= 0.8 => 5,
                _ => 1,
            }
        }
        Stream::Usage => 1,
        Stream::RelayUsers => match view.text("status").as_deref() {
            Some("revoked" | "invalid" | "expired") => 5,
            _ => 3,
        },
        Stream::Health => match view.text("severity").as_deref() {
            Some("critical") => 10,
            Some("error") => 8,
            Some("warning") => 5,
            _ => 3,
        },
    }
}

/// `success` or `failure`, of an audit line's `status`.
pub(super) fn audited<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    texts.extend(audit_outcome(view).map(Cow::Borrowed));
}

fn audit_outcome(view: &View<'_>) -> Option<&'static str> {
    let status = view.text("status")?.to_lowercase();
    Some(if status.starts_with("succ") { "success" } else { "failure" })
}

pub(super) fn verdict<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    let verdict = view.event.verdict.as_deref();
    texts.push(verdict.map_or(Cow::Borrowed("noverdict"), |word| word.to_owned().into()));
}

/// Where the message is, in the words of Splunk's model.
pub(super) fn outcome<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    texts.push(Cow::Borrowed(outcome_word(view)));
}

fn outcome_word(view: &View<'_>) -> &'static str {
    let lower = |path| view.text(path).map(|text| text.to_lowercase());
    let (done, folder) = (lower("action.type"), lower("action.folder"));
    match (done.as_deref(), folder.as_deref()) {
        (_, Some("quarantine")) => "quarantined",
        (Some("delete"), _) | (_, Some("deleteditems" | "trash")) => "deleted",
        _ => "delivered",
    }
}

/// What was done, with the folder: `move to quarantine`.
pub(super) fn action<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    match (view.text("action.type"), view.text("action.folder")) {
        (Some(done), Some(folder)) => texts.push(format!("{done} to {folder}").into()),
        (done, folder) => texts.extend(done.or(folder)),
    }
}

/// `new`, or `changed: verdict.latestVerdict, action`.
pub(super) fn change<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    let changed = view.texts("postrider.changed[]");
    let word = view.event.change.as_str();
    texts.push(if changed.is_empty() {
        word.into()
    } else {
        format!("{word}: {}", changed.join(", ")).into()
    });
}

pub(super) fn change_word<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    texts.push(view.event.change.as_str().into());
}

pub(super) fn event_id<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    texts.push(view.event.id.to_string().into());
}

pub(super) fn revision<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    texts.push(view.event.revision.to_string().into());
}

/// The event's time, RFC 3339.
pub(super) fn time<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    let time = jiff::Timestamp::from_millisecond(view.event.time_ms);
    texts.extend(time.ok().map(|time| format!("{time:.3}").into()));
}

pub(super) fn source<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    texts.push(view.event.origin.source.to_string().into());
}

/// `tenant=acme`.
pub(super) fn tags<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    texts.extend(view.event.origin.tags.iter().map(|(key, value)| format!("{key}={value}").into()));
}

fn domain(address: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@')?;
    let domain = domain.trim_end_matches(['>', ' ', '.']).to_lowercase();
    (!domain.is_empty()).then_some(domain)
}

pub(super) fn sender_domain<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    let domain = view.text("fromAddress").and_then(|address| domain(&address));
    texts.extend(domain.map(Cow::Owned));
}

pub(super) fn recipient_domains<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    let mailboxes = view.texts("mailboxes[]");
    texts.extend(mailboxes.iter().filter_map(|address| domain(address)).map(Cow::Owned));
    super::once(texts);
}

/// Of ECS and OCSF: `inbound`, `outbound`, `internal`.
pub(super) fn direction<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    let Some(direction) = view.text("direction") else { return };
    texts.push(match direction.to_lowercase().as_str() {
        "incoming" => "inbound".into(),
        "outgoing" => "outbound".into(),
        _ => direction,
    });
}

/// CEF's: 0 in, 1 out; none for what stays inside.
pub(super) fn device_direction<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    match view.text("direction").map(|text| text.to_lowercase()).as_deref() {
        Some("incoming") => texts.push("0".into()),
        Some("outgoing") => texts.push("1".into()),
        _ => {}
    }
}

/// OCSF's number.
pub(super) fn direction_id<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    let Some(direction) = view.text("direction") else { return };
    texts.push(match direction.to_lowercase().as_str() {
        "incoming" => "1".into(),
        "outgoing" => "2".into(),
        "internal" => "3".into(),
        _ => "99".into(),
    });
}

/// Counters that a revision adds, `name=value`, those that are not zero.
pub(super) fn delta<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    view.each("postrider.delta.status", |status| {
        for (name, value) in status.pairs() {
            if &*value != "0" {
                texts.push(pair((name, value)));
            }
        }
    });
}

/// `code=count`, those that are not zero.
pub(super) fn details<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    view.each("postrider.details[]", |detail| {
        let (code, count) = (detail.text("code"), detail.text("count"));
        texts.extend(code.zip(count).filter(|(_, count)| count != "0").map(pair));
    });
}

fn pair((name, value): (Cow<'_, str>, Cow<'_, str>)) -> Cow<'static, str> {
    format!("{name}={value}").into()
}

/// `usage` of an entitlement by application, `name=bytes`.
pub(super) fn applications<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    view.each("postrider.usage.applications[]", |used| {
        texts.extend(used.text("application").zip(used.text("bytes")).map(pair));
    });
}

/// The used share of the licence in percent, one digit behind the point.
pub(super) fn used_percent<'a>(view: &View<'a>, texts: &mut Texts<'a>) {
    let share = view.text("postrider.usage.share").and_then(|text| text.parse::<f64>().ok());
    texts.extend(share.map(|share| format!("{:.1}", share * 100.0).into()));
}
