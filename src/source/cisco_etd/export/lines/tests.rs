use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::*;
use crate::source::testing::sample;

/// What a file gives that comes in such pieces.
fn read(file: &[u8], longest: usize, pieces: &[usize]) -> (Vec<Line>, Option<Broken>) {
    let mut lines = Lines::up_to(longest);
    let mut found = Vec::new();
    let (mut rest, mut pieces) = (file, pieces.iter().cycle());
    while !rest.is_empty() {
        let length = pieces.next().map_or(rest.len(), |length| (*length).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(length);
        rest = after;
        lines.feed(Bytes::copy_from_slice(piece));
        loop {
            match lines.next() {
                Ok(Some(line)) => found.push(line),
                Ok(None) => break,
                Err(broken) => return (found, Some(broken)),
            }
        }
    }
    loop {
        match lines.end() {
            Ok(Some(line)) => found.push(line),
            Ok(None) => return (found, None),
            Err(broken) => return (found, Some(broken)),
        }
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn text(lines: &[Line]) -> Vec<String> {
    let text = |line: &Line| match line {
        Line::Text(text) => String::from_utf8(text.clone()).unwrap(),
        Line::TooLong { bytes, start } => {
            format!("{bytes} bytes: {}", String::from_utf8_lossy(start))
        }
    };
    lines.iter().map(text).collect()
}

fn whole(file: &[u8]) -> Vec<String> {
    let (lines, broken) = read(file, LONGEST, &[]);
    assert_eq!(broken, None);
    text(&lines)
}

fn broken(file: &[u8]) -> (Vec<String>, Broken) {
    let (lines, broken) = read(file, LONGEST, &[]);
    (text(&lines), broken.unwrap())
}

#[test]
fn the_sample_is_three_lines_in_each_of_the_forms() {
    let sample = sample("etd_export", "log_message.ndjson");
    let expected: Vec<&str> = sample.lines().collect();
    let array = format!("[{}]\n", expected.join(",\n"));
    for file in [sample.as_str(), sample.trim_end(), &format!("\u{feff}{sample}"), &array] {
        assert_eq!(whole(file.as_bytes()), expected);
        assert_eq!(whole(&gzip(file.as_bytes())), expected);
    }
    // As gzip writes what is appended to a file.
    let twice = [gzip(sample.as_bytes()), gzip(sample.as_bytes())].concat();
    assert_eq!(whole(&twice), [expected.clone(), expected].concat());
}

#[test]
fn an_empty_file_has_no_lines() {
    for file in [b"".as_slice(), b"\n \r\n", b"[]", b"[ ]\n", b"\xef\xbb\xbf"] {
        assert_eq!(whole(file), Vec::<String>::new());
        assert_eq!(whole(&gzip(file)), Vec::<String>::new());
    }
}

#[test]
fn a_line_that_is_no_json_costs_no_other() {
    let file = b"{\"a\":1}\r\nrubbish \"\n{\"b\":2}\n";
    assert_eq!(whole(file), ["{\"a\":1}", "rubbish \"", "{\"b\":2}"]);
    assert_eq!(whole(b"{\"a\":1}\nrubbish"), ["{\"a\":1}", "rubbish"]);
}

#[test]
fn half_a_line_at_the_end_is_no_whole_file() {
    for file in [
        b"{\"a\":1}\n{\"b\":".as_slice(),
        b"[{\"a\":1},{\"b\":2}",
        b"[{\"a\":1},{\"b\":2},",
        b"[{\"a\":1},{\"b",
    ] {
        let (lines, why) = broken(file);
        assert_eq!((lines[0].as_str(), why), ("{\"a\":1}", Broken::CutShort));
    }
}

#[test]
fn gzip_that_is_cut_or_damaged_is_no_whole_file() {
    let file = sample("etd_export", "log_message.ndjson");
    let packed = gzip(file.as_bytes());
    let mut damaged = packed.clone();
    let at = damaged.len() - 5;
    damaged[at] ^= 1;
    let half = &packed[..packed.len() / 2];
    for file in [
        half,
        &packed[..1],
        &packed[..2],
        &packed[..packed.len() - 3],
        &damaged,
        b"\x1f\x8b\x08rubbish and more of it",
    ] {
        let (_, why) = broken(file);
        assert!(matches!(why, Broken::Gzip(_)), "{why}");
    }
    let fault = Broken::Gzip("x".into()).fault("/a/b.gz");
    assert_eq!(
        fault.to_string(),
        "the log export's file /a/b.gz: its gzip is broken or cut short (x)"
    );
}

#[test]
fn a_web_page_is_not_taken_for_a_file() {
    let (lines, why) = broken(b"\r\n<html><body>Sign in</body></html>");
    assert_eq!(lines, Vec::<String>::new());
    assert_eq!(why, Broken::Markup);
}

#[test]
fn a_line_of_50_mb_is_left_out_and_takes_no_memory() {
    let mut file = b"{\"a\":1}\n{\"x\":\"".to_vec();
    file.resize(50_000_000, b'x');
    file.extend_from_slice(b"\"}\n{\"b\":2}\n");
    let expected = format!("49999994 bytes: {{\"x\":\"{}", "x".repeat(KEPT - 6));
    let array = [b"[".as_slice(), &file.replace_lines(), b"]"].concat();
    for file in [file.clone(), gzip(&file), array] {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in file.chunks(16 << 10) {
            lines.feed(Bytes::copy_from_slice(piece));
            while let Some(line) = lines.next().unwrap() {
                found.push(line);
            }
            assert!(lines.line.capacity() + lines.text.len() <= 2 * LONGEST + (256 << 10));
        }
        while let Some(line) = lines.end().unwrap() {
            found.push(line);
        }
        let found = text(&found);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].as_str(), found[1].as_str()), ("{\"a\":1}", expected.as_str()));
    }
}

/// The same lines as an array has them.
trait Replaced {
    fn replace_lines(&self) -> Vec<u8>;
}

impl Replaced for Vec<u8> {
    fn replace_lines(&self) -> Vec<u8> {
        let text = self.trim_ascii_end();
        text.iter().map(|byte| if *byte == b'\n' { b',' } else { *byte }).collect()
    }
}

proptest! {
    /// However the network cuts a file into pieces, its lines are the same.
    #[test]
    fn pieces_do_not_matter(
        values in prop::collection::vec((".*", any::<i64>()), 0..12),
        form in 0..4_u8,
        pieces in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let json: Vec<String> = values
            .iter()
            .map(|(text, number)| serde_json::json!({ text.as_str(): [text, { "n": number }] }).to_string())
            .collect();
        let plain = if form % 2 == 0 { json.join("\n") } else { format!("[{}]", json.join(" ,")) };
        let file = if form < 2 { plain.into_bytes() } else { gzip(plain.as_bytes()) };
        let (lines, broken) = read(&file, LONGEST, &pieces);
        prop_assert_eq!(broken, None);
        prop_assert_eq!(text(&lines), json);
    }

    /// Wherever a file is cut: what comes of it is a part of what the whole one has, and the cut is
    /// noticed unless it is between two lines.
    #[test]
    fn a_cut_never_makes_another_line(form in 0..4_u8, cut in any::<prop::sample::Index>()) {
        let sample = sample("etd_export", "log_message.ndjson");
        let expected: Vec<&str> = sample.lines().collect();
        let plain = if form % 2 == 0 { expected.join("\n") } else { format!("[{}]", expected.join(",")) };
        let file = if form < 2 { plain.into_bytes() } else { gzip(plain.as_bytes()) };
        let cut = cut.index(file.len());
        let (lines, broken) = read(&file[..cut], LONGEST, &[7]);
        let lines = text(&lines);
        prop_assert!(expected.starts_with(&lines.iter().map(String::as_str).collect::<Vec<_>>()));
        if broken.is_none() {
            let between = cut == 0 || form == 0 && b"}\n".contains(&file[cut - 1]);
            prop_assert!(between);
        }
    }

    /// Nothing makes it panic, loop or hold more than it may.
    #[test]
    fn any_bytes_end(file in prop::collection::vec(any::<u8>(), 0..400), magic in any::<bool>()) {
        let file = if magic { [b"\x1f\x8b\x08\x00".as_slice(), &file].concat() } else { file };
        let (lines, _) = read(&file, 16, &[3]);
        let total: usize = lines.iter().map(|line| match line {
            Line::Text(text) => text.len(),
            Line::TooLong { start, .. } => start.len(),
        }).sum();
        prop_assert!(magic || total <= file.len());
    }
}
