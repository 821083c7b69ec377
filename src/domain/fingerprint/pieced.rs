//! The content of a record of which only a part came.

use super::{Fingerprint, Hash, Member, Members, SEPARATOR};

impl Fingerprint {
    /// Of a record that is as `before`, except that all below the top level's `roots` is now as in
    /// `fresh`.
    ///
    /// Its content is a hash of the members' hashes, since nothing else is known of the others. No
    /// whole record has it: see [`Members::pieced`].
    pub fn pieced(before: &Members, roots: &[&str], fresh: &Members) -> Self {
        let is_of = |path: &str, root: &str| {
            let rest = path.strip_prefix(root);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
        };
        let under = |member: &Member<'_>| roots.iter().any(|root| is_of(member.path, root));
        let kept = before.iter().filter(|member| !under(member));
        let mut leaves: Vec<Member<'_>> = kept.chain(fresh.iter().filter(under)).collect();
        // Stable: repeated members stay in their order.
        leaves.sort_by_key(|member| member.path);
        let mut members = Members::default();
        for Member { path, hash } in leaves {
            members.paths.push_str(path);
            members.paths.push('\0');
            members.hashes.push(hash);
        }
        Self { content: members.pieced(), members }
    }
}

impl Members {
    /// The content that [`Fingerprint::pieced`] gives a record with these members: who finds it
    /// beside them knows that the record was never seen whole.
    pub fn pieced(&self) -> Hash {
        let mut hasher = blake3::Hasher::new_derive_key("postrider 2026 pieced content");
        hasher.update(self.paths.as_bytes());
        for hash in &self.hashes {
            hasher.update(&hash.to_le_bytes());
        }
        let mut content = Hash::default();
        hasher.finalize_xof().fill(&mut content);
        content
    }
}
