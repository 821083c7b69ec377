//! One simulated message: what it is, what became of it until a given time, and its JSON.

use std::fmt::Write as _;

use super::{
    dice::{Dice, mix, one_in},
    etd::{Quirks, UrlStyle},
    timeline::timestamp,
    words::{DIRECTIONS, DOMAINS, FILES, HOSTS, NAMES, SENDERS, SUBJECTS, TECHNIQUES, THREATS},
};

const SECOND: i64 = 1_000_000_000;

/// A change that a test or a person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// A later analysis convicts the message and moves it to quarantine.
    RetroVerdict,
    /// A person declares it clean.
    Clearance,
    /// A person moves it to quarantine.
    Remediation,
    /// A person moves it back to the inbox.
    Release,
}

/// What stays the same about a message. Cheap: searches with filters make one for each candidate.
pub(super) struct Profile {
    pub(super) direction: &'static str,
    /// The first verdict, "" for none.
    pub(super) verdict: &'static str,
    pub(super) time: i64,
    key: u64,
    subject: &'static str,
    pub(super) urls: u64,
    attachments: u64,
}

struct Action {
    kind: &'static str,
    folder: &'static str,
    at: i64,
    auto: bool,
}

/// What became of a message until some time.
pub(super) struct State {
    original: &'static str,
    pub(super) latest: &'static str,
    retro: bool,
    manual: bool,
    at: i64,
    action: Option<Action>,
    /// How often it changed after its first verdict.
    pub(super) changes: u32,
}

impl Profile {
    pub(super) fn new(seed: u64, index: u64, time: i64, quirks: &Quirks) -> Self {
        let mut dice = Dice::new(seed ^ 0x3E55, index);
        let direction = match dice.below(100) {
            0..=79 => DIRECTIONS[0],
            80..=91 => DIRECTIONS[1],
            92..=98 => DIRECTIONS[2],
            _ => DIRECTIONS[3],
        };
        let verdict = match dice.below(100) {
            0..=60 => "neutral",
            61..=72 => "spam",
            73..=83 => "graymail",
            84..=88 => "phishing",
            89..=90 => "malicious",
            91..=92 => "scam",
            93 => "bec",
            _ => "",
        };
        let unknown = one_in(quirks.unknown_verdict_every, seed ^ 0x0DD, index);
        let (subject, urls, attachments) =
            (dice.pick(SUBJECTS), 2 + dice.below(5), dice.below(6).saturating_sub(3));
        Self {
            direction,
            verdict: if unknown { "impersonation" } else { verdict },
            time,
            key: mix(seed ^ 0xF00D, index),
            subject,
            urls,
            attachments,
        }
    }

    pub(super) fn subject(&self) -> String {
        format!("{} {}", self.subject, self.key % 100_000)
    }

    pub(super) fn url(&self, number: u64) -> String {
        let mut dice = Dice::new(self.key, 100 + number);
        let (host, document) = (dice.pick(HOSTS), dice.next());
        let (recipient, campaign) = (dice.next(), dice.next());
        format!(
            "{host}/{document:016x}?utm_source=newsletter&utm_medium=email&recipient={recipient:016x}\
             &campaign={campaign:016x}"
        )
    }

    /// Name and SHA-256 of each attachment.
    pub(super) fn attachments(&self) -> impl Iterator<Item = (&'static str, String)> {
        (0..self.attachments).map(|number| {
            let mut dice = Dice::new(self.key, 200 + number);
            let name = dice.pick(FILES);
            let mut hash = String::with_capacity(64);
            for _ in 0..4 {
                let _ = write!(hash, "{:016x}", dice.next());
            }
            (name, hash)
        })
    }

    pub(super) fn state(
        &self,
        seed: u64,
        index: u64,
        now: i64,
        quirks: &Quirks,
        changes: &[(i64, Change)],
    ) -> State {
        let mut dice = Dice::new(self.key, 1);
        let analysed = match one_in(quirks.late_verdict_every, seed ^ 0x1A7E, index) {
            true => 600 + i64::try_from(dice.below(6_600)).unwrap_or(0),
            false => 1 + i64::try_from(dice.below(30)).unwrap_or(0),
        };
        let at = self.time.saturating_add(analysed * SECOND);
        let reaction = i64::try_from(dice.below(7)).unwrap_or(0) + 1;
        let mut state = State {
            original: "",
            latest: "",
            retro: false,
            manual: false,
            at,
            action: None,
            changes: 0,
        };
        if at <= now {
            (state.original, state.latest) = (self.verdict, self.verdict);
            let moved = at.saturating_add(reaction * SECOND);
            let folder = match self.verdict {
                threat if THREATS.contains(&threat) => Some("quarantine"),
                "spam" => Some("junkemail"),
                _ => None,
            };
            state.action = folder.filter(|_| moved <= now).map(|folder| Action {
                kind: "move",
                folder,
                at: moved,
                auto: true,
            });
        }
        let convicted = self.verdict == "neutral"
            && self.direction == "incoming"
            && one_in(quirks.retro_every, seed ^ 0x2E72, index);
        if convicted {
            let later = 3_600 + i64::try_from(dice.below(70 * 3_600)).unwrap_or(0);
            let at = self.time.saturating_add(later * SECOND);
            if at <= now {
                state.apply(at, Change::RetroVerdict);
            }
        }
        for (at, change) in changes {
            state.apply(*at, *change);
        }
        state
    }

    /// Appends the message as compact JSON. `order` varies what has no meaning: the order of lists
    /// and empty members; 0 is the canonical form.
    pub(super) fn write(
        &self,
        id: uuid::Uuid,
        state: &State,
        quirks: &Quirks,
        order: u64,
        out: &mut String,
    ) {
        let mut dice = Dice::new(self.key, 2);
        let (sender, address) = dice.pick(SENDERS);
        let domain = dice.pick(DOMAINS);
        let internal = self.direction == "internal" || self.direction == "outgoing";
        let from = if internal { "postmaster@example.com" } else { address };
        let _ = write!(
            out,
            r#"{{"id":"{id}","timestamp":"{}","internetMessageId":"<{:016x}.{:08x}@mail.example.net>","subject":"#,
            timestamp(self.time),
            self.key,
            dice.next() >> 32,
        );
        if one_in(quirks.lone_surrogate_every, self.key, 3) {
            out.push_str(r#""half \ud83d of an emoji""#);
        } else {
            text(&self.subject(), out);
        }
        out.push_str(r#","senderName":"#);
        text(sender, out);
        let _ = write!(
            out,
            r#","fromAddress":"{from}","envelopeFrom":"{from}","returnPath":"bounce+{:012x}@mail.example.net""#,
            dice.next() >> 16
        );
        let recipients: Vec<String> = (0..=dice.below(3))
            .map(|_| format!("{}.{}@{domain}", dice.pick(NAMES), dice.below(1_000)))
            .collect();
        let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
        for member in ["toAddresses", "mailboxes", "envelopeTo", "deliveredTo"] {
            let _ = write!(out, r#","{member}":"#);
            strings(&recipients, order, out);
        }
        if dice.chance(10) {
            let _ = write!(out, r#","ccAddresses":["{}@partner.example.org"]"#, dice.pick(NAMES));
        } else if order % 4 == 3 {
            out.push_str(r#","ccAddresses":[],"rule":null"#);
        }
        if dice.chance(20) {
            let _ = write!(out, r#","replyTo":["{address}"]"#);
        }
        let (a, b) = (dice.below(256), dice.below(256));
        match dice.below(20) {
            0 => {
                let _ = write!(out, r#","clientIP":"2001:db8::{a:x}:{b:x}""#);
            }
            1 => out.push_str(r#","clientIP":"::1""#),
            _ => {
                let _ = write!(out, r#","clientIP":"203.0.113.{a}""#);
            }
        }
        let _ = write!(out, r#","serverIP":"10.{a}.{b}.36","direction":"{}""#, self.direction);
        if self.direction != "outgoing" {
            let _ = write!(out, r#","domain":"{domain}""#);
        }
        match dice.below(5) {
            0 => out.push_str(r#","secureEmailGateway":{}"#),
            1 => {
                let _ = write!(
                    out,
                    r#","secureEmailGateway":{{"headerName":"X-IronPort-RemoteIP","originalCip":"198.51.100.{a}"}}"#
                );
            }
            2 => {
                let _ = write!(
                    out,
                    r#","secureEmailGateway":{{"gatewayType":"ciscoDefault","originalCIP":"198.51.100.{a}"}}"#
                );
            }
            3 => {
                let _ = write!(
                    out,
                    r#","secureEmailGateway":{{"headerName":"X-IronPort-RemoteIP","originalCIP":"198.51.100.{a}"}}"#
                );
            }
            _ => {}
        }
        self.write_urls(quirks, order, out);
        let attachments: Vec<String> = self
            .attachments()
            .map(|(name, hash)| format!(r#"{{"filename":"{name}","SHA256":"{hash}"}}"#))
            .collect();
        if !attachments.is_empty() {
            out.push_str(r#","attachments":"#);
            list(&attachments, order, out);
        }
        state.write(&mut dice, order, out);
        if one_in(quirks.unknown_member_every, self.key, 4) {
            out.push_str(r#","x-new":{"score":1.50,"large":123456789012345678901234567890,"tiny":1E-7,"list":[[],null]}"#);
        }
        out.push('}');
    }

    fn write_urls(&self, quirks: &Quirks, order: u64, out: &mut String) {
        let style = match quirks.urls {
            UrlStyle::Mixed => match self.key % 3 {
                0 => UrlStyle::Urls,
                1 => UrlStyle::Both,
                _ => UrlStyle::Metadata,
            },
            style => style,
        };
        let urls: Vec<String> = (0..self.urls).map(|number| self.url(number)).collect();
        if style != UrlStyle::Metadata {
            let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
            out.push_str(r#","urls":"#);
            strings(&urls, order, out);
        }
        if style != UrlStyle::Urls {
            // Showing both doubles the size, as it did in the vendor's transition.
            let described: Vec<String> = urls
                .iter()
                .map(|url| format!(r#"{{"url":"{url}","isQrCode":{}}}"#, url.contains("ee")))
                .collect();
            out.push_str(r#","urlMetadata":"#);
            list(&described, order, out);
        }
    }
}

impl State {
    fn apply(&mut self, at: i64, change: Change) {
        self.changes += 1;
        let moved = |folder, auto, at| Some(Action { kind: "move", folder, at, auto });
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

    fn write(&self, dice: &mut Dice, order: u64, out: &mut String) {
        if self.latest.is_empty() {
            match order % 3 {
                0 => {}
                1 => out.push_str(r#","verdict":{}"#),
                _ => out.push_str(r#","verdict":null"#),
            }
        } else {
            let category = if THREATS.contains(&self.latest) { self.latest } else { "" };
            let user = if self.manual { "84030496-cdb9-5e5f-b32a-a75116151d1d" } else { "" };
            if !self.original.is_empty() {
                let _ = write!(out, r#","verdict":{{"originalVerdict":"{}""#, self.original);
            } else {
                out.push_str(r#","verdict":{"originalVerdict":"empty""#);
            }
            let _ = write!(
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
                    text(description, &mut item);
                    item.push('}');
                    item
                })
                .collect();
            list(&techniques, order, out);
            out.push('}');
        }
        if let Some(Action { kind, folder, at, auto }) = &self.action {
            let _ = write!(
                out,
                r#","action":{{"type":"{kind}","folder":"{folder}","timestamp":"{}","isAutoRemediated":{auto},"publicApiClientId":""}}"#,
                timestamp(*at)
            );
        }
    }
}

/// Appends `items` as a JSON list, turned by `order` places.
fn list(items: &[String], order: u64, out: &mut String) {
    out.push('[');
    let turn = usize::try_from(order % items.len().max(1) as u64).unwrap_or(0);
    for at in 0..items.len() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&items[(at + turn) % items.len()]);
    }
    out.push(']');
}

fn strings(items: &[&str], order: u64, out: &mut String) {
    // Addresses and URLs of ours need no escapes.
    let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
    list(&items, order, out);
}

/// Appends `value` as a JSON string.
pub(super) fn text(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
