//! The event's JSON on one line.

/// Appends `json` as one line, without a line break at its end.
///
/// The spool's JSON has none inside already. Should a vendor's record carry line breaks or tabs
/// between its members, each becomes a space: within strings JSON forbids them raw, so nothing but
/// layout changes.
pub fn one_line(json: &str, out: &mut Vec<u8>) {
    append(json, |byte| byte < b' ', out);
}

/// Like [`one_line`], and DEL, the last control character that JSON allows raw in a string, is
/// escaped: syslog receivers rewrite control characters.
pub fn printable_line(json: &str, out: &mut Vec<u8>) {
    append(json, |byte| byte < b' ' || byte == 0x7f, out);
}

fn append(json: &str, is_special: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    let mut rest = json.as_bytes();
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(if from[0] == 0x7f { b"\\u007f" } else { b" " });
        rest = &from[1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> String {
        let mut out = Vec::new();
        printable_line(json, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn layout_becomes_spaces_and_del_an_escape() {
        assert_eq!(line("{\"a\":\r\n\t1}"), "{\"a\":   1}");
        assert_eq!(line("{\"a\":\"x\u{7f}y\"}"), r#"{"a":"x\u007fy"}"#);
        assert_eq!(line(r#"{"a":"x\ny ü"}"#), r#"{"a":"x\ny ü"}"#);
    }

    #[test]
    fn one_line_keeps_del() {
        let mut out = Vec::new();
        one_line("\"\u{7f}\"\n", &mut out);
        assert_eq!(out, b"\"\x7f\" ");
    }
}
