//! Where the receiver is, and how to get there.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use crate::{
    config::{self, Transport},
    fault::Fault,
    http::{self, CONNECT_TIMEOUT, ClientError, plain, tls},
};

/// Small, so that little can be "sent" to a peer that does not read.
const SEND_BUFFER: u32 = 64 * 1024;

/// With TLS 1.3 a receiver that refuses our certificate says so only after the handshake, which
/// succeeded; rsyslog just closes. Only after this pause the connection is trusted, and its first
/// batch counts only after another.
pub(super) const TRUST_AFTER: Duration = Duration::from_millis(300);

pub(super) struct Target {
    address: String,
    timeout: Duration,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    pub(super) fn new(settings: &config::Syslog) -> Result<Self, ClientError> {
        let tls = if settings.transport == Transport::Tls {
            let name = match &settings.tls.server_name {
                Some(name) => name,
                None => host(&settings.address),
            };
            let config = http::tls_config(&settings.tls)?;
            Some((TlsConnector::from(Arc::new(config)), tls::server_name(name)?))
        } else {
            None
        };
        Ok(Self { address: settings.address.clone(), timeout: settings.timeout, tls })
    }

    /// As configured, for texts.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, Fault> {
        let cannot = || format!("cannot resolve {}", host(&self.address));
        let unknown = |what: String| Fault::transient(what).cured_by(http::UNKNOWN_NAME);
        let lookup = tokio::net::lookup_host(&self.address);
        let found: Vec<_> = match timeout(self.connect_timeout(), lookup).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(unknown(cannot()).caused_by(error)),
            Err(_) => return Err(unknown(format!("{}: no answer in time", cannot()))),
        };
        if found.is_empty() { Err(unknown(cannot())) } else { Ok(found) }
    }

    /// A connection that can be trusted with a batch.
    pub(super) async fn connect(&self) -> Result<Connection, Fault> {
        let tcp = self.connect_tcp().await?;
        let address = &self.address;
        let peer = tcp.peer_addr().map_err(|error| self.cannot_connect(&error))?;
        let Some((connector, name)) = &self.tls else {
            return Ok(Connection::tcp(tcp, peer, address));
        };
        let handshake = connector.connect(name.clone(), tcp);
        let stream = match timeout(self.connect_timeout(), handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(match tls::inside(&error) {
                    Some(inner) => tls::fault(address, inner),
                    None => Fault::transient(format!("the TLS handshake with {address} broke off"))
                        .caused_by(plain(&error)),
                });
            }
            Err(_) => {
                let what = format!("{address} did not finish the TLS handshake in time");
                let cure = "see that this port speaks TLS: one without waits, too";
                return Err(Fault::transient(what).cured_by(cure));
            }
        };
        let mut connection = Connection::tls(stream, peer, address);
        connection.stays_open(TRUST_AFTER).await?;
        Ok(connection)
    }

    /// Tries all addresses of the name; the last one's error is as good as any.
    async fn connect_tcp(&self) -> Result<TcpStream, Fault> {
        let mut last = None;
        for peer in self.resolve().await? {
            match timeout(self.connect_timeout(), self.connect_to(peer)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = Some(self.cannot_connect(&error)),
                Err(_) => {
                    let what = format!("cannot connect to {}: no answer in time", self.address);
                    last = Some(Fault::transient(what).cured_by(http::UNREACHABLE));
                }
            }
        }
        Err(last.unwrap_or_else(|| Fault::transient(format!("{} has no address", self.address))))
    }

    async fn connect_to(&self, peer: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_send_buffer_size(SEND_BUFFER)?;
        let stream = socket.connect(peer).await?;
        stream.set_nodelay(true)?;
        let options = SockRef::from(&stream);
        // A peer that vanished without a word is noticed while sending, and while idle.
        options.set_tcp_user_timeout(Some(self.timeout))?;
        options.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(Duration::from_secs(30))
                .with_interval(Duration::from_secs(10))
                .with_retries(3),
        )?;
        Ok(stream)
    }

    fn cannot_connect(&self, error: &std::io::Error) -> Fault {
        Fault::transient(format!("cannot connect to {}", self.address))
            .cured_by(http::UNREACHABLE)
            .caused_by(plain(error))
    }

    fn connect_timeout(&self) -> Duration {
        CONNECT_TIMEOUT.min(self.timeout)
    }
}

/// The host of `host:port`, without an IPv6 address's brackets.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn the_host_is_what_a_certificate_names() {
        assert_eq!(host("siem.example.com:6514"), "siem.example.com");
        assert_eq!(host("10.0.0.1:514"), "10.0.0.1");
        assert_eq!(host("[::1]:6514"), "::1");
    }
}
