//! The examples, as programs of their own: a bot that is restarted, a pipe that is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parlour_sdk::core::Update as CoreUpdate;
use parlour_sdk::{Data, Endpoint, Fetch, Request, draft};
use parlour_tests::Node;

use crate::kills::said;
use crate::{connect, next, person, place, sign_up, until};

/// An example's binary, built now if the test run has not built everything already.
fn example(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("PARLOUR_BIN_DIR") {
        return Path::new(&folder).join("examples").join(name);
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
            name,
        ]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success());
    folder.join("examples").join(name)
}

#[tokio::test]
async fn it_says_back_what_it_is_told_and_knows_itself_after_a_restart() {
    let node = Node::start();
    let ada = person(&node, "ada").await;
    let mut updates = ada.updates();
    let dir = tempfile::tempdir().unwrap();
    for round in ["one", "two"] {
        let mut bot = Command::new(example("echo_bot"))
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

#[tokio::test]
async fn a_client_that_is_killed_sends_each_line_once_and_in_order() {
    let node = Node::with(&["--set", "limits.sends_burst=100000"]);
    let ben = sign_up(&node, "ben").await;
    let ada = sign_up(&node, "ada").await;
    let direct = parlour_protocol::ConversationId::direct(ada.user, ben.user);
    let his = connect(&node.url, &ben, Fetch::Everything).await;
    let dir = tempfile::tempdir().unwrap();
    let mut data = Data::open(dir.path()).unwrap();
    data.keep(&Endpoint::new(&node.url).unwrap(), &ada).unwrap();
    drop(data);
    let lines: Vec<String> = (0..120).map(|n| format!("line {n}")).collect();
    for run in 0..5 {
        let mut pipe = Command::new(example("pipe"))
            .arg(dir.path())
            .arg("ben")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Fits into the pipe's buffer.
        let mut input = pipe.stdin.take().unwrap();
        input.write_all(lines.join("\n").as_bytes()).unwrap();
        drop(input);
        let told = BufReader::new(pipe.stdout.take().unwrap()).lines();
        let last = if run == 4 {
            "done".to_owned()
        } else {
            format!("stored {}", run * 25)
        };
        let came = told.map_while(Result::ok).find(|line| *line == last);
        assert_eq!(came, Some(last));
        // Right after that line, whatever is under way.
        let _ = pipe.kill();
        pipe.wait().unwrap();
    }
    until(&his, "every line", async |c| {
        said(c, direct).await.len() >= lines.len()
    })
    .await;
    assert_eq!(said(&his, direct).await, lines);
}
