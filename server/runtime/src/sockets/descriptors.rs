//! How many files and sockets the process may have open, and how many of those are for connections.
//!
//! Promises: whoever connects, and does no more than that, never takes the descriptors that the store
//! needs to write. Never: a limit that is lowered.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept for the store and the rest of the node, where there is so much.
const RESERVE: u64 = 1_024;
/// What is kept in any case: a node that nobody is connected to has about 20 open, and the store opens
/// more whenever it writes and merges tables.
const RESERVE_LEAST: u64 = 48;
/// The lowest limit that a node can be of use with.
const LEAST: u64 = 56;

/// There is no use in starting.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process may open {0} files, and a node needs {LEAST} at least; raise `ulimit -n`")]
pub struct TooFew(u64);

/// That the limit of this process is enough for a node.
///
/// # Errors
/// It is not.
pub fn check() -> Result<(), TooFew> {
    match limit() {
        Some(limit) if limit < LEAST => Err(TooFew(limit)),
        _ => Ok(()),
    }
}

/// Raises the limit of this process to the most that it may set for itself. Where the system refuses,
/// the limit stays as it is.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let current = maximum;
    // A refusal changes nothing: what is bounded by the limit is bounded by the one that is in force.
    let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
}

/// The limit of this process; none if there is none.
#[must_use]
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many connections there may be within a limit, at most so many as configured: what is left
/// beside the reserve, which is about half where the limit is low.
#[must_use]
pub fn bound(configured: u64, limit: Option<u64>) -> u64 {
    match limit {
        None => configured,
        Some(limit) => {
            let reserve = (limit / 2).clamp(RESERVE_LEAST, RESERVE);
            configured.min(limit.saturating_sub(reserve))
        }
    }
}

/// Whether this process, or the system, has as many open as it may.
pub(super) fn are_short(why: &io::Error) -> bool {
    matches!(Errno::from_io_error(why), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_beside_the_reserve_is_for_connections() {
        for (configured, limit, most) in [
            (100_000, None, 100_000),
            (100_000, Some(1 << 20), 100_000),
            (100_000, Some(20_000), 18_976),
            (100_000, Some(1_024), 512),
            (100_000, Some(100), 50),
            (100_000, Some(60), 12),
            (10, Some(100), 10),
            (100_000, Some(0), 0),
        ] {
            assert_eq!(bound(configured, limit), most, "{configured}, {limit:?}");
        }
    }

    #[test]
    fn a_limit_is_raised_to_the_most_that_the_system_gives() {
        let before = getrlimit(Resource::Nofile);
        raise();
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.maximum, before.maximum);
        // None is no limit. Where the most is none the system may refuse, and nothing is lowered.
        let files = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        assert!(
            files(after.current) >= files(before.current),
            "{before:?}, {after:?}"
        );
        if let Some(most) = before.maximum {
            assert_eq!(after.current, Some(most), "{before:?}");
        }
    }
}
