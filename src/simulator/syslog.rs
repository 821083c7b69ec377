//! A syslog receiver over TCP: octet counting or newlines, told apart by frame as rsyslog does.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::ledger::Ledger;

/// A frame longer than this ends the connection, as syslog-ng does it.
const LONGEST: usize = 16 * 1024 * 1024;

pub(super) async fn serve(
    listener: TcpListener,
    ledger: Arc<Ledger>,
    close_every: u64,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        // An error here concerns one connection that ended before it was accepted.
        if let Ok((stream, peer)) = accepted {
            let (ledger, stop) = (Arc::clone(&ledger), stop.clone());
            tasks.spawn(async move {
                let read = tokio::select! {
                    read = read_frames(stream, &ledger, close_every) => read,
                    () = stop.cancelled() => Ok(()),
                };
                if let Err(error) = read {
                    log(peer, &error);
                }
            });
        }
    }
}

fn log(peer: SocketAddr, error: &io::Error) {
    tracing::debug!(%peer, %error, "the syslog client's connection ended");
}

/// Reads to the end of the connection, or closes it after `close_every` frames (0: never).
async fn read_frames(stream: TcpStream, ledger: &Ledger, close_every: u64) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let mut frame = Vec::new();
    let mut frames = 0;
    while let Some(first) = reader.fill_buf().await?.first().copied() {
        frame.clear();
        if first.is_ascii_digit() {
            let mut count = Vec::new();
            (&mut reader).take(9).read_until(b' ', &mut count).await?;
            let length = std::str::from_utf8(&count).ok().and_then(|text| text.strip_suffix(' '));
            let length = length.filter(|text| !text.starts_with('0'));
            let length: Option<usize> = length.and_then(|text| text.parse().ok());
            let length = length
                .filter(|length| *length <= LONGEST)
                .ok_or_else(|| io::Error::other("the octet count cannot be read"))?;
            frame.resize(length, 0);
            reader.read_exact(&mut frame).await?;
        } else {
            let read = (&mut reader).take(LONGEST as u64).read_until(b'\n', &mut frame).await?;
            if frame.pop_if(|last| *last == b'\n').is_none() && read > 0 {
                return Err(io::Error::other("the last line is not ended"));
            }
            if frame.is_empty() {
                continue;
            }
        }
        note(&frame, ledger);
        frames += 1;
        if close_every > 0 && frames >= close_every {
            return Ok(());
        }
    }
    Ok(())
}

/// Finds the id in the structured data, and the event where the payload is JSON.
fn note(frame: &[u8], ledger: &Ledger) {
    let text = String::from_utf8_lossy(frame);
    let after = text.split_once(r#"event_id=""#).and_then(|(_, rest)| rest.split_once('"'));
    let event_id = after.map(|(id, _)| id);
    let event = text.find(r#"{"postrider""#).and_then(|at| text.get(at..));
    ledger.note(event_id, frame, event);
}
