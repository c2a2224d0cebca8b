//! What holds a command up is said, and that nobody can be told holds up nothing.

use std::io::{PipeWriter, Read as _, Write as _};
use std::process::{Command, Stdio};

use parlour_tests::{Node, PATIENCE};

use super::scene::{FAST, writes};
use super::scripts::Folders;
use super::tails::{Tail, lines, number};
use crate::table::{damage_events, to_table};

/// The server goes away while a message waits to be sent: that is said, once, and the message is
/// sent when the server is back.
#[test]
fn a_send_says_that_the_server_is_away() {
    let slow = ["limits.sends_burst=1", "limits.sends_per_min=10"];
    let mut node = Node::with(&["--set", slow[0], "--set", slow[1]]);
    node.keep_port();
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    let (well, _, why) = folders.run("ada", &["send", "ada", "one"], "");
    assert!(well, "{why}");
    let mut child = folders.start("ada", &["send", "ada", "two"]);
    let said = lines(child.stderr.take().unwrap());
    let says = || said.recv_timeout(PATIENCE).expect("it says something");
    assert!(says().contains("only so many messages a minute"));
    node.kill();
    let why = says();
    assert!(why.contains("trying again until it works"), "{why}");
    node.restart();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "sent to ada\n");
    assert!(said.recv().is_err(), "it says no more");
    // Out for good while it waits: it ends, and says so.
    let mut child = folders.start("ada", &["send", "ada", "three"]);
    let said = lines(child.stderr.take().unwrap());
    assert!(
        said.recv_timeout(PATIENCE)
            .unwrap()
            .contains("only so many")
    );
    super::outs::revokes_the_others(&node, "ada");
    let why = said.recv_timeout(PATIENCE).expect("it says why it ends");
    assert!(why.starts_with("signed out: "), "{why}");
    assert!(!child.wait().unwrap().success());
}

/// A pipe that takes nothing more, and its other end.
fn full_pipe() -> (std::io::PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut all = writer.try_clone().unwrap();
    let (tell, filled) = std::sync::mpsc::sync_channel(0);
    std::thread::spawn(move || {
        // It has room for so much, and nobody reads.
        writer.write_all(&[b'\n'; 65_536]).unwrap();
        tell.send(()).unwrap();
    });
    filled.recv_timeout(PATIENCE).expect("a pipe has 64 KiB");
    all.flush().unwrap();
    (reader, all)
}

/// Nobody can be told that the server went away and came back: a tail prints what comes all the
/// same, and ends when it is told to.
#[test]
fn a_tail_that_nobody_listens_to_goes_on() {
    let mut node = Node::with(FAST);
    node.keep_port();
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    folders.enter("other", "login", "ada", &node);
    let gone = {
        let mut child = folders.start("ada", &["tail", "--json"]);
        drop(child.stderr.take());
        Tail::of(child)
    };
    let (mut unread, full) = full_pipe();
    let full = {
        let mut command = folders.command("other", &["tail", "--json"]);
        Tail::of(command.stderr(Stdio::from(full)).spawn().unwrap())
    };
    let mut tails = [gone, full];
    writes(&node, "ben", "ada", 1..=1, "");
    for tail in &mut tails {
        while number(&tail.next()).is_none() {}
    }
    for n in [2, 3] {
        node.kill();
        node.restart();
        writes(&node, "ben", "ada", n..=n, "");
        for tail in &mut tails {
            assert_eq!(number(&tail.next()), Some(n));
        }
    }
    for tail in &mut tails {
        tail.signal("INT");
        assert!(tail.rest().is_empty());
        assert_eq!(tail.child.wait().unwrap().code(), Some(130));
    }
    let mut said = String::new();
    unread.read_to_string(&mut said).unwrap();
    assert!(said.starts_with('\n'), "the pipe was full");
}

/// What the server cannot read of a conversation comes to nobody by itself: a tail says so.
#[test]
fn a_tail_says_what_the_server_cannot_read() {
    const LINES: u32 = 600;
    let mut node = Node::with(FAST);
    node.keep_port();
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    writes(&node, "ben", "ada", 1..=LINES, &"x".repeat(100));
    folders.enter("other", "login", "ada", &node);
    node.signal("TERM");
    node.wait();
    let table = to_table(&node.data());
    damage_events(&table);
    node.restart();
    let printed = node.dir.path().join("printed");
    let mut command = folders.command("other", &["tail", "--json"]);
    command.stdout(std::fs::File::create(&printed).unwrap());
    let mut child = command.spawn().unwrap();
    let said = lines(child.stderr.take().unwrap());
    let why = said
        .recv_timeout(PATIENCE)
        .expect("it says what is missing");
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-s", "INT", &pid]).status();
    assert!(told.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        why.contains("what was missed there cannot be read"),
        "{why}"
    );
    assert!(said.recv().is_err(), "it is said once");
    // What could be read before is printed.
    let printed = std::fs::read_to_string(&printed).unwrap();
    assert!(printed.lines().any(|line| number(line).is_some()));
}
