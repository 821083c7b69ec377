//! HEC's answers, arbitrary, for `crate::fuzzing`.

use super::{
    acknowledge::read,
    classify::{Answer, Reply, classify},
    pending::Told,
};
use crate::sink::Outcome;

/// An answer to a batch, whatever its status.
pub fn hec(bytes: &[u8]) {
    let reply = Reply::read(bytes);
    for status in [100, 200, 204, 302, 400, 401, 403, 404, 407, 413, 415, 429, 500, 503, 999] {
        for (frames, body_len) in [(1, 100), (500, 1 << 20)] {
            let url = "https://splunk.example.com".to_owned();
            let body = bytes::Bytes::copy_from_slice(bytes);
            let answer = Answer { status, reply: reply.clone(), body, url, ..Answer::default() };
            acknowledged(&answer);
            answer.is_down();
            answer.refuses_token();
            let code = reply.as_ref().and_then(|reply| reply.code);
            match classify(&answer, frames, body_len) {
                Outcome::Accepted => {
                    assert!((200..300).contains(&status) && matches!(code, Some(0 | 24 | 25)));
                }
                Outcome::Poison { index, reason } => {
                    assert!(index < frames && status == 400, "{reason}");
                }
                Outcome::SomePoison { .. } => assert_eq!(status, 400),
                Outcome::TooLarge { reason } => assert!(!reason.is_empty()),
                Outcome::Failed(fault) => {
                    let chain = fault.chain();
                    assert!(!chain.contains(char::is_control), "{chain}");
                }
            }
        }
    }
}

/// An answer to the question which batches are indexed: only a 2xx that says so of an id counts.
fn acknowledged(answer: &Answer) {
    let Told::Indexed(ids) = read(answer) else { return };
    assert!((200..300).contains(&answer.status));
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    for id in ids {
        assert_eq!(said["acks"][id.to_string()], true, "{id}");
    }
}
