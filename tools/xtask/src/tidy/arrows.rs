//! Which crate may depend on which.
//!
//! Held twice: by the manifests, through `cargo metadata`, and by the names that stand in the
//! source, since a re-export could carry a crate past a manifest.

use super::tree::{Dependency, Package};
use super::{Breach, Rule, Tree};

pub(crate) const RULE: Rule = Rule {
    id: "arrows",
    why: "the arrows between crates are the architecture: an engine that can reach a port calls \
          it one day, and then the simulation tests other code than what ships",
    remedy: "move the code to the crate that may know of both, or let a machine emit an output \
             instead of calling; a new arrow is a decision: write it into ARCHITECTURE.md and \
             into the table in tools/xtask/src/tidy/arrows.rs",
    check,
};

/// The arrows. A crate may also name what its arrows lead to, however far.
const ARROWS: &[(&str, &[&str])] = &[
    ("parlour-protocol", &[]),
    ("parlour-client-core", &["parlour-protocol"]),
    ("parlour-sdk", &["parlour-client-core"]),
    ("parlour-tui", &["parlour-sdk"]),
    ("parlour-engine", &["parlour-protocol"]),
    ("parlour-ports", &["parlour-protocol"]),
    ("parlour-runtime", &["parlour-engine", "parlour-ports"]),
    ("parlour-embedded", &["parlour-ports"]),
    // `parlour import irc` reads logs, hence the parser.
    (
        "parlour-node",
        &["parlour-runtime", "parlour-embedded", "parlour-irc"],
    ),
    ("parlour-checker", &["parlour-protocol"]),
    ("parlour-irc", &["parlour-protocol"]),
    (
        "parlour-load",
        &["parlour-sdk", "parlour-checker", "parlour-irc"],
    ),
    (
        "parlour-sim",
        &[
            "parlour-engine",
            "parlour-ports",
            "parlour-client-core",
            "parlour-checker",
        ],
    ),
    // The black box is looked at from outside: by a real client, and by the checker.
    (
        "parlour-tests",
        &["parlour-sdk", "parlour-checker", "parlour-irc"],
    ),
    // With the feature `docs`, for what is generated from the types.
    ("xtask", &["parlour-protocol"]),
];

/// Further arrows of tests, examples and benches. None of them ships.
const TEST_ARROWS: &[(&str, &[&str])] = &[
    // The runtime's tests serve from a real store beside the references of the ports.
    ("parlour-runtime", &["parlour-embedded"]),
];

/// Foreign crates that only these may use: whoever needs one of them elsewhere is in the wrong
/// place.
const DRIVERS: &[(&str, &[&str])] = &[
    ("axum", &["parlour-runtime", "parlour-node"]),
    ("fjall", &["parlour-embedded"]),
    ("ratatui", &["parlour-tui"]),
    ("rusqlite", &["parlour-sdk"]),
];

/// Foreign crates that a pure crate never ships with.
const IMPURE: &[&str] = &[
    "async-trait",
    "chrono",
    "fastrand",
    "futures",
    "futures-util",
    "getrandom",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "time",
    "tokio",
    "tokio-util",
];

/// Features of `uuid` that read a clock or randomness.
const IMPURE_UUID: &[&str] = &[
    "v1",
    "v4",
    "v6",
    "v7",
    "fast-rng",
    "rng-getrandom",
    "rng-rand",
];

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in &tree.packages {
        if !ARROWS.iter().any(|(name, _)| *name == package.name) {
            breaches.push(Breach::new(
                &package.name,
                "has no line in the table of arrows, tools/xtask/src/tidy/arrows.rs",
            ));
            continue;
        }
        breaches.extend(
            package
                .dependencies
                .iter()
                .filter_map(|to| manifest(package, to)),
        );
        breaches.extend(source(tree, package));
    }
    breaches
}

/// What a manifest says.
fn manifest(package: &Package, to: &Dependency) -> Option<Breach> {
    let from = package.name.as_str();
    let place = format!("{}/Cargo.toml", package.folder);
    let kind = if to.dev { "for its tests, " } else { "" };
    if is_ours(&to.name) {
        let may = may_name(from, &to.name) || (to.dev && may_name_in_tests(from, &to.name));
        return (!may).then(|| {
            Breach::new(
                place,
                format!("{kind}{from} depends on {}: no arrow leads there", to.name),
            )
        });
    }
    if to.dev {
        return None;
    }
    if super::pure::CRATES.iter().any(|(name, _)| *name == from) {
        if IMPURE.contains(&to.name.as_str()) {
            return Some(Breach::new(
                place,
                format!("{from} is pure and depends on {}", to.name),
            ));
        }
        if to.name == "uuid"
            && let Some(feature) = to
                .features
                .iter()
                .find(|f| IMPURE_UUID.contains(&f.as_str()))
        {
            let what = format!("{from} is pure and asks uuid for `{feature}`");
            return Some(Breach::new(place, what));
        }
    }
    let (_, users) = DRIVERS.iter().find(|(name, _)| *name == to.name)?;
    (!users.contains(&from)).then(|| {
        Breach::new(
            place,
            format!(
                "{from} depends on {}, which is for {}",
                to.name,
                users.join(", ")
            ),
        )
    })
}

/// What the source names.
fn source(tree: &Tree, package: &Package) -> Vec<Breach> {
    let from = package.name.as_str();
    let mut breaches = Vec::new();
    for (to, _) in ARROWS {
        if *to == from || may_name(from, to) {
            continue;
        }
        let name = to.replace('-', "_");
        if !name.starts_with("parlour_") {
            continue;
        }
        for (path, file) in tree.rust_under(&package.folder) {
            // Tests and examples may go wider; what ships may not.
            let in_example = path.contains("/examples/");
            let code = match may_name_in_tests(from, to) {
                true if in_example => continue,
                true => &file.shipped,
                false => &file.code,
            };
            for line in super::rust::hits(code, &name) {
                breaches.push(Breach::new(
                    format!("{path}:{line}"),
                    format!("{from} names {to}: no arrow leads there"),
                ));
            }
        }
    }
    breaches
}

fn is_ours(name: &str) -> bool {
    ARROWS.iter().any(|(ours, _)| *ours == name)
}

/// Whether arrows lead from one crate to another, however far.
fn may_name(from: &str, to: &str) -> bool {
    leads(ARROWS, from, to)
}

fn may_name_in_tests(from: &str, to: &str) -> bool {
    leads(TEST_ARROWS, from, to)
}

fn leads(table: &[(&str, &[&str])], from: &str, to: &str) -> bool {
    let first = table
        .iter()
        .find(|(name, _)| *name == from)
        .map_or(&[][..], |(_, to)| *to);
    first
        .iter()
        .any(|next| *next == to || leads(ARROWS, next, to))
}
