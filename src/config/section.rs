//! Sections: the tables of the configuration, declared once with their keys, documentation and
//! defaults; from that come the reader, the check for unknown keys and the JSON Schema.

use config::{Map, Value};

use super::{
    node::{Context, Node},
    text::join,
};

pub(super) trait Section: Sized {
    fn keys() -> Vec<&'static str>;
    fn open(cx: &Context<'_>, path: &str, table: &Map<String, Value>) -> Self;
}

/// Reads a section and tells of each key that it does not have.
pub(super) fn read<T: Section>(node: &Node<'_>) -> Option<T> {
    node.table("a table", |table| open(node.cx, &node.path, table))
}

pub(super) fn open<T: Section>(cx: &Context<'_>, path: &str, table: &Map<String, Value>) -> T {
    let known = T::keys();
    for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
        let message = match nearest(key, known.iter().copied()) {
            Some(near) => format!("there is no key `{key}` here; did you mean `{near}`?"),
            None => {
                format!(
                    "there is no key `{key}` here; remove it or use one of {}",
                    known.join(", ")
                )
            }
        };
        cx.error(&join(path, key), message);
    }
    T::open(cx, path, table)
}

/// The option most like `word`, unless none is.
pub(crate) fn nearest<'o>(
    word: &str,
    options: impl IntoIterator<Item = &'o str>,
) -> Option<&'o str> {
    // Words of two letters are all alike: "eu" is not meant to be "au".
    if word.len() < 3 {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    options
        .into_iter()
        .map(|option| {
            (
                strsim::normalized_damerau_levenshtein(
                    &word,
                    &option.to_lowercase().replace('-', "_"),
                ),
                option,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, option)| option)
}

/// Declares a section: `section! { /// … Name { /// … key: Type = default, … } with { part: Part } }`.
/// The keys of a part stand among the section's own.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$doc:meta])* $key:ident : $type:ty $(= $default:literal)? ),* $(,)? }
        $(with { $( $part:ident : $part_type:ty ),* $(,)? })?
    ) => {
        $(#[$meta])*
        #[derive(Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(in crate::config) struct $name {
            $(
                $(#[$doc])*
                $(#[schemars(extend("default" = $default))])?
                pub(in crate::config) $key: $crate::config::node::Key<$type>,
            )*
            $($( #[schemars(flatten)] pub(in crate::config) $part: $part_type, )*)?
        }

        impl $crate::config::section::Section for $name {
            fn keys() -> Vec<&'static str> {
                #[allow(unused_mut, reason = "sections without parts")]
                let mut keys = vec![$( stringify!($key).trim_start_matches("r#") ),*];
                $($( keys.extend(<$part_type as $crate::config::section::Section>::keys()); )*)?
                keys
            }

            fn open(
                cx: &$crate::config::node::Context<'_>,
                path: &str,
                table: &config::Map<String, config::Value>,
            ) -> Self {
                Self {
                    $( $key: $crate::config::node::Key::read(
                        cx,
                        path,
                        table,
                        stringify!($key).trim_start_matches("r#"),
                        $crate::config::section::section!(@default $($default)?),
                    ), )*
                    $($( $part: $crate::config::section::Section::open(cx, path, table), )*)?
                }
            }
        }

        impl $crate::config::node::Setting for $name {
            fn read(node: &$crate::config::node::Node<'_>) -> Option<Self> {
                $crate::config::section::read(node)
            }

            fn absent(cx: &$crate::config::node::Context<'_>, path: &str) -> Option<Self> {
                Some($crate::config::section::open(cx, path, &config::Map::new()))
            }
        }
    };
    (@default) => { None };
    (@default $default:literal) => { Some(config::Value::new(None, $default)) };
}
pub(super) use section;

/// Makes an enum a setting that is one of a few words.
macro_rules! words {
    ($type:ident { $( $word:literal => $variant:ident ),* $(,)? }) => {
        impl $crate::config::node::Setting for $type {
            fn read(node: &$crate::config::node::Node<'_>) -> Option<Self> {
                let words = [$($word),*];
                match node.str(&$crate::config::section::one_of(&words))? {
                    $( $word => Some(Self::$variant), )*
                    other => {
                        $crate::config::section::unknown_word(node, other, &words);
                        None
                    }
                }
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($word),*] })
            }
        }
    };
}
pub(super) use words;

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
pub(crate) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => quoted.concat(),
    }
}

pub(super) fn unknown_word(node: &Node<'_>, word: &str, words: &[&str]) {
    let near = nearest(word, words.iter().copied())
        .map(|near| format!("; did you mean {near:?}?"))
        .unwrap_or_default();
    node.error(format!("{word:?} is not known here; write {}{near}", one_of(words)));
}
