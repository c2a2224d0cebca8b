//! What one address may do before it has said who it is: sockets at once, and attempts over time;
//! and what one device may do then.
//!
//! An IPv6 address counts with its /64, which is what one customer has. Memory is bounded: the
//! address least recently seen is forgotten first, which lets it begin with a full allowance.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lru::LruCache;
use parlour_engine::gateway::rates::Meter;
use parlour_protocol::id::DeviceId;
use parlour_protocol::limits::Limits;

use crate::{clock, telemetry};

const ADDRESSES: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
const DEVICES: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// Who counts as one.
#[must_use]
pub fn whole(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

/// Sockets that have not said who they are.
#[derive(Debug)]
pub struct Doorstep {
    each: u64,
    all: u64,
    total: AtomicU64,
    by_address: Mutex<HashMap<IpAddr, u64>>,
}

impl Doorstep {
    /// Room for `each` from one address (0: no bound) and `all` from everywhere.
    #[must_use]
    pub fn new(each: u64, all: u64) -> Arc<Self> {
        Arc::new(Self {
            each,
            all,
            total: AtomicU64::new(0),
            by_address: Mutex::new(HashMap::new()),
        })
    }

    /// The same, of `most` connections of any sort: half of those are kept for who has said who they
    /// are, and where that leaves less than `all`, no address has more than a quarter of what is
    /// left (or 8). Else one that stands idle at the door keeps everyone out.
    #[must_use]
    pub fn within(each: u64, all: u64, most: u64) -> Arc<Self> {
        let half = (most / 2).max(1);
        if all <= half {
            return Self::new(each, all);
        }
        // One person's browser alone opens several at once.
        let quarter = (half / 4).max(8).min(half);
        Self::new(if each == 0 { 0 } else { each.min(quarter) }, half)
    }

    /// How many it has room for: from one address (0: no bound), and from everywhere.
    #[must_use]
    pub fn room(&self) -> (u64, u64) {
        (self.each, self.all)
    }

    /// A place for one more socket, if there is one.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = whole(address);
        let mut by = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let here = by.get(&address).copied().unwrap_or(0);
        if (self.each > 0 && here >= self.each) || self.total.load(Ordering::Relaxed) >= self.all {
            metrics::counter!(telemetry::SOCKETS_REFUSED).increment(1);
            return None;
        }
        by.insert(address, here + 1);
        self.total.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            doorstep: self.clone(),
            address,
            left: AtomicBool::new(false),
        })
    }
}

/// A place on the doorstep, given back when its socket says who it is or ends.
#[derive(Debug)]
pub struct Place {
    doorstep: Arc<Doorstep>,
    address: IpAddr,
    left: AtomicBool,
}

impl Place {
    /// Where the socket comes from. For bounds alone; never logged.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The socket has said who it is.
    pub fn leave(&self) {
        if self.left.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut by = self
            .doorstep
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.doorstep.total.fetch_sub(1, Ordering::Relaxed);
        match by.get_mut(&self.address) {
            Some(n) if *n > 1 => *n -= 1,
            _ => {
                by.remove(&self.address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Attempts over time, by address.
pub struct Attempts {
    burst: u64,
    per_min: u64,
    seen: Mutex<LruCache<IpAddr, (f64, Instant)>>,
}

impl Attempts {
    /// `burst` at once (0: no bound), `per_min` sustained.
    #[must_use]
    pub fn new(burst: u64, per_min: u64) -> Self {
        Self {
            burst,
            per_min,
            seen: Mutex::new(LruCache::new(ADDRESSES)),
        }
    }

    /// Takes one attempt.
    ///
    /// # Errors
    /// There is none left: come back after so many milliseconds.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        if self.burst == 0 {
            return Ok(());
        }
        let address = whole(address);
        let per_ms = self.per_min as f64 / 60_000.0;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (had, at) = seen
            .get(&address)
            .copied()
            .unwrap_or((self.burst as f64, now));
        let passed = now.saturating_duration_since(at).as_secs_f64() * 1_000.0;
        let has = (had + passed * per_ms).min(self.burst as f64);
        if has < 1.0 {
            seen.put(address, (has, now));
            metrics::counter!(telemetry::ATTEMPTS_REFUSED).increment(1);
            let wait = if per_ms > 0.0 {
                (1.0 - has) / per_ms
            } else {
                60_000.0
            };
            return Err(wait.ceil() as u64);
        }
        seen.put(address, (has - 1.0, now));
        Ok(())
    }
}

/// What each device may do, by all its connections and over HTTP together, on this node.
///
/// Memory is bounded: the device least recently seen is forgotten first, which lets it begin with a
/// full allowance. A connection keeps the meter that it has.
pub struct Meters {
    limits: Limits,
    seen: Mutex<LruCache<DeviceId, Meter>>,
}

impl Meters {
    /// As these limits have it.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            seen: Mutex::new(LruCache::new(DEVICES)),
        }
    }

    /// A device's.
    pub fn of(&self, device: DeviceId) -> Meter {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get_or_insert(device, || Meter::new(&self.limits, clock::now_ms()))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn places_are_bounded_by_address_and_given_back() {
        let doorstep = Doorstep::new(2, 3);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let one = doorstep.enter(a).unwrap();
        let two = doorstep.enter(a).unwrap();
        assert!(doorstep.enter(a).is_none());
        let three = doorstep.enter(b).unwrap();
        assert!(doorstep.enter(b).is_none(), "all are taken");
        one.leave();
        one.leave();
        drop(one);
        assert!(doorstep.enter(b).is_some());
        drop((two, three));
        assert!(doorstep.by_address.lock().unwrap().is_empty());
    }

    #[test]
    fn strangers_leave_half_of_the_connections_to_who_is_known() {
        for (configured, most, (each, all)) in [
            ((1_024, 16_384), 100_000, (1_024, 16_384)),
            ((1_024, 16_384), 32_768, (1_024, 16_384)),
            ((1_024, 16_384), 512, (64, 256)),
            ((10, 16_384), 512, (10, 256)),
            ((0, 16_384), 512, (0, 256)),
            ((1_024, 100), 512, (1_024, 100)),
            ((1_024, 16_384), 50, (8, 25)),
            ((1_024, 16_384), 12, (6, 6)),
            ((1_024, 16_384), 1, (1, 1)),
        ] {
            let doorstep = Doorstep::within(configured.0, configured.1, most);
            assert_eq!((doorstep.each, doorstep.all), (each, all), "of {most}");
        }
    }

    #[test]
    fn a_v6_network_counts_as_one() {
        let of = |s: &str| whole(s.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn attempts_come_back_with_time() {
        let attempts = Attempts::new(2, 60);
        let (a, start) = ("192.0.2.1".parse().unwrap(), Instant::now());
        assert!(attempts.take(a, start).is_ok());
        assert!(attempts.take(a, start).is_ok());
        assert_eq!(attempts.take(a, start), Err(1_000));
        assert!(
            attempts
                .take(a, start + Duration::from_millis(1_001))
                .is_ok()
        );
    }
}
