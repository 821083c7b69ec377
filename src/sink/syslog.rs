//! Syslog over UDP, TCP and TLS.
//!
//! Syslog has no acknowledgement. Over TCP and TLS a batch counts as accepted once the peer's TCP
//! has acknowledged every byte and the connection still stands a moment later; over UDP once it was sent, which
//! promises nothing.

use std::{io::Write, ops::Range, time::Duration};

use bytes::Bytes;
use tokio::{sync::Mutex, time::Instant};

use self::{connection::Connection, recent::Recent, target::Target};
use super::{Outcome, Sink, Unfit};
use crate::{
    config::{self, BatchLimits, Framing, Payload, Schema, SyslogHeader, Transport},
    domain::event::Event,
    fault::Fault,
    format::{rfc3164::Rfc3164, rfc5424::Rfc5424, syslog_body},
    http::ClientError,
};

mod connection;
mod datagrams;
mod probe;
mod recent;
mod target;
mod unacknowledged;

/// The most that an IPv4 datagram carries.
const MAX_DATAGRAM: usize = 65_507;

/// A short wait between looks at something that the kernel does not announce.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

pub struct Syslog {
    target: Target,
    header: Header,
    payload: Payload,
    schema: Schema,
    /// `None`: one message a datagram.
    framing: Option<Framing>,
    max_message: usize,
    batch: BatchLimits,
    stream: Mutex<Kept>,
    datagrams: Mutex<Option<tokio::net::UdpSocket>>,
}

/// Between batches.
#[derive(Default)]
struct Kept {
    /// Taken out while a batch is on the way and put back once it was accepted: whatever fails or
    /// is dropped half way leaves no half-written connection behind.
    connection: Option<Connection>,
    recent: Recent,
}

enum Header {
    Rfc5424(Rfc5424),
    Rfc3164(Rfc3164),
}

impl Syslog {
    /// `host` stands in where the settings have no `hostname`.
    pub fn new(
        sink: &config::Sink,
        settings: &config::Syslog,
        host: &str,
    ) -> Result<Self, ClientError> {
        let hostname = settings.hostname.as_deref().unwrap_or(host);
        let header = match settings.header {
            SyslogHeader::Rfc5424 => {
                Header::Rfc5424(Rfc5424::new(hostname, settings.enterprise_number))
            }
            SyslogHeader::Rfc3164 => Header::Rfc3164(Rfc3164::new(hostname, settings.payload)),
        };
        let is_udp = settings.transport == Transport::Udp;
        Ok(Self {
            target: Target::new(settings)?,
            header,
            payload: settings.payload,
            schema: sink.schema,
            framing: (!is_udp).then_some(settings.framing),
            max_message: if is_udp {
                settings.max_message.min(MAX_DATAGRAM)
            } else {
                settings.max_message
            },
            batch: sink.batch,
            stream: Mutex::default(),
            datagrams: Mutex::new(None),
        })
    }

    async fn send_stream(&self, body: Bytes) -> Result<(), Fault> {
        let mut kept = self.stream.lock().await;
        let mut connection = self.connection(&mut kept).await?;
        // What the connection before may not have brought comes first.
        while let Some(owed) = kept.recent.owed() {
            self.deliver(&mut connection, &owed, &mut kept.recent).await?;
            kept.recent.paid();
        }
        self.deliver(&mut connection, &body, &mut kept.recent).await?;
        kept.recent.accepted(body, Instant::now());
        kept.connection = Some(connection);
        Ok(())
    }

    /// The connection of before, or a new one.
    async fn connection(&self, kept: &mut Kept) -> Result<Connection, Fault> {
        if let Some(mut connection) = kept.connection.take() {
            // A peer that closed between batches: a first write would succeed and vanish.
            let Err(fault) = connection.check().await else { return Ok(connection) };
            tracing::debug!(reason = %fault.chain(), "connecting to syslog anew");
            kept.recent.ended(connection.is_broken());
        } else {
            kept.recent.ended(false);
        }
        self.target.connect().await
    }

    async fn deliver(
        &self,
        connection: &mut Connection,
        body: &[u8],
        recent: &mut Recent,
    ) -> Result<(), Fault> {
        let delivered = connection.deliver(body, self.target.timeout()).await;
        if delivered.is_err() {
            recent.ended(connection.is_broken());
        }
        delivered
    }
}

impl Sink for Syslog {
    fn batch_limits(&self) -> BatchLimits {
        self.batch
    }

    fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let start = out.len();
        match &self.header {
            Header::Rfc5424(header) => header.append(event, out),
            Header::Rfc3164(header) => header.append(event, out),
        }
        let room = self.max_message.saturating_sub(out.len() - start);
        if let Err(least) = syslog_body::append(event, self.payload, self.schema, room, out) {
            let size = out.len() - start + least;
            out.truncate(start);
            return Err(Unfit(format!(
                "shortened as far as possible the message has {size} bytes; max_message is {}",
                self.max_message
            )));
        }
        let size = out.len() - start;
        match self.framing {
            // The formats leave no control character in a message, so it cannot end early.
            Some(Framing::Newline) => out.push(b'\n'),
            Some(Framing::OctetCounting) => {
                let mut count = [0_u8; 24];
                let mut rest = &mut count[..];
                write!(rest, "{size} ").expect("24 bytes hold a number of 20 digits");
                let unused = rest.len();
                let prefix = &count[..count.len() - unused];
                out.splice(start..start, prefix.iter().copied());
            }
            None => {}
        }
        Ok(())
    }

    async fn send(&self, body: Bytes, frames: &[Range<usize>]) -> Outcome {
        if frames.is_empty() {
            return Outcome::Accepted;
        }
        if self.framing.is_none() {
            let mut kept = self.datagrams.lock().await;
            return datagrams::send(&self.target, &mut kept, &body, frames).await;
        }
        match self.send_stream(body).await {
            Ok(()) => Outcome::Accepted,
            Err(fault) => Outcome::Failed(fault),
        }
    }

    async fn probe(&self) -> Result<String, Fault> {
        probe::probe(&self.target, self.framing.is_none()).await
    }
}

#[cfg(test)]
mod tests;
