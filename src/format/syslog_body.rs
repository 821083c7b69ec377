//! What follows a syslog header, in at most as many bytes as the receiver takes.

use super::{cef, json, leef, schema, shorten::shorten};
use crate::{
    config::{Payload, Schema},
    domain::event::Event,
};

/// Appends the body in at most `room` bytes, shortened where it is longer. `Err` has the fewest
/// bytes that it can be made; nothing is appended then.
pub fn append(
    event: &Event,
    payload: Payload,
    schema: Schema,
    room: usize,
    out: &mut Vec<u8>,
) -> Result<(), usize> {
    match payload {
        Payload::Cef => cef::append(event, room, out),
        Payload::Leef(version) => leef::append(event, version, room, out),
        Payload::Json => {
            let start = out.len();
            let text = schema::json(event, schema);
            json::printable_line(&text, out);
            if out.len() - start <= room {
                return Ok(());
            }
            out.truncate(start);
            // What is shortened has no control character that would be written longer.
            let mut line = Vec::with_capacity(text.len());
            json::printable_line(&text, &mut line);
            let line = String::from_utf8_lossy(&line);
            let mark = schema::own_member(schema);
            out.extend_from_slice(shorten(&line, room, mark)?.as_bytes());
            Ok(())
        }
    }
}
