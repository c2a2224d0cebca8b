//! `cargo xtask run`: from a clone to a server that serves, in one command.
//!
//! Promises to build what is needed, to say what it does, and then to *be* the server: signals
//! and the exit code are the server's own.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::{shell, tools};

/// Build the server and the terminal client, and serve.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build without optimisation: a faster build, a slower server
    #[arg(long)]
    debug: bool,
    /// Where the server keeps its data [default: target/run-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Further arguments for `parlour serve`, such as `-- --listen 127.0.0.1:8080`
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    tools::rust()?;
    let profile = if args.debug { "debug" } else { "release" };
    println!(
        "Building the server and the terminal client ({profile}); the first time takes minutes."
    );
    let mut build = shell::cargo(["build", "-p", "parlour-node", "-p", "parlour-tui"]);
    if !args.debug {
        build.arg("--release");
    }
    shell::run(&mut build)?;

    let target = shell::target()?;
    let folder = target.join(profile);
    let mut server = shell::command(folder.join("parlour"));
    server.arg("serve");
    // Whoever gives the server a folder of their own means that one.
    if !args
        .args
        .iter()
        .any(|arg| arg == "--data" || arg.starts_with("--data="))
    {
        let data = args.data.clone().unwrap_or_else(|| target.join("run-data"));
        println!("\nThe data are kept in {}.", data.display());
        server.arg("--data").arg(data);
    }
    server.args(&args.args);
    println!("Ctrl-C stops the server.");
    println!(
        "To chat, in another terminal: {}",
        shell::text(&shell::command(folder.join("parlour-chat")))
    );
    // Relative paths among the arguments are the caller's.
    server.current_dir(std::env::current_dir()?);
    become_it(server)
}

#[cfg(unix)]
fn become_it(mut server: std::process::Command) -> Result<ExitCode> {
    use std::io::Write as _;
    use std::os::unix::process::CommandExt as _;

    println!("$ {}\n", shell::text(&server));
    std::io::stdout().flush()?;
    let error = server.exec();
    Err(anyhow::Error::new(error).context(format!("cannot start `{}`", shell::text(&server))))
}

#[cfg(not(unix))]
fn become_it(mut server: std::process::Command) -> Result<ExitCode> {
    shell::run(&mut server)?;
    Ok(ExitCode::SUCCESS)
}
