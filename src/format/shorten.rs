//! Shortens an event's JSON to what a receiver takes.
//!
//! The longest list loses half of its elements, from its end, until the event fits or each list has one;
//! then the longest text loses half of its characters. What was cut is named in the member
//! `truncated` of the member `postrider`: `"urls 12 of 40"`, `"subject"`. Numbers, names and everything that is
//! not cut stay as they came.

use std::borrow::Cow;

use serde::{
    Deserialize,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::view;
use crate::domain::fingerprint;

/// Texts are not cut shorter than this.
const FEWEST_CHARACTERS: usize = 32;

/// Deeper values stay as they are.
const MAX_DEPTH: usize = 32;

enum Node<'a> {
    /// As it came.
    Raw(&'a str),
    /// A text that was cut, as JSON.
    Cut(String),
    List { elements: Vec<Self>, of: usize },
    Object(Vec<(&'a str, Self)>),
}
