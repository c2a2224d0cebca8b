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
    match (tree.generated)() {
        Err(error) => vec![Breach::new("cargo xtask docs", format!("{error:#}"))],
        Ok(files) => files
            .into_iter()
            .filter_map(|(path, text)| match tree.files.get(&path) {
                Some(file) if file.text == text => None,
                Some(_) => Some(Breach::new(path, "is stale")),
                None => Some(Breach::new(path, "is generated, but not there")),
            })
            .collect(),
    }
}
