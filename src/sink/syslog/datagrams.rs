//! UDP: one message a datagram, and no promise.

use std::{io, ops::Range};

use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};

use super::{LOOK_AGAIN, target::Target};
use crate::{fault::Fault, http::plain, sink::Outcome};

/// Sends each frame. `kept` is the socket of the batches before; it goes when something fails, so
/// that the name is resolved anew.
pub(super) async fn send(
    target: &Target,
    kept: &mut Option<UdpSocket>,
    body: &[u8],
    frames: &[Range<usize>],
) -> Outcome {
    let socket = match kept.take() {
        Some(socket) => socket,
        None => match open(target).await {
            Ok(socket) => socket,
            Err(fault) => return Outcome::Failed(fault),
        },
    };
    for (index, frame) in frames.iter().enumerate() {
        match timeout(target.timeout(), socket.send(&body[frame.clone()])).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                return Outcome::Poison {
                    index,
                    reason: format!("{} bytes do not fit into a datagram", frame.len()),
                };
            }
            Ok(Err(error)) => return failed(target, &error),
            Err(_) => {
                let text = format!("the network takes no datagrams for {}", target.address());
                return Outcome::Failed(Fault::transient(text));
            }
        }
    }
    // On the same machine, or near, the refusal of a closed port is back by now.
    sleep(LOOK_AGAIN).await;
    match socket.take_error() {
        Ok(None) => {
            *kept = Some(socket);
            Outcome::Accepted
        }
        Ok(Some(error)) | Err(error) => failed(target, &error),
    }
}

/// A socket that gets the refusals (ICMP) of its one peer.
pub(super) async fn open(target: &Target) -> Result<UdpSocket, Fault> {
    let peer = target.resolve().await?.first().copied();
    let cannot = |error: io::Error| {
        Fault::transient(format!("cannot send to {}", target.address())).caused_by(plain(&error))
    };
    let peer = peer.ok_or_else(|| cannot(io::Error::other("it has no address")))?;
    let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await.map_err(cannot)?;
    socket.connect(peer).await.map_err(cannot)?;
    Ok(socket)
}

fn failed(target: &Target, error: &io::Error) -> Outcome {
    let text = format!("cannot send datagrams to {}", target.address());
    Outcome::Failed(Fault::transient(text).caused_by(plain(error)))
}
