//! reqwest's errors in words that a person can act on, without what a URL may hide: queries and
//! passwords.

use std::{error::Error, io};

use super::{
    proxy::{self, Proxy},
    tls,
};
use crate::fault::Fault;

/// What to do about a peer that cannot be reached.
pub const UNREACHABLE: &str = "see that it runs and listens on that port, and that firewalls let \
     this machine reach it; where only a proxy may, set `proxy`";
/// About a name that nobody knows.
pub const UNKNOWN_NAME: &str = "correct the name in the configuration, or this machine's name \
     service, which `getent hosts NAME` asks";
/// About a peer that is there, but says nothing.
pub const SLOW: &str = "see whether it is overloaded, or raise `timeout`";

/// What a failed request or a broken body means: transient, except that a certificate which cannot
/// be trusted wants a person. `proxy` is that of the settings.
pub(super) fn fault(proxy: Option<&str>, error: &reqwest::Error) -> Fault {
    let by = error.url().and_then(|url| proxy::proxy(proxy, url));
    let peer = error.url().map_or_else(|| "the peer".to_owned(), peer);
    fault_of(&peer, by.as_ref(), error)
}

/// The same for a peer that is known: a broken body does not say whose it was.
pub(super) fn fault_of(peer: &str, proxy: Option<&Proxy>, error: &reqwest::Error) -> Fault {
    if let Some(tls) = tls::find(error) {
        return tls::fault(peer, tls);
    }
    let by = proxy.map_or_else(String::new, |proxy| format!(" by the proxy {}", proxy.at));
    let cure = |otherwise| proxy.map_or(otherwise, |proxy| proxy.cure);
    if error.is_connect() && error.is_timeout() {
        return Fault::transient(format!("cannot connect to {peer}{by}: no answer in time"))
            .cured_by(cure(UNREACHABLE));
    }
    if error.is_timeout() {
        return Fault::transient(format!("{peer} did not answer in time")).cured_by(SLOW);
    }
    let cause = root(error);
    if error.is_dns() {
        // A proxy resolves the peer's name itself.
        let name = proxy.map_or_else(|| peer.to_owned(), |proxy| format!("the proxy {}", proxy.at));
        return Fault::transient(format!("cannot resolve the name of {name}"))
            .cured_by(cure(UNKNOWN_NAME))
            .caused_by(cause);
    }
    if error.is_connect() {
        return Fault::transient(format!("cannot connect to {peer}{by}"))
            .cured_by(cure(UNREACHABLE))
            .caused_by(cause);
    }
    if error.is_body() || error.is_decode() {
        return Fault::transient(format!("the answer of {peer} broke off")).caused_by(cause);
    }
    Fault::transient(format!("the request to {peer} failed")).caused_by(cause)
}

/// An input or output error in words: `connection refused`, not `… (os error 111)`.
pub fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        // rustls sends the reader to its manual.
        io::ErrorKind::UnexpectedEof => "the connection was closed half way".to_owned(),
        kind if error.raw_os_error().is_some() => {
            let text = kind.to_string();
            // Kinds that Rust has no stable name for say nothing.
            if text.contains("uncategorized") { error.to_string() } else { text }
        }
        _ => error.to_string(),
    }
}

/// `host:port`, and nothing else of the URL.
pub(super) fn peer(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The innermost cause. The layers between repeat each other ("client error (Connect)"), and the
/// outermost may name the URL.
fn root(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "no reason given".to_owned();
    };
    while let Some(next) = cause.source() {
        cause = next;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(io) => plain(io),
        None => cause.to_string(),
    }
}
