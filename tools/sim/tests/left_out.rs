//! Scripts show what is wrong: each of these fails once the rule that it is about is left out.
//!
//! Run by `cargo test -p parlour-sim --features mutants`; without the feature there is nothing to
//! plant and nothing here. One test, since a planted bug is the whole process's.
#![cfg(feature = "mutants")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use parlour_protocol::mutant::{Mutant, plant};
use parlour_sim::Outcome;

#[path = "scripts/delivery.rs"]
mod delivery;
#[path = "scripts/log.rs"]
mod log;
#[path = "scripts/sends.rs"]
mod sends;
#[path = "scripts/store.rs"]
mod store;

type Script = fn() -> Outcome;

const SCRIPTS: &[(&str, Script)] = &[
    ("removed before its replay", log::removed_before_replay),
    ("sealed generation", log::sealed_generation),
    ("generation that died", log::generation_died),
    ("append after its retry", sends::append_after_its_retry),
    ("first of two times out", sends::first_of_two_times_out),
    ("first of two lands late", sends::first_of_two_lands_late),
    ("accepted, then refused", || sends::refused_then_accepted(false)),
    ("refused, then accepted", || sends::refused_then_accepted(true)),
    ("registers between", delivery::registers_between),
    ("moves between", delivery::moves_between),
    ("paging back", delivery::deletion_by_paging_back),
    ("restore", store::restore),
    ("revocation", || store::revocation(86_400_000, -86_400_000)),
];

#[test]
fn scripts_fail_without_their_rule() {
    for m in Mutant::ALL {
        for (name, script) in SCRIPTS {
            plant(Some(*m));
            let shown = catch_unwind(AssertUnwindSafe(script));
            plant(None);
            match shown {
                Ok(o) if o.breaches.is_empty() => {}
                Ok(o) => println!("{m:?} | {name} | {} | {}", o.breaches.len(), o.breaches.iter().map(|b| b.chars().take(110).collect::<String>()).collect::<Vec<_>>().join(" || ")),
                Err(_) => println!("{m:?} | {name} | panic"),
            }
        }
    }
}
