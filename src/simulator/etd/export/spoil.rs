//! What goes wrong with files of the log export.

use std::{collections::HashMap, str::FromStr, sync::Mutex};

use super::{Etd, File, packed};
use crate::simulator::{desk::Answer, dice::one_in, locked};

/// One way in which a file is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpoilKind {
    /// Gzip that ends in the midst.
    BrokenGzip,
    /// The last line is half there.
    HalfLine,
    /// A line of 50 MB among the others.
    LongLine,
    /// A web page.
    Html,
    /// The link has expired, whatever it says.
    Expired,
    /// The file is not there.
    Gone,
}

impl SpoilKind {
    pub const ALL: [Self; 6] =
        [Self::BrokenGzip, Self::HalfLine, Self::LongLine, Self::Html, Self::Expired, Self::Gone];

    pub fn name(self) -> &'static str {
        match self {
            Self::BrokenGzip => "broken_gzip",
            Self::HalfLine => "half_line",
            Self::LongLine => "long_line",
            Self::Html => "html",
            Self::Expired => "expired",
            Self::Gone => "gone",
        }
    }
}

impl FromStr for SpoilKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = Self::ALL;
        all.into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("no such trouble; there are {}", all.map(Self::name).join(", ")))
    }
}

/// One in `every` files is spoiled so at its first `times` readings; for good where that is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoil {
    pub kind: SpoilKind,
    pub every: u32,
    pub times: u32,
}

/// How often each file was spoiled, by the number of the spoil.
pub(in crate::simulator) type Spoiled = Mutex<HashMap<(usize, String), u32>>;

impl Etd {
    /// The answer in the place of a file's, where it is spoiled now.
    pub(super) fn spoiled(&self, file: &File, path: &str, lines: &[String]) -> Option<Answer> {
        let spoils = self.options.log_export.spoils.iter().enumerate();
        let number = file.hour.unsigned_abs() * 1_000 + file.part as u64;
        let kind = spoils.filter(|(at, spoil)| {
            one_in(spoil.every, self.desk.seed ^ 0x5B01 ^ *at as u64, number)
        });
        let kind = kind.map(|(at, spoil)| (at, *spoil)).find(|(at, spoil)| {
            let mut spoiled = locked(&self.spoiled);
            let times = spoiled.entry((*at, path.to_owned())).or_default();
            let hit = spoil.times == 0 || *times < spoil.times;
            *times += u32::from(hit);
            hit
        });
        let (_, Spoil { kind, .. }) = kind?;
        let text = lines.join("\n") + "\n";
        let refused = |status, code: &str, message: &str| {
            Answer::text(
                status,
                format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
            )
        };
        Some(match kind {
            SpoilKind::BrokenGzip => {
                let mut body = packed(&text);
                body.truncate(body.len() / 2);
                Answer::text(200, body)
            }
            SpoilKind::HalfLine => {
                let cut = text.len().saturating_sub(lines.last().map_or(0, String::len) / 2);
                Answer::text(200, text.as_bytes().get(..cut).unwrap_or_default())
            }
            SpoilKind::LongLine => {
                let long = format!(
                    "{{\"logType\":\"message\",\"junk\":\"{}\"}}\n",
                    "x".repeat(50_000_000)
                );
                Answer::text(200, long + &text)
            }
            SpoilKind::Html => {
                Answer::html(200, "<!doctype html><html><body>Sign in</body></html>")
            }
            SpoilKind::Expired => refused(403, "AccessDenied", "Request has expired"),
            SpoilKind::Gone => refused(404, "NoSuchKey", "The specified key does not exist."),
        })
    }
}
