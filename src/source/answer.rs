//! One HTTP answer, read whole but never without bound.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{
    RequestBuilder,
    header::{DATE, HeaderMap, HeaderName, RETRY_AFTER},
};

use super::{pace, text};
use crate::{
    fault::{Fault, http_date, retry_after},
    http::{self, Room},
};

/// Bytes of an answer after decompression; the largest that a vendor documents is some 10 MB.
pub(super) const MAX_BODY: usize = 16 << 20;

/// Bytes of an answer other than 200: it is looked at for a phrase, and its start is shown.
const MAX_REFUSAL: usize = 64 << 10;

/// What came back, whatever the status.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    body: Bytes,
    room: Option<Room>,
}

impl Answer {
    /// Sends `request` and reads the answer, at most `max` bytes of it. `what` names the request
    /// in a fault: `"POST /v1/messages/search"`.
    pub(super) async fn to(
        http: &http::Client,
        request: RequestBuilder,
        what: &str,
        max: usize,
    ) -> Result<Self, Fault> {
        let response = http.send(request).await.map_err(|fault| fault.during(what))?;
        pace::answered().await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // On the heap: it is part of every slice's future.
        let read = Box::pin(async {
            if status == 200 {
                return http.body(response, max).await;
            }
            http::body_start(response, MAX_REFUSAL).await.map(|body| (body, None))
        });
        let (body, room) = read.await.map_err(|fault| fault.during(what))?;
        Ok(Self { status, headers, body, room })
    }

    /// The room that a large answer takes, for as long as there is work with what came of it.
    pub(super) fn take_room(&mut self) -> Option<Room> {
        self.room.take()
    }

    /// The body without a byte order mark and white space around it. What is not UTF-8 is
    /// replaced: one bad byte must not cost the page.
    pub(super) fn text(&self) -> Cow<'_, str> {
        decode(&self.body)
    }

    /// The body for a fault's text, where `secrets` must not be: a proxy or a hostile server may
    /// echo the request.
    pub(super) fn redacted(&self, secrets: &[&str]) -> String {
        text::redact(&self.text(), secrets)
    }

    /// The server's wish for the next attempt.
    pub(super) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        retry_after(self.header(&RETRY_AFTER), now)
    }

    /// The server's clock, whole seconds.
    pub(super) fn server_time(&self) -> Option<Timestamp> {
        http_date(self.header(&DATE)?)
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// See [`Answer::text`].
pub(super) fn decode(body: &[u8]) -> Cow<'_, str> {
    // Asked first, because the replacing reader is ten times slower.
    match std::str::from_utf8(body) {
        Ok(body) => Cow::Borrowed(bare(body)),
        Err(_) => Cow::Owned(bare(&String::from_utf8_lossy(body)).to_owned()),
    }
}

fn bare(body: &str) -> &str {
    body.trim_start_matches('\u{feff}').trim()
}
