//! Fetching one of the export's files, line by line.

use std::{error::Error as _, time::Duration};

use reqwest::Response;

use super::{
    LogExport,
    lines::{Broken, Line, Lines},
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
/// Without a byte. What is live waits meanwhile.
const SILENCE: Duration = Duration::from_secs(30);
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
    /// [`Kind::PageTokenRejected`] where the link leads to no file: it is to be asked for anew.
    pub(crate) async fn open(&self, link: &Link) -> Result<Download, Fault> {
        let request = self.0.http.get(link.url()).timeout(TIMEOUT);
        let answer = tokio::time::timeout(SILENCE, self.0.http.send(request)).await;
        let response = answer.map_err(|_| silent(&link.file))?.map_err(|mut fault| {
            // A certificate that cannot be trusted is that of the files' host: the API is well.
            if fault.kind == Kind::Auth {
                fault.kind = Kind::Transient { retry_after: None };
            }
            fault.during(&format!("the log export's file {}", excerpt(&link.file)))
        })?;
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
        408 | 429 => (Kind::Transient { retry_after }, ""),
        // Redirects are not followed: the link is the vendor's, and where it leads is not.
        300..400 => (Kind::PageTokenRejected, "it leads elsewhere: a proxy or a portal?"),
        400..500 => (Kind::PageTokenRejected, ""),
        _ => (Kind::Transient { retry_after }, ""),
    };
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    Fault::new(kind, format!("the log export's file {} answered {status}{why}", excerpt(file)))
}

fn silent(file: &str) -> Fault {
    let (file, secs) = (excerpt(file), SILENCE.as_secs());
    Fault::transient(format!("the log export's file {file}: silent for {secs} s"))
}

/// What an error in the midst of a file means. It is told without its address, which is signed.
fn broke(file: &str, error: reqwest::Error) -> Fault {
    let error = error.without_url();
    let (mut by_peer, mut why) = (error.is_timeout(), error.to_string());
    let mut cause = error.source();
    while let Some(inner) = cause {
        by_peer |= inner.is::<hyper::Error>();
        why = inner.to_string();
        cause = inner.source();
    }
    if by_peer {
        let file = excerpt(file);
        let what = format!("the log export's file {file}: the connection broke: {why}");
        return Fault::transient(what);
    }
    // The connection is well, and what came over it cannot be unpacked.
    Broken::Gzip(why).fault(file)
}

impl Download {
    /// The next line of what has come; `None` where there is none, or after the last.
    pub(crate) fn ready(&mut self) -> Result<Option<Line>, Fault> {
        let line = if self.ended { self.lines.end() } else { self.lines.next() };
        let line = line.map_err(|broken| broken.fault(&self.file))?;
        self.position += u64::from(line.is_some());
        Ok(line)
    }

    /// Waits for more, once nothing is [`Self::ready`]; false where nothing is to come.
    pub(crate) async fn more(&mut self) -> Result<bool, Fault> {
        if self.ended {
            return Ok(false);
        }
        match tokio::time::timeout(SILENCE, self.response.chunk()).await {
            Ok(Ok(Some(piece))) => self.lines.feed(piece),
            Ok(Ok(None)) => self.ended = true,
            Ok(Err(error)) => return Err(broke(&self.file, error)),
            Err(_) => return Err(silent(&self.file)),
        }
        Ok(true)
    }
}
