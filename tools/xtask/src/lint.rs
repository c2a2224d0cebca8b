//! `cargo xtask lint`, and the same steps within `cargo xtask test`.
//!
//! Promises that clippy and rustdoc see every target and every feature, with warnings denied.

use std::process::ExitCode;

use anyhow::Result;

use crate::steps::{Outcome, Steps};
use crate::{shell, tidy, tools};

/// All crates.
pub(crate) const ALL: &[&str] = &["--workspace"];

pub(crate) fn run() -> Result<ExitCode> {
    tools::rust()?;
    let mut steps = Steps::default();
    format(&mut steps, ALL);
    clippy(&mut steps, ALL);
    docs(&mut steps);
    deny(&mut steps);
    steps.step("tidy", tidy::REMEDY, || {
        let tally = tidy::check_all(&tidy::Tree::load()?);
        Ok(Outcome::Counted(tally))
    });
    Ok(steps.close())
}

/// Whether these crates are formatted.
pub(crate) fn format(steps: &mut Steps, crates: &[&str]) {
    steps.step("format", "run `cargo fmt --all`", || {
        tools::component("rustfmt", &["fmt", "--version"])?;
        let mut format = shell::cargo(["fmt", "--check"]);
        format.args(if crates == ALL { &["--all"] } else { crates });
        shell::run(&mut format)?;
        Ok(Outcome::Passed)
    });
}

/// Whether clippy is content with these crates.
pub(crate) fn clippy(steps: &mut Steps, crates: &[&str]) {
    let remedy =
        "repair what clippy names, or allow it at that very line with a comment that says why";
    steps.step("clippy", remedy, || {
        tools::component("clippy", &["clippy", "--version"])?;
        let mut clippy =
            shell::cargo(["clippy", "--keep-going", "--all-targets", "--all-features"]);
        clippy.args(crates);
        shell::run(clippy.args(["--", "-D", "warnings"]))?;
        Ok(Outcome::Passed)
    });
}

/// Whether rustdoc has nothing to say.
pub(crate) fn docs(steps: &mut Steps) {
    let remedy = "repair the doc comment that rustdoc names; `cargo doc --open` shows the pages";
    steps.step("docs", remedy, || {
        let mut doc = shell::cargo([
            "doc",
            "--workspace",
            "--no-deps",
            "--all-features",
            "--keep-going",
        ]);
        shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
        Ok(Outcome::Passed)
    });
}

/// Whether every dependency may be used: its licence, its source, the list of bans; and, where
/// the database can be reached, whether an advisory speaks against it.
pub(crate) fn deny(steps: &mut Steps) {
    let remedy =
        "see deny.toml: replace the crate that is named, or allow it there with the reason";
    steps.step("cargo-deny", remedy, || {
        let program = tools::cargo_deny()?;
        let check = |what: &[&str]| {
            let mut deny = shell::command(&program);
            deny.args(["--workspace", "check", "--hide-inclusion-graph"])
                .args(what);
            deny
        };
        shell::run(&mut check(&["licenses", "bans", "sources"]))?;

        // A database that cannot be fetched is no verdict on our dependencies.
        let mut unreachable = false;
        let status = shell::watch(&mut check(&["advisories"]), &mut |line| {
            unreachable |= line.contains("failed to fetch advisory database");
        })?;
        match (status.success(), unreachable) {
            (true, _) => Ok(Outcome::Passed),
            (false, true) => Ok(Outcome::Partly(
                "advisories were not looked at: their database cannot be reached from here".into(),
            )),
            (false, false) => anyhow::bail!("an advisory speaks against a dependency; see above"),
        }
    });
}
