//! One TCP or TLS connection, and what can be known about bytes written to it.
//!
//! After the peer's end of stream a first write still succeeds, and is lost. A reader sees the end
//! before that. A receiver never sends data either, so whatever arrives ends the connection.

use std::{io, mem::MaybeUninit, net::SocketAddr, time::Duration};

use futures_util::FutureExt;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::client::TlsStream;

use super::{LOOK_AGAIN, target::TRUST_AFTER, unacknowledged::unacknowledged};
use crate::{
    fault::Fault,
    http::{plain, tls},
};

/// A receiver that is being stopped reads no more, but its kernel still acknowledges what comes
/// until the socket is closed, and then resets. Of 10,000 events sent while rsyslog was stopped ten
/// times, up to 250 were lost without this pause, and none with 20 ms.
const SETTLE: Duration = Duration::from_millis(30);

/// Looks at TLS's own messages, one a connection or two in truth, before a peer that sends nothing
/// else counts as one that talks back.
const LOOKS: u32 = 500;

pub(super) struct Connection {
    stream: Stream,
    peer: SocketAddr,
    /// As configured, for texts.
    address: String,
    /// A batch was accepted over it.
    is_proven: bool,
    /// It ended otherwise than by the peer's orderly end.
    is_broken: bool,
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    pub(super) fn tcp(stream: TcpStream, peer: SocketAddr, address: &str) -> Self {
        Self {
            stream: Stream::Tcp(stream),
            peer,
            address: address.to_owned(),
            is_proven: false,
            is_broken: false,
        }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, peer: SocketAddr, address: &str) -> Self {
        Self {
            stream: Stream::Tls(Box::new(stream)),
            peer,
            address: address.to_owned(),
            is_proven: false,
            is_broken: false,
        }
    }

    /// Whether it was reset or lost, so that the peer may not have read all that its kernel had.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// `TLSv1_3`; `None` without TLS.
    pub(super) fn tls_version(&self) -> Option<String> {
        match &self.stream {
            Stream::Tcp(_) => None,
            Stream::Tls(stream) => {
                stream.get_ref().1.protocol_version().map(|version| format!("{version:?}"))
            }
        }
    }

    /// Writes `body` and waits until the peer's TCP has all of it.
    pub(super) async fn deliver(&mut self, body: &[u8], within: Duration) -> Result<(), Fault> {
        match timeout(within, self.write(body)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.broke(&error)),
            Err(_) => {
                return Err(Fault::transient(format!(
                    "{} stopped taking data: the batch was not written in {} s",
                    self.address,
                    within.as_secs()
                )));
            }
        }
        let deadline = Instant::now() + within;
        let mut wait = LOOK_AGAIN;
        loop {
            // In this order: an end of stream that came before the last acknowledgement is seen.
            let left = unacknowledged(self.socket()).map_err(|error| self.broke(&error))?;
            self.check().await?;
            if left == 0 {
                break;
            }
            if Instant::now() >= deadline {
                return Err(Fault::transient(format!(
                    "{} did not acknowledge {left} bytes in {} s",
                    self.address,
                    within.as_secs()
                )));
            }
            sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(50));
        }
        // A peer may take a connection and what comes over it before it looks who is there, or
        // finds that it has nowhere to pass it on to. So the first batch counts later still.
        self.stays_open(if self.is_proven { SETTLE } else { TRUST_AFTER }).await?;
        self.check().await?;
        self.is_proven = true;
        Ok(())
    }

    /// Whether the connection stands at this moment.
    pub(super) async fn check(&mut self) -> Result<(), Fault> {
        let mut buffer = [0; 1];
        let mut looks = 0;
        // TLS may hold what the handshake read too much, and its own messages (session tickets)
        // look like data below it: it has to read first.
        loop {
            if let Stream::Tls(stream) = &mut self.stream
                && let Some(result) =
                    tokio::task::unconstrained(stream.read(&mut buffer)).now_or_never()
            {
                return Err(self.ended(result));
            }
            // The kernel itself is asked: tokio would only tell what its reactor has seen so far.
            match self.peek() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Ok(waiting)
                    if waiting > 0 && looks < LOOKS && matches!(self.stream, Stream::Tls(_)) =>
                {
                    looks += 1;
                    sleep(LOOK_AGAIN).await;
                }
                result => return Err(self.ended(result)),
            }
        }
    }

    /// Waits for the peer to end the connection; fine when it does not.
    pub(super) async fn stays_open(&mut self, pause: Duration) -> Result<(), Fault> {
        let mut buffer = [0; 1];
        let read = async {
            match &mut self.stream {
                Stream::Tcp(stream) => stream.read(&mut buffer).await,
                Stream::Tls(stream) => stream.read(&mut buffer).await,
            }
        };
        match timeout(pause, read).await {
            Err(_) => Ok(()),
            Ok(result) if is_end(&result) && !self.is_proven => {
                let reason = match &self.stream {
                    Stream::Tcp(_) => "it may take connections from certain addresses only",
                    Stream::Tls(_) => {
                        "it may refuse our client certificate, or miss one: check \
                         tls.client_cert and what it permits"
                    }
                };
                let cure = match &self.stream {
                    Stream::Tcp(_) => "let the receiver take connections from this machine",
                    Stream::Tls(_) => "check tls.client_cert and what the receiver permits",
                };
                let text = format!("{} closed the connection at once: {reason}", self.address);
                Err(Fault::transient(text).cured_by(cure))
            }
            Ok(result) => Err(self.ended(result)),
        }
    }

    async fn write(&mut self, body: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(body).await,
            Stream::Tls(stream) => {
                stream.write_all(body).await?;
                // Into the socket, else its queue says nothing about what TLS still holds.
                stream.flush().await
            }
        }
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    fn peek(&self) -> io::Result<usize> {
        SockRef::from(self.socket()).peek(&mut [MaybeUninit::uninit(); 1])
    }

    fn ended(&mut self, result: io::Result<usize>) -> Fault {
        match result {
            result if is_end(&result) => {
                Fault::transient(format!("{} closed the connection", self.address))
            }
            Ok(_) => Fault::transient(format!(
                "{} sent data, which a syslog receiver does not do",
                self.address
            )),
            Err(error) => self.broke(&error),
        }
    }

    fn broke(&mut self, error: &io::Error) -> Fault {
        self.is_broken = true;
        match tls::inside(error) {
            Some(inner) => tls::fault(&self.address, inner),
            None => Fault::transient(format!("the connection to {} broke", self.address))
                .caused_by(plain(error)),
        }
    }
}

/// An end of stream, in TLS also one without its goodbye: receivers seldom send it.
fn is_end(result: &io::Result<usize>) -> bool {
    match result {
        Ok(read) => *read == 0,
        Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
    }
}
