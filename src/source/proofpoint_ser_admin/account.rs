//! One customer's account: its token, and how a question is put.

use std::sync::Arc;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use zeroize::Zeroizing;

use super::{
    ask::{Ask, Host, Reading, Request},
    envelope::{self, Envelope},
    refusal,
};
use crate::{
    clock::Clock,
    config,
    fault::{Fault, Kind},
    http::{self, Room},
    source::{
        answer::{Answer, MAX_BODY},
        bearer::{self, Bearer, Tokens},
        pace::Pace,
        proofpoint_ser::token,
        text::{excerpt, is_markup, redact},
    },
};

pub(super) struct Account {
    pub(super) config: config::ProofpointSerAdmin,
    pub(super) http: http::Client,
    pub(super) pace: Arc<Pace>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tokens: Tokens,
}

/// An answer with 200.
pub(super) struct Answered {
    text: String,
    name: String,
    secrets: Zeroizing<Vec<String>>,
    pub(super) server_time: Option<Timestamp>,
    pub(super) room: Option<Room>,
}

impl Answered {
    /// Takes the rows out of the envelope; what is none is a fault, never an empty answer.
    pub(super) fn open(&self) -> Result<Envelope<'_>, Fault> {
        envelope::open(&self.text).map_err(|oddity| self.odd(oddity))
    }

    /// The fault that an answer is in spite of its 200.
    pub(super) fn odd(&self, oddity: &str) -> Fault {
        let secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        let body = excerpt(&redact(&self.text, &secrets));
        Fault::transient(format!("{} answered 200, but {oddity}: {body}", self.name))
    }
}

/// Why there is no answer.
struct Refused {
    fault: Fault,
    /// The API has no such thing; a web page in its place is no word of the API's.
    is_unknown: bool,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { fault, is_unknown: false }
    }
}

impl Account {
    /// Puts a question.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answered, Fault> {
        self.answered(ask).await.map_err(|refused| refused.fault)
    }

    /// Puts a question about what may be gone; `None` where it is.
    pub(super) async fn find(&self, ask: &Ask) -> Result<Option<Answered>, Fault> {
        match self.answered(ask).await {
            Ok(answered) => Ok(Some(answered)),
            Err(Refused { is_unknown: true, .. }) => Ok(None),
            Err(Refused { fault, .. }) => Err(fault),
        }
    }

    /// Puts a question. A refused token is renewed, once.
    async fn answered(&self, ask: &Ask) -> Result<Answered, Refused> {
        let request = ask.request();
        let mut bearer = self.bearer(None).await?;
        let mut answer = self.send(&request, &bearer).await?;
        // An echo may have what was sent before, too.
        let refused = bearer.clone();
        if answer.status == 401 {
            bearer = self.bearer(Some(&bearer)).await?;
            answer = self.send(&request, &bearer).await?;
        }
        if let Some(theirs) = answer.server_time() {
            self.clock.hear(Some(theirs));
        }
        let secrets = [refused.secrets(), bearer.secrets()].concat();
        if answer.status != 200 {
            let (body, now) = (answer.redacted(&secrets), self.clock.now());
            let retry_after = answer.retry_after(now);
            let fault = refusal::classify(&request.name(), answer.status, retry_after, &body);
            if fault.kind == Kind::Auth {
                self.tokens.forget(&bearer).await;
            }
            let is_unknown = answer.status == 404 && !is_markup(&body);
            return Err(Refused { fault, is_unknown });
        }
        Ok(Answered {
            text: answer.text().into_owned(),
            name: request.name(),
            secrets: Zeroizing::new(secrets.into_iter().map(str::to_owned).collect()),
            server_time: answer.server_time(),
            room: answer.take_room(),
        })
    }

    async fn send(&self, request: &Request, bearer: &Bearer) -> Result<Answer, Fault> {
        let authorization = Zeroizing::new(format!("Bearer {}", bearer.token.as_str()));
        let host = match request.host {
            Host::Reporting => &self.config.reporting_url,
            Host::RelayConfig => &self.config.relay_config_url,
        };
        let url = format!("{host}{}", request.path);
        // The two ways of reading; see `ask`.
        let sent = match &request.reading {
            Reading::Get(query) => self.http.get(url).query(query),
            Reading::Report(terms) => self.http.post(url).json(terms),
        };
        let sent = sent
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, bearer::sensitive(&authorization, "access token")?);
        self.pace.take().await;
        Answer::to(&self.http, sent, &request.name(), MAX_BODY).await
    }

    pub(super) async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, Fault> {
        let account = token::Account {
            http: &self.http,
            url: &self.config.token_url,
            client_id: &self.config.client_id,
            client_secret: &self.config.client_secret,
            pace: &self.pace,
            clock: self.clock.as_ref(),
        };
        // One token serves all hosts.
        self.tokens.get(self.clock.as_ref(), refused, account.token()).await
    }
}
