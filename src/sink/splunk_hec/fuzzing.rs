//! HEC's answers, arbitrary, for `crate::fuzzing`.

use super::classify::{Answer, Reply, classify};
use crate::sink::Outcome;

/// An answer to a batch, whatever its status.
pub fn hec(bytes: &[u8]) {
    let reply = Reply::read(bytes);
    for status in [100, 200, 204, 302, 400, 401, 403, 404, 407, 413, 415, 429, 500, 503, 999] {
        for (frames, body_len) in [(1, 100), (500, 1 << 20)] {
            let url = "https://splunk.example.com".to_owned();
            let answer = Answer { status, reply: reply.clone(), url, ..Answer::default() };
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
