//! The files of the log export on their way: in pieces, with pauses, and not always whole.

use std::{io, time::Duration};

use axum::body::Bytes;
use futures_util::{StreamExt, stream};
use rand::Rng;

use crate::world::World;

/// Longer than a download may be silent.
const LONG: Duration = Duration::from_secs(70);

/// A file as it arrives.
pub(crate) fn body(world: &World, mut file: Vec<u8>) -> reqwest::Body {
    let (pieces, end) = {
        let mut state = world.state();
        let (breaks, rng) = (state.breaks, &mut state.rng);
        let end = rng.random_bool(breaks).then(|| rng.random_bool(0.5));
        if end.is_some() {
            file.truncate(rng.random_range(0..=file.len()));
        }
        let mut pieces = Vec::new();
        while !file.is_empty() {
            let rest = file.split_off(rng.random_range(1..=file.len().min(4_096)));
            let most = if rng.random_bool(0.1) { 25_000 } else { 50 };
            pieces.push((Duration::from_millis(rng.random_range(0..most)), Bytes::from(file)));
            file = rest;
        }
        if end.is_some() {
            *state.tally.troubles.entry("download".into()).or_default() += 1;
        }
        (pieces, end)
    };
    let pieces = stream::iter(pieces).then(|(pause, piece)| async move {
        tokio::time::sleep(pause).await;
        Ok(piece)
    });
    let Some(is_silent) = end else { return reqwest::Body::wrap_stream(pieces) };
    world.note(format_args!("the file breaks off, silent: {is_silent}"));
    let broken = stream::once(async move {
        if is_silent {
            tokio::time::sleep(LONG).await;
        }
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    reqwest::Body::wrap_stream(pieces.chain(broken))
}
