//! A SER row's counters and how they move.

use std::collections::BTreeMap;

use serde::Serialize;

/// The counters of one row that could be read, by name. A counter that the vendor did not give is
/// absent, which is not zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// `success`, `failure`, … `deliveredSizeTotal`: messages, recipients or bytes.
    pub status: BTreeMap<String, i128>,
    /// Messages by DSN code or class: `2.X.X` however the vendor spells the class, `5.1.1`.
    pub details: BTreeMap<String, i128>,
}

impl Counters {
    /// What this reading adds to `before`: signed, for each counter that is given now.
    #[must_use]
    pub fn minus(&self, before: &Self) -> Self {
        Self {
            status: difference(&self.status, &before.status),
            details: difference(&self.details, &before.details),
        }
    }

    /// This reading, with what it does not give taken over from `before`, so that the next
    /// difference counts from the last value that was given.
    #[must_use]
    pub fn over(&self, before: &Self) -> Self {
        let mut all = before.clone();
        all.status.extend(self.status.clone());
        all.details.extend(self.details.clone());
        all
    }

    /// The class of a DSN code: its first digit.
    pub fn class(code: &str) -> Option<u8> {
        code.bytes().next().filter(u8::is_ascii_digit).map(|digit| digit - b'0')
    }
}

fn difference(
    now: &BTreeMap<String, i128>,
    before: &BTreeMap<String, i128>,
) -> BTreeMap<String, i128> {
    let was = |name| before.get(name).copied().unwrap_or(0);
    now.iter().map(|(name, count)| (name.clone(), count.saturating_sub(was(name)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(status: &[(&str, i128)]) -> Counters {
        let status = status.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counters { status, details: BTreeMap::new() }
    }

    #[test]
    fn deltas_add_up_to_the_last_value_across_a_missing_counter() {
        let readings = [
            counters(&[("success", 10), ("tempFailure", 5)]),
            counters(&[("tempFailure", 3)]),
            counters(&[("success", 17), ("tempFailure", 0)]),
        ];
        let (mut known, mut sum) = (Counters::default(), counters(&[]));
        for reading in &readings {
            for (name, delta) in reading.minus(&known).status {
                *sum.status.entry(name).or_default() += delta;
            }
            known = reading.over(&known);
        }
        assert_eq!(sum, readings[2]);
    }
}
