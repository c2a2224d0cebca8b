//! The echo bot of `examples/`, as a program of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parlour_sdk::core::Update as CoreUpdate;
use parlour_sdk::{Request, draft};
use parlour_tests::Node;

use crate::{next, person, place};

/// The example's binary, built now if the test run has not built everything already.
fn echo_bot() -> PathBuf {
    if let Some(folder) = std::env::var_os("PARLOUR_BIN_DIR") {
        return Path::new(&folder).join("examples/echo_bot");
    }
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args([
            "build",
            "--quiet",
            "--package",
            "parlour-sdk",
            "--example",
            "echo_bot",
        ]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success());
    folder.join("examples/echo_bot")
}

#[tokio::test]
async fn it_says_back_what_it_is_told_and_knows_itself_after_a_restart() {
    let node = Node::start();
    let ada = person(&node, "ada").await;
    let mut updates = ada.updates();
    let dir = tempfile::tempdir().unwrap();
    for round in ["one", "two"] {
        let mut bot = Command::new(echo_bot())
            .args([&node.url, "parrot"])
            .arg(dir.path())
            .env("PARLOUR_PASSWORD", "polly wants a cracker")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(bot.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "parrot listens\n");
        let parrot = ada.find_user("parrot").await.unwrap().user;
        let hello = Request::Send(Box::new(draft::text_to(parrot, round)));
        place(&ada, hello).await;
        let said = next(&mut updates, |u| match u {
            CoreUpdate::Event { event, .. } if event.sender == parrot => event
                .body
                .as_ref()
                .and_then(|b| b.as_text())
                .map(str::to_owned),
            _ => None,
        })
        .await;
        assert_eq!(said, format!("echo: {round}"));
        bot.kill().unwrap();
        bot.wait().unwrap();
    }
}
