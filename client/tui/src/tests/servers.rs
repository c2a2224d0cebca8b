//! Which server a command goes to: a password goes nowhere else than was said.

use clap::Parser as _;

use crate::{Cli, Command, with_server};

/// The server of `signup`, or why there is none.
fn goes_to(args: &[&str]) -> Result<Option<String>, String> {
    let cli = Cli::try_parse_from(args).map_err(|e| e.to_string())?;
    let command = cli.command.expect("a command");
    match with_server(command, cli.server).map_err(|e| e.to_string())? {
        Command::Signup(account) | Command::Login(account) => Ok(account.server),
        _ => Ok(None),
    }
}

#[test]
fn a_server_counts_before_a_command_and_behind_it() {
    let named = Ok(Some("https://a".to_owned()));
    for command in ["signup", "login"] {
        assert_eq!(goes_to(&["parlour-chat", command, "ada"]), Ok(None));
        for args in [
            ["parlour-chat", "--server", "https://a", command, "ada"],
            ["parlour-chat", command, "ada", "--server", "https://a"],
        ] {
            assert_eq!(goes_to(&args), named, "{args:?}");
        }
    }
    let both = [
        "parlour-chat",
        "--server",
        "https://a",
        "login",
        "ada",
        "--server",
        "https://b",
    ];
    assert!(goes_to(&both).unwrap_err().contains("given twice"));
    let other = ["parlour-chat", "--server", "https://a", "list"];
    assert!(goes_to(&other).unwrap_err().contains("logged in"));
}
