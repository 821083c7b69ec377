//! Secrets in their four forms.

use std::{
    borrow::Cow,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use config::{Map, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::{
    Secret,
    node::{Need, Node, Setting},
    problem::Place,
    secret::SecretError,
    section::nearest,
    text::join,
};

const FORMS: [&str; 3] = ["file", "env", "credential"];

/// A secret that could be read when the configuration was.
#[derive(Debug, Clone)]
pub(in crate::config) struct SecretKey(pub(in crate::config) Secret);

impl Setting for SecretKey {
    fn read(node: &Node<'_>) -> Option<Self> {
        if let Some(text) = node.as_str() {
            if let Some(Place::File(..)) = node.cx.places.exactly(&node.path) {
                node.cx.secret_in_file.set(true);
            }
            return plain(node, text).map(Self);
        }
        // No message may quote what stands here.
        let what = "a secret: { file = \"/path\" }, { env = \"NAME\" }, { credential = \"name\" } \
                    or a text in quotes";
        node.table(what, |table| from_table(node, table))?.map(Self)
    }
}

fn plain(node: &Node<'_>, text: &str) -> Option<Secret> {
    if text.is_empty() {
        node.error("the secret is empty; write it, or where it comes from");
        return None;
    }
    Some(Secret::plain(text))
}

fn from_table(node: &Node<'_>, table: &Map<String, Value>) -> Option<Secret> {
    for key in table.keys().filter(|key| !FORMS.contains(&key.as_str())) {
        let near = nearest(key, FORMS).map_or_else(
            || "write `file`, `env` or `credential`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        node.cx.error(&join(&node.path, key), format!("there is no such form of a secret; {near}"));
    }
    let given: Vec<(&str, &Value)> =
        FORMS.iter().filter_map(|form| Some((*form, table.get(*form)?))).collect();
    let [(form, value)] = given.as_slice() else {
        if table.is_empty() || given.len() > 1 {
            node.error("a secret has one origin; keep one of `file`, `env` and `credential`");
        }
        return None;
    };
    let below = Node::new(node.cx, join(&node.path, form), value);
    let text = below.str("a text in quotes")?;
    match *form {
        "file" => from_file(&below, Path::new(text)),
        "env" => from_variable(&below, text),
        _ => from_credential(&below, text),
    }
}

fn from_variable(node: &Node<'_>, name: &str) -> Option<Secret> {
    if node.cx.need == Need::NoSecrets {
        return Some(Secret::env(name));
    }
    match node.cx.env.get(name) {
        Some(value) if !value.is_empty() => Some(Secret::env(name)),
        Some(_) => {
            node.error(format!("the environment variable {name} is empty; put the secret there"));
            None
        }
        None => {
            node.error(format!("the environment variable {name} is not set; set it to the secret"));
            None
        }
    }
}

fn from_file(node: &Node<'_>, path: &Path) -> Option<Secret> {
    let secret = readable(node, path)?;
    if node.cx.need == Need::NoSecrets {
        return Some(secret);
    }
    let mode = std::fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & 0o077 != 0 {
        node.cx.warn(
            &node.path,
            format!(
                "the secret file {} is open to others than its owner (mode {:04o}); run \
                 `chmod 600 {}` and let Postrider's user own it",
                path.display(),
                mode & 0o7777,
                path.display()
            ),
        );
    }
    Some(secret)
}

/// Credentials are made by the service manager, which sees to their permissions.
fn from_credential(node: &Node<'_>, name: &str) -> Option<Secret> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        node.error(format!("{name:?} is not the name of a credential; write a plain file name"));
        return None;
    }
    let Some(directory) = node.cx.env.get("CREDENTIALS_DIRECTORY") else {
        if node.cx.need == Need::NoSecrets {
            return Some(Secret::credential(name));
        }
        node.error(format!(
            "the credential {name} cannot be found because CREDENTIALS_DIRECTORY is not set; \
             start Postrider by systemd with LoadCredential={name}:/path, or use `file` or `env`"
        ));
        return None;
    };
    readable(node, &PathBuf::from(directory).join(name))
}

fn readable(node: &Node<'_>, path: &Path) -> Option<Secret> {
    let secret = Secret::file(path);
    if node.cx.need == Need::NoSecrets {
        return Some(secret);
    }
    let cure = match secret.read() {
        Ok(_) => return Some(secret),
        Err(SecretError::Unreadable { source, .. }) => {
            let cure = match source.kind() {
                std::io::ErrorKind::NotFound => "create it or correct the path",
                std::io::ErrorKind::PermissionDenied => "let Postrider's user read it",
                _ => "put the secret there as text",
            };
            format!("cannot be read ({source}); {cure}")
        }
        Err(_) => "is empty; put the secret there".to_owned(),
    };
    node.error(format!("the secret file {} {cure}", path.display()));
    None
}

impl JsonSchema for SecretKey {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let form = |name: &str, description: &str| {
            json_schema!({
                "type": "object",
                "properties": { name: { "type": "string", "description": description } },
                "required": [name],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "anyOf": [
                { "type": "string", "description": "The secret itself, for trials." },
                form("file", "Path of a file that holds the secret."),
                form("env", "Name of an environment variable that holds the secret."),
                form("credential", "Name of a file in $CREDENTIALS_DIRECTORY, as systemd provides it."),
            ],
        })
    }
}
