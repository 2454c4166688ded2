//! Numbers that look drawn: the same seed, the same numbers, on every machine and for ever.

/// A source of numbers (splitmix64).
#[derive(Debug, Clone)]
pub struct Draw {
    state: u64,
    /// Draws nothing: every number is the middle of what it may be.
    still: bool,
}

impl Draw {
    /// The numbers of that seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed ^ 0x6d6d_6d5f_7369_6d00, still: false }
    }

    /// The middle, always: what runs with it does not change when somebody draws once more.
    pub fn still() -> Self {
        Self { state: 0, still: true }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        if self.still {
            return 1 << 63;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; zero when `limit` is.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 {
            return 0;
        }
        // Multiply and shift: no division, and the bias is beyond notice.
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// A number from `from` up to and without `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from))
    }

    /// True `some` times out of `all`.
    pub fn chance(&mut self, some: u64, all: u64) -> bool {
        self.below(all) < some
    }

    /// One of these. The list must not be empty.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Another source that has nothing to do with the further numbers of this one.
    pub fn fork(&mut self) -> Self {
        if self.still { Self::still() } else { Self { state: self.bits(), still: false } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_within_bounds() {
        let (mut one, mut two) = (Draw::new(7), Draw::new(7));
        for _ in 0..1000 {
            let number = one.between(3, 9);
            assert_eq!(number, two.between(3, 9));
            assert!((3..9).contains(&number));
        }
        assert_eq!(Draw::new(1).below(0), 0);
        assert_ne!(Draw::new(1).bits(), Draw::new(2).bits());
        let mut still = Draw::still();
        assert_eq!((still.between(10, 20), still.fork().below(7), still.below(0)), (15, 3, 0));
    }
}
