//! What each sort of line becomes, as text that a person can read.

use std::fmt::Write as _;

use parlour_irc::{Item, Reader, Story, message_id, step_id, user_key};
use parlour_protocol::body::Body;
use parlour_protocol::check;
use parlour_protocol::limits::Limits;
use parlour_protocol::{ConversationId, UserId};

const FILE: &str = "2004-11-15.log";

fn story() -> (Story, UserId) {
    let importer = UserId::derived("test", &[b"importer"]);
    let conversation = ConversationId::derived("test", &[b"conversation"]);
    (Story::new(conversation, importer), importer)
}

fn item(line: &str) -> Item {
    Reader::new(FILE).unwrap().feed(line.as_bytes()).unwrap()
}

/// Its steps, one a line: `[if WHO in|out] WHO kind named value body -> WHO in|out`.
fn told(line: &str) -> String {
    let (story, importer) = story();
    let who = |user: UserId| -> &str {
        let known = ["ann", "bob", "a:b"];
        match known.into_iter().find(|n| user_key(n) == user) {
            Some(nick) => nick,
            None if user == importer => "importer",
            None => "someone else",
        }
    };
    let is = |(user, is_in): (UserId, bool)| {
        format!("{} {}", who(user), if is_in { "in" } else { "out" })
    };
    let mut out = String::new();
    for step in story.steps(FILE, &item(line)) {
        check::send(&step.send, step.sender, &Limits::default()).unwrap();
        let origin = step.send.origin.as_ref().unwrap();
        assert_eq!(origin.id, format!("{FILE}:1"));
        assert_eq!(
            origin.time_ms % 86_400_000 / 60_000,
            if line.starts_with('[') { 61 } else { 0 }
        );
        if let Some(condition) = step.only_if {
            write!(out, "if {}: ", is(condition)).unwrap();
        }
        write!(
            out,
            "{} {}",
            who(step.sender),
            step.send.kind.as_deref().unwrap()
        )
        .unwrap();
        if let Some(named) = step.send.named.first() {
            write!(out, " {}", who(named.user)).unwrap();
        }
        if let Some(value) = &step.send.value {
            write!(out, " = {value}").unwrap();
        }
        if let Body::Plain(fields) = &step.send.body {
            for (name, value) in fields {
                write!(out, " {name}:{value}").unwrap();
            }
        }
        if let Some(then) = step.then {
            write!(out, " -> {}", is(then)).unwrap();
        }
        writeln!(out, " (by {})", origin.author).unwrap();
    }
    out
}

#[test]
fn each_sort_of_line() {
    for (line, wanted) in [
        (
            "[01:01] <ann> hi",
            "if ann out: importer add ann irc:\"seen\" -> ann in (by ann)\n\
             ann message text:\"hi\" (by ann)\n",
        ),
        (
            "[01:01] <ann>",
            "if ann out: importer add ann irc:\"seen\" -> ann in (by ann)\n\
             ann message text:\"\" (by ann)\n",
        ),
        (
            "[01:01]  * ann waves",
            "if ann out: importer add ann irc:\"seen\" -> ann in (by ann)\n\
             ann message text:\"waves\" irc:\"action\" (by ann)\n",
        ),
        (
            "[01:01] -ann- beware",
            "if ann out: importer add ann irc:\"seen\" -> ann in (by ann)\n\
             ann message text:\"beware\" irc:\"notice\" (by ann)\n",
        ),
        (
            "=== ann [~a@203.0.113.7]  has joined #x",
            "if ann in: ann leave irc:\"unseen\" -> ann out (by ann)\n\
             ann join -> ann in (by ann)\n",
        ),
        (
            "=== ann [~a@203.0.113.7]  has left #x [bye]",
            "if ann out: importer add ann irc:\"seen\" -> ann in (by ann)\n\
             ann leave text:\"bye\" irc:\"part\" -> ann out (by ann)\n",
        ),
        (
            "=== ann [~a@203.0.113.7]  has quit []",
            "if ann out: importer add ann irc:\"seen\" -> ann in (by ann)\n\
             ann leave irc:\"quit\" -> ann out (by ann)\n",
        ),
        (
            "=== ann is now known as a:b",
            "if ann out: importer add ann irc:\"seen\" -> ann in (by ann)\n\
             ann leave text:\"ann is now known as a:b\" irc:\"rename\" -> ann out (by ann)\n\
             if a:b in: a:b leave irc:\"unseen\" -> a:b out (by a:b)\n\
             a:b join text:\"ann is now known as a:b\" irc:\"rename\" -> a:b in (by a:b)\n",
        ),
        (
            "=== ann was kicked off #x by bob (flood)",
            "if ann out: importer add ann irc:\"seen\" -> ann in (by ann)\n\
             importer remove ann text:\"flood\" irc:\"kick\" -> ann out (by bob)\n",
        ),
        (
            "=== mode/#x [+o ann]  by bob",
            "importer irc.mode = +o ann text:\"+o ann\" (by bob)\n",
        ),
        (
            "=== ..[topic/#x:bob] : be kind",
            "importer topic = be kind text:\"be kind\" (by bob)\n",
        ),
    ] {
        assert_eq!(told(line), wanted, "{line}");
    }
}

#[test]
fn a_long_topic_is_cut_as_a_value_at_a_whole_letter_and_whole_in_the_body() {
    let topic = "é".repeat(200);
    let (story, _) = story();
    let steps = story.steps(FILE, &item(&format!("=== ..[topic/#x:bob] : {topic}")));
    let send = &steps[0].send;
    assert_eq!(send.body.as_text(), Some(topic.as_str()));
    let value = send.value.as_deref().unwrap();
    assert!(value.ends_with('…') && value.len() <= 256, "{value}");
    assert!(topic.starts_with(value.trim_end_matches('…')));
    let exact = "e".repeat(256);
    let steps = story.steps(FILE, &item(&format!("=== ..[topic/#x:bob] : {exact}")));
    assert_eq!(steps[0].send.value.as_ref(), Some(&exact));
}

#[test]
fn ids_are_the_lines_own_and_no_address_is_kept() {
    let (story, _) = story();
    let steps = story.steps(FILE, &item("=== ann [~a@203.0.113.7]  has joined #x"));
    assert_eq!(steps[1].send.id, message_id(FILE, 1));
    assert_eq!(steps[0].send.id, step_id(FILE, 1, "unseen"));
    assert!(!format!("{steps:?}").contains("203.0.113.7"));
    let rename = story.steps(FILE, &item("=== ann is now known as bob"));
    let ids: std::collections::BTreeSet<_> = rename.iter().map(|s| s.send.id).collect();
    assert_eq!(ids.len(), rename.len());
    assert_eq!(rename.last().unwrap().send.id, message_id(FILE, 1));
}
