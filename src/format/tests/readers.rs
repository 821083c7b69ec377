//! Readers of CEF and LEEF as their specifications have them, made without a look at the writers.

#![expect(clippy::string_slice, reason = "at spaces and signs of one byte")]

pub(super) type Pairs = Vec<(String, String)>;

/// The header's seven fields and the extension's pairs. Panics at what no receiver could read.
pub(super) fn cef(line: &str) -> (Vec<String>, Pairs) {
    let (header, extension) = header(line, 7);
    let bytes = extension.as_bytes();
    let mut signs = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                assert!(at + 1 < bytes.len(), "a cut escape: {line}");
                assert!(b"\\=nr".contains(&bytes[at + 1]), "an unknown escape: {line}");
                at += 2;
            }
            b'=' => {
                signs.push(at);
                at += 1;
            }
            _ => at += 1,
        }
    }
    // A key is the word before a sign.
    let key_at = |sign: usize| extension[..sign].rfind(' ').map_or(0, |space| space + 1);
    let mut pairs = Pairs::new();
    for (index, sign) in signs.iter().enumerate() {
        let end = match signs.get(index + 1) {
            Some(next) => key_at(*next) - 1,
            None => extension.len(),
        };
        let key = &extension[key_at(*sign)..*sign];
        pairs.push((key.to_owned(), unescaped(&extension[sign + 1..end])));
    }
    (header, checked(line, pairs))
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next().unwrap() {
                'n' => '\n',
                'r' => '\r',
                other => other,
            },
            other => other,
        });
    }
    out
}

/// The header's fields and the attributes.
pub(super) fn leef(line: &str) -> (Vec<String>, Pairs) {
    let is_2 = line.starts_with("LEEF:2.0|");
    assert!(is_2 || line.starts_with("LEEF:1.0|"), "{line}");
    let (header, attributes) = header(line, if is_2 { 6 } else { 5 });
    let delimiter = if is_2 { header[5].chars().next().unwrap() } else { '\t' };
    let pairs = attributes.split(delimiter).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or_else(|| panic!("no key: {line}"));
        (key.to_owned(), value.to_owned())
    });
    let pairs = pairs.collect();
    (header, checked(line, pairs))
}

fn header(line: &str, count: usize) -> (Vec<String>, &str) {
    let mut parts: Vec<&str> = line.splitn(count + 1, '|').collect();
    assert_eq!(parts.len(), count + 1, "{line}");
    let rest = parts.pop().unwrap();
    (parts.into_iter().map(ToOwned::to_owned).collect(), rest)
}

/// A line is one, has nothing that a relay rewrites, and each key once.
fn checked(line: &str, pairs: Pairs) -> Pairs {
    let is_tab = |c: char| c == '\t' && line.starts_with("LEEF:1.0|");
    let odd = |c: char| (c.is_control() && !is_tab(c)) || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(!line.contains(odd), "{line:?}");
    let mut keys: Vec<_> = pairs.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    let count = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), count, "a key twice: {line}");
    pairs
}

/// The values of CEF's pairs, as they should come out: `None` where there is nothing to see.
pub(super) fn shown_in_cef(text: &str) -> Option<String> {
    shown(text, |c| match c {
        '\n' | '\r' => c,
        other => spaced(other),
    })
}

pub(super) fn shown_in_leef(text: &str) -> Option<String> {
    shown(text, spaced)
}

/// With spaces in the place of LEEF 2.0's delimiter, and none at the ends.
pub(super) fn shown_in_leef_2(text: &str) -> Option<String> {
    let text = shown_in_leef(text)?;
    Some(text.trim_matches(|c: char| c == '^' || c.is_whitespace()).replace('^', " "))
}

fn spaced(c: char) -> char {
    if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }
}

fn shown(text: &str, each: impl Fn(char) -> char) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    (!text.is_empty()).then(|| text.chars().map(each).collect())
}
