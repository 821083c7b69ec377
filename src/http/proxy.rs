//! By which proxy a peer is reached: told where it is not, so that nobody blames the peer.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use super::explain::peer;

/// A proxy between here and a peer.
pub(super) struct Proxy {
    /// `host:port`; its user and password are told to nobody.
    pub(super) at: String,
    /// What to do where it cannot be reached, or does not reach the peer.
    pub(super) cure: &'static str,
}

const CONFIGURED: &str = "check `proxy`: see that the proxy runs, listens on that port and may \
     connect to the peer";
const PLAIN: &str = "check HTTP_PROXY (or ALL_PROXY) in the environment, or name the peer in \
     NO_PROXY there";
const TLS: &str = "check HTTPS_PROXY (or ALL_PROXY) in the environment, or name the peer in \
     NO_PROXY there";

/// The one that counts for a URL: `configured` in the settings, or else of the environment. Found
/// as reqwest does, by the same code.
pub(super) fn proxy(configured: Option<&str>, url: &Url) -> Option<Proxy> {
    let (proxies, cure) = match configured {
        Some(proxy) => (Matcher::builder().all(proxy.to_owned()).build(), CONFIGURED),
        None if url.scheme() == "https" => (Matcher::from_system(), TLS),
        None => (Matcher::from_system(), PLAIN),
    };
    let proxy = proxies.intercept(&url.as_str().parse().ok()?)?;
    let at = peer(&Url::parse(&proxy.uri().to_string()).ok()?);
    Some(Proxy { at, cure })
}
