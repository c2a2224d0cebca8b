//! How files are named, how long they are, and how they open.

use super::{Breach, Rule, Tree};

pub(crate) const MOD_FILES: Rule = Rule {
    id: "mod-files",
    why: "ten tabs called mod.rs tell nobody which is which",
    remedy: "move NAME/mod.rs to NAME.rs beside the folder",
    check: mod_files,
};

pub(crate) const LENGTH: Rule = Rule {
    id: "length",
    why: "a file says one thing; past 400 lines one asks whether it is two, past 800 it is",
    remedy: "move a part that has a name of its own to a file of that name",
    check: length,
};

pub(crate) const OPENING: Rule = Rule {
    id: "opening",
    why: "who opens a file wants to know what it promises and what it never does before how",
    remedy: "begin the file with `//!` and a sentence or two",
    check: opening,
};

const LINES_MAX: usize = 800;

/// What people write. What is generated, and a log of changes, may grow.
const WRITTEN: &[&str] = &[
    ".rs", ".sh", ".py", ".js", ".ts", ".svelte", ".css", ".md", ".toml",
];
const MAY_GROW: &[&str] = &["CHANGELOG.md"];

/// The folder of generated files.
const GENERATED: &str = "docs/generated/";

fn mod_files(tree: &Tree) -> Vec<Breach> {
    tree.paths
        .iter()
        .filter(|path| path.as_str() == "mod.rs" || path.ends_with("/mod.rs"))
        .map(|path| Breach::new(path, "a mod.rs"))
        .collect()
}

fn length(tree: &Tree) -> Vec<Breach> {
    tree.files
        .iter()
        .filter(|(path, _)| WRITTEN.iter().any(|end| path.ends_with(end)))
        .filter(|(path, _)| !MAY_GROW.contains(&path.as_str()) && !path.starts_with(GENERATED))
        .filter_map(|(path, file)| {
            let lines = file.text.lines().count();
            (lines > LINES_MAX).then(|| Breach::new(path, format!("{lines} lines")))
        })
        .collect()
}

fn opening(tree: &Tree) -> Vec<Breach> {
    tree.rust()
        .filter(|(_, file)| {
            let first = file
                .text
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty());
            !first.is_some_and(|line| {
                line.strip_prefix("//!")
                    .is_some_and(|text| !text.trim().is_empty())
            })
        })
        .map(|(path, _)| Breach::new(path, "does not open with `//!` and a sentence"))
        .collect()
}
