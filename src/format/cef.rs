//! The Common Event Format, version 0, by its implementation standard 27:
//! `CEF:0|Vendor|Product|Version|Class|Name|Severity|key=value key=value`.

use std::io::Write;

use super::{
    fields::{self, Field},
    pairs::{self, Key, Style},
    view::View,
};
use crate::domain::event::Event;

const STYLE: Style = Style { separator: b' ', special: *br"\=", escape, key };

/// Appends the event in at most `room` bytes. `Err` has the fewest bytes that it can be made; nothing is
/// appended then.
pub fn append(event: &Event, room: usize, out: &mut Vec<u8>) -> Result<(), usize> {
    let start = out.len();
    let view = View::new(event);
    let stream = event.origin.stream;
    let (vendor, product) = fields::device(stream);
    // Nothing here is a vendor's text, so nothing needs an escape.
    write!(
        out,
        "CEF:0|{vendor}|{product}|1|{}|{}|{}|",
        fields::class(&view),
        fields::title(stream),
        fields::severity(&view),
    )
    .expect("writing to a Vec does not fail");
    let header = out.len() - start;
    pairs::append(&view, &STYLE, room.saturating_sub(header), out).map_err(|too_long| {
        out.truncate(start);
        header + too_long.least
    })
}

fn key(field: &Field) -> Option<Key> {
    let cef = field.cef?;
    let fields::CefKey { key, label, most, all, ipv6 } = cef;
    Some(Key { name: key, label, most, all, ipv6, milliseconds: true })
}

/// A backslash before `\` and `=`, `\n` and `\r` for line breaks; `|` stays.
fn escape(character: char, out: &mut Vec<u8>) {
    match character {
        '\\' => out.extend_from_slice(br"\\"),
        '=' => out.extend_from_slice(br"\="),
        '\n' => out.extend_from_slice(br"\n"),
        '\r' => out.extend_from_slice(br"\r"),
        other => pairs::plain(other, out),
    }
}
