//! A client as sources and sinks hold it.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{RequestBuilder, Response};

use super::{Room, explain, room::Share};
use crate::{fault::Fault, metrics::Requests};

/// An HTTP client. Cheap to clone, and to be kept: it holds the connections.
#[derive(Clone)]
pub struct Client {
    requests: reqwest::Client,
    /// Of the settings, with its password.
    proxy: Option<Arc<str>>,
    share: Share,
    counted: Option<Requests>,
    #[cfg(feature = "testing")]
    peer: Option<Arc<dyn Peer>>,
}

/// Answers in the network's place, so that a simulation has no sockets and no real time.
#[cfg(feature = "testing")]
pub trait Peer: Send + Sync {
    fn answer(
        &self,
        request: reqwest::Request,
    ) -> futures_util::future::BoxFuture<'static, Result<Response, Fault>>;
}

#[cfg(feature = "testing")]
thread_local! {
    static HERE: std::cell::RefCell<Option<Client>> = const { std::cell::RefCell::new(None) };
}

/// Whoever wants a client on this thread gets this one from now on: a simulation runs on one.
#[cfg(feature = "testing")]
pub fn set_here(client: Option<Client>) {
    HERE.with_borrow_mut(|here| *here = client);
}

#[cfg(feature = "testing")]
pub(super) fn here() -> Option<Client> {
    HERE.with_borrow(Clone::clone)
}

impl Client {
    pub(super) fn new(requests: reqwest::Client, proxy: Option<&str>) -> Self {
        Self {
            requests,
            proxy: proxy.map(Arc::from),
            share: Share::default(),
            counted: None,
            #[cfg(feature = "testing")]
            peer: None,
        }
    }

    /// The same client, whose requests reach `peer` instead of the network.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn to_peer(self, peer: Arc<dyn Peer>) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// The same client, whose requests are counted.
    #[must_use]
    pub fn counted(self, requests: Requests) -> Self {
        Self { counted: Some(requests), ..self }
    }

    pub fn get(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.requests.get(url)
    }

    pub fn post(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.requests.post(url)
    }

    /// Sends a request. Errors are those of the connection; what the peer says is in the answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let answer = self.ask(request).await;
        if let Some(counted) = &self.counted {
            counted.count(answer.as_ref().ok().map(|answer| answer.status().as_u16()));
        }
        answer
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let fault = |error: reqwest::Error| explain::fault(self.proxy.as_deref(), &error);
        #[cfg(feature = "testing")]
        if let Some(peer) = &self.peer {
            let request = request.build().map_err(fault)?;
            return peer.answer(request).await;
        }
        request.send().await.map_err(fault)
    }

    /// Reads a body of at most `max_bytes` after decompression. A large one waits until there is
    /// room for it, and has it until the [`Room`] is dropped.
    pub async fn body(
        &self,
        response: Response,
        max_bytes: usize,
    ) -> Result<(Bytes, Option<Room>), Fault> {
        super::capped(response, max_bytes, Some(&self.share)).await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // reqwest's own shows its settings, of which a proxy's password may be one.
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
