//! A line of JSON a row, with every column.

use std::io;

use serde_json::value::RawValue;

use super::{Cell, Row, columns};

pub(super) fn write(rows: &[&Row]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for row in rows {
        let mut comma = b'{';
        for ((name, _), cell) in columns().zip(row.cells()) {
            out.push(comma);
            comma = b',';
            serde_json::to_writer(&mut out, name)?;
            out.push(b':');
            serde_json::to_writer(&mut out, &value(cell)?)?;
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(out)
}

fn value(cell: Cell<'_>) -> serde_json::Result<Box<RawValue>> {
    match cell {
        Cell::Time(time) => serde_json::value::to_raw_value(&time),
        Cell::Text(text) => serde_json::value::to_raw_value(&text),
        Cell::Count(count) => serde_json::value::to_raw_value(&count),
    }
}
