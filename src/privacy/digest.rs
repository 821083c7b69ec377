//! Hashes that stand for what they are made of: equal for what is equal, and of no use without the
//! key.

use zeroize::Zeroizing;

/// Bytes that a key has at least: fewer can be tried.
pub const SHORTEST_KEY: usize = 16;

/// Hexadecimal digits of a hash: 128 bits.
const DIGITS: usize = 32;

/// Names this use of the key, as BLAKE3 asks for.
const CONTEXT: &str = "postrider 2026-11-22 privacy of events";

/// Makes hashes with one key.
#[derive(Default)]
pub(super) struct Digest {
    key: Zeroizing<[u8; blake3::KEY_LEN]>,
    keep_domain: bool,
}

impl Digest {
    pub(super) fn new(secret: &str, keep_domain: bool) -> Self {
        let key = Zeroizing::new(blake3::derive_key(CONTEXT, secret.as_bytes()));
        Self { key, keep_domain }
    }

    /// `blake3:` and 32 hexadecimal digits. An address is hashed without the spaces around it and in
    /// lower case; with `keep_domain` its `@` and domain follow.
    pub(super) fn of(&self, text: &str) -> String {
        let Some(address) = address(text) else { return self.hash(text) };
        let address = address.to_lowercase();
        match address.split_once('@').filter(|_| self.keep_domain) {
            Some((_, domain)) => format!("{}@{domain}", self.hash(&address)),
            None => self.hash(&address),
        }
    }

    fn hash(&self, text: &str) -> String {
        let hex = blake3::keyed_hash(&self.key, text.as_bytes()).to_hex();
        format!("blake3:{}", hex.get(..DIGITS).unwrap_or_default())
    }
}

/// The address that a text is: alone, or between `<` and `>` behind a name.
fn address(text: &str) -> Option<&str> {
    let text = text.trim();
    let text = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((_, inside)) => inside.trim(),
        None => text,
    };
    let (local, domain) = text.split_once('@')?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | ',' | ';' | '<');
    let plain = |part: &str| !part.is_empty() && !part.contains(odd);
    (plain(local) && plain(domain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn equal_addresses_are_equal_however_they_are_written() {
        let digest = Digest::new(KEY, false);
        let ann = digest.of("ann@example.com");
        for same in [" Ann@Example.COM ", "Ann <ann@example.com>", "\"A, B\" <ANN@EXAMPLE.COM>"] {
            assert_eq!(digest.of(same), ann, "{same}");
        }
        for other in
            ["ann@example.org", "ann", "ann@example.com,bob@example.com", "ann @example.com"]
        {
            assert_ne!(digest.of(other), ann, "{other}");
        }
        assert_ne!(Digest::new("0123456789abcdeF", false).of("ann@example.com"), ann);
        assert!(ann.len() == "blake3:".len() + 32 && !ann.contains('@'), "{ann}");
    }

    #[test]
    fn what_is_no_address_counts_to_the_letter() {
        let digest = Digest::new(KEY, true);
        assert_ne!(digest.of("Invoice"), digest.of("invoice"));
        assert_ne!(digest.of("Invoice"), digest.of("Invoice "));
    }

    #[test]
    fn a_kept_domain_follows_the_same_hash() {
        let (with, without) = (Digest::new(KEY, true), Digest::new(KEY, false));
        let expected = format!("{}@example.com", without.of("ann@example.com"));
        assert_eq!(with.of("Ann@Example.com"), expected);
        assert_eq!(with.of("no address"), without.of("no address"));
    }
}
