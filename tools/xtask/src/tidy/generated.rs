//! Generated files that are not what would be generated now.

use super::{Breach, Rule, Tree};

pub(crate) const RULE: Rule = Rule {
    id: "generated",
    why: "what is generated from the types is the manual of those who have only the docs; stale, \
          it lies to them",
    remedy: "run `cargo xtask docs` and commit what it wrote with the change behind it",
    check,
};

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for produced in (tree.generated)() {
        let files = match produced {
            Ok(files) => files,
            Err(error) => {
                breaches.push(Breach::new("cargo xtask docs", format!("{error:#}")));
                continue;
            }
        };
        for (path, text) in files {
            match tree.files.get(&path) {
                Some(file) if file.text == text => {}
                Some(_) => breaches.push(Breach::new(path, "is stale")),
                None => breaches.push(Breach::new(path, "is generated, but not there")),
            }
        }
    }
    breaches
}
