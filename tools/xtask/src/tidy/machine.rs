//! Paths of one machine.

use super::{Breach, Rule, Tree};

pub(crate) const RULE: Rule = Rule {
    id: "machine",
    why: "a path of the machine that something was written on is on no other, and tells about \
          its owner",
    remedy: "use a path from the root of the repository, a temporary folder, or an argument",
    check,
};

/// Folders that only ever are somebody's own. In two parts, so that this file passes.
const FOLDERS: &[(&str, &str)] = &[
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/wo", "rk/"),
    ("/Use", "rs/"),
    ("C:\\Use", "rs\\"),
];

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, file) in &tree.files {
        for (line, text) in (1..).zip(file.text.lines()) {
            for (one, two) in FOLDERS {
                let folder = format!("{one}{two}");
                let found = text.match_indices(&folder).any(|(at, _)| {
                    // Within a longer path it is some other folder of that name.
                    let before = text[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || "._-/}$".contains(c))
                });
                if found {
                    breaches.push(Breach::new(format!("{path}:{line}"), format!("`{folder}`")));
                }
            }
        }
    }
    breaches
}
