//! Secrets: where they come from, and a type that cannot be printed.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

/// A secret and where it comes from. `Debug` names the origin only; there is no `Display` and no
/// `Serialize`.
#[derive(Clone)]
pub struct Secret {
    origin: Origin,
}

#[derive(Clone)]
enum Origin {
    Plain(Zeroizing<String>),
    Env(String),
    /// `{ file = … }` and `{ credential = … }`, the latter already resolved.
    File(PathBuf),
    /// `{ credential = … }` where nobody gives any.
    Credential(String),
}

/// Why a secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    #[error("the credential {0} cannot be found because CREDENTIALS_DIRECTORY is not set")]
    NoCredential(String),
    #[error("the secret file {} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the secret file {} is empty", .0.display())]
    Empty(PathBuf),
}

impl Secret {
    pub fn plain(text: impl Into<String>) -> Self {
        Self { origin: Origin::Plain(Zeroizing::new(text.into())) }
    }

    pub fn env(name: impl Into<String>) -> Self {
        Self { origin: Origin::Env(name.into()) }
    }

    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { origin: Origin::File(path.into()) }
    }

    pub(super) fn credential(name: impl Into<String>) -> Self {
        Self { origin: Origin::Credential(name.into()) }
    }

    /// Reads the secret from its origin, anew each time: rotation needs no restart. A file's
    /// trailing line break does not belong to it.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretError> {
        match &self.origin {
            Origin::Plain(text) => Ok(text.clone()),
            #[expect(clippy::disallowed_methods, reason = "secrets belong to the configuration")]
            Origin::Env(name) => std::env::var(name)
                .map(Zeroizing::new)
                .map_err(|_| SecretError::NoVariable(name.clone())),
            Origin::Credential(name) => Err(SecretError::NoCredential(name.clone())),
            Origin::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map(Zeroizing::new)
                    .map_err(|source| SecretError::Unreadable { path: path.clone(), source })?;
                let trimmed = text.trim_end_matches(['\n', '\r']);
                if trimmed.is_empty() {
                    return Err(SecretError::Empty(path.clone()));
                }
                Ok(Zeroizing::new(trimmed.to_owned()))
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Plain(_) => f.write_str("Secret(plain)"),
            Origin::Env(name) => write!(f, "Secret(env {name})"),
            Origin::File(path) => write!(f, "Secret(file {})", path.display()),
            Origin::Credential(name) => write!(f, "Secret(credential {name})"),
        }
    }
}
