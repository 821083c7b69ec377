//! How many pages a slice has.

use super::float;

/// The pages of a slice with so many records on average: at least one, and a page more where the
/// records are more than fit. Records come as they like (a Poisson distribution), so a slice with
/// one page's worth on average often has two.
///
/// A last page that is exactly full may cost one call more; that is one slice of `page` at most.
pub(super) fn expected(mean: f64, page: u32) -> f64 {
    let page = u64::from(page.max(1));
    let pages = |records: u64| float(records.div_ceil(page).max(1));
    if mean.is_nan() || mean < 1e-9 {
        return 1.0;
    }
    // Weights relative to the most likely count, from there up and down until they vanish.
    let mode = super::floor(mean);
    let (mut sum, mut weighted) = (0.0, 0.0);
    let mut add = |records: u64, weight: f64| {
        sum += weight;
        weighted += weight * pages(records);
    };
    let (mut records, mut weight) = (mode, 1.0);
    while weight > NOTHING {
        add(records, weight);
        records += 1;
        weight *= mean / float(records);
    }
    (records, weight) = (mode, 1.0);
    while records > 0 {
        weight *= float(records) / mean;
        records -= 1;
        if weight <= NOTHING {
            break;
        }
        add(records, weight);
    }
    weighted / sum
}

const NOTHING: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_of_slices() {
        let table = [
            (0.0, 100, 1.0),
            (14.0, 100, 1.0),
            (100.0, 100, 1.47),
            (833.3, 100, 8.83),
            (20_000.0, 100, 200.5),
            (1.0, 1, 1.37), // 0 and 1 cost one, others what they are
            (1e6, 100, 10_000.5),
        ];
        for (mean, page, pages) in table {
            let found = expected(mean, page);
            assert!((found - pages).abs() <= 0.011 * pages, "{mean}: {found}");
        }
    }

    proptest! {
        #[test]
        fn more_records_never_take_fewer_pages(mean in 0.0..5_000.0_f64, page in 1..=100_u32) {
            let (fewer, more) = (expected(mean, page), expected(mean * 1.1 + 1.0, page));
            prop_assert!(more >= fewer - 1e-9, "{fewer} {more}");
            let least = (mean / f64::from(page)).max(1.0);
            prop_assert!(fewer >= least - 1e-9 && fewer <= mean / f64::from(page) + 1.0 + 1e-9);
        }
    }
}
