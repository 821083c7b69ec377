//! Fetching one of the export's files, line by line.

use std::time::Duration;

use reqwest::Response;

use super::{
    LogExport,
    lines::{Line, Lines},
    links::Link,
};
use crate::{
    fault::{Fault, Kind, retry_after},
    http,
    source::{
        pace,
        text::{excerpt, has_phrase},
    },
};

/// Of one file. Links are good for about an hour (vendor's sample collector), and a file may be
/// large: the client's own limit is for answers of the API.
const TIMEOUT: Duration = Duration::from_secs(50 * 60);
/// Without a byte.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes of a refusal.
const REFUSAL: usize = 4 << 10;

/// A file that is being fetched.
pub(crate) struct Download {
    response: Response,
    lines: Lines,
    file: String,
    ended: bool,
    /// Lines that were taken or skipped: the position in the file.
    pub(crate) position: u64,
}

impl LogExport<'_> {
    /// Begins to fetch a file, without any header of ours: the store refuses two ways of
    /// authentication, and is not to have our secrets. It is no call of the API and counts against
    /// no limit.
    ///
    /// # Errors
    /// [`Kind::PageTokenRejected`] where the link is no longer good: it is to be asked for anew.
    pub(crate) async fn open(&self, link: &Link) -> Result<Download, Fault> {
        let doing = || format!("the log export's file {}", excerpt(&link.file));
        let request = self.0.http.get(link.url()).timeout(TIMEOUT);
        let response = self.0.http.send(request).await.map_err(|fault| fault.during(&doing()))?;
        pace::answered().await;
        if response.status() == 200 {
            let (lines, file) = (Lines::default(), link.file.clone());
            return Ok(Download { response, lines, file, ended: false, position: 0 });
        }
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let wait = retry_after(wait, self.0.clock.now());
        let body = http::body_start(response, REFUSAL).await.unwrap_or_default();
        Err(refused(&link.file, status, wait, &String::from_utf8_lossy(&body)))
    }
}

/// The fault that an answer other than 200 is. Its text is not shown: it may repeat the signature.
fn refused(file: &str, status: u16, retry_after: Option<Duration>, body: &str) -> Fault {
    let (kind, why) = match status {
        403 | 400 if has_phrase(body, "expired") => {
            (Kind::PageTokenRejected, "the link has expired")
        }
        403 => (Kind::PageTokenRejected, "the link is no longer good"),
        404 | 410 => (Kind::Refused, "the file is not there"),
        _ => (Kind::Transient { retry_after }, ""),
    };
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    Fault::new(kind, format!("the log export's file {} answered {status}{why}", excerpt(file)))
}

impl Download {
    /// The next line; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, Fault> {
        loop {
            let line = if self.ended { self.lines.end() } else { self.lines.next() };
            let line = line.map_err(|broken| broken.fault(&self.file))?;
            if line.is_some() {
                self.position += 1;
                return Ok(line);
            }
            if self.ended {
                return Ok(None);
            }
            match tokio::time::timeout(SILENCE, self.response.chunk()).await {
                Ok(Ok(Some(piece))) => self.lines.feed(piece),
                Ok(Ok(None)) => self.ended = true,
                Ok(Err(error)) => {
                    // Without its address, which is signed.
                    let (file, error) = (excerpt(&self.file), error.without_url());
                    let what =
                        format!("the log export's file {file}: the connection broke: {error}");
                    return Err(Fault::transient(what));
                }
                Err(_) => {
                    let secs = SILENCE.as_secs();
                    let what = format!("the log export's file {}: silent for {secs} s", self.file);
                    return Err(Fault::transient(what));
                }
            }
        }
    }

    /// Goes on to where an earlier download was. False where the file ends before: it is another
    /// one, and to be read from its start.
    pub(crate) async fn skip_to(&mut self, position: u64) -> Result<bool, Fault> {
        while self.position < position {
            if self.next().await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
