//! The commands for scripts, as a person reads them and as a program does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use parlour_tests::Node;
use tempfile::TempDir;

use super::scene::{PASSWORD, Scene};

/// A folder for each person.
pub(crate) struct Folders(TempDir);

impl Folders {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn of(&self, who: &str) -> PathBuf {
        self.0.path().join(who)
    }

    pub(crate) fn start(&self, who: &str, args: &[&str]) -> Child {
        self.command(who, args).spawn().unwrap()
    }

    pub(crate) fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = Command::new(parlour_tests::tmux::chat());
        command
            .arg("--data")
            .arg(self.of(who))
            .args(args)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Whether it went well, and what it said on both outputs.
    pub(crate) fn run(&self, who: &str, args: &[&str], input: &str) -> (bool, String, String) {
        let mut child = self.start(who, args);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let done = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.success(), text(done.stdout), text(done.stderr))
    }

    pub(crate) fn enter(&self, folder: &str, how: &str, who: &str, node: &Node) {
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

/// Who sends more than the server takes is told what is waited for, once.
#[test]
fn a_send_that_waits_says_what_for() {
    let slow = ["limits.sends_burst=1", "limits.sends_per_min=10"];
    let node = Node::with(&["--set", slow[0], "--set", slow[1]]);
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    let (well, said, why) = folders.run("ada", &["send", "ada", "one"], "");
    assert!(
        well && said == "sent to ada\n" && why.is_empty(),
        "{said}{why}"
    );
    let (well, said, why) = folders.run("ada", &["send", "ada", "two"], "");
    assert!(well && said == "sent to ada\n", "{said}{why}");
    assert_eq!(
        why,
        "the server takes only so many messages a minute; waiting\n"
    );
}

/// What waits to be sent is nobody else's to delete, and goes with a log-out alone, which says so.
#[test]
fn messages_that_wait_are_not_deleted_without_a_word() {
    let slow = ["limits.sends_burst=1", "limits.sends_per_min=1"];
    let node = Node::with(&["--set", slow[0], "--set", slow[1]]);
    let folders = Folders::new();
    for who in ["ben", "ada"] {
        folders.enter(who, "signup", who, &node);
    }
    let (well, _, why) = folders.run("ada", &["send", "ada", "one"], "");
    assert!(well, "{why}");
    let mut child = folders.start("ada", &["send", "ada", "two"]);
    let mut why = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut why).unwrap();
    assert!(why.contains("only so many messages"), "{why}");
    child.kill().unwrap();
    child.wait().unwrap();
    let waits = "1 message of ada waits here: log in as ada, or `parlour-chat logout` first";
    for (how, who) in [("login", "ben"), ("signup", "cid")] {
        let args = [how, who, "--server", &node.url];
        let (well, said, why) = folders.run("ada", &args, "a long password\n");
        assert!(!well && said.is_empty(), "{said}");
        assert!(why.contains(waits), "{why}");
    }
    // Nobody was made by that, and no device.
    let args = ["login", "cid", "--server", &node.url];
    let (well, _, _) = folders.run("cid", &args, "a long password\n");
    assert!(!well);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let devices = runtime.block_on(async {
        let endpoint = parlour_sdk::Endpoint::new(&node.url).unwrap();
        let http = parlour_sdk::Http::new(&endpoint);
        let session = http.log_in("ben", PASSWORD, "another").await.unwrap();
        let http = parlour_sdk::Http::with_token(&endpoint, &session.token);
        http.devices().await.unwrap().len()
    });
    assert_eq!(devices, 2, "that of the folder `ben`, and this one");
    let (well, said, why) = folders.run("ada", &["logout"], "");
    let gone = "logged out; 1 message that was not sent is deleted\n";
    assert!(well && said == gone, "{said}{why}");
    folders.enter("ada", "login", "ben", &node);
}

/// What a folder keeps of one user is not shown to the next, though it may not say whose it is.
#[test]
fn who_logs_in_after_another_finds_nothing_of_theirs() {
    let node = Node::start();
    let folders = Folders::new();
    folders.enter("other", "signup", "ben", &node);
    folders.enter("ada", "signup", "ada", &node);
    let kept = ["screen.json", "screen.new", "printed", "printed.new"];
    let kept = kept.map(|name| folders.of("ada").join(name));
    let there = || kept.iter().filter(|file| file.exists()).count();
    for file in &kept {
        // The form of before it said whose it is.
        std::fs::write(file, r#"{"drafts":{}}"#).unwrap();
    }
    folders.enter("ada", "login", "ada", &node);
    assert_eq!(there(), 4, "all of it is hers");
    folders.enter("ada", "login", "ben", &node);
    assert_eq!(there(), 0);
}

/// What JSON may have raw and a terminal acts on is escaped; the value is the same.
#[test]
fn json_for_programs_is_harmless_on_a_terminal() {
    let node = Node::start();
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    let text = "a\u{9b}31mb\u{7f}\u{202e}c";
    let (well, _, why) = folders.run("ada", &["send", "ada", text], "");
    assert!(well, "{why}");
    let (_, said, why) = folders.run("ada", &["history", "ada", "--json"], "");
    let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!said.contains(raw), "{said:?}{why}");
    let event: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(event.to_string().contains(text), "{event}");
}

/// A folder that cannot be had is named, with what to do.
#[test]
fn a_folder_that_cannot_be_used_is_said_so() {
    let run = |folder: &str, args: &[&str]| {
        let mut chat = Command::new(parlour_tests::tmux::chat());
        let done = chat.args(["--data", folder]).args(args).output().unwrap();
        assert!(!done.status.success());
        String::from_utf8(done.stderr).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    for args in [&["list"][..], &["tail"], &["login", "ada"]] {
        let why = run(file, args);
        let begins = format!("the folder {file} cannot be used: ");
        assert!(why.starts_with(&begins), "{why}");
        let ends = "; name another folder that you can write to, with --data DIR\n";
        assert!(why.ends_with(ends), "{why}");
    }
    let empty = folder.path().join("new");
    let why = run(empty.to_str().unwrap(), &["tail"]);
    assert!(why.contains("nobody is logged in in"), "{why}");
}

/// What one person wrote and did not send is not in the next one's account on the same folder,
/// though both may have a conversation with each other.
#[test]
fn a_draft_is_its_author_s_alone() {
    let scene = Scene::new();
    let [ada, _ben] = scene.enter(["ada", "ben"]);
    ada.begins("ben");
    ada.sees("Nothing was said here yet.");
    ada.types("my secret thought");
    ada.sees("> my secret thought");
    let folder = ada.folder();
    ada.quits();
    let kept = folder.join("screen.json");
    let before = std::fs::read_to_string(&kept).unwrap();
    assert!(before.contains("my secret thought"), "{before}");
    // Ben logs in on her folder.
    let mut child = Command::new(parlour_tests::tmux::chat())
        .arg("--data")
        .arg(&folder)
        .args(["login", "ben", "--server", &scene.node.url])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let ben = scene.opens("ada", &[]);
    let screen = ben.sees("Parlour · ben");
    assert!(!screen.contains("my secret"), "{screen}");
    // The very conversation that it was written in.
    ben.begins("ada");
    let screen = ben.sees("Nothing was said here yet.");
    assert!(!screen.contains("my secret"), "{screen}");
    ben.quits();
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
