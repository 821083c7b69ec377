//! Vendor text on its way into records, faults and warnings.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{domain::fingerprint, fault};

/// Characters of a vendor's text in a fault or a warning.
const EXCERPT: usize = 200;

/// The member that Postrider adds to each event.
const OURS: &str = "postrider";

/// JSON on one line: as it came, unless it has line breaks; then without the white space between
/// its tokens. Strings and numbers stay byte for byte (a line break in a JSON string is escaped).
pub(super) fn one_line(json: &str) -> Cow<'_, str> {
    match memchr::memchr2(b'\n', b'\r', json.as_bytes()) {
        Some(_) => Cow::Owned(compact(json)),
        None => Cow::Borrowed(json),
    }
}

/// JSON without the white space between its tokens.
pub(super) fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let mut keep = |byte: u8| {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            return true;
        }
        quoted = byte == b'"';
        !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
    };
    let mut bytes = Vec::with_capacity(json.len());
    bytes.extend(json.bytes().filter(|byte| keep(*byte)));
    // Whole ASCII characters were left out of UTF-8, which leaves UTF-8.
    String::from_utf8(bytes).unwrap_or_else(|_| json.to_owned())
}

/// Oddities of a page that are told.
const WARNINGS: usize = 20;

/// The start of a text, fit for one line of a log.
pub(crate) fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT).map(fault::tame).collect();
    if text.chars().nth(EXCERPT).is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// Leaves so many warnings as a person would read.
pub(super) fn few(warnings: &mut Vec<String>) {
    if let Some(more @ 1..) = warnings.len().checked_sub(WARNINGS) {
        warnings.truncate(WARNINGS);
        warnings.push(format!("and {more} more such oddities in this answer"));
    }
}

/// `text` with each of `secrets` replaced.
pub(super) fn redact(text: &str, secrets: &[&str]) -> String {
    let present = secrets.iter().filter(|secret| !secret.is_empty());
    present.fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
}

/// Whether `text` has `phrase`, which is lower case without spaces; case and white space of the
/// text do not matter.
pub(super) fn has_phrase(text: &str, phrase: &str) -> bool {
    let squeezed: String = text
        .chars()
        .take(64 << 10)
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_ascii_lowercase())
        .collect();
    squeezed.contains(phrase)
}

/// Whether a body is a web page: a proxy, a captive portal or a gateway spoke, not the API.
pub(super) fn is_markup(body: &str) -> bool {
    body.trim_start_matches('\u{feff}').trim_start().starts_with('<')
}

/// The text of a JSON string, decoded; of anything else, and of what no text can hold, its JSON.
pub(super) fn text_or_json(value: &RawValue) -> Cow<'_, str> {
    fingerprint::text(value).unwrap_or(Cow::Borrowed(value.get()))
}

/// The text of a JSON string with something in it; `None` for everything else.
pub(super) fn filled(value: &RawValue) -> Option<Cow<'_, str>> {
    fingerprint::text(value).filter(|text| !text.is_empty())
}

/// Whether a value is one of the spellings of nothing.
pub(super) fn is_nothing(value: &RawValue) -> bool {
    let inside = |open, close| value.get().strip_prefix(open)?.strip_suffix(close);
    matches!(value.get(), "null" | "\"\"")
        || inside('[', ']').or_else(|| inside('{', '}')).is_some_and(|text| text.trim().is_empty())
}

/// The first member called `name`.
pub(super) fn member<'a>(
    members: &[(Cow<'a, str>, &'a RawValue)],
    name: &str,
) -> Option<&'a RawValue> {
    members.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
}

/// Gives a vendor's member `postrider` another name, because an event's first one is ours: the
/// object's new text, and that name. `None` when there is no such member. Values stay byte for byte.
pub(super) fn renamed(members: &mut [(Cow<'_, str>, &RawValue)]) -> Option<(String, String)> {
    members.iter().find(|(name, _)| name == OURS)?;
    let mut name = format!("{OURS}_original");
    while members.iter().any(|(taken, _)| *taken == name) {
        name.push('_');
    }
    let mut json = String::from("{");
    for (key, value) in members {
        if json.len() > 1 {
            json.push(',');
        }
        if key == OURS {
            *key = Cow::Owned(name.clone());
        }
        json.push_str(&serde_json::Value::from(key.as_ref()).to_string());
        json.push(':');
        json.push_str(value.get());
    }
    json.push('}');
    Some((json, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_white_space_between_tokens_goes() {
        let json = "{\n \"a b\": [1.0,\t1E+3, \"x \\\" \\\\\"],\r\n \"c\" : \" \\n\" }";
        assert_eq!(one_line(json), r#"{"a b":[1.0,1E+3,"x \" \\"],"c":" \n"}"#);
        assert_eq!(one_line("{ \"a\" : 1 }"), "{ \"a\" : 1 }");
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt("a\r\n\u{1b}[31mb"), "a   [31mb");
        assert_eq!(excerpt(&"é".repeat(300)).chars().count(), 201);
    }

    #[test]
    fn phrases_are_found_whatever_their_case_and_spaces() {
        assert!(has_phrase("{\"Message\": \"invalid  Date Range\"}", "invaliddaterange"));
        assert!(!has_phrase("Invalid dates", "invaliddaterange"));
    }

    #[test]
    fn our_member_is_renamed_and_collides_with_nothing() {
        let raw = r#"{"postrider":{"x":1.0},"postrider_original":2,"\u00e9":"\u00e9"}"#;
        let raw: &RawValue = serde_json::from_str(raw).unwrap();
        let (json, name) = renamed(&mut fingerprint::object(raw).unwrap()).unwrap();
        assert_eq!(name, "postrider_original_");
        assert_eq!(
            json,
            r#"{"postrider_original_":{"x":1.0},"postrider_original":2,"é":"\u00e9"}"#
        );
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value(text in any::<String>(), number in any::<i64>()) {
            let value = serde_json::json!({ text.as_str(): [number, text, { "x": null }] });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(one_line(&pretty), value.to_string());
        }
    }
}
