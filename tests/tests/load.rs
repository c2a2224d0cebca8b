//! `parlour-load` as whoever runs it sees it: a channel that is clean over kills, records that are
//! broken by hand and must be found broken, and what is wrong with what it was given.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use parlour_tests::node;
use tempfile::TempDir;

/// What each of these days has: few speakers, so that each is a whole conversation.
const MESSAGES: usize = 60;

fn load() -> &'static Path {
    static LOAD: OnceLock<PathBuf> = OnceLock::new();
    LOAD.get_or_init(|| node::build("parlour-load", "parlour-load"))
}

/// A folder of two days: nine speakers each, of whom three are there on both.
fn logs() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (day, first) in [("2004-11-15", 0), ("2004-12-25", 6)] {
        let mut text = String::new();
        for at in 0..MESSAGES {
            let (nick, minute) = (first + (at * at + at / 7) % 9, at % 60);
            let _ = writeln!(text, "[12:{minute:02}] <nick{nick}> word {at} of {day}");
        }
        let path = dir.path().join(format!("{day}.log"));
        std::fs::write(path, text).expect("a log");
    }
    dir
}

fn run(dir: &Path, spawn: &Path, more: &[&str]) -> Output {
    Command::new(load())
        .arg("replay")
        .arg(dir)
        .arg("--spawn")
        .arg(spawn)
        .args(more)
        // What it says must be as plain with it.
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("parlour-load runs")
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// The last line, by the name of each figure.
#[track_caller]
fn figure(output: &Output, name: &str) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let mut words = last.split([' ', ',']);
    words.find(|word| *word == name);
    let number = words.next().and_then(|n| n.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in `{last}`:\n{}", said(output)))
}

#[test]
fn a_channel_is_clean_over_kills() {
    let logs = logs();
    let kills = ["--kill-server-every", "400ms", "--kills-min", "4"];
    let output = run(
        logs.path(),
        node::binary(),
        &[&["--as", "channel"], &kills[..]].concat(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(figure(&output, "messages"), 2 * MESSAGES as u64);
    assert!(figure(&output, "deliveries") > 20 * MESSAGES as u64);
    assert!(figure(&output, "kills") >= 4);
    for none in ["lost", "duplicated", "reordered", "phantom"] {
        assert_eq!(figure(&output, none), 0, "{none}");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|l| l.starts_with("messages ")).count();
    assert_eq!(lines, 1, "the figures are said once:\n{text}");
    assert!(!text.contains("other 0"), "{text}");
}

/// Runs clean, but for one place of the record that is broken by hand: the judge finds it, and
/// counts it as what it is.
#[track_caller]
fn spoiled(shape: &str, how: &str, counted: &str) {
    let logs = logs();
    let output = run(
        logs.path(),
        node::binary(),
        &["--as", shape, "--spoil", how],
    );
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("spoiled by hand: "), "{text}");
    for name in ["lost", "duplicated", "reordered", "phantom"] {
        let found = figure(&output, name);
        assert_eq!(found > 0, name == counted, "{name} {found}:\n{text}");
    }
}

#[test]
fn a_channel_with_a_lost_message_is_found_out() {
    spoiled("channel", "lost", "lost");
}

#[test]
fn a_channel_not_read_back_whole_is_found_out() {
    spoiled("channel", "unread", "lost");
}

#[test]
fn a_channel_with_two_answers_is_found_out() {
    spoiled("channel", "duplicated", "duplicated");
}

#[test]
fn a_channel_in_the_wrong_order_is_found_out() {
    spoiled("channel", "reordered", "reordered");
}

#[test]
fn a_channel_with_a_phantom_is_found_out() {
    spoiled("channel", "phantom", "phantom");
}

#[test]
fn a_group_with_a_lost_message_is_found_out() {
    spoiled("group", "lost", "lost");
}

#[test]
fn a_group_in_the_wrong_order_is_found_out() {
    spoiled("group", "reordered", "reordered");
}

/// It cannot begin: it says why in plain words, within these, and what to give.
#[track_caller]
fn cannot(dir: &Path, spawn: &Path, words: &[&str]) {
    let output = run(dir, spawn, &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    for bad in [
        "Caused by",
        "backtrace",
        "panicked",
        "src/",
        "Error:",
        "os error 2",
    ] {
        assert!(!text.contains(bad), "`{bad}` is in:\n{text}");
    }
}

#[test]
fn a_folder_that_will_not_do() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = node::binary();
    let give = "give the folder that holds the logs";
    cannot(&dir.path().join("none"), server, &["no such folder", give]);
    cannot(dir.path(), server, &["it is empty", give]);
    let file = dir.path().join("notes.txt");
    std::fs::write(&file, "hello").expect("a file");
    cannot(&file, server, &["it is a file", give]);
    cannot(dir.path(), server, &["no log", give]);
    std::fs::write(dir.path().join("monday.log"), "[12:00] <a> b\n").expect("a file");
    cannot(
        dir.path(),
        server,
        &["monday.log", "YYYY-MM-DD.log", "rename it"],
    );
    let silent = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(silent.path().join("2004-11-15.log"), "\n\n").expect("a file");
    cannot(
        silent.path(),
        server,
        &["nothing to replay", "[12:34] <nick> text"],
    );
}

#[test]
fn a_server_that_is_none() {
    let logs = logs();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let script = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, mode).expect("its mode");
        path
    };
    let no = |spawn: &Path, words: &[&str]| cannot(logs.path(), spawn, words);
    no(
        &dir.path().join("none"),
        &["no such file", "cargo build --release -p parlour-node"],
    );
    no(dir.path(), &["it is a folder"]);
    no(
        &script("text", "hello", 0o644),
        &["may not be run", "chmod +x"],
    );
    no(
        &script("words", "hello", 0o755),
        &["no program of this machine"],
    );
    no(
        Path::new("/bin/true"),
        &["ended with code 0", "is it a `parlour` server?"],
    );
    let chatty = script("chatty", "#!/bin/sh\necho hello\nexec sleep 60\n", 0o755);
    no(&chatty, &["its first line is not", "`hello`"]);
    let broken = script(
        "broken",
        "#!/bin/sh\necho port 80 is taken >&2\nexit 3\n",
        0o755,
    );
    no(&broken, &["ended with code 3", "port 80 is taken"]);
    let other = script(
        "other",
        "#!/bin/sh\necho listening on http://127.0.0.1:1\nexec sleep 60\n",
        0o755,
    );
    no(
        &other,
        &["administrator's token", "`parlour` server of this version"],
    );
}
