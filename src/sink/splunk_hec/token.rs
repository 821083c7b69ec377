//! The token, read once and kept until Splunk refuses it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::HeaderValue;

use crate::{config::Secret, fault::Fault};

pub(super) struct Token {
    secret: Secret,
    header: Mutex<Option<HeaderValue>>,
}

impl Token {
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret, header: Mutex::new(None) }
    }

    /// The value of `Authorization`, marked so that no log shows it.
    pub(super) fn header(&self) -> Result<HeaderValue, Fault> {
        let mut kept = self.kept();
        if let Some(header) = &*kept {
            return Ok(header.clone());
        }
        let header = self.read()?;
        *kept = Some(header.clone());
        Ok(header)
    }

    /// The token after Splunk refused `refused`: another one where it was rotated meanwhile, else
    /// `None`. Of several batches that were refused together, each gets the new one.
    pub(super) fn after(&self, refused: &HeaderValue) -> Option<HeaderValue> {
        let mut kept = self.kept();
        if kept.as_ref().is_none_or(|header| header == refused) {
            // What cannot be read now is told by the next attempt, which reads again.
            *kept = self.read().ok();
        }
        kept.clone().filter(|header| header != refused)
    }

    fn kept(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<HeaderValue, Fault> {
        let token = self
            .secret
            .read()
            .map_err(|error| Fault::auth("the HEC token cannot be read").caused_by(error))?;
        let text = zeroize::Zeroizing::new(format!("Splunk {}", token.trim()));
        let mut header = HeaderValue::from_str(&text).map_err(|_| {
            Fault::auth("the HEC token has characters that no header can carry: check `token`")
        })?;
        header.set_sensitive(true);
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_batches_that_were_refused_together_get_the_rotated_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "old").unwrap();
        let token = Token::new(Secret::file(file.path()));
        let old = token.header().unwrap();
        assert_eq!(token.after(&old), None);
        std::fs::write(file.path(), "new").unwrap();
        for _ in 0..3 {
            assert_eq!(token.after(&old).unwrap(), "Splunk new");
        }
        assert!(!format!("{old:?}").contains("old"));
    }
}
