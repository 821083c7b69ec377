//! Query strings of URLs. Addresses of recipients, tokens and names stand there.

use super::digest::Digest;

/// The text without what follows the first `?` or `#` of each URL in it, or, with a digest, with the
/// hash of that in its place. `None` where there is nothing to take. With `is_url` the text is one
/// URL, however it is written.
pub(super) fn taken(text: &str, is_url: bool, digest: Option<&Digest>) -> Option<String> {
    if is_url {
        let mut out = String::new();
        return url(text, digest, &mut out).then_some(out);
    }
    let (mut out, mut found, mut rest) = (String::new(), false, text);
    while let Some((before, from)) = rest.split_once("://") {
        out.push_str(before);
        let end = from.find(ends_url).unwrap_or(from.len());
        let (inside, after) = from.split_at_checked(end)?;
        out.push_str("://");
        found |= url(inside, digest, &mut out);
        rest = after;
    }
    out.push_str(rest);
    found.then_some(out)
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>')
}

/// Appends what may stay of a URL; whether anything was taken.
fn url(url: &str, digest: Option<&Digest>, out: &mut String) -> bool {
    let query = url.split_once('?').into_iter().chain(url.split_once('#'));
    let found = query.min_by_key(|(before, _)| before.len()).filter(|(_, query)| !query.is_empty());
    let Some((before, query)) = found else {
        out.push_str(url);
        return false;
    };
    out.push_str(before);
    if let Some(digest) = digest {
        out.push(if url.as_bytes().get(before.len()) == Some(&b'#') { '#' } else { '?' });
        out.push_str(&digest.of(query));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_question_mark_or_a_hash_sign_goes() {
        for (text, is_url, left) in [
            ("https://a.example/p?u=ann#x", true, Some("https://a.example/p")),
            ("https://a.example/p#ann?u", true, Some("https://a.example/p")),
            ("a.example/p?ann@example.com", true, Some("a.example/p")),
            ("a.example/p?ann", false, None),
            ("https://a.example/?", true, None),
            ("https://a.example/p", true, None),
            (
                "see http://a/?x and <ftp://b/#y>, what?",
                false,
                Some("see http://a/ and <ftp://b/>, what?"),
            ),
            ("http://a/?u=http://b/?x end?", false, Some("http://a/ end?")),
            ("ä://ö?ü ß?", false, Some("ä://ö ß?")),
            ("what?", false, None),
        ] {
            assert_eq!(taken(text, is_url, None).as_deref(), left, "{text}");
        }
    }

    #[test]
    fn equal_queries_have_equal_hashes() {
        let digest = Digest::new("0123456789abcdef", false);
        let hashed = |text| taken(text, true, Some(&digest)).unwrap();
        let (a, b) = (hashed("https://a.example/p?u=1"), hashed("https://b.example/?u=1"));
        assert_eq!(a.split_once('?').unwrap().1, b.split_once('?').unwrap().1);
        assert!(a.starts_with("https://a.example/p?blake3:") && !a.contains("u=1"), "{a}");
        assert!(hashed("https://a.example/p#u").starts_with("https://a.example/p#blake3:"));
    }
}
