//! One simulated message: what it is, what became of it until a given time, and its JSON.

mod json;
mod state;

use self::state::Action;
pub(super) use self::state::State;
use super::{
    dice::{Dice, mix, one_in},
    etd::{Quirks, UrlStyle},
    timeline::timestamp,
    words::{DIRECTIONS, DOMAINS, FILES, HOSTS, NAMES, SENDERS, SUBJECTS, THREATS},
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

/// When things happen to a message by themselves.
pub(super) struct Course {
    /// The first verdict comes long after the message did.
    pub(super) is_late: bool,
    pub(super) verdict: i64,
    /// If there is one.
    pub(super) action: i64,
    /// A later analysis.
    pub(super) conviction: Option<i64>,
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
            (dice.pick(SUBJECTS), 3 + dice.below(5), dice.below(6).saturating_sub(3));
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
             &campaign={campaign:016x}&utm_content=primary-call-to-action-below-the-fold"
        )
    }

    /// Name and SHA-256 of each attachment.
    pub(super) fn attachments(&self) -> impl Iterator<Item = (&'static str, String)> {
        (0..self.attachments).map(|number| {
            let mut dice = Dice::new(self.key, 200 + number);
            let name = dice.pick(FILES);
            let mut hash = String::with_capacity(64);
            for _ in 0..4 {
                put!(&mut hash, "{:016x}", dice.next());
            }
            (name, hash)
        })
    }

    /// When things happen to the message by themselves.
    pub(super) fn course(&self, seed: u64, index: u64, quirks: &Quirks) -> Course {
        let mut dice = Dice::new(self.key, 1);
        let is_late = one_in(quirks.late_verdict_every, seed ^ 0x1A7E, index);
        let (soonest, span) = if is_late { (600, 6_600) } else { (1, 30) };
        let analysed = soonest + i64::try_from(dice.below(span)).unwrap_or(0);
        let at = self.time.saturating_add(analysed * SECOND);
        let reaction = i64::try_from(dice.below(7)).unwrap_or(0) + 1;
        let convicted = self.verdict == "neutral"
            && self.direction == "incoming"
            && one_in(quirks.retro_every, seed ^ 0x2E72, index);
        let later = 3_600 + i64::try_from(dice.below(70 * 3_600)).unwrap_or(0);
        let conviction = convicted.then(|| self.time.saturating_add(later * SECOND));
        Course { is_late, verdict: at, action: at.saturating_add(reaction * SECOND), conviction }
    }

    pub(super) fn state(
        &self,
        seed: u64,
        index: u64,
        now: i64,
        quirks: &Quirks,
        changes: &[(i64, Change)],
    ) -> State {
        let course = self.course(seed, index, quirks);
        let mut state = State {
            original: "",
            latest: "",
            retro: false,
            manual: false,
            at: course.verdict,
            action: None,
            changes: 0,
        };
        if course.verdict <= now {
            (state.original, state.latest) = (self.verdict, self.verdict);
            let folder = match self.verdict {
                threat if THREATS.contains(&threat) => Some("quarantine"),
                "spam" => Some("junkemail"),
                _ => None,
            };
            state.action = folder.filter(|_| course.action <= now).map(|folder| Action {
                folder,
                at: course.action,
                auto: true,
            });
        }
        let conviction = course.conviction.filter(|at| *at <= now);
        let mut conviction = conviction.map(|at| (at, Change::RetroVerdict));
        for (at, change) in changes.iter().filter(|(at, _)| *at <= now) {
            if let Some((at, change)) = conviction.take_if(|(earlier, _)| *earlier < *at) {
                state.apply(at, change);
            }
            state.apply(*at, *change);
        }
        if let Some((at, change)) = conviction {
            state.apply(at, change);
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
        put!(
            out,
            r#"{{"id":"{id}","timestamp":"{}","internetMessageId":"<{:016x}.{:08x}@mail.example.net>","subject":"#,
            timestamp(self.time),
            self.key,
            dice.next() >> 32,
        );
        if one_in(quirks.lone_surrogate_every, self.key, 3) {
            out.push_str(r#""half \ud83d of an emoji""#);
        } else {
            json::text(&self.subject(), out);
        }
        out.push_str(r#","senderName":"#);
        json::text(sender, out);
        put!(
            out,
            r#","fromAddress":"{from}","envelopeFrom":"{from}","returnPath":"bounce+{:012x}@mail.example.net""#,
            dice.next() >> 16
        );
        let recipients: Vec<String> = (0..=dice.below(3))
            .map(|_| format!("{}.{}@{domain}", dice.pick(NAMES), dice.below(1_000)))
            .collect();
        let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
        for member in ["toAddresses", "mailboxes", "envelopeTo", "deliveredTo"] {
            put!(out, r#","{member}":"#);
            json::strings(&recipients, order, out);
        }
        if dice.chance(10) {
            put!(out, r#","ccAddresses":["{}@partner.example.org"]"#, dice.pick(NAMES));
        } else if order % 4 == 3 {
            out.push_str(r#","ccAddresses":[],"rule":null"#);
        }
        if dice.chance(20) {
            put!(out, r#","replyTo":["{address}"]"#);
        }
        let (a, b) = (dice.below(256), dice.below(256));
        match dice.below(20) {
            0 => {
                put!(out, r#","clientIP":"2001:db8::{a:x}:{b:x}""#);
            }
            1 => out.push_str(r#","clientIP":"::1""#),
            _ => {
                put!(out, r#","clientIP":"203.0.113.{a}""#);
            }
        }
        put!(out, r#","serverIP":"10.{a}.{b}.36","direction":"{}""#, self.direction);
        if self.direction != "outgoing" {
            put!(out, r#","domain":"{domain}""#);
        }
        match dice.below(5) {
            0 => out.push_str(r#","secureEmailGateway":{}"#),
            1 => {
                put!(
                    out,
                    r#","secureEmailGateway":{{"headerName":"X-IronPort-RemoteIP","originalCip":"198.51.100.{a}"}}"#
                );
            }
            2 => {
                put!(
                    out,
                    r#","secureEmailGateway":{{"gatewayType":"ciscoDefault","originalCIP":"198.51.100.{a}"}}"#
                );
            }
            3 => {
                put!(
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
            json::list(&attachments, order, out);
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
            json::strings(&urls, order, out);
        }
        if style != UrlStyle::Urls {
            // Showing both doubles the size, as it did in the vendor's transition.
            let described: Vec<String> = urls
                .iter()
                .map(|url| format!(r#"{{"url":"{url}","isQrCode":{}}}"#, url.contains("ee")))
                .collect();
            out.push_str(r#","urlMetadata":"#);
            json::list(&described, order, out);
        }
    }
}
