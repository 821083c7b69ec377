//! Chance that depends on nothing but its arguments. `rand`'s generators may change their numbers
//! between versions and cost more to seed than a message to write, so this is our own `SplitMix64`.

/// Mixes two numbers into one that looks random.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Whether item `index` is one of every `every`; never for 0.
pub(super) fn one_in(every: u32, seed: u64, index: u64) -> bool {
    every > 0 && mix(seed, index).is_multiple_of(u64::from(every))
}

/// A sequence of numbers from one start.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, index: u64) -> Self {
        Self(mix(seed, index))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0, 0)
    }

    /// A number below `n`, which must not be 0. The bias is too small to matter here.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from[at]
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
