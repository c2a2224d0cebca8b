//! The commands for scripts, as a person reads them and as a program does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use parlour_tests::{Node, Tmux};
use tempfile::TempDir;

use super::{WIDE, begin};

/// A folder for each person.
struct Folders(TempDir);

impl Folders {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn of(&self, who: &str) -> PathBuf {
        self.0.path().join(who)
    }

    fn start(&self, who: &str, args: &[&str]) -> Child {
        Command::new(parlour_tests::tmux::chat())
            .arg("--data")
            .arg(self.of(who))
            .args(args)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Whether it went well, and what it said on both outputs.
    fn run(&self, who: &str, args: &[&str], input: &str) -> (bool, String, String) {
        let mut child = self.start(who, args);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let done = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.success(), text(done.stdout), text(done.stderr))
    }

    fn enter(&self, folder: &str, how: &str, who: &str, node: &Node) {
        let args = [how, who, "--server", &node.url];
        let (well, _, why) = self.run(folder, &args, "a long password\n");
        assert!(well, "{why}");
    }
}

/// The commands for scripts, as a person reads them and as a program does.
#[test]
fn scripts_say_who_and_where() {
    let node = Node::start();
    let folders = Folders::new();
    let run = |who: &str, args: &[&str], input: &str| folders.run(who, args, input);
    for who in ["ada", "ben"] {
        let args = ["signup", who, "--server", &node.url];
        let (well, _, why) = run(who, &args, "a long password\n");
        assert!(well, "{why}");
    }
    let (well, said, why) = run("ada", &["send", "ben", "  "], "");
    assert!(!well && said.is_empty(), "{said}");
    assert_eq!(why, "there is nothing to send: the text is empty\n");
    let (_, said, why) = run("ada", &["send", "ben", "-"], "Good morning\n");
    assert_eq!(said, "sent to ben\n", "{why}");
    let (_, said, _) = run("ben", &["send", "ada", "Hello", "--json"], "");
    let sent: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&sent["seq"], &sent["n"]), (&2.into(), &2.into()));
    let (_, said, _) = run("ben", &["history", "ada"], "");
    let lines: Vec<&str> = said.lines().filter_map(|l| l.split("  ").nth(1)).collect();
    assert_eq!(lines, ["ada: Good morning", "ben: Hello"]);
    let (_, said, _) = run("ben", &["history", "ada", "--json"], "");
    assert_eq!(said.lines().count(), 2);
    assert!(said.lines().all(|l| l.starts_with('{')), "{said}");
    let (_, said, _) = run("ben", &["list"], "");
    // Sending is not reading: a mark is stated by who shows what lies before.
    assert!(said.trim_end().ends_with("  ada  2 unread"), "{said}");
    let (well, _, why) = run("ben", &["send", "Friday", "x"], "");
    assert!(!well && why.contains("no user named `Friday`"), "{why}");
}

/// Far more is missed than waits for a slow reader: every event is printed, once and in order.
#[test]
fn a_tail_that_is_overtaken_leaves_nothing_out() {
    const LINES: usize = 3_000;
    let node = Node::with(&[
        "--set",
        "limits.sends_burst=100000",
        "--set",
        "limits.sends_per_min=1000000",
    ]);
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    folders.enter("other", "login", "ada", &node);
    folders.enter("third", "login", "ada", &node);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ben = node.sign_up("ben").await;
        let endpoint = parlour_sdk::Endpoint::new(&node.url).unwrap();
        let config = parlour_sdk::Config::new(endpoint, ben.into(), parlour_sdk::Store::Memory);
        let ben = parlour_sdk::Client::connect(config).await.unwrap();
        ben.live().await.unwrap();
        let ada = ben.find_user("ada").await.unwrap().user;
        for i in 1..LINES {
            ben.send_to(ada, format!("line {i};")).await.unwrap();
        }
        let last = parlour_sdk::draft::text_to(ada, format!("line {LINES};"));
        let last = parlour_sdk::Request::Send(Box::new(last));
        ben.deliver(last).await.unwrap();
        ben.close().await;
    });
    for (last, folder, format) in [(LINES, "ada", None), (LINES + 1, "other", Some("--json"))] {
        let mut args = vec!["tail", "--updates-max", "16"];
        args.extend(format);
        let mut child = folders.start(folder, &args);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = 1;
        let mut place = |line: String| {
            let Some((_, line)) = line.split_once("line ") else {
                return;
            };
            let number = line.split(';').next().unwrap();
            assert_eq!(number, next.to_string(), "after line {}", next - 1);
            next += 1;
        };
        for line in lines.by_ref() {
            let line = line.unwrap();
            let is_last = line.contains(&format!("line {last};"));
            place(line);
            if is_last {
                break;
            }
        }
        // What comes now comes by itself, after all that.
        let text = format!("line {};", last + 1);
        let (well, _, why) = folders.run("third", &["send", "ben", &text], "");
        assert!(well, "{why}");
        place(lines.next().unwrap().unwrap());
        let pid = child.id().to_string();
        let done = Command::new("kill").args(["-INT", &pid]).status();
        assert!(done.unwrap().success());
        let twice: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(twice.is_empty(), "printed twice: {twice:?}");
        assert!(child.wait().unwrap().success());
    }
}

/// What one person wrote and did not send is not in the next one's account on the same folder.
#[test]
fn a_draft_is_its_author_s_alone() {
    let node = Node::start();
    let tmux = Tmux::new();
    tmux.open_chat("ada", WIDE, &node.url, &[]);
    tmux.sign_up("ada", "a long password");
    begin(&tmux, "ada", "ada");
    tmux.sees("ada", "Notes to yourself");
    tmux.text("ada", "my secret thought");
    tmux.sees("ada", "> my secret thought");
    tmux.keys("ada", &["C-q"]);
    tmux.ends("ada");
    let folder = tmux.folder("ada");
    let kept = folder.join("screen.json");
    let before = std::fs::read_to_string(&kept).unwrap();
    assert!(before.contains("my secret thought"), "{before}");
    tmux.close("ada");
    let enter = |how: &str, who: &str| {
        let mut child = Command::new(parlour_tests::tmux::chat())
            .arg("--data")
            .arg(&folder)
            .args([how, who, "--server", &node.url])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"a long password\n").unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
    };
    enter("signup", "ben");
    tmux.open_chat("ada", WIDE, &node.url, &[]);
    let screen = tmux.sees("ada", "Parlour · ben");
    assert!(!screen.contains("my secret"), "{screen}");
    begin(&tmux, "ada", "ada");
    let screen = tmux.sees("ada", "Nothing was said here yet.");
    assert!(!screen.contains("my secret"), "{screen}");
    tmux.keys("ada", &["C-q"]);
    tmux.ends("ada");
    let after = std::fs::read_to_string(&kept).unwrap();
    assert!(!after.contains("my secret thought"), "{after}");
}

/// Who comes again to the same server need not name its authority again.
#[test]
fn an_authority_that_was_named_is_remembered_over_a_log_in() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = parlour_tests::tls::certificate(dir.path(), false);
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let node = Node::with(&["--tls-cert", cert, "--tls-key", key]);
    let folders = Folders::new();
    let args = ["signup", "ada", "--server", &node.url, "--ca", cert];
    let (well, _, why) = folders.run("ada", &args, "a long password\n");
    assert!(well, "{why}");
    folders.enter("ada", "login", "ada", &node);
    let (well, said, why) = folders.run("ada", &["send", "ada", "a note"], "");
    assert!(well && said == "sent to ada\n", "{said}{why}");
    // Another folder trusts nothing by that.
    let args = ["login", "ada", "--server", &node.url];
    let (well, _, why) = folders.run("other", &args, "a long password\n");
    assert!(!well && why.contains("--ca FILE"), "{why}");
}
