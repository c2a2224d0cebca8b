//! Token buckets over a clock that is given, and what one device may do by them.
//!
//! A [`Meter`] is one device's, whichever way it speaks: all its connections and HTTP take from
//! the same. Whoever keeps meters by device bounds how many; a device that was forgotten begins
//! with a full allowance.

use std::sync::{Arc, Mutex, PoisonError};

use parlour_protocol::limits::Limits;

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

/// What one device may do. A clone is the same meter.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Mutex<Buckets>>);

#[derive(Debug)]
struct Buckets {
    sends: Rate,
    requests: Rate,
}

impl Meter {
    /// A full one.
    #[must_use]
    pub fn new(limits: &Limits, now_ms: u64) -> Self {
        Self(Arc::new(Mutex::new(Buckets {
            sends: Rate::new(limits.sends_burst, limits.sends_per_min, now_ms),
            requests: Rate::new(limits.requests_burst, limits.requests_per_min, now_ms),
        })))
    }

    /// Takes one send.
    ///
    /// # Errors
    /// There is none left; milliseconds until there is.
    pub fn send(&self, now_ms: u64) -> Result<(), u64> {
        self.with(|buckets| buckets.sends.take(now_ms))
    }

    /// Takes one request that is no send.
    ///
    /// # Errors
    /// There is none left; milliseconds until there is.
    pub fn request(&self, now_ms: u64) -> Result<(), u64> {
        self.with(|buckets| buckets.requests.take(now_ms))
    }

    fn with<T>(&self, take: impl FnOnce(&mut Buckets) -> T) -> T {
        // A bucket is whole whatever happened to whoever held it.
        take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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

    #[test]
    fn whoever_speaks_for_a_device_takes_from_one_meter() {
        let limits = Limits {
            sends_burst: 2,
            sends_per_min: 60,
            ..Limits::default()
        };
        let one = Meter::new(&limits, 0);
        let other = one.clone();
        assert_eq!(one.send(0), Ok(()));
        assert_eq!(other.send(0), Ok(()));
        assert_eq!(one.send(0), Err(1_000));
        assert_eq!(other.request(0), Ok(()), "requests are counted apart");
    }
}
