//! `cargo xtask test`: the whole check, on a desk and in CI alike.
//!
//! Promises to obtain what it needs, to run every step whatever another one found (tests need
//! a build, nothing else needs another), and to close with the count of tests alone on a line.
//! Order and flags are chosen so that each dependency is checked once and built once: all
//! steps share one profile and one set of features, except the simulation, which is optimised.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::count::{self, Tally};
use crate::steps::{Outcome, Steps};
use crate::{lint, shell, sim, tools};

/// What is tested: everything as it ships, and what is generated from the types. Other features
/// are looked at by clippy and rustdoc alone: one of them plants bugs.
const ALL: &[&str] = &["--workspace", "--features", "xtask/docs"];

/// How many seeds the simulation runs: in the whole check, and in the fast one.
const SEEDS: u32 = 1000;
const SEEDS_FAST: u32 = 100;

/// Check everything: format, lints, docs, licences, wasm32, every test, the simulation.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out docs, licences and wasm32, and run a tenth of the seeds
    #[arg(long)]
    fast: bool,
    /// Only this crate (may be given again): its format, lints and tests
    #[arg(short, long = "package", value_name = "CRATE")]
    packages: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    tools::rust()?;
    let mut steps = Steps::default();
    if !args.packages.is_empty() {
        let crates: Vec<_> = args.packages.iter().flat_map(|name| ["-p", name]).collect();
        lint::format(&mut steps, &crates);
        lint::clippy(&mut steps, &crates);
        tests(&mut steps, &crates);
        return Ok(steps.close());
    }
    lint::format(&mut steps, lint::ALL);
    lint::clippy(&mut steps, lint::ALL);
    if !args.fast {
        lint::docs(&mut steps);
        lint::deny(&mut steps);
        wasm(&mut steps);
    }
    tests(&mut steps, ALL);
    if args.fast {
        simulation(&mut steps, SEEDS_FAST);
    } else {
        simulation(&mut steps, SEEDS);
        mutants(&mut steps);
    }
    Ok(steps.close())
}

/// Whether the crates that a browser needs build for it.
fn wasm(steps: &mut Steps) {
    let remedy = "a dependency or a feature that browsers lack has come in: see above which";
    steps.step("wasm32", remedy, || {
        let mut check = tools::wasm()?.check();
        check.args(["-p", "parlour-protocol", "-p", "parlour-client-core"]);
        shell::run(&mut check)?;
        Ok(Outcome::Passed)
    });
}

/// Every test of these crates, doctests included. Tidy is among them, as tests of this crate.
fn tests(steps: &mut Steps, crates: &[&str]) {
    let (mut nextest, mut websocat) = (None, None);
    steps.step("tools", "see above what could not be installed", || {
        let mut notes = tools::for_tests();
        match tools::nextest() {
            Ok(program) => nextest = Some(program),
            Err(error) => notes.push(format!("`cargo test` runs the tests: {error:#}")),
        }
        match tools::websocat() {
            Ok(folder) => websocat = folder,
            Err(error) => notes.push(format!("a stand-in speaks for websocat: {error:#}")),
        }
        Ok(match notes.is_empty() {
            true => Outcome::Passed,
            false => Outcome::Partly(notes.join("; ")),
        })
    });
    let runner = || match &nextest {
        Some(program) => {
            let mut command = shell::command(program);
            command.args(["nextest", "run"]).args(crates);
            command
        }
        None => {
            let mut command = shell::cargo(["test", "--no-fail-fast"]);
            command.args(["--lib", "--bins", "--tests", "--examples"]);
            command.args(crates);
            command
        }
    };

    let built = steps.step(
        "build",
        "repair what the compiler names; no test ran",
        || {
            // Tests over the wire start the real programs.
            let mut build = shell::cargo(["build", "--bins", "--examples"]);
            shell::run(build.args(crates))?;
            shell::run(runner().arg("--no-run"))?;
            Ok(Outcome::Passed)
        },
    );
    if !built {
        steps.step("tests", "", || {
            Ok(Outcome::Skipped("nothing to run".into()))
        });
        return;
    }

    let remedy = "run the failed test alone: `cargo test -p CRATE NAME`; its output is above";
    steps.step("tests", remedy, || {
        let closing = if nextest.is_some() {
            count::nextest
        } else {
            count::cargo_test
        };
        let mut tests = runner();
        if crates == ALL {
            // Tests that start our programs need not build them again, each for itself.
            tests.env(tools::BIN_DIR, shell::target()?.join("debug"));
        }
        if let Some(folder) = websocat.take() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
            tests.env("PATH", std::env::join_paths(folders)?);
        }
        counted(&mut tests, closing)
    });

    let remedy = "repair the example in the doc comment that is named";
    steps.step("doctests", remedy, || {
        let mut doctests = shell::cargo(["test", "--doc", "--no-fail-fast"]);
        if crates == ALL {
            return counted(doctests.args(crates), count::cargo_test);
        }
        // Cargo takes it for a mistake if none of the crates that are named is a library.
        let libraries = libraries(crates)?;
        if libraries.is_empty() {
            return Ok(Outcome::Skipped("no library, no doctests".into()));
        }
        for library in libraries {
            doctests.args(["-p", library]);
        }
        counted(&mut doctests, count::cargo_test)
    });
}

/// Those among these crates that are libraries.
fn libraries<'a>(crates: &[&'a str]) -> Result<Vec<&'a str>> {
    let metadata = shell::metadata()?;
    let is_library = |name: &&str| {
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let mut targets = packages
            .filter(|package| package["name"] == **name)
            .flat_map(|package| package["targets"].as_array().into_iter().flatten());
        targets.any(|target| target["doctest"] == true)
    };
    Ok(crates.iter().copied().filter(is_library).collect())
}

/// The seeded world: the seeds that failed once, and those from 1 on.
fn simulation(steps: &mut Steps, seeds: u32) {
    let remedy = "`cargo xtask sim --seed S --trace` tells the story of the seed that is named";
    steps.step("simulation", remedy, || {
        shell::run(&mut sim::command(&["--kept"])?)?;
        let seeds = seeds.to_string();
        shell::run(&mut sim::command(&["--seeds", &seeds, "--from", "1"])?)?;
        Ok(Outcome::Passed)
    });
}

/// Bugs planted in the seeded world: one that no seed shows means that the others prove less.
fn mutants(steps: &mut Steps) {
    let remedy =
        "a planted bug escaped: see CONTRIBUTING.md, \"A rule that the simulation should hold\"";
    steps.step("planted bugs", remedy, || {
        shell::run(&mut sim::command(&["--mutants"])?)?;
        let mut scripts = shell::cargo(["test", "--release", "-p", "parlour-sim"]);
        scripts.args(["--features", "mutants", "--test", "left_out"]);
        counted(&mut scripts, count::cargo_test)
    });
}

/// Runs a test runner and counts what its closing lines say.
fn counted(command: &mut Command, closing: fn(&str) -> Option<Tally>) -> Result<Outcome> {
    let mut tally = Tally::default();
    let mut closed = false;
    let status = shell::watch(command, &mut |line| {
        if let Some(more) = closing(line) {
            tally += more;
            closed = true;
        }
    })?;
    if !closed {
        bail!("`{}` ran no test ({status})", shell::text(command));
    }
    if !status.success() && tally.failed == 0 {
        // A binary that died before its closing line, or a doctest that did not compile.
        tally.failed = 1;
    }
    Ok(Outcome::Counted(tally))
}
