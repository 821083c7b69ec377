//! Counts as the vendor may write them, without loss: never by way of a float.

use serde_json::value::RawValue;

use crate::{domain::fingerprint, source::text::is_nothing};

/// What a counter's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Count {
    Given(i128),
    /// `null`, `""`, `[]`, `{}`: not given, which is not zero.
    Nothing,
    Unreadable,
}

pub(in crate::source) fn count(value: &RawValue) -> Count {
    if is_nothing(value) {
        return Count::Nothing;
    }
    let text = fingerprint::text(value);
    let text = text.as_deref().unwrap_or(value.get()).trim();
    if text.is_empty() {
        return Count::Nothing;
    }
    integer(text).map_or(Count::Unreadable, Count::Given)
}

fn integer(text: &str) -> Option<i128> {
    let (number, shift) = decimal(text)?;
    if number == 0 {
        Some(0)
    } else if shift >= 0 {
        number.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)
    } else {
        let unit = 10_i128.checked_pow(shift.unsigned_abs())?;
        (number % unit == 0).then_some(number / unit)
    }
}

/// Digits, with a sign, with thousands separators in their places, with a fraction, with an
/// exponent: the first number times ten to the power of the second.
pub(super) fn decimal(text: &str) -> Option<(i128, i32)> {
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(fraction) {
        return None;
    }
    let (minus, whole) = match whole.strip_prefix('-') {
        Some(whole) => (true, whole),
        None => (false, whole.strip_prefix('+').unwrap_or(whole)),
    };
    let mut groups = whole.split([',', '\'', '_', ' ', '\u{a0}', '\u{202f}', '\u{2019}']);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let grouped = rest.is_empty() || first.len() <= 3 && rest.iter().all(|group| group.len() == 3);
    if !digits(first) || !grouped || !rest.iter().all(|group| digits(group)) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let number: i128 = format!("{first}{}{fraction}", rest.concat()).parse().ok()?;
    Some((if minus { -number } else { number }, shift))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_spelling_is_read_or_refused() {
        let table = [
            ("1840", Some(1_840)),
            ("\"1840\"", Some(1_840)),
            ("\"1,840\"", Some(1_840)),
            ("\"12 345 678\"", Some(12_345_678)),
            ("\"1\u{202f}840\"", Some(1_840)),
            ("\"7 \"", Some(7)),
            ("12.0", Some(12)),
            ("\"12.000\"", Some(12)),
            ("1E+3", Some(1_000)),
            ("1.5e1", Some(15)),
            ("1200e-2", Some(12)),
            ("-0", Some(0)),
            ("-3", Some(-3)),
            ("18446744073709551616", Some(18_446_744_073_709_551_616)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("12.5", None),
            ("\"1,84\"", None),
            ("\"1840,\"", None),
            ("\"1.840,0\"", None),
            ("\"500GB\"", None),
            ("\"e3\"", None),
            ("1e400", None),
            ("true", None),
            ("[1]", None),
            ("1000000000000000000000000000000000000000", None),
        ];
        for (json, expected) in table {
            let read = count(serde_json::from_str(json).unwrap());
            assert_eq!(read, expected.map_or(Count::Unreadable, Count::Given), "{json}");
        }
        for nothing in ["null", "\"\"", "\" \"", "{}", "[]"] {
            assert_eq!(count(serde_json::from_str(nothing).unwrap()), Count::Nothing, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_survives(number in any::<i128>()) {
            prop_assume!(number != i128::MIN);
            prop_assert_eq!(integer(&number.to_string()), Some(number));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            integer(&text);
        }
    }
}
