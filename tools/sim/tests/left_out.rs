//! Scripts show what is wrong: each of these fails once the rule that it is about is left out, and
//! passes with nothing planted.
//!
//! Run by `cargo test -p parlour-sim --features mutants`; without the feature there is nothing to
//! plant and nothing here. One test, since a planted bug is the whole process's. A line counts only
//! if the breach is the one that it names: missing its moment is no catch.
#![cfg(feature = "mutants")]

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

/// What is left out, where, and how a breach begins that shows it.
const LEFT_OUT: &[(Mutant, &str, &str)] = &[
    (
        Mutant::AsOfIgnored,
        "removed",
        "script: not so: the send is placed",
    ),
    (Mutant::BatchesPass, "removed", "refused-but-read"),
    (Mutant::HeadNotAsked, "removed", "replay"),
    (Mutant::NoDedup, "sealed", "duplicate"),
    (Mutant::HeadNotAsked, "sealed", "replay"),
    (Mutant::NoDedup, "died", "duplicate"),
    (Mutant::HeadNotAsked, "truncated", "replay"),
    (Mutant::HeadNotAsked, "recreated", "replay"),
    (
        Mutant::BodyComesBack,
        "an hour late",
        "script: not so: and changed nothing",
    ),
    (Mutant::NoDedup, "after its retry", "duplicate"),
    (
        Mutant::RefusalForgotten,
        "refused first",
        "refused-but-read",
    ),
    (Mutant::VerdictIgnored, "refused first", "lost-write"),
    (Mutant::AfterIgnored, "first times out", "program-order"),
    (Mutant::AfterIgnored, "first lands late", "program-order"),
    (Mutant::LocatedOnce, "registers between", "unseen"),
    (Mutant::NoRaise, "registers between", "unseen"),
    (Mutant::ReadyUnregistered, "registers late", "unseen"),
    (Mutant::LocatedOnce, "moves between", "unseen"),
    (Mutant::ChangesUnfolded, "pages back", "stale"),
    (Mutant::NoDedup, "restored", "duplicate"),
    (Mutant::FreshIds, "restored", "phantom"),
    (Mutant::RevocationUnread, "revoked", "revoked at the end"),
];

fn script(name: &str) -> Outcome {
    match name {
        "removed" => log::removed_before_replay(),
        "sealed" => log::sealed_generation(),
        "died" => log::generation_died(),
        "truncated" => log::truncated(),
        "recreated" => log::recreated(),
        "an hour late" => log::write_an_hour_late(),
        "after its retry" => sends::append_after_its_retry(),
        "accepted first" => sends::refused_then_accepted(false),
        "refused first" => sends::refused_then_accepted(true),
        "first times out" => sends::first_of_two_times_out(),
        "first lands late" => sends::first_of_two_lands_late(),
        "registers between" => delivery::registers_between(),
        "registers late" => delivery::registers_late(),
        "moves between" => delivery::moves_between(),
        "pages back" => delivery::deletion_by_paging_back(),
        "restored" => store::restore(),
        "revoked" => store::revocation(86_400_000, -86_400_000),
        _ => panic!("there is no script {name}"),
    }
}

#[test]
fn scripts_fail_without_the_rule_that_they_are_about() {
    let mut wrong = Vec::new();
    let names: std::collections::BTreeSet<&str> =
        LEFT_OUT.iter().map(|(_, name, _)| *name).collect();
    for name in names {
        let breaches = script(name).breaches;
        if !breaches.is_empty() {
            wrong.push(format!("{name}, with nothing left out: {breaches:#?}"));
        }
    }
    for (mutant, name, shown) in LEFT_OUT {
        plant(Some(*mutant));
        let breaches = script(name).breaches;
        plant(None);
        if !breaches.iter().any(|b| b.starts_with(shown)) {
            wrong.push(format!(
                "{mutant:?} in {name} shows no {shown:?}: {breaches:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
