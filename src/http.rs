//! The one place that makes HTTP clients: TLS, proxy, timeouts.
//!
//! Redirects and reqwest's own retries are off: a token must not follow a redirect, and when to try
//! again is decided by whoever knows what the request does.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{config, fault::Fault};

mod client;
mod client_error;
mod explain;
mod proxy;
mod room;
pub mod tls;

pub use client::Client;
#[cfg(feature = "testing")]
pub use client::{Peer, set_here};
pub use client_error::ClientError;
pub use explain::{SLOW, UNKNOWN_NAME, UNREACHABLE, plain};
pub use room::Room;
pub use tls::tls_config;

/// Sent with every request. Splunk answers a client without one with HTTP/1.0 and closes.
pub const USER_AGENT: &str = concat!("postrider/", env!("CARGO_PKG_VERSION"));

/// A peer that is there answers a SYN and a TLS handshake well within this, however slowly it works.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the settings have none.
const TIMEOUT: Duration = Duration::from_secs(60);

/// From page to page is less; from poll to poll, a connection's buffers are worth more than a handshake.
/// Firewalls drop idle connections silently after some minutes: be the first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Fetches side by side take over from each other; more would only wait.
const IDLE_CONNECTIONS: usize = 2;

/// Bytes that are made room for because a peer announces them.
const MOST_AT_ONCE: usize = 1 << 20;

/// A client for one peer's settings.
#[expect(clippy::disallowed_methods, reason = "this is the factory")]
pub fn client(settings: &config::Http) -> Result<Client, ClientError> {
    #[cfg(feature = "testing")]
    if let Some(client) = client::here() {
        return Ok(client);
    }
    let timeout = if settings.timeout.is_zero() { TIMEOUT } else { settings.timeout };
    let mut tls = tls_config(&settings.tls)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if let Some(name) = &settings.tls.server_name {
        tls::verify_as(&mut tls, &settings.tls, name)?;
    }
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .gzip(true)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .tcp_keepalive(Duration::from_secs(30));
    if let Some(proxy) = &settings.proxy {
        // The address may carry a password, so neither it nor reqwest's text goes into the error.
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| ClientError::Proxy)?);
    }
    let requests = builder.build().map_err(|error| ClientError::Client(error.without_url()))?;
    Ok(Client::new(requests, settings.proxy.as_deref()))
}

/// Reads a body of at most `max_bytes` after decompression, piece by piece, so that neither a wrong
/// `Content-Length` nor a compressed bomb can take more memory. For small ones: it waits for no
/// room, as [`Client::body`] does.
pub async fn body_capped(response: reqwest::Response, max_bytes: usize) -> Result<Bytes, Fault> {
    capped(response, max_bytes, None).await.map(|(body, _)| body)
}

/// The start of a body, for what is shown of it only.
pub async fn body_start(mut response: reqwest::Response, bytes: usize) -> Result<Bytes, Fault> {
    let peer = explain::peer(response.url());
    let mut body = BytesMut::new();
    while body.len() < bytes
        && let Some(piece) =
            response.chunk().await.map_err(|error| explain::fault_of(&peer, None, &error))?
    {
        body.extend_from_slice(&piece[..piece.len().min(bytes - body.len())]);
    }
    Ok(body.freeze())
}

async fn capped(
    mut response: reqwest::Response,
    max_bytes: usize,
    share: Option<&room::Share>,
) -> Result<(Bytes, Option<Room>), Fault> {
    let mut room = None;
    let peer = explain::peer(response.url());
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0).min(max_bytes).min(MOST_AT_ONCE));
    while let Some(piece) =
        response.chunk().await.map_err(|error| explain::fault_of(&peer, None, &error))?
    {
        if body.len() + piece.len() > max_bytes {
            return Err(Fault::new(
                crate::fault::Kind::TooLarge,
                format!("the answer of {peer} is larger than {max_bytes} bytes"),
            ));
        }
        if let (None, Some(share)) = (&room, share)
            && body.len() + piece.len() > room::SMALL
        {
            room = Some(share.room(&peer).await?);
        }
        body.extend_from_slice(&piece);
    }
    Ok((body.freeze(), room))
}

#[cfg(test)]
mod tests;
