//! The five words of the flow, as the names of modules.

use super::{Breach, Rule, Tree};

pub(crate) const RULE: Rule = Rule {
    id: "stages",
    why: "gateway, log, router, session and push name the rule, the need and the loop alike: \
          whoever knows the flow knows where a file is",
    remedy: "give the stage its module under its own word: NAME.rs, or NAME.rs and NAME/",
    check,
};

const ALL: &[&str] = &["gateway", "log", "router", "session", "push"];

/// Where each stage has its module. In the ports a stage has a module per need: a gateway asks
/// for accounts, the log for a log, a router for history, roster and relay, a session for
/// sessions, push for something to wake with.
const FOLDERS: &[(&str, &[&str])] = &[
    ("server/engine/src", ALL),
    ("server/runtime/src", ALL),
    (
        "server/ports/src",
        &[
            "accounts", "log", "history", "roster", "relay", "sessions", "wake",
        ],
    ),
];

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (folder, modules) in FOLDERS {
        for module in *modules {
            if !tree.files.contains_key(&format!("{folder}/{module}.rs")) {
                breaches.push(Breach::new(*folder, format!("has no module `{module}`")));
            }
        }
    }
    breaches
}
