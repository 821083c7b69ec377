//! The network: requests reach the simulated servers late, not at all, or without the answer.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderValue, Request, header},
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use postrider::{
    clock::Clock,
    failpoint::{Moment, Verdict},
    fault::Fault,
    http::{Peer, USER_AGENT},
    simulator::At,
    store::budget::day,
};
use rand::Rng;
use tokio::time::Instant;

use crate::{
    export, files,
    history::Host,
    siem::Batch,
    world::{REQUEST, World},
};

/// As the product's clients have it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Where ETD tells of the log export's files.
const LINKS: &str = "/v1/logs/downloadLinks";

pub(crate) struct Network(pub Arc<World>);

impl Peer for Network {
    fn answer(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'static, Result<reqwest::Response, Fault>> {
        let world = self.0.clone();
        async move {
            let post = post(&request);
            if let Some((siem, channel)) = &post {
                world.state().siems[*siem].begins(channel);
            }
            let (answer, answered) = exchange(&world, request).await;
            if let Some((siem, channel)) = post {
                world.state().siems[siem].ends(&channel, answered);
            }
            // Whoever is dead hears no answer.
            if world.state().dead {
                std::future::pending::<()>().await;
            }
            answer
        }
        .boxed()
    }
}

/// For whom a batch is, and on which channel.
fn post(request: &reqwest::Request) -> Option<(usize, String)> {
    let url = request.url();
    let channel = request.headers().get("x-splunk-request-channel")?.to_str().ok()?;
    let is_archive = url.host_str() == Some(Host::Archive.name());
    url.path().ends_with("/event").then(|| (usize::from(is_archive), channel.to_owned()))
}

/// How long it takes there and back.
fn delays(world: &World, host: Host) -> (Duration, Duration) {
    let now = world.clock.now();
    let mut state = world.state();
    let is_slow = state.slow.get(&host).is_some_and(|until| now < *until);
    let there = Duration::from_millis(state.rng.random_range(1..150));
    let most = if is_slow { 80_000 } else { 400 };
    (there, Duration::from_millis(state.rng.random_range(1..most)))
}

/// The answer, and whether it is one of HEC's.
async fn exchange(
    world: &World,
    request: reqwest::Request,
) -> (Result<reqwest::Response, Fault>, bool) {
    let name = request.url().host_str().unwrap_or_default().to_owned();
    let Some(host) = Host::of(&name) else {
        return (Err(Fault::transient(format!("nobody knows {name}"))), false);
    };
    let deadline = Instant::now() + TIMEOUT;
    if world.reach(REQUEST, Moment::Before) == Verdict::Die {
        return std::future::pending().await;
    }
    let (there, back) = delays(world, host);
    tokio::time::sleep(there).await;
    if world.state().dead {
        return std::future::pending().await;
    }
    let now = world.clock.now();
    if world.state().down.get(&host).is_some_and(|until| now < *until) {
        world.note(format_args!("{name} is down"));
        return (Err(Fault::transient(format!("cannot connect to {name}"))), false);
    }
    let served = serve(world, host, &request);
    if world.reach(REQUEST, Moment::After) == Verdict::Die {
        return std::future::pending().await;
    }
    let (parts, body) = served.response.into_parts();
    let mut pieces = body.into_data_stream();
    let mut read = Vec::new();
    let whole = tokio::time::timeout_at(deadline, async {
        tokio::time::sleep(back).await;
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => read.extend_from_slice(&piece),
                Err(_) => return false,
            }
        }
        true
    })
    .await;
    if world.state().dead {
        return std::future::pending().await;
    }
    let mut answered = false;
    if whole == Ok(true) {
        if request.url().path() == LINKS && parts.status == 200 {
            let asked = request.body().and_then(reqwest::Body::as_bytes);
            export::hear(&mut world.state(), asked.unwrap_or_default(), &read);
        }
        answered = match hear(world, host, served.channel, served.batch, served.accepted, &read) {
            Ok(answered) => answered,
            Err(what) => {
                world.wrong(what);
                false
            }
        };
    }
    let body = match whole {
        Err(_) => {
            world.note(format_args!("{name} takes too long"));
            return (Err(Fault::transient(format!("{name} did not answer in time"))), false);
        }
        Ok(false) if read.is_empty() && !parts.headers.contains_key(header::CONTENT_LENGTH) => {
            return (Err(Fault::transient(format!("{name} closed the connection"))), false);
        }
        Ok(false) => {
            let cut = std::io::Error::other("cut");
            reqwest::Body::wrap_stream(stream::iter([Ok(Bytes::from(read)), Err(cut)]))
        }
        Ok(true) if host == Host::Files => files::body(world, read),
        Ok(true) => read.into(),
    };
    (Ok(axum::http::Response::from_parts(parts, body).into()), answered)
}

/// A whole answer reaches Postrider: what does it know now of its events? And is it HEC's?
fn hear(
    world: &World,
    host: Host,
    channel: String,
    batch: Option<Batch>,
    accepted: usize,
    answer: &[u8],
) -> Result<bool, String> {
    if [Host::Etd, Host::Ser, Host::Files].contains(&host) {
        return Ok(false);
    }
    let reply: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let mut state = world.state();
    let siem = &mut state.siems[usize::from(host == Host::Archive)];
    let acks = reply["acks"].as_object().into_iter().flatten();
    for (id, _) in acks.filter(|(_, is_indexed)| **is_indexed == true) {
        siem.acknowledged(&channel, id.parse().unwrap_or_default())?;
    }
    let answered = reply["code"].is_number();
    let Some(batch) = batch else { return Ok(answered) };
    let bad = reply["invalid-event-number"].as_u64().and_then(|bad| usize::try_from(bad).ok());
    match (reply["ackId"].as_u64(), bad) {
        (Some(id), _) => siem.numbered(channel, id, batch, accepted),
        (None, Some(bad)) => siem.told_bad(&batch, accepted, bad)?,
        (None, None) if reply["code"] == 0 => siem.told_unnumbered(&batch, accepted)?,
        (None, None) => {}
    }
    Ok(answered)
}

struct Served {
    response: axum::http::Response<axum::body::Body>,
    channel: String,
    batch: Option<Batch>,
    /// Events of the batch that were accepted.
    accepted: usize,
}

/// Has the simulated server answer, whether or not anybody will hear it.
fn serve(world: &World, host: Host, request: &reqwest::Request) -> Served {
    let (url, body) = (request.url(), request.body().and_then(reqwest::Body::as_bytes));
    let body = Bytes::copy_from_slice(body.unwrap_or_default());
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut asked = Request::new(());
    *asked.method_mut() = request.method().clone();
    *asked.uri_mut() = target.parse().unwrap_or_default();
    *asked.headers_mut() = request.headers().clone();
    asked.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let (parts, ()) = asked.into_parts();
    let (simulation, at) = match host {
        Host::Etd | Host::Files => (&world.vendors, At::Etd),
        Host::Ser => (&world.vendors, At::Ser),
        Host::SplunkOne | Host::SplunkTwo => (&world.vendors, At::Hec),
        Host::Archive => (&world.archive, At::Hec),
    };
    let is_hec = at == At::Hec;
    let received = || simulation.stats().hec_events.received;
    let before = if is_hec { received() } else { 0 };
    let mut response = simulation.answer(at, &parts, &body);
    let accepted = if is_hec { received() - before } else { 0 };
    let date = httpdate::fmt_http_date(world.clock.now().into());
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(header::DATE, date);
    }
    let hash = body.iter().fold(0_u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(*byte));
    let status = response.status().as_u16();
    world.note(format_args!("{} {target} {hash:08x} answers {status} {accepted}", host.name()));
    {
        let today = day(world.machine.now());
        let mut state = world.state();
        state.tally.requests += 1;
        *state.calls.entry((host, today)).or_default() += 1;
    }
    let is_batch = is_hec && url.path().ends_with("/event") && !body.is_empty();
    let gzip = request.headers().contains_key(header::CONTENT_ENCODING);
    let batch = is_batch.then(|| Batch::read(&body, gzip));
    let batch = batch.and_then(|batch| batch.map_err(|what| world.wrong(what)).ok());
    let accepted = usize::try_from(accepted).unwrap_or(usize::MAX);
    if batch.as_ref().is_some_and(|batch| batch.len() < accepted) {
        world.wrong(format!("{accepted} events accepted of fewer"));
    }
    if let Some(batch) = &batch {
        let siem = usize::from(host == Host::Archive);
        let taken = world.state().siems[siem].take(batch, accepted);
        if let Err(what) = taken {
            world.wrong(what);
        }
    }
    let channel = request.headers().get("x-splunk-request-channel");
    let channel = channel.and_then(|name| name.to_str().ok()).unwrap_or_default().to_owned();
    Served { response, channel, batch, accepted }
}
