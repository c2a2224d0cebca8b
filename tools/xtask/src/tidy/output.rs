//! Who may print.

use super::{Breach, Rule, Tree, rust};

pub(crate) const RULE: Rule = Rule {
    id: "output",
    why: "standard output belongs to whoever runs a program: its first line is read by scripts, \
          and a print in a library may carry a body or a token",
    remedy: "return what is to be said, or log it with `tracing`, as fields and without bodies",
    check,
};

/// The crates that are libraries.
const FOLDERS: &[&str] = &[
    "protocol",
    "server/engine",
    "server/ports",
    "server/runtime",
    "adapters",
    "client/core",
    "client/sdk",
    "tools/checker",
    "tools/irc",
];

const BANNED: &[&str] = &["println!", "print!", "eprintln!", "eprint!", "dbg!"];

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for folder in FOLDERS {
        for (path, file) in tree.rust_under(folder) {
            if !path.contains("/src/") || path.contains("/src/bin/") {
                continue;
            }
            for banned in BANNED {
                for line in rust::hits(&file.shipped, banned) {
                    breaches.push(Breach::new(format!("{path}:{line}"), format!("`{banned}`")));
                }
            }
        }
    }
    breaches
}
