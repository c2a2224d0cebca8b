//! What the rules look at: the files of the repository and the packages of the workspace.
//!
//! Promises the files that git tracks or would track, as text, in order of their paths. Files
//! that are not text are left out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::rust;
use crate::docs::{self, Generated};
use crate::shell;

/// The repository, or a sample of one.
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) packages: Vec<Package>,
    /// Every path, those of files that are not text included.
    pub(crate) paths: BTreeSet<String>,
    /// What the producers of generated files say now; asked for when a rule wants it.
    pub(crate) generated: fn() -> Vec<Result<Vec<Generated>>>,
}

/// A text file.
pub(crate) struct File {
    pub(crate) text: String,
    /// Rust only: the text with comments and the insides of literals blanked.
    pub(crate) code: String,
    /// Rust only: `code` with what is compiled for tests alone blanked.
    pub(crate) shipped: String,
}

/// A member of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, from the root, without a slash at the end.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a package depends on.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// For its tests, examples and benches alone.
    pub(crate) dev: bool,
    pub(crate) features: Vec<String>,
}

impl Tree {
    /// The repository as it lies on disk.
    pub(crate) fn load() -> Result<Self> {
        let listed = shell::read(shell::command("git").args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))
        .context("tidy asks git which files there are")?;
        let mut tree = Self {
            files: BTreeMap::new(),
            packages: packages(&shell::metadata()?, &shell::root().to_string_lossy()),
            paths: BTreeSet::new(),
            generated: docs::gather,
        };
        for path in listed.split_terminator('\0') {
            // A file that git knows of may be gone from the work tree.
            let Ok(bytes) = std::fs::read(shell::root().join(path)) else {
                continue;
            };
            tree.paths.insert(path.to_owned());
            if let Ok(text) = String::from_utf8(bytes) {
                tree.files.insert(path.to_owned(), File::new(path, text));
            }
        }
        tree.mark_test_modules();
        Ok(tree)
    }

    /// A tree of these files alone. The one called `cargo metadata` is read for packages.
    #[cfg(test)]
    pub(crate) fn sample(files: &[(&str, &str)]) -> Self {
        let mut tree = Self {
            files: BTreeMap::new(),
            packages: Vec::new(),
            paths: BTreeSet::new(),
            generated: Vec::new,
        };
        for &(path, text) in files {
            if path == "cargo metadata" {
                let metadata = serde_json::from_str(text).expect("the sample is JSON");
                tree.packages = packages(&metadata, "/sample");
                continue;
            }
            tree.paths.insert(path.to_owned());
            tree.files
                .insert(path.to_owned(), File::new(path, text.to_owned()));
        }
        tree.mark_test_modules();
        tree
    }

    /// The Rust files, by path.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files
            .iter()
            .filter(|(path, _)| path.ends_with(".rs"))
            .map(|(path, file)| (path.as_str(), file))
    }

    /// The Rust files under a folder.
    pub(crate) fn rust_under(&self, folder: &str) -> impl Iterator<Item = (&str, &File)> {
        let folder = format!("{folder}/");
        self.rust()
            .filter(move |(path, _)| path.starts_with(&folder))
    }

    /// A file is a test if it lies in a folder `tests` or `benches`, or is a module that its
    /// parent declares for tests alone. Nothing of it ships.
    fn mark_test_modules(&mut self) {
        let mut tests = Vec::new();
        for (path, file) in self.rust() {
            let folder = match path.rsplit_once('/') {
                Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder,
                _ => path.strip_suffix(".rs").unwrap_or(path),
            };
            for name in rust::test_modules(&file.code) {
                tests.push(format!("{folder}/{name}.rs"));
                tests.push(format!("{folder}/{name}/"));
            }
        }
        for (path, file) in &mut self.files {
            let declared = tests.iter().any(|test| {
                path == test || (test.ends_with('/') && path.starts_with(test.as_str()))
            });
            if declared
                || path
                    .split('/')
                    .any(|part| part == "tests" || part == "benches")
            {
                file.shipped = rust::blank(&file.shipped);
            }
        }
    }
}

impl File {
    fn new(path: &str, text: String) -> Self {
        if !path.ends_with(".rs") {
            return Self {
                text,
                code: String::new(),
                shipped: String::new(),
            };
        }
        let code = rust::code(&text);
        let shipped = rust::without_tests(&code);
        Self {
            text,
            code,
            shipped,
        }
    }
}

fn packages(metadata: &serde_json::Value, root: &str) -> Vec<Package> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let mut packages: Vec<Package> = list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            folder: text(&package["manifest_path"])
                .trim_start_matches(root)
                .trim_start_matches('/')
                .trim_end_matches("Cargo.toml")
                .trim_end_matches('/')
                .to_owned(),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    dev: dependency["kind"] == "dev",
                    features: list(&dependency["features"]).iter().map(text).collect(),
                })
                .collect(),
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}
