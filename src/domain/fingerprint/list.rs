//! The elements of a list, at most so many: an element's place costs sixteen bytes where `1,` has
//! two, and a record some hundred.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// No vendor's page has a hundredth of it.
const MOST_ITEMS: usize = 100_000;

/// A list's elements; reading one of more than [`MOST_ITEMS`] fails.
#[derive(Debug, Default)]
pub struct List<'a>(pub Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST_ITEMS} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == MOST_ITEMS {
                        return Err(A::Error::invalid_length(MOST_ITEMS + 1, &self));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Items).map(List)
    }
}

/// The elements of a list; `None` for anything else and for a list of more than [`MOST_ITEMS`].
pub fn list(value: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str::<List<'_>>(value).ok().map(|list| list.0)
}
