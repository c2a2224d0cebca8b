//! `cargo xtask`: build, run, test, tidy.
//!
//! Promises that a fresh clone needs nothing but Rust and this command, and that each failure
//! says what to do. It never ships: nothing here is part of a server or a client.

mod count;
mod docs;
mod lint;
mod run;
mod shell;
mod sim;
mod steps;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything one does with this repository.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the server and the terminal client, and serve
    Run(run::Args),
    /// Check everything: format, lints, docs, licences, wasm32, every test, the simulation
    Test(test::Args),
    /// Check without running tests: format, clippy, docs, licences, tidy
    Lint,
    /// Write what is generated from the Rust types (schemas, sample configuration, error table)
    Docs(docs::Args),
    /// Run the seeded world; all arguments go to parlour-sim (try `cargo xtask sim --help`)
    Sim(sim::Args),
    /// Check the rules that no compiler holds: arrows between crates, pure crates, names, links
    Tidy(tidy::Args),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Lint => lint::run(),
        Command::Docs(args) => docs::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Tidy(args) => tidy::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
