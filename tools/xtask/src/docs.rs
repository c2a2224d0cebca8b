//! `cargo xtask docs`: the files that are generated from the Rust types.
//!
//! Promises that each has one producer, that writing twice changes nothing, and that `--check`
//! (and the tidy rule *generated*) finds every file that is not what its producer says now.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::shell;

/// A generated file: its path from the root of the repository, and its text.
pub(crate) type Generated = (String, String);

/// What makes generated files.
type Produce = fn() -> Result<Vec<Generated>>;

/// Write what is generated from the Rust types.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if a file is stale
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut stale = 0;
    for (path, text) in gather()? {
        let file = shell::root().join(&path);
        if is_fresh(&file, &text) {
            continue;
        }
        stale += 1;
        if args.check {
            println!("stale: {path}");
        } else {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
            println!("wrote {path}");
        }
    }
    if args.check && stale > 0 {
        println!("`cargo xtask docs` writes what is stale; commit it with the change behind it.");
        return Ok(ExitCode::FAILURE);
    }
    if stale == 0 {
        println!("Every generated file is fresh.");
    }
    Ok(ExitCode::SUCCESS)
}

/// All generated files, from all producers.
pub(crate) fn gather() -> Result<Vec<Generated>> {
    let producers: [(&str, Produce); 0] = [];
    let mut all = Vec::new();
    for (name, produce) in producers {
        all.extend(produce().with_context(|| format!("cannot generate the {name}"))?);
    }
    Ok(all)
}

fn is_fresh(file: &Path, text: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|found| found == text)
}
