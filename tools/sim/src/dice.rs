//! Dice that fall the same way for the same seed (SplitMix64).

/// A stream of numbers from a seed.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
    still: bool,
}

impl Dice {
    /// Dice of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ 0x9e37_79b9_7f4a_7c15,
            still: false,
        }
    }

    /// Dice that always fall on the lowest number, and give bytes all the same: ids differ, and
    /// nothing is left to chance.
    #[must_use]
    pub fn still() -> Self {
        Self {
            still: true,
            ..Self::new(0)
        }
    }

    /// Whether they always fall on the lowest number.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.still
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        if self.still {
            return 0;
        }
        self.roll() % bound.max(1)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True `n` times in a hundred; of still dice never.
    pub fn percent(&mut self, n: u64) -> bool {
        !self.still && self.below(100) < n
    }

    /// One of these; none of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or(0))
    }

    /// Thirty-two bytes for a client's own seed.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut out = [0; 32];
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.roll().to_le_bytes());
        }
        out
    }
}
