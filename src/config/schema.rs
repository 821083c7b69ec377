//! The configuration's JSON Schema, from the types that read it.

use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};

use super::raw::Root;

/// For editors. No key is marked mandatory, since each may come from the environment.
pub fn schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Root>();
    RecursiveTransform(|schema: &mut Schema| {
        let secret = schema.get("additionalProperties") == Some(&false.into())
            && schema
                .get("properties")
                .and_then(|it| it.as_object())
                .is_some_and(|it| it.len() == 1);
        if !secret {
            schema.remove("required");
        }
        // Comments are wrapped, descriptions are not.
        if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
            *text = text.replace('\n', " ");
        }
    })
    .transform(&mut schema);
    schema.insert("title".to_owned(), "Postrider's configuration".into());
    schema.to_value()
}
