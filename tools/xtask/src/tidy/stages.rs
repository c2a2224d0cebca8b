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

/// Where a stage has its module. A gateway and a router are no needs but those who have them,
/// so the ports have theirs by what each asks for.
const FOLDERS: &[(&str, &[&str])] = &[
    ("server/engine/src", ALL),
    ("server/runtime/src", ALL),
    ("server/ports/src", &["log"]),
];

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (folder, stages) in FOLDERS {
        for stage in *stages {
            if !tree.files.contains_key(&format!("{folder}/{stage}.rs")) {
                breaches.push(Breach::new(*folder, format!("has no module `{stage}`")));
            }
        }
    }
    breaches
}
