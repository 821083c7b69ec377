//! Trying HEC without leaving an event: is it up, and does it take the token?

use bytes::Bytes;

use super::{
    SplunkHec,
    classify::{Reply, classify},
};
use crate::{fault::Fault, sink::Outcome};

/// Some receivers know only one of them.
const HEALTH: [&str; 2] = ["/services/collector/health", "/services/collector/health/1.0"];

/// HEC's "no data": the answer to an empty body, given only after the token was found good.
const NO_DATA: u32 = 5;

/// Tries each endpoint; the first that fails is the result.
pub(super) async fn probe(sink: &SplunkHec) -> Result<String, Fault> {
    let mut found = Vec::new();
    for endpoint in &sink.endpoints {
        let health = health(sink, endpoint).await?;
        token(sink, endpoint).await?;
        found.push(format!("{endpoint}: {health}, and it takes the token"));
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

async fn token(sink: &SplunkHec, endpoint: &str) -> Result<(), Fault> {
    let channel = sink.route().channel;
    let header = sink.token.header()?;
    let mut answer = sink.post(endpoint, channel, header.clone(), Bytes::new()).await?;
    if answer.refuses_token()
        && let Some(header) = sink.token.after(&header)
    {
        answer = sink.post(endpoint, channel, header, Bytes::new()).await?;
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
