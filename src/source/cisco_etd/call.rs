//! One call with a token, which is renewed once where it is refused.

use reqwest::{
    RequestBuilder,
    header::{ACCEPT, AUTHORIZATION},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    CiscoEtd,
    refusal::{self, Call, Refusal},
};
use crate::{
    config,
    fault::{Fault, Kind},
    http,
    source::{
        answer::{Answer, MAX_BODY},
        bearer::{self, Bearer},
    },
};

pub(super) const API_KEY: &str = "x-api-key";

/// An answer, whatever its status.
pub(super) struct Reply {
    pub(super) answer: Answer,
    bearer: Bearer,
    /// The token before it: an echo may have what was sent first, too.
    refused: Option<Bearer>,
}

impl Reply {
    /// The body for a fault's text.
    pub(super) fn redacted(&self) -> String {
        let sent = [Some(&self.bearer), self.refused.as_ref()].into_iter().flatten();
        let secrets: Vec<&str> = sent.flat_map(Bearer::secrets).collect();
        self.answer.redacted(&secrets)
    }
}

impl CiscoEtd {
    pub(super) async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, Fault> {
        self.tokens.get(self.clock.as_ref(), refused, self.request_token()).await
    }

    /// Sends what `request` makes of a token; `name` is how a fault names it.
    pub(super) async fn call(
        &self,
        name: &str,
        request: impl Fn(&Bearer) -> Result<RequestBuilder, Fault> + Send + Sync,
    ) -> Result<Reply, Fault> {
        let send = async |request: RequestBuilder| {
            self.pace.take().await;
            Answer::to(&self.http, request, name, MAX_BODY).await
        };
        let bearer = self.bearer(None).await?;
        let answer = send(request(&bearer)?).await?;
        if !refusal::wants_new_token(answer.status, &answer.text()) {
            return Ok(Reply { answer, bearer, refused: None });
        }
        let refused = bearer;
        let bearer = self.bearer(Some(&refused)).await?;
        let answer = send(request(&bearer)?).await?;
        Ok(Reply { answer, bearer, refused: Some(refused) })
    }

    /// The fault that an answer other than 200 is.
    pub(super) async fn refused(&self, reply: &Reply, call: Call, had_page_token: bool) -> Fault {
        if let Some(theirs) = reply.answer.server_time() {
            self.clock.hear(Some(theirs));
        }
        let now = self.clock.now();
        let fault = refusal::classify(&Refusal {
            call,
            status: reply.answer.status,
            retry_after: reply.answer.retry_after(now),
            body: &reply.redacted(),
            now,
            had_page_token,
        });
        if fault.kind == Kind::Auth {
            self.tokens.forget(&reply.bearer).await;
        }
        fault
    }
}

/// A request with the headers that each call but the token's has.
pub(super) fn post(
    http: &http::Client,
    config: &config::CiscoEtd,
    path: &str,
    body: &impl Serialize,
    bearer: &Bearer,
) -> Result<RequestBuilder, Fault> {
    let authorization = Zeroizing::new(format!("Bearer {}", bearer.token.as_str()));
    let mut request = http
        .post(format!("{}{path}", config.base_url))
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, bearer::sensitive(&authorization, "access token")?)
        .json(body);
    if let Some(key) = &bearer.api_key {
        request = request.header(API_KEY, bearer::sensitive(key, "api_key")?);
    }
    Ok(request)
}
