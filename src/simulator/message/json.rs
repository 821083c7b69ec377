//! JSON written straight into a text: building values first would cost more than all the rest.

/// Appends `items` as a JSON list, turned by `order` places.
pub(super) fn list(items: &[String], order: u64, out: &mut String) {
    out.push('[');
    let turn = usize::try_from(order % items.len().max(1) as u64).unwrap_or(0);
    for at in 0..items.len() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&items[(at + turn) % items.len()]);
    }
    out.push(']');
}

pub(super) fn strings(items: &[&str], order: u64, out: &mut String) {
    // Addresses and URLs of ours need no escapes.
    let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
    list(&items, order, out);
}

/// Appends `value` as a JSON string.
pub(super) fn text(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                put!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
