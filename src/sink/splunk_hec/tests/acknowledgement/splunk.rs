//! A Splunk in the network's place, which says what a test wants.

use std::{collections::BTreeMap, sync::Mutex};

use axum::http as raw;
use futures_util::{FutureExt, future::BoxFuture};

use super::super::*;
use crate::http::Peer;

/// What was asked, in order.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) host: String,
    path: String,
    pub(super) channel: String,
    pub(super) cookie: Option<String>,
    pub(super) token: String,
    pub(super) body: Bytes,
}

pub(super) type Said = Result<(u16, String), Fault>;

type Answers<T> = Box<dyn Fn(usize, &Asked) -> T + Send + Sync>;

/// Gives ids by channel, and answers as it is told to.
pub(super) struct Splunk {
    pub(super) asked: Mutex<Vec<Asked>>,
    next: Mutex<BTreeMap<String, u64>>,
    /// Instead of taking the batch, by number of the post.
    post: Answers<Option<Said>>,
    /// By number of the question.
    ack: Answers<Said>,
}

impl Splunk {
    pub(super) fn new(
        post: impl Fn(usize, &Asked) -> Option<Said> + Send + Sync + 'static,
        ack: impl Fn(usize, &Asked) -> Said + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (asked, next) = (Mutex::default(), Mutex::default());
        Arc::new(Self { asked, next, post: Box::new(post), ack: Box::new(ack) })
    }

    /// Takes each batch.
    pub(super) fn taking(ack: impl Fn(usize, &Asked) -> Said + Send + Sync + 'static) -> Arc<Self> {
        Self::new(|_, _| None, ack)
    }

    fn of(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.path.ends_with(path)).cloned().collect()
    }

    pub(super) fn posts(&self) -> Vec<Asked> {
        self.of("/event")
    }

    pub(super) fn questions(&self) -> Vec<Asked> {
        self.of("/ack")
    }

    fn say(&self, asked: Asked) -> Said {
        let is_question = asked.path.ends_with("/ack");
        let number = self.of(if is_question { "/ack" } else { "/event" }).len();
        self.asked.lock().unwrap().push(asked.clone());
        if is_question {
            return (self.ack)(number, &asked);
        }
        (self.post)(number, &asked).unwrap_or_else(|| {
            let mut next = self.next.lock().unwrap();
            let id = next.entry(asked.channel).or_default();
            *id += 1;
            Ok((200, format!(r#"{{"text":"Success","code":0,"ackId":{}}}"#, *id - 1)))
        })
    }
}

impl Peer for Splunk {
    fn answer(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'static, Result<reqwest::Response, Fault>> {
        let get = |name: &str| {
            request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let said = self.say(Asked {
            host: request.url().host_str().unwrap().to_owned(),
            path: request.url().path().to_owned(),
            channel: get("x-splunk-request-channel").unwrap(),
            cookie: get("cookie"),
            token: get("authorization").unwrap(),
            body: request
                .body()
                .and_then(|body| body.as_bytes())
                .unwrap_or_default()
                .to_vec()
                .into(),
        });
        async move {
            // As a network has it, so that others go on meanwhile.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (status, body) = said?;
            let answer =
                raw::Response::builder().status(status).header("set-cookie", "NODE=7; Path=/");
            Ok(answer.body(body).unwrap().into())
        }
        .boxed()
    }
}

pub(super) fn to(splunk: &Arc<Splunk>, acknowledgements: Acknowledgements) -> SplunkHec {
    let settings = config::SplunkHec {
        endpoints: ["https://a", "https://b"].map(str::to_owned).to_vec(),
        acknowledgements,
        ..settings(&[], plain())
    };
    let sink = config::Sink { max_in_flight: 4, ..sink() };
    let mut rng = StdRng::seed_from_u64(1);
    let mut hec = SplunkHec::new(&sink, &settings, "h", Arc::new(SystemClock), &mut rng).unwrap();
    hec.client = hec.client.to_peer(splunk.clone());
    hec
}

pub(super) fn auto(splunk: &Arc<Splunk>) -> SplunkHec {
    to(splunk, Acknowledgements::Auto)
}

/// The ids of a question.
pub(super) fn ids(asked: &Asked) -> Vec<u64> {
    let question: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    serde_json::from_value(question["acks"].clone()).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of several answers")]
pub(super) fn all(asked: &Asked, indexed: bool) -> Said {
    let acks: BTreeMap<u64, bool> = ids(asked).into_iter().map(|id| (id, indexed)).collect();
    Ok((200, serde_json::json!({ "acks": acks }).to_string()))
}
