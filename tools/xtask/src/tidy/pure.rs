//! What a pure crate never names.

use super::{Breach, Rule, Tree, rust};

pub(crate) const RULE: Rule = Rule {
    id: "pure",
    why: "a machine that reads a clock, randomness, the environment or the world cannot be \
          replayed, and two routers that are to write identical rows do not",
    remedy: "take `now` or the random bytes as an argument; let the crate that drives this one do \
             the reading",
    check,
};

/// The pure crates, with their folders.
pub(crate) const CRATES: &[(&str, &str)] = &[
    ("parlour-protocol", "protocol"),
    ("parlour-engine", "server/engine"),
    ("parlour-client-core", "client/core"),
    ("parlour-checker", "tools/checker"),
    ("parlour-irc", "tools/irc"),
];

/// Paths that are banned with all that lies below them, and what they are.
const PATHS: &[(&str, &str)] = &[
    ("std::env", "the environment"),
    ("std::fs", "files"),
    ("std::net", "the network"),
    ("std::os", "the system"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("std::time::Instant", "a clock"),
    ("std::time::SystemTime", "a clock"),
    ("std::time::UNIX_EPOCH", "a clock"),
    ("std::io::stdin", "the terminal"),
    ("std::io::stdout", "the terminal"),
    ("std::io::stderr", "the terminal"),
    ("std::hash::RandomState", "randomness"),
    ("std::collections::hash_map::RandomState", "randomness"),
    ("chrono", "a clock"),
    ("fastrand", "randomness"),
    ("futures", "waiting"),
    ("futures_util", "waiting"),
    ("getrandom", "randomness"),
    ("rand", "randomness"),
    ("tokio", "a runtime"),
];

/// Words that are banned wherever they stand in code.
const WORDS: &[(&str, &str)] = &[
    ("async", "waiting"),
    (".await", "waiting"),
    ("Instant", "a clock"),
    ("SystemTime", "a clock"),
    ("now_v1", "a clock"),
    ("now_v6", "a clock"),
    ("now_v7", "a clock and randomness"),
    ("new_v4", "randomness"),
    ("thread_rng", "randomness"),
    ("OsRng", "randomness"),
    ("thread_local", "state of its own"),
    ("static mut", "state of its own"),
    ("option_env", "the environment"),
];

/// Collections whose order differs from run to run, banned where order is decided.
const UNORDERED: &[&str] = &["HashMap", "HashSet"];
const MACHINES: &[&str] = &["server/engine", "client/core"];

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (_, folder) in CRATES {
        for (path, file) in tree.rust_under(&format!("{folder}/src")) {
            let mut found = Vec::new();
            for (line, used) in rust::uses(&file.shipped) {
                for (banned, what) in PATHS {
                    if is_within(&used, banned) {
                        found.push((line, format!("`{used}` is {what}")));
                    }
                }
            }
            for (banned, what) in PATHS.iter().filter(|(path, _)| path.contains("::")) {
                for line in rust::hits(&file.shipped, banned) {
                    found.push((line, format!("`{banned}` is {what}")));
                }
            }
            for (banned, what) in PATHS.iter().filter(|(path, _)| !path.contains("::")) {
                for line in rust::hits(&file.shipped, &format!("{banned}::")) {
                    found.push((line, format!("`{banned}` is {what}")));
                }
            }
            for (word, what) in WORDS {
                for line in rust::hits(&file.shipped, word) {
                    found.push((line, format!("`{word}` is {what}")));
                }
            }
            for word in UNORDERED.iter().filter(|_| MACHINES.contains(folder)) {
                for line in rust::hits(&file.shipped, word) {
                    let what = format!("`{word}` goes through its entries at random: use a BTree");
                    found.push((line, what));
                }
            }
            found.sort();
            // A line is told of once, however many of the rules it breaks.
            found.dedup_by_key(|(line, _)| *line);
            breaches.extend(
                found
                    .into_iter()
                    .map(|(line, what)| Breach::new(format!("{path}:{line}"), what)),
            );
        }
    }
    breaches
}

fn is_within(path: &str, banned: &str) -> bool {
    let rest = path.strip_prefix(banned);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
