//! `cargo xtask docs`: the files that are generated from the Rust types.
//!
//! Promises that each has one producer, that writing twice changes nothing, and that `--check`
//! (and the tidy rule *generated*) finds every file that is not what its producer says now.

mod types;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::{shell, tools};

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
    /// Print the files that come from the types, as JSON, and write nothing
    #[arg(long, hide = true)]
    print_types: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.print_types {
        println!("{}", serde_json::to_string(&types::produce()?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let (mut stale, mut failed) = (0, 0);
    for produced in gather() {
        match produced {
            Err(error) => {
                eprintln!("{error:#}");
                failed += 1;
            }
            Ok(files) => {
                for (path, text) in files {
                    stale += usize::from(refresh(&path, &text, args.check)?);
                }
            }
        }
    }
    if failed > 0 {
        bail!("not everything could be generated; see above");
    }
    if args.check && stale > 0 {
        bail!("{stale} stale: run `cargo xtask docs` and commit what it writes");
    }
    if stale == 0 {
        println!("Every generated file is fresh.");
    }
    Ok(ExitCode::SUCCESS)
}

/// All generated files, by producer. One that fails does not hide the others.
pub(crate) fn gather() -> Vec<Result<Vec<Generated>>> {
    let producers: [(&str, Produce); 2] = [
        ("the files from the types", types::produce),
        ("the sample configuration", sample),
    ];
    producers
        .into_iter()
        .map(|(name, produce)| produce().with_context(|| format!("cannot generate {name}")))
        .collect()
}

/// Writes a file if it is stale, or tells of it. Answers whether it was.
fn refresh(path: &str, text: &str, only_tell: bool) -> Result<bool> {
    let file = shell::root().join(path);
    if std::fs::read_to_string(&file).is_ok_and(|found| found == text) {
        return Ok(false);
    }
    if only_tell {
        println!("stale: {path}");
        return Ok(true);
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
    println!("wrote {path}");
    Ok(true)
}

/// The configuration as the server documents it itself, all defaults filled in.
fn sample() -> Result<Vec<Generated>> {
    let text = shell::read(tools::parlour().args(["config", "sample"]))?;
    Ok(vec![("docs/parlour.sample.toml".into(), text)])
}
