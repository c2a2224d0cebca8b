//! Planted bugs, one at a time, until a seed shows each.
//!
//! Promises: a bug counts as caught only by a breach (or a panic) in a seed that passes without
//! it. Never a bug of this crate's own making in what it runs: they lie where the rule lies.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parlour_protocol::mutant::{Mutant, plant};

/// What came of one planted bug.
pub struct Fate {
    /// Which.
    pub mutant: Mutant,
    /// The seed that shows it, and the first thing that it shows. None: it escaped.
    pub caught: Option<(u64, String)>,
    /// Seeds run.
    pub seeds: u64,
}

/// Plants each bug in turn, and runs seeds from `from` until one shows it, at most `seeds`.
/// `only` limits it to some of them, if any are given; `told` hears of each fate.
pub fn run(
    from: u64,
    seeds: u64,
    threads: u64,
    only: &[Mutant],
    mut told: impl FnMut(&Fate),
) -> Vec<Fate> {
    std::panic::set_hook(Box::new(|_| {}));
    let chosen = Mutant::ALL
        .iter()
        .filter(|m| only.is_empty() || only.contains(m));
    let mut fates = Vec::new();
    for mutant in chosen {
        plant(Some(*mutant));
        let mut fate = Fate {
            mutant: *mutant,
            caught: None,
            seeds: 0,
        };
        while fate.caught.is_none() && fate.seeds < seeds {
            let first = from + fate.seeds;
            let some = threads.max(1).min(seeds - fate.seeds);
            fate.seeds += some;
            let shown: Vec<Option<(u64, String)>> = std::thread::scope(|scope| {
                let running: Vec<_> = (first..first + some)
                    .map(|seed| scope.spawn(move || shows(seed)))
                    .collect();
                running
                    .into_iter()
                    .filter_map(|thread| thread.join().ok())
                    .collect()
            });
            fate.caught = shown.into_iter().flatten().next();
        }
        plant(None);
        told(&fate);
        fates.push(fate);
    }
    let _ = std::panic::take_hook();
    fates
}

/// What a seed shows that is wrong, if anything.
fn shows(seed: u64) -> Option<(u64, String)> {
    match catch_unwind(AssertUnwindSafe(|| crate::run(seed, false))) {
        Ok(outcome) => outcome.breaches.into_iter().next().map(|b| (seed, b)),
        Err(_) => Some((seed, "a machine panicked".to_owned())),
    }
}
