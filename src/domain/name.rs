//! Names that only parsing makes.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Why a text cannot name a source or a sink.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a name: use 1 to 64 letters, digits, `-` and `_`")]
pub struct BadName(String);

fn parse(text: &str) -> Result<Arc<str>, BadName> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=64).contains(&text.len()) && text.chars().all(legal) {
        Ok(text.into())
    } else {
        Err(BadName(text.to_owned()))
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a configured vendor account, `[sources.NAME]`.
    SourceName
);
impl SourceName {
    /// Whose health events are about the collector itself, such as a sink: no configured source
    /// may have this name.
    pub const OWN: &str = "postrider";

    pub fn own() -> Self {
        Self(Self::OWN.into())
    }
}

name!(
    /// The name of a configured destination, `[sinks.NAME]`.
    SinkName
);
