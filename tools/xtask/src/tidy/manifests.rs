//! What every manifest says alike.

use super::{Breach, Rule, Tree};

pub(crate) const RULE: Rule = Rule {
    id: "manifests",
    why: "a crate that forgets `[lints] workspace = true` has no lints at all, `unsafe` included; \
          and a version in two places is two versions one day",
    remedy: "add the lines `[lints]` and `workspace = true`; move the version to \
             [workspace.dependencies] in the root manifest and write `NAME.workspace = true`",
    check,
};

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in &tree.packages {
        let path = format!("{}/Cargo.toml", package.folder);
        let Some(file) = tree.files.get(&path) else {
            continue;
        };
        let mut section = "";
        let mut lints = false;
        for (number, line) in (1..).zip(file.text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']);
                continue;
            }
            lints |= section == "lints" && line.replace(' ', "") == "workspace=true";
            let of_dependencies = section.ends_with("dependencies");
            if of_dependencies
                && line.contains('=')
                && !line.replace(' ', "").contains("workspace=true")
            {
                let what = format!("`{line}` has its version here");
                breaches.push(Breach::new(format!("{path}:{number}"), what));
            }
        }
        if !lints {
            breaches.push(Breach::new(path, "does not take the workspace's lints"));
        }
    }
    breaches
}
