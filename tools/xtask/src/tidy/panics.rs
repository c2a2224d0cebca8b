//! What a crate that reads strangers' bytes never does: give up.

use super::{Breach, Rule, Tree, rust};

pub(crate) const RULE: Rule = Rule {
    id: "panics",
    why: "no bytes from a client may stop another event's delivery, and a panic in a machine \
          stops the partition",
    remedy: "return an error, or an output that says so; the first lines of the crate's lib.rs \
             deny it to clippy too: #![cfg_attr(not(test), deny(clippy::unwrap_used, \
             clippy::expect_used, clippy::panic))]",
    check,
};

/// The crates that a client's bytes go through.
const FOLDERS: &[&str] = &["protocol", "server/engine", "client/core"];

const LINTS: &[&str] = &[
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::panic",
];

const BANNED: &[&str] = &[
    ".unwrap()",
    ".unwrap_err()",
    ".expect(",
    ".expect_err(",
    "panic!",
    "todo!",
    "unimplemented!",
    "unreachable!",
];

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for folder in FOLDERS {
        let lib = format!("{folder}/src/lib.rs");
        if let Some(file) = tree.files.get(&lib) {
            // However rustfmt breaks the line.
            let code: String = file.code.split_whitespace().collect();
            let denied = code
                .split_once("#![cfg_attr(not(test),deny(")
                .and_then(|(_, rest)| rest.split_once(')'))
                .map_or("", |(lints, _)| lints);
            let denied: Vec<_> = denied.split(',').collect();
            for lint in LINTS.iter().filter(|lint| !denied.contains(*lint)) {
                breaches.push(Breach::new(
                    &lib,
                    format!("does not deny {lint} outside tests"),
                ));
            }
        }
        for (path, file) in tree.rust_under(&format!("{folder}/src")) {
            for banned in BANNED {
                for line in rust::hits(&file.shipped, banned) {
                    breaches.push(Breach::new(format!("{path}:{line}"), format!("`{banned}`")));
                }
            }
        }
    }
    breaches
}
