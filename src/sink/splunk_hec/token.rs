//! The token, read once and kept until Splunk refuses it.

use std::sync::{Mutex, PoisonError};

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
        let mut kept = self.header.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(header) = &*kept {
            return Ok(header.clone());
        }
        let header = self.read()?;
        *kept = Some(header.clone());
        Ok(header)
    }

    /// Forgets the token, which was refused, and reads it again. True where it is another one now.
    pub(super) fn reread(&self) -> bool {
        let refused = self.header.lock().unwrap_or_else(PoisonError::into_inner).take();
        // An unreadable secret is told by whoever needs it next.
        refused.is_some() && self.header().is_ok_and(|header| Some(header) != refused)
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
