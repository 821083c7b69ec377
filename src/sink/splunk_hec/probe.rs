//! Trying HEC without leaving an event: is it up, and does it take the token?

use bytes::Bytes;

use super::{
    SplunkHec,
    channel::Channel,
    classify::{Reply, classify, without_acknowledgement},
    post::PATH,
};
use crate::{config::Acknowledgements, fault::Fault, sink::Outcome};

/// Some receivers know only one of them.
const HEALTH: [&str; 2] = ["/services/collector/health", "/services/collector/health/1.0"];

/// HEC's "no data": the answer to an empty body, given only after the token was found good.
const NO_DATA: u32 = 5;

/// Tries each endpoint; the first that fails is the result.
pub(super) async fn probe(sink: &SplunkHec) -> Result<String, Fault> {
    let mut found = Vec::new();
    for (at, endpoint) in sink.endpoints.iter().enumerate() {
        let health = health(sink, endpoint).await?;
        token(sink, at).await?;
        let acknowledges = acknowledges(sink, at).await?;
        found.push(format!("{endpoint}: {health}, and it takes the token{acknowledges}"));
    }
    let index = match &sink.index {
        Some(index) => format!("the index \"{index}\""),
        None => "the token's default index".to_owned(),
    };
    Ok(format!("{}. This does not prove that {index} exists.", found.join("; ")))
}

/// A proxy may keep the health page from us, so only a lost connection counts as failure here.
async fn health(sink: &SplunkHec, endpoint: &str) -> Result<String, Fault> {
    let mut seen = String::new();
    for path in HEALTH {
        let request = sink.client.get(format!("{endpoint}{path}"));
        let response = sink.client.send(request).await?;
        if response.status().is_success() {
            return Ok("it is healthy".to_owned());
        }
        seen = format!("its health page answers {}", response.status().as_u16());
    }
    Ok(seen)
}

async fn token(sink: &SplunkHec, endpoint: usize) -> Result<(), Fault> {
    let channel = Channel::new(sink.route().fresh_id(), endpoint, false, sink.ack_timeout);
    let header = sink.token.header()?;
    let mut answer = sink.exchange(&channel, PATH, header.clone(), Bytes::new(), false).await?;
    if answer.refuses_token()
        && let Some(header) = sink.token.after(&header)
    {
        answer = sink.exchange(&channel, PATH, header, Bytes::new(), false).await?;
    }
    let code = answer.reply.as_ref().and_then(|reply: &Reply| reply.code);
    if answer.status == 400 && code == Some(NO_DATA) {
        return Ok(());
    }
    Err(match classify(&answer, 0, 0) {
        Outcome::Failed(fault) => fault,
        // Receivers that are not Splunk may be content with nothing.
        Outcome::Accepted => return Ok(()),
        _ => Fault::transient(format!(
            "{} answered {} to an empty body, which says nothing about the token",
            answer.url, answer.status
        )),
    })
}

/// Says whether the token has indexer acknowledgement; a fault where it must and has not.
async fn acknowledges(sink: &SplunkHec, endpoint: usize) -> Result<String, Fault> {
    if sink.acknowledgements == Acknowledgements::Off {
        return Ok(", whose acknowledgements are not asked for".to_owned());
    }
    let channel = sink.route().fresh_id();
    let required = sink.acknowledgements == Acknowledgements::Required;
    match sink.has_acknowledgements(endpoint, channel).await {
        Ok(true) => Ok(", with indexer acknowledgement".to_owned()),
        Ok(false) if required => Err(without_acknowledgement(&sink.endpoints[endpoint])),
        Ok(false) => Ok(", without indexer acknowledgement".to_owned()),
        Err(fault) if required => Err(fault),
        Err(fault) => Ok(format!("; whether it acknowledges is unknown ({})", fault.chain())),
    }
}
