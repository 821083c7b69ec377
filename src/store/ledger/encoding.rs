//! What a block holds: the different lists of members' paths, of which a page has few; then for
//! each version the number of its list, its members' hashes, and what is watched.

use crate::domain::{change::Known, fingerprint::Members};

pub(super) fn encode<'k>(versions: impl ExactSizeIterator<Item = &'k Known>) -> Vec<u8> {
    let mut lists: Vec<&str> = Vec::new();
    let mut parts = Vec::with_capacity(versions.len() * 1_024);
    for known in versions {
        let (paths, hashes) = known.members.parts();
        let list = lists.iter().position(|list| *list == paths).unwrap_or_else(|| {
            lists.push(paths);
            lists.len() - 1
        });
        encode_length(list, &mut parts);
        for hash in hashes {
            parts.extend_from_slice(&hash.to_le_bytes());
        }
        encode_text(&known.watched, &mut parts);
    }
    let mut out = Vec::with_capacity(parts.len() + lists.len() * 1_024);
    encode_length(lists.len(), &mut out);
    for list in lists {
        encode_text(list, &mut out);
    }
    out.append(&mut parts);
    out
}

fn encode_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    encode_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// The versions of a block, one after the other.
pub(super) struct Versions<'b> {
    lists: Vec<&'b str>,
    rest: &'b [u8],
}

pub(super) struct Version<'b> {
    paths: &'b str,
    hashes: &'b [u8],
    watched: &'b str,
}

impl<'b> Versions<'b> {
    pub(super) fn of(mut plain: &'b [u8]) -> Option<Self> {
        let lists = decode_length(&mut plain)?;
        let lists = (0..lists).map(|_| decode_text(&mut plain)).collect::<Option<_>>()?;
        Some(Self { lists, rest: plain })
    }
}

impl<'b> Iterator for Versions<'b> {
    type Item = Version<'b>;

    fn next(&mut self) -> Option<Version<'b>> {
        let paths = *self.lists.get(decode_length(&mut self.rest)?)?;
        let count = paths.bytes().filter(|byte| *byte == 0).count();
        let (hashes, rest) = self.rest.split_at_checked(count * 4)?;
        self.rest = rest;
        Some(Version { paths, hashes, watched: decode_text(&mut self.rest)? })
    }
}

impl Version<'_> {
    pub(super) fn known(&self, revision: u32) -> Option<Known> {
        let hashes = self.hashes.as_chunks().0.iter().map(|hash| u32::from_le_bytes(*hash));
        let members = Members::from_parts(self.paths.to_owned(), hashes.collect())?;
        Some(Known { revision, members, watched: self.watched.to_owned() })
    }
}

fn decode_length(from: &mut &[u8]) -> Option<usize> {
    let (length, rest) = from.split_first_chunk()?;
    *from = rest;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

fn decode_text<'b>(from: &mut &'b [u8]) -> Option<&'b str> {
    let length = decode_length(from)?;
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    std::str::from_utf8(text).ok()
}
