//! The log export: `POST /v1/logs/downloadLinks`, and the files behind the links it gives out, in
//! the place of a store that is not the API.

use std::{io::Write as _, time::Duration};

use axum::{body::Bytes, http::request::Parts};
use flate2::{Compression, write::GzEncoder};
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Etd, header};
use crate::simulator::{
    desk::Answer,
    dice::{mix, one_in},
};

mod lines;
mod spoil;

pub(in crate::simulator) use spoil::Spoiled;
pub use spoil::{Spoil, SpoilKind};

pub(super) const HOUR: i64 = 3_600;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    Lines,
    Array,
    Gzip,
    /// Each file one of the three.
    Mixed,
}

/// What the log export is like.
#[derive(Debug, Clone)]
pub struct LogExport {
    /// The log types that are switched on in the console; others are not in answers at all.
    pub types: Vec<&'static str>,
    /// Nothing is there from before.
    pub since: Timestamp,
    /// How long after its hour's end a file appears, and one of `late_every` files.
    pub after: Duration,
    pub late: Duration,
    pub late_every: u32,
    /// Links of one type in an answer; the rest is dropped without a word.
    pub most_links: usize,
    pub lines_a_file: usize,
    pub link_life: Duration,
    pub retention: Duration,
    pub form: LogForm,
    pub spoils: Vec<Spoil>,
    /// When a type was switched off: it is in no answer then, and nothing is ever written of it.
    pub off: Vec<(&'static str, [Timestamp; 2])>,
    /// Where the files are, such as `https://files.invalid`; `None` for the API's own address.
    pub files_at: Option<String>,
}

impl Default for LogExport {
    fn default() -> Self {
        Self {
            types: vec!["message", "audit"],
            since: Timestamp::MIN,
            after: Duration::from_secs(10 * 60),
            late: Duration::from_secs(100 * 60),
            late_every: 5,
            most_links: 200,
            lines_a_file: 500,
            link_life: Duration::from_secs(3_600),
            retention: Duration::from_secs(30 * 86_400),
            form: LogForm::Mixed,
            spoils: Vec::new(),
            off: Vec::new(),
            files_at: None,
        }
    }
}

impl LogExport {
    pub(super) fn is_off(&self, log_type: &str, at: Timestamp) -> bool {
        self.off.iter().any(|(of, [from, to])| *of == log_type && (*from..*to).contains(&at))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Query {
    time_range: [String; 2],
    log_types: Vec<String>,
}

/// A file: the hour it is of, seconds since 1970, its type, and which one of these it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    hour: i64,
    log_type: &'static str,
    part: usize,
}

impl Etd {
    /// Links to the files of [start, end), at most three hours that are over.
    pub(super) fn links(&self, parts: &Parts, body: &Bytes, now: Timestamp) -> Answer {
        const TYPES: [&str; 3] = ["message", "audit", "connection"];
        let query = serde_json::from_slice::<Query>(body).ok();
        let Some((from, to, types)) = query.and_then(|query| {
            let [from, to] = [hour(&query.time_range[0])?, hour(&query.time_range[1])?];
            let known = |word: &String| TYPES.into_iter().find(|known| known == word);
            let types: Vec<_> = query.log_types.iter().map(known).collect::<Option<_>>()?;
            (!types.is_empty()).then_some((from, to, types))
        }) else {
            return self.error(400, "Unable to deserialize request body");
        };
        let export = &self.options.log_export;
        let oldest = now.checked_sub(export.retention).unwrap_or(Timestamp::MIN).as_second();
        if from >= to || to - from > 3 * HOUR || to > now.as_second() || from < oldest {
            return self.error(400, "Invalid daterange");
        }
        let here = || format!("http://{}", header(parts, "host").unwrap_or("localhost"));
        let base = export.files_at.clone().unwrap_or_else(here);
        let expires = now.checked_add(export.link_life).unwrap_or(Timestamp::MAX).as_second();
        let mut data = Map::new();
        let is_on = |known: &&str| export.types.contains(known) && !export.is_off(known, now);
        for log_type in types.into_iter().filter(is_on) {
            let hours = (from..to).step_by(3_600);
            let files = hours.flat_map(|hour| self.files(hour, log_type, now));
            let link = |file: File| {
                let path = file.path();
                let signature = self.signature(&path, expires);
                format!("{base}{path}?X-Amz-Expires={expires}&X-Amz-Signature={signature:016x}")
            };
            let links = files.take(export.most_links).map(link).map(Value::from).collect();
            data.insert(log_type.to_owned(), Value::Array(links));
        }
        let mut answer = Map::new();
        answer.insert("data".to_owned(), Value::Object(data));
        Answer::value(200, &Value::Object(answer))
    }

    /// The files of an hour that are there at `now`.
    fn files(&self, hour: i64, log_type: &'static str, now: Timestamp) -> Vec<File> {
        let export = &self.options.log_export;
        if hour < export.since.as_second() {
            return Vec::new();
        }
        let lines = self.log_lines(hour, log_type, now).len();
        let end = Timestamp::from_second(hour + HOUR).unwrap_or(Timestamp::MAX);
        let is_there = |file: &File| {
            let number = hour.unsigned_abs() * 1_000 + file.part as u64;
            let is_late = one_in(export.late_every, self.desk.seed ^ 0x1A7F, number);
            let after = if is_late { export.late } else { export.after };
            end.checked_add(after).is_ok_and(|at| at <= now)
        };
        let files = 0..lines.div_ceil(export.lines_a_file.max(1));
        files.map(|part| File { hour, log_type, part }).filter(is_there).collect()
    }

    fn signature(&self, path: &str, expires: i64) -> u64 {
        let start = mix(self.desk.seed ^ 0x516, expires.unsigned_abs());
        path.bytes().fold(start, |hash, byte| mix(hash, u64::from(byte)))
    }

    /// A file, as a store of files gives it: to whoever has the link, and nothing but the link.
    pub(super) fn file(&self, parts: &Parts, now: Timestamp) -> Answer {
        let refuse = |status, code: &str, message: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            Answer { content_type: "application/xml", ..Answer::text(status, body) }
        };
        if header(parts, "authorization").is_some() || header(parts, "x-api-key").is_some() {
            let message = "Only one auth mechanism allowed";
            return refuse(400, "InvalidArgument", message);
        }
        let path = parts.uri.path();
        let query = parts.uri.query().unwrap_or_default();
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
        let expires = value("X-Amz-Expires=").and_then(|text| text.parse::<i64>().ok());
        let Some(expires) = expires.filter(|expires| {
            let wanted = format!("{:016x}", self.signature(path, *expires));
            value("X-Amz-Signature=") == Some(wanted.as_str())
        }) else {
            return refuse(403, "SignatureDoesNotMatch", "The signature does not match");
        };
        if expires <= now.as_second() {
            return refuse(403, "AccessDenied", "Request has expired");
        }
        let Some(file) = File::of(path) else { return refuse(404, "NoSuchKey", "No such key") };
        let lines = self.log_lines(file.hour, file.log_type, now);
        let size = self.options.log_export.lines_a_file.max(1);
        let lines: Vec<String> = lines.into_iter().skip(file.part * size).take(size).collect();
        if let Some(answer) = self.spoiled(&file, path, &lines) {
            return answer;
        }
        let body = match self.form(&file) {
            LogForm::Array => format!("[{}]", lines.join(",")).into_bytes(),
            LogForm::Gzip => packed(&(lines.join("\n") + "\n")),
            LogForm::Lines | LogForm::Mixed => (lines.join("\n") + "\n").into_bytes(),
        };
        Answer { content_type: "binary/octet-stream", ..Answer::text(200, body) }
    }

    fn form(&self, file: &File) -> LogForm {
        let number = file.hour.unsigned_abs() + file.part as u64;
        match self.options.log_export.form {
            LogForm::Mixed => match mix(self.desk.seed ^ 0xF03, number) % 3 {
                0 => LogForm::Lines,
                1 => LogForm::Array,
                _ => LogForm::Gzip,
            },
            form => form,
        }
    }

    /// Every line of the hours in [from, to) that is written at `now`: what is to arrive.
    pub(in crate::simulator) fn exported(
        &self,
        log_type: &'static str,
        [from, to]: [Timestamp; 2],
        now: Timestamp,
    ) -> Vec<Value> {
        let first = from.as_second().div_euclid(HOUR) * HOUR;
        let hours = (first..to.as_second()).step_by(3_600);
        let lines = hours.flat_map(|hour| self.log_lines(hour, log_type, now));
        lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }
}

impl File {
    /// Percent-encoded, as in published samples.
    fn path(&self) -> String {
        let hour = Timestamp::from_second(self.hour).unwrap_or_default();
        let (date, hour) = (hour.strftime("%Y-%m-%d"), hour.strftime("%H"));
        let Self { log_type, part, .. } = self;
        format!(
            "/logs/tenant_id%3D1/log_date%3D{date}/hour%3D{hour}/log_type%3D{log_type}/part-{part:04}.jsonl"
        )
    }

    fn of(path: &str) -> Option<Self> {
        let value = |name: &str| path.split_once(name)?.1.split('/').next();
        let log_type = value("log_type%3D")?;
        let log_type = ["message", "audit"].into_iter().find(|known| *known == log_type)?;
        let hour = hour(&format!("{}T{}", value("log_date%3D")?, value("/hour%3D")?))?;
        let part = value("part-")?.strip_suffix(".jsonl")?.parse().ok()?;
        Some(Self { hour, log_type, part })
    }
}

/// Reads `2026-11-20T08`.
fn hour(text: &str) -> Option<i64> {
    let (date, hour) = text.split_once('T').filter(|(_, hour)| hour.len() == 2)?;
    let (date, hour): (civil::Date, i64) = (date.parse().ok()?, hour.parse().ok()?);
    let start = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let at = start.checked_add(SignedDuration::from_hours(hour)).ok()?;
    (0..24).contains(&hour).then_some(at.as_second())
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    packed.unwrap_or_default()
}
