//! Token buckets over a clock that is given.

/// So many at once, and so many a minute. Over it: wait.
#[derive(Clone, Debug)]
pub struct Rate {
    burst: u64,
    per_min: u64,
    /// Sixty-thousandths of a token, so that a millisecond adds a whole number.
    level: u64,
    at_ms: u64,
}

impl Rate {
    const TOKEN: u64 = 60_000;

    /// A full bucket.
    #[must_use]
    pub fn new(burst: u64, per_min: u64, now_ms: u64) -> Self {
        let burst = burst.max(1);
        Self {
            burst,
            per_min,
            level: burst.saturating_mul(Self::TOKEN),
            at_ms: now_ms,
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// There is none; milliseconds until there is.
    pub fn take(&mut self, now_ms: u64) -> Result<(), u64> {
        let since = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        let full = self.burst.saturating_mul(Self::TOKEN);
        self.level = self
            .level
            .saturating_add(since.saturating_mul(self.per_min))
            .min(full);
        if let Some(rest) = self.level.checked_sub(Self::TOKEN) {
            self.level = rest;
            return Ok(());
        }
        let missing = Self::TOKEN - self.level;
        Err(missing.div_ceil(self.per_min.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut rate = Rate::new(2, 60, 0);
        assert_eq!(rate.take(0), Ok(()));
        assert_eq!(rate.take(0), Ok(()));
        assert_eq!(rate.take(0), Err(1_000));
        assert_eq!(rate.take(500), Err(500));
        assert_eq!(rate.take(1_000), Ok(()));
        assert_eq!(
            rate.take(900),
            Err(1_000),
            "a clock that goes back gives nothing"
        );
    }
}
