//! What became of a message.

use super::{Change, json};
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
                    json::text(description, &mut item);
                    item.push('}');
                    item
                })
                .collect();
            json::list(&techniques, order, out);
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
}
