//! What became of a message.

use serde_json::{Value, json};

use super::{Change, json as text};
use crate::simulator::{
    dice::Dice,
    timeline::timestamp,
    words::{TECHNIQUES, THREATS},
};

const SECOND: i64 = 1_000_000_000;

pub(super) struct Action {
    pub(super) folder: &'static str,
    pub(super) at: i64,
    pub(super) auto: bool,
}

/// What became of a message until some time.
pub(crate) struct State {
    pub(super) original: &'static str,
    pub(crate) latest: &'static str,
    pub(crate) retro: bool,
    pub(super) manual: bool,
    pub(super) at: i64,
    pub(super) action: Option<Action>,
    /// How often it changed after its first verdict.
    pub(crate) changes: u32,
}

impl State {
    pub(super) fn apply(&mut self, at: i64, change: Change) {
        self.changes += 1;
        let moved = |folder, auto, at| Some(Action { folder, at, auto });
        match change {
            Change::RetroVerdict => {
                // A second conviction must differ from the first, or nothing would change.
                self.latest = if self.latest == "phishing" { "malicious" } else { "phishing" };
                (self.retro, self.manual, self.at) = (true, false, at);
                self.action = moved("quarantine", true, at.saturating_add(3 * SECOND));
            }
            Change::Clearance => {
                (self.latest, self.manual, self.at) = ("neutral", true, at);
            }
            Change::Remediation => self.action = moved("quarantine", false, at),
            Change::Release => self.action = moved("inbox", false, at),
        }
    }

    pub(super) fn write(&self, dice: &mut Dice, order: u64, out: &mut String) {
        if self.latest.is_empty() {
            match order % 3 {
                0 => {}
                1 => out.push_str(r#","verdict":{}"#),
                _ => out.push_str(r#","verdict":null"#),
            }
        } else {
            let category = if THREATS.contains(&self.latest) { self.latest } else { "" };
            let user = if self.manual { "84030496-cdb9-5e5f-b32a-a75116151d1d" } else { "" };
            let original = if self.original.is_empty() { "empty" } else { self.original };
            put!(out, r#","verdict":{{"originalVerdict":"{original}""#);
            put!(
                out,
                r#","latestVerdict":"{}","category":"{category}","isRetroVerdict":{},"isManualVerdict":{},"timestamp":"{}","userId":"{user}","publicApiClientId":"","businessRisk":"","techniques":"#,
                self.latest,
                self.retro,
                self.manual,
                timestamp(self.at),
            );
            let threat = THREATS.contains(&self.latest) || THREATS.contains(&self.original);
            let first = dice.below(TECHNIQUES.len() as u64);
            let techniques: Vec<String> = (0..if threat { 2 + dice.below(2) } else { 0 })
                .filter_map(|n| usize::try_from((first + n) % TECHNIQUES.len() as u64).ok())
                .map(|n| {
                    let (kind, severity, description) = TECHNIQUES[n];
                    let mut item =
                        format!(r#"{{"type":"{kind}","severity":{severity},"description":"#);
                    text::text(description, &mut item);
                    item.push('}');
                    item
                })
                .collect();
            text::list(&techniques, order, out);
            out.push('}');
        }
        if let Some(Action { folder, at, auto }) = &self.action {
            put!(
                out,
                r#","action":{{"type":"move","folder":"{folder}","timestamp":"{}","isAutoRemediated":{auto},"publicApiClientId":""}}"#,
                timestamp(*at)
            );
        }
    }

    /// Puts what a `create` of the log export says of it into `line`.
    pub(crate) fn log(&self, line: &mut Value) {
        if !self.latest.is_empty() {
            let category = if THREATS.contains(&self.latest) { self.latest } else { "" };
            line["verdict"] = json!({
                "verdict": self.latest,
                "category": category,
                "timestamp": timestamp(self.at).to_string(),
            });
        }
        if let Some(action) = &self.action {
            line["action"] = action.log();
        }
    }

    /// What an `update` of the log export says of each difference to `before`.
    pub(crate) fn log_since(&self, before: &Self) -> Vec<Value> {
        let mut changes = Vec::new();
        if (self.latest, self.at) != (before.latest, before.at) && !self.latest.is_empty()
            || before.latest.is_empty() && !self.latest.is_empty()
        {
            let by = if self.manual { "user" } else { "automatic" };
            let mut verdict = json!({
                "verdict": self.latest,
                "reclassifiedBy": by,
                "timestamp": timestamp(self.at).to_string(),
            });
            if self.manual {
                verdict["user"] = json!("84030496-cdb9-5e5f-b32a-a75116151d1d");
            }
            changes.push(json!({ "verdict": verdict }));
        }
        let moved = |state: &Self| state.action.as_ref().map(|action| (action.at, action.folder));
        if let (Some(action), true) = (&self.action, moved(self) != moved(before)) {
            changes.push(json!({ "action": action.log() }));
        }
        changes
    }
}

impl Action {
    fn log(&self) -> Value {
        let by = if self.auto { "automatic" } else { "manual" };
        json!({
            "action": "move",
            "folder": self.folder,
            "remediatedBy": by,
            "timestamp": timestamp(self.at).to_string(),
        })
    }
}
