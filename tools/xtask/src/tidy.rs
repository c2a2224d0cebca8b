//! Tidy: the rules of this repository that no compiler and no lint holds.
//!
//! Promises that each rule says why it exists and what to do, is shown failing on a bad sample
//! by a test, and runs over what git tracks and what it would track (never over what is
//! ignored). It reads and judges; it never changes a file. `cargo test -p xtask` runs all rules.

mod arrows;
mod files;
mod generated;
mod links;
mod machine;
mod manifests;
mod markdown;
mod names;
mod output;
mod panics;
mod ports;
mod pure;
mod rust;
mod stages;
mod suites;
mod tree;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::count::Tally;
pub(crate) use tree::Tree;

/// What to do when tidy fails, in general; each rule says more.
pub(crate) const REMEDY: &str = "each rule above says what it asks for, and why";

/// A rule.
pub(crate) struct Rule {
    /// Its name, as in `cargo xtask tidy NAME`.
    pub(crate) id: &'static str,
    /// Why it exists.
    pub(crate) why: &'static str,
    /// What to do about a breach.
    pub(crate) remedy: &'static str,
    /// Finds the breaches.
    pub(crate) check: fn(&Tree) -> Vec<Breach>,
}

/// Where a rule is broken, and how.
#[derive(Debug)]
pub(crate) struct Breach {
    /// `path:line`, or a path or crate where a line says nothing.
    pub(crate) place: String,
    /// The breach, in a few words.
    pub(crate) what: String,
}

impl Breach {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }
}

/// All rules.
pub(crate) const RULES: &[Rule] = &[
    arrows::RULE,
    pure::RULE,
    panics::RULE,
    stages::RULE,
    ports::RULE,
    names::RULE,
    files::MOD_FILES,
    files::LENGTH,
    files::OPENING,
    output::RULE,
    suites::IGNORED,
    suites::SLEEPS,
    manifests::RULE,
    machine::RULE,
    links::RULE,
    generated::RULE,
];

/// Check the rules that no compiler holds.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this rule [default: all]
    rule: Option<String>,
    /// List the rules, each with its reason
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.list {
        for rule in RULES {
            println!(
                "{}\n  why: {}\n  what to do: {}",
                rule.id, rule.why, rule.remedy
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let tree = Tree::load()?;
    let tally = match &args.rule {
        None => check_all(&tree),
        Some(id) => {
            let Some(rule) = RULES.iter().find(|rule| rule.id == id) else {
                let ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
                bail!("there is no rule `{id}`; there are {}", ids.join(", "));
            };
            count(report(rule, &tree).as_deref())
        }
    };
    println!("{tally}");
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs every rule, prints what is broken, and counts the rules.
pub(crate) fn check_all(tree: &Tree) -> Tally {
    let mut tally = Tally::default();
    for rule in RULES {
        tally += count(report(rule, tree).as_deref());
    }
    tally
}

/// Runs a rule and prints its report, if it has one.
fn report(rule: &Rule, tree: &Tree) -> Option<String> {
    let report = judge(rule, tree);
    match &report {
        Some(report) => println!("{report}"),
        None => println!("tidy {}: ok", rule.id),
    }
    report
}

/// Runs a rule; `None` if it holds, else everything to be said about it.
pub(crate) fn judge(rule: &Rule, tree: &Tree) -> Option<String> {
    let breaches = (rule.check)(tree);
    if breaches.is_empty() {
        return None;
    }
    let mut text = format!("tidy {}: FAILED\n", rule.id);
    for Breach { place, what } in &breaches {
        text += &format!("  {place}: {what}\n");
    }
    text += &format!("  why: {}\n  what to do: {}", rule.why, rule.remedy);
    Some(text)
}

fn count(report: Option<&str>) -> Tally {
    match report {
        None => Tally {
            passed: 1,
            failed: 0,
        },
        Some(_) => Tally {
            passed: 0,
            failed: 1,
        },
    }
}
