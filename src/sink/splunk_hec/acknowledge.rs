//! Waiting for the indexers: one question for all batches of a channel, again and again.

use std::{collections::BTreeMap, time::Duration};

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use super::{
    SplunkHec,
    channel::Channel,
    classify::{Answer, Reply, said},
    pending::{Told, Verdict},
};
use crate::fault::Fault;

const PATH: &str = "/services/collector/ack";

/// For one question: there is a next one.
const PATIENCE: Duration = Duration::from_secs(30);

/// HEC's "ACK is disabled", and what it answers where it has no such page.
const DISABLED: u32 = 14;
const NOT_FOUND: u32 = 404;

#[derive(Serialize)]
struct Question<'a> {
    acks: &'a [u64],
}

/// What HEC knows of the ids; `true` means indexed.
#[derive(Deserialize)]
struct Acks {
    acks: BTreeMap<u64, bool>,
}

/// Gives up waiting for a batch, in whatever way that ends.
struct Waiter<'a> {
    channel: &'a Channel,
    id: u64,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.channel.pending().forget(self.id);
    }
}

impl SplunkHec {
    /// Waits until it is known what became of the batch. Of all who wait on a channel one asks for
    /// all; dropped at any point, it leaves that to the others.
    pub(super) async fn verdict(&self, channel: &Channel, id: u64) -> Verdict {
        let _waiter = Waiter { channel, id };
        loop {
            let settled = channel.settled().notified();
            tokio::pin!(settled);
            // From here on no word is missed.
            settled.as_mut().enable();
            if let Some(verdict) = channel.pending().take(id) {
                return verdict;
            }
            let _turn = tokio::select! {
                biased;
                () = settled.as_mut() => continue,
                turn = channel.turn().lock() => turn,
            };
            let Some((due, ids)) = channel.pending().question() else {
                // All was told, but some posts are to show what was meant.
                settled.await;
                continue;
            };
            tokio::select! {
                biased;
                () = settled => continue,
                () = tokio::time::sleep_until(due) => {}
            }
            self.ask(channel, &ids).await;
        }
    }

    async fn ask(&self, channel: &Channel, ids: &[u64]) {
        let asked = Instant::now();
        let told = match tokio::time::timeout(PATIENCE, self.query(channel, ids)).await {
            Ok(Ok(answer)) => read(&answer),
            Ok(Err(fault)) => Told::Nothing { why: fault.chain(), retry_after: None },
            Err(_) => {
                let why = format!("{} did not answer in time", self.endpoints[channel.endpoint]);
                Told::Nothing { why: why + PATH, retry_after: None }
            }
        };
        let mut pending = channel.pending();
        let was_well = pending.trouble().is_none();
        pending.told(ids, asked, told, Instant::now());
        if let Some(error) = pending.trouble().filter(|_| was_well) {
            warn!(error, "cannot ask for acknowledgements; asking again");
        }
        drop(pending);
        channel.settled().notify_waiters();
    }

    /// One question, and once more where the token was rotated.
    async fn query(&self, channel: &Channel, ids: &[u64]) -> Result<Answer, Fault> {
        let token = self.token.header()?;
        let answer = self.put_question(channel, token.clone(), ids).await?;
        if answer.refuses_token()
            && let Some(token) = self.token.after(&token)
        {
            return self.put_question(channel, token, ids).await;
        }
        Ok(answer)
    }

    async fn put_question(
        &self,
        channel: &Channel,
        token: HeaderValue,
        ids: &[u64],
    ) -> Result<Answer, Fault> {
        let body = serde_json::to_vec(&Question { acks: ids }).unwrap_or_default();
        self.exchange(channel, PATH, token, body.into(), false).await
    }

    /// Whether the endpoint has acknowledgements for the token. Asked on a channel of its own, as a
    /// `true` is told once.
    pub(super) async fn has_acknowledgements(
        &self,
        endpoint: usize,
        channel: Uuid,
    ) -> Result<bool, Fault> {
        let channel = Channel::new(channel, endpoint, true, self.ack_timeout);
        let answer = self.query(&channel, &[0]).await?;
        match read(&answer) {
            Told::Indexed(_) => Ok(true),
            Told::Unsupported(_) => Ok(false),
            Told::Nothing { .. } => Err(super::classify::refused_question(&answer)),
        }
    }
}

/// What an answer to a question means. Whatever is not HEC's word for "indexed" is not delivery.
pub(super) fn read(answer: &Answer) -> Told {
    if (200..=299).contains(&answer.status)
        && let Ok(Acks { acks }) = serde_json::from_slice(&answer.body)
    {
        return Told::Indexed(acks.into_iter().filter(|(_, is)| *is).map(|(id, _)| id).collect());
    }
    let why = said(answer);
    match (answer.status, answer.reply.as_ref().and_then(|reply: &Reply| reply.code)) {
        (400, Some(DISABLED)) | (404, Some(NOT_FOUND)) => Told::Unsupported(why),
        _ => Told::Nothing { why, retry_after: answer.retry_after },
    }
}
