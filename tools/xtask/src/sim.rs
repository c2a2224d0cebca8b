//! `cargo xtask sim`: the seeded world, built with optimisation.
//!
//! Promises to pass every argument on as it is, and the exit code back. What they mean is
//! `parlour-sim`'s own affair.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::shell;

/// Run the seeded world; all arguments go to parlour-sim.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// For instance `--seeds 1000 --from 1`, `--seed 7 --trace`, `--kept` or `--mutants`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    args: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    shell::pass(&mut command(&args.args)?)
}

/// The simulation with these arguments, built first if need be.
pub(crate) fn command<S: AsRef<str>>(args: &[S]) -> Result<Command> {
    let mut command = shell::cargo(["run", "--release", "-p", "parlour-sim"]);
    if args.iter().any(|arg| arg.as_ref() == "--mutants") {
        command.args(["--features", "mutants"]);
    }
    command.args(["--bin", "parlour-sim", "--"]);
    command.args(args.iter().map(AsRef::as_ref));
    Ok(command)
}
