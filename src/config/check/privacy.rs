//! What is kept from a sink: names that exist, and a key that is worth the name.

use crate::{
    config::{
        Privacy,
        node::Context,
        raw::{PrivacyKeys, PrivacyPart, SecretKey, Strings},
        section::nearest,
    },
    privacy::{
        SHORTEST_KEY,
        members::{self, ADDED},
    },
};

/// `None` where nothing is kept from the sink, or what is wrong was told.
pub(super) fn privacy(cx: &Context<'_>, keys: PrivacyKeys) -> Option<Privacy> {
    if !keys.privacy.given {
        return None;
    }
    let PrivacyPart { drop, hash, key, keep_domain } = keys.privacy.value?;
    let (dropped, hashed) = (drop.value.unwrap_or_default(), hash.value.unwrap_or_default());
    let known = known(cx, &dropped) & known(cx, &hashed);
    let twice =
        hashed.0.iter().filter(|(name, _)| dropped.0.iter().any(|(other, _)| other == name));
    for (name, path) in twice {
        cx.error(path, format!("{name:?} is dropped already; keep it in one of the two lists"));
    }
    let hashes = !hashed.0.is_empty();
    if hashes && !key.given {
        cx.error(
            &key.path,
            "hashes need a key, or they could be undone by trying; write where the secret is, such \
             as { file = \"/etc/postrider/privacy-key\" }, and make one with `openssl rand -hex 32`",
        );
    }
    for (path, given) in [(&key.path, key.given), (&keep_domain.path, keep_domain.given)] {
        if given && !hashes {
            cx.warn(path, "nothing is hashed; name members in `hash` or remove this key");
        }
    }
    if !hashes && dropped.0.is_empty() {
        cx.warn(
            &keys.privacy.path,
            "nothing is kept from this sink; name members in `drop` or `hash`",
        );
    }
    let strong = key.value.as_ref().is_none_or(|secret| is_strong(cx, &key.path, secret));
    if !known || !strong || hashes && key.value.is_none() {
        return None;
    }
    Some(Privacy {
        drop: dropped.plain(),
        hash: hashed.plain(),
        key: key.value.map(|key| key.0),
        keep_domain: keep_domain.value?,
    })
}

/// Whether all names exist.
fn known(cx: &Context<'_>, names: &Strings) -> bool {
    let mut all = true;
    for (name, path) in &names.0 {
        if members::target(name).is_some() {
            continue;
        }
        all = false;
        let own = name.split('.').next() == Some("postrider") || name.starts_with("any:postrider");
        let cure = if own {
            "the members of `postrider` are needed to tell events apart, and hold none of the \
             vendor's but former values, which go with their member"
                .to_owned()
        } else {
            let near = nearest(name, members::names());
            let near = near.map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
            let all: Vec<&str> = members::names().collect();
            format!(
                "{near}There are {}; and \"{ADDED}NAME\" for one that the vendor has added",
                all.join(", ")
            )
        };
        cx.error(path, format!("{name:?} is no member that is known here; {cure}"));
    }
    all
}

fn is_strong(cx: &Context<'_>, path: &str, key: &SecretKey) -> bool {
    // What cannot be read has been told.
    let strong = key.0.read().is_ok_and(|text| text.len() >= SHORTEST_KEY);
    if !strong {
        cx.error(
            path,
            format!(
                "the key is shorter than {SHORTEST_KEY} bytes, so that it could be found by trying; \
                 make one with `openssl rand -hex 32`"
            ),
        );
    }
    strong
}
