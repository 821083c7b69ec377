//! IBM's Log Event Extended Format for QRadar: `LEEF:2.0|Vendor|Product|Version|EventID|^|key=value^…`,
//! and version 1.0, which has no field for the delimiter and uses tabs.
//!
//! LEEF has no escapes: what would end a value, or a line, is a space instead.

use std::io::Write;

use super::{
    fields::{self, Field, Kind},
    pairs::{self, Key, Style},
    view::View,
};
use crate::{config::Leef, domain::event::Event};

const V1: Style = Style { separator: b'\t', special: [0; 2], escape: pairs::plain, key };
const V2: Style = Style { separator: b'^', special: *b"^^", escape: without_caret, key };

/// QRadar's own limit of a user's name.
const LONGEST_USER: usize = 255;

/// Appends the event in at most `room` bytes. `Err` has the fewest bytes that it can be made; nothing is
/// appended then.
pub fn append(event: &Event, version: Leef, room: usize, out: &mut Vec<u8>) -> Result<(), usize> {
    let start = out.len();
    let view = View::new(event);
    let (vendor, product) = fields::device(event.origin.stream);
    let class = fields::class(&view);
    let (number, delimiter, style) = match version {
        Leef::V1 => ("1.0", "", &V1),
        Leef::V2 => ("2.0", "^|", &V2),
    };
    let cat = event.change.as_str();
    let separator = char::from(style.separator);
    // QRadar finds an event's name and category by the id in the header and `cat`.
    let severity = fields::severity(&view).max(1);
    write!(
        out,
        "LEEF:{number}|{vendor}|{product}|1|{class}|{delimiter}cat={cat}{separator}sev={severity}{separator}",
    )
    .expect("writing to a Vec does not fail");
    let header = out.len() - start;
    pairs::append(&view, style, room.saturating_sub(header), out).map_err(|too_long| {
        out.truncate(start);
        header + too_long.least
    })
}

fn key(field: &Field) -> Option<Key> {
    let key = field.leef?;
    Some(Key {
        name: key,
        label: None,
        most: if key == "usrName" { LONGEST_USER } else { usize::MAX },
        all: field.kind == Kind::List,
        ipv6: None,
        milliseconds: key == "devTime",
    })
}

fn without_caret(character: char, out: &mut Vec<u8>) {
    pairs::plain(if character == '^' { ' ' } else { character }, out);
}
