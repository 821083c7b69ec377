//! The keys of a sink's `privacy`.

use super::{SecretKey, Strings};
use crate::config::section::section;

section! {
    /// What is kept from the sink.
    PrivacyKeys {
        /// What of an event is kept from the sink.
        privacy: PrivacyPart,
    }
}

section! {
    /// Members and groups of members (`sender`, `recipients`, `url`, `url_query`,
    /// `attachment_names`, `client_ip`, `techniques_text`) that are kept from the sink.
    PrivacyPart {
        /// What is left out. By default nothing.
        drop: Strings,
        /// What is replaced by a keyed hash, equal for equal values. By default nothing.
        hash: Strings,
        /// The key of the hashes, at least 16 bytes; whoever has it can try out what was hashed. A
        /// secret.
        key: SecretKey,
        /// Whether the domain of an address stays readable beside its hash.
        keep_domain: bool = false,
    }
}
