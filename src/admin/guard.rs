//! Who may ask: with a token whoever has it, without one whoever reaches the listener.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, Request, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use tracing::warn;

use crate::config::{Admin, Secret};

/// Of every answer. A browser is to run, load and embed nothing that is not the listener's own.
pub(super) const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

pub(super) struct Guard {
    token: Option<Secret>,
    loopback: bool,
}

impl Guard {
    pub(super) fn new(admin: &Admin) -> Self {
        Self { token: admin.token.clone(), loopback: admin.listen.ip().is_loopback() }
    }

    /// Whether the request carries the token, which is read anew each time: it may have been
    /// renewed.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(secret) = &self.token else { return true };
        let Some(given) = given(headers) else { return false };
        match secret.read() {
            // Hashes are compared in constant time.
            Ok(token) => blake3::hash(given.as_bytes()) == blake3::hash(token.as_bytes()),
            Err(error) => {
                warn!(error = crate::fault::chain(&error), "admin.token cannot be read");
                false
            }
        }
    }

    /// Whether the request names a host that a listener on loopback may have. A foreign page whose
    /// name was made to point here ("DNS rebinding") names its own.
    fn is_named(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        !self.loopback || self.token.is_some() || host.is_none_or(is_loopback)
    }
}

/// `Authorization: Bearer TOKEN`, or the password of a browser's dialogue, whatever the user.
fn given(headers: &HeaderMap) -> Option<String> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(value.trim().to_owned()),
        "basic" => {
            let pair = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
            pair.split_once(':').map(|(_, password)| password.to_owned())
        }
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) async fn token(
    State(guard): State<Arc<Guard>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if guard.admits(request.headers()) {
        return next.run(request).await;
    }
    let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"postrider\", charset=\"UTF-8\"")];
    let words = "this needs admin.token, as a bearer token or as a password\n";
    (StatusCode::UNAUTHORIZED, ask, words).into_response()
}

pub(super) async fn host(
    State(guard): State<Arc<Guard>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if guard.is_named(request.headers()) {
        return next.run(request).await;
    }
    let words = "this listener is reached by localhost or a loopback address only\n";
    (StatusCode::MISDIRECTED_REQUEST, words).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_token_is_taken_as_bearer_and_as_password() {
        let admin = Admin {
            listen: "0.0.0.0:1".parse().unwrap(),
            token: Some(Secret::plain("s:ecret")),
            allow_unauthenticated: false,
        };
        let guard = Guard::new(&admin);
        let basic = format!("Basic {}", BASE64_STANDARD.encode("anybody:s:ecret"));
        for good in ["Bearer s:ecret", "bearer  s:ecret", &basic] {
            assert!(guard.admits(&headers(header::AUTHORIZATION, good)), "{good}");
        }
        let other = format!("Basic {}", BASE64_STANDARD.encode("s:ecret"));
        for bad in ["Bearer", "Bearer ", "Bearer secret", "Digest s:ecret", "Basic !", &other] {
            assert!(!guard.admits(&headers(header::AUTHORIZATION, bad)), "{bad}");
        }
        assert!(!guard.admits(&HeaderMap::new()));
        let open = Guard::new(&Admin { token: None, ..admin });
        assert!(open.admits(&HeaderMap::new()));
        assert!(open.is_named(&headers(header::HOST, "collector.example.com")));
    }

    #[test]
    fn a_foreign_name_of_a_loopback_listener_is_refused() {
        let listen = "127.0.0.1:8686".parse().unwrap();
        let guard = Guard::new(&Admin { listen, token: None, allow_unauthenticated: false });
        for own in ["localhost:8686", "LOCALHOST", "127.0.0.1:8686", "[::1]:8686", "127.1.2.3"] {
            assert!(guard.is_named(&headers(header::HOST, own)), "{own}");
        }
        for other in ["evil.example:8686", "10.0.0.1", "localhost.evil.example", "a b", ""] {
            assert!(!guard.is_named(&headers(header::HOST, other)), "{other}");
        }
    }
}
