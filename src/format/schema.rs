//! Events in the schemas of others: Elastic's ECS and OCSF. What a schema has a name for is under it,
//! and the event as Postrider has it is in there whole.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    fields::{self, Field, Kind},
    view::{Texts, View},
};
use crate::{
    config::Schema,
    domain::{event::Event, slice::Stream},
};

mod tree;

use tree::Tree;
pub(super) use tree::quoted;

/// The event as one JSON object on one line.
pub fn json(event: &Event, schema: Schema) -> Cow<'_, str> {
    match schema {
        Schema::Postrider => Cow::Borrowed(&event.json),
        Schema::Ecs => Cow::Owned(ecs(event)),
        Schema::Ocsf => Cow::Owned(ocsf(event)),
    }
}

/// Where Postrider's own member is.
pub(super) fn own_member(schema: Schema) -> &'static [&'static str] {
    match schema {
        Schema::Postrider | Schema::Ecs => &["postrider"],
        Schema::Ocsf => &["unmapped", "postrider"],
    }
}

fn ecs(event: &Event) -> String {
    let view = View::new(event);
    let mut tree = Tree::default();
    fill(&view, &mut tree, |field| field.ecs, false);
    files(&view, |at, name, hash| {
        if let Some(name) = name {
            tree.text_at("email.attachments[].file.name", at, name);
        }
        if let Some(hash) = hash {
            tree.text_at("email.attachments[].file.hash.sha256", at, hash);
        }
    });
    let (kind, category, dataset) = match event.origin.stream {
        Stream::Messages if fields::is_threat(&view) => {
            ("alert", Some("email"), "cisco_etd.message")
        }
        Stream::Messages => ("event", Some("email"), "cisco_etd.message"),
        Stream::Audit => ("event", Some("configuration"), "cisco_etd.audit"),
        Stream::Summary => ("metric", Some("email"), "proofpoint_ser.summary"),
        Stream::Entitlement => ("metric", None, "proofpoint_ser.entitlement"),
        Stream::Usage => ("metric", Some("email"), "proofpoint_ser.usage"),
        Stream::Failures => ("metric", Some("email"), "proofpoint_ser.failures"),
        Stream::RelayUsers => ("asset", None, "proofpoint_ser.relay_users"),
        Stream::Health => ("event", None, "postrider.health"),
    };
    tree.text("ecs.version", "8.17.0");
    tree.text("event.kind", kind);
    if let Some(category) = category {
        tree.text("event.category[]", category);
        tree.text("event.type[]", "info");
    }
    tree.text("event.module", "postrider");
    tree.text("event.dataset", dataset);
    tree.raw("event.severity", fields::severity(&view).to_string());
    let (vendor, product) = fields::device(event.origin.stream);
    tree.text("observer.vendor", vendor);
    tree.text("observer.product", product);
    for (key, value) in &event.origin.tags {
        tree.member_text(&["labels", key], value);
    }
    whole(&view, &mut tree, &["postrider"], &[record_name(event.origin.stream)]);
    tree.finish(2 * event.json.len())
}

/// Where the vendor's own members are in ECS.
fn record_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Messages | Stream::Audit => "cisco_etd",
        Stream::Summary | Stream::Entitlement => "proofpoint_ser",
        Stream::Usage | Stream::Failures | Stream::RelayUsers => "proofpoint_ser_admin",
        Stream::Health => "health",
    }
}

/// Of OCSF 1.6: the class Email Activity and its activity Scan.
const EMAIL: (u32, u32) = (4009, 3);
/// Base Event, whose activity is Other.
const BASE: (u32, u32) = (0, 99);

fn ocsf(event: &Event) -> String {
    let view = View::new(event);
    let mut tree = Tree::default();
    let (class, activity) = if event.origin.stream == Stream::Messages { EMAIL } else { BASE };
    tree.raw("class_uid", class.to_string());
    tree.raw("category_uid", (class / 1000).to_string());
    tree.raw("activity_id", activity.to_string());
    tree.raw("type_uid", (class * 100 + activity).to_string());
    tree.raw("severity_id", severity_id(fields::severity(&view)).to_string());
    let (vendor, product) = fields::device(event.origin.stream);
    tree.text("metadata.version", "1.6.0");
    tree.text("metadata.product.vendor_name", vendor);
    tree.text("metadata.product.name", product);
    tree.text("metadata.log_name", event.origin.source.as_str());
    tree.text("metadata.log_provider", "postrider");
    if event.origin.stream != Stream::Messages {
        tree.text("activity_name", fields::title(event.origin.stream));
    }
    fill(&view, &mut tree, |field| field.ocsf, true);
    if class == EMAIL.0 {
        // Required: 0 is unknown, and a regular file's type is 1.
        tree.raw("direction_id", "0".to_owned());
        files(&view, |at, name, hash| {
            if let Some(name) = name {
                tree.text_at("email.files[].name", at, name);
            }
            tree.raw_at("email.files[].type_id", at, "1".to_owned());
            if let Some(hash) = hash {
                let value = quoted(hash);
                let hashes =
                    format!(r#"[{{"algorithm":"SHA-256","algorithm_id":3,"value":{value}}}]"#);
                tree.raw_at("email.files[].hashes", at, hashes);
            }
        });
    }
    whole(&view, &mut tree, &["unmapped", "postrider"], &["unmapped", "record"]);
    tree.finish(2 * event.json.len())
}

/// Informational, low, medium, high, critical.
fn severity_id(severity: u8) -> u8 {
    match severity {
        0..=1 => 1,
        2..=4 => 2,
        5..=7 => 3,
        8..=9 => 4,
        _ => 5,
    }
}

/// Puts every field that the schema has a path for into the tree.
fn fill(
    view: &View<'_>,
    tree: &mut Tree,
    path: impl Fn(&Field) -> Option<&'static str>,
    milliseconds: bool,
) {
    let mut texts = Texts::new();
    for field in fields::of(view.event.origin.stream) {
        let Some(path) = path(field).filter(|path| !is_of_files(path)) else { continue };
        field.texts(view, &mut texts);
        if !path.contains("[]") {
            texts.truncate(1);
        }
        for (index, text) in texts.iter().enumerate() {
            match field.kind {
                Kind::Number | Kind::Flag => tree.raw_at(path, index, text.to_string()),
                Kind::Time if milliseconds => match text.parse::<Timestamp>() {
                    Ok(time) => tree.raw_at(path, index, time.as_millisecond().to_string()),
                    Err(_) => tree.text_at(path, index, text),
                },
                _ => tree.text_at(path, index, text),
            }
        }
    }
}

/// The lists whose elements have a name and a hash.
fn is_of_files(path: &str) -> bool {
    path.starts_with("email.attachments[]") || path.starts_with("email.files[]")
}

/// Calls `with` for each attachment that has a name or a hash, which stay together.
fn files(view: &View<'_>, mut with: impl FnMut(usize, Option<&str>, Option<&str>)) {
    if view.event.origin.stream != Stream::Messages {
        return;
    }
    let mut at = 0;
    view.each("attachments[]", |file| {
        let name = file.text("filename").or_else(|| file.text("fileName"));
        let hash = file.text("SHA256").or_else(|| file.text("sha256"));
        if name.is_some() || hash.is_some() {
            with(at, name.as_deref(), hash.as_deref());
            at += 1;
        }
    });
}

/// Puts Postrider's own member, and the vendor's as they came, into the tree.
fn whole(view: &View<'_>, tree: &mut Tree, postrider: &[&str], record: &[&str]) {
    if let Some(own) = view.value("postrider") {
        tree.member_raw(postrider, own.get().to_owned());
    }
    let mut text = String::with_capacity(view.event.json.len());
    text.push('{');
    for (name, value) in view.vendors() {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&quoted(name));
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    tree.member_raw(record, text);
}
