//! [`Entropy`]: random bytes derived from the seed that the caller gave. It draws none itself.

use core::fmt;

use sha2::{Digest as _, Sha256};

/// SHA-256 in counter mode over a seed.
pub(crate) struct Entropy {
    seed: [u8; 32],
    counter: u64,
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<entropy>")
    }
}

impl Entropy {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        self.counter = self.counter.wrapping_add(1);
        let mut hash = Sha256::new();
        hash.update(b"parlour.client.entropy");
        hash.update(self.seed);
        hash.update(self.counter.to_be_bytes());
        hash.finalize().into()
    }

    /// Ten bytes, as a UUIDv7 takes them.
    pub(crate) fn ten(&mut self) -> [u8; 10] {
        let block = self.block();
        let mut ten = [0; 10];
        ten.iter_mut().zip(block).for_each(|(t, b)| *t = b);
        ten
    }

    /// A number in `[0, max]`.
    pub(crate) fn upto(&mut self, max: u64) -> u64 {
        let block = self.block();
        let mut eight = [0; 8];
        eight.iter_mut().zip(block).for_each(|(e, b)| *e = b);
        let random = u64::from_be_bytes(eight);
        match max.checked_add(1) {
            Some(n) => random % n,
            None => random,
        }
    }

    /// A pause before the attempt after `failures` failures: full jitter under a doubling bound,
    /// so that many clients who failed together do not come back together.
    pub(crate) fn pause(&mut self, failures: u32, min_ms: u64, max_ms: u64) -> u64 {
        let bound = min_ms
            .saturating_mul(1u64.checked_shl(failures.min(32)).unwrap_or(u64::MAX))
            .min(max_ms);
        self.upto(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_cap_and_uses_the_whole_range() {
        let mut e = Entropy::new([1; 32]);
        for failures in 0..80 {
            let bound = 500u64.saturating_mul(1 << failures.min(20)).min(30_000);
            let pauses: Vec<u64> = (0..200).map(|_| e.pause(failures, 500, 30_000)).collect();
            assert!(pauses.iter().all(|p| *p <= bound), "{failures}");
            assert!(pauses.iter().any(|p| *p < bound / 4), "{failures}");
            assert!(pauses.iter().any(|p| *p > bound / 4 * 3), "{failures}");
        }
    }

    #[test]
    fn equal_seeds_give_equal_bytes_and_others_do_not() {
        let ten = |seed| Entropy::new([seed; 32]).ten();
        assert_eq!(ten(1), ten(1));
        assert_ne!(ten(1), ten(2));
        let mut e = Entropy::new([1; 32]);
        assert_ne!(e.ten(), e.ten());
    }
}
