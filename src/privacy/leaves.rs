//! The texts and numbers in a piece of JSON, one after the other and without recursion: a sender
//! may nest what they send as deep as they like.

use std::borrow::Cow;

/// Writes `json` to `out`, with each text and number for which `with` gives a text replaced by that.
/// Names of members stay.
pub(super) fn rewrite(json: &str, out: &mut String, mut with: impl FnMut(&str) -> Option<String>) {
    let bytes = json.as_bytes();
    let part = |from: usize, to: usize| json.get(from..to).unwrap_or_default();
    let (mut at, mut written) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b'"' => end_of_text(bytes, at),
            b'-' | b'0'..=b'9' => {
                let number =
                    |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                at + bytes.iter().skip(at).take_while(|byte| number(byte)).count()
            }
            _ => {
                at += 1;
                continue;
            }
        };
        let next = bytes.iter().skip(end).find(|byte| !byte.is_ascii_whitespace());
        if next != Some(&b':')
            && let Some(text) = with(part(at, end))
        {
            out.push_str(part(written, at));
            out.push_str(&quoted(&text));
            written = end;
        }
        at = end;
    }
    out.push_str(part(written, bytes.len()));
}

/// The place behind the text that begins at `at`.
fn end_of_text(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(end..).unwrap_or_default()) {
        end += found;
        if bytes.get(end) == Some(&b'"') {
            return end + 1;
        }
        end += 2;
    }
    bytes.len()
}

/// The text of a leaf; `None` for a number. One that no text can hold, with half of a surrogate
/// pair, is its JSON.
pub(super) fn text(leaf: &str) -> Option<Cow<'_, str>> {
    let inside = leaf.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    Some(serde_json::from_str(leaf).map_or(Cow::Borrowed(inside), Cow::Owned))
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(json: &str) -> String {
        let mut out = String::new();
        rewrite(json, &mut out, |leaf| {
            (leaf != "\"keep\"").then(|| format!("<{}>", text(leaf).as_deref().unwrap_or("#")))
        });
        out
    }

    #[test]
    fn texts_and_numbers_are_leaves_and_names_are_not() {
        for (json, expected) in [
            (r#""a""#, r#""<a>""#),
            (r#""\"\\""#, r#""<\"\\>""#),
            ("-1.5e+3", r#""<#>""#),
            (
                r#"{"a" : "b","c":[true, null,"keep",{"d":{}}, 7]}"#,
                r#"{"a" : "<b>","c":[true, null,"keep",{"d":{}}, "<#>"]}"#,
            ),
            (r#"["\ud800",""]"#, r#"["<\\ud800>","<>"]"#),
            ("true", "true"),
        ] {
            assert_eq!(rewritten(json), expected, "{json}");
        }
    }

    #[test]
    fn depth_does_not_matter() {
        let deep = format!("{}\"x\"{}", "[".repeat(300_000), "]".repeat(300_000));
        assert!(rewritten(&deep).contains("[\"<x>\"]"));
    }
}
