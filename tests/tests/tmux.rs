//! The terminal client as people use it: typed into and read from a real terminal, against a real
//! node that is killed in between.

use parlour_tests::{Node, Tmux};

const WIDE: (u16, u16) = (100, 30);

/// One person begins a chat with others, by their names.
fn begin(tmux: &Tmux, who: &str, with: &str, group: &str) {
    tmux.keys(who, &["C-n"]);
    tmux.sees(who, "New chat");
    tmux.text(who, with);
    tmux.keys(who, &["Enter"]);
    tmux.text(who, group);
    tmux.keys(who, &["Enter"]);
}

fn say(tmux: &Tmux, who: &str, text: &str) {
    tmux.text(who, text);
    tmux.sees(who, &format!("> {text}"));
    tmux.keys(who, &["Enter"]);
    tmux.sees(who, "> write a message");
}

/// The screen's lines that have this on them.
fn lines(screen: &str, text: &str) -> usize {
    screen.lines().filter(|l| l.contains(text)).count()
}

#[test]
fn two_talk_over_a_killed_server_and_three_in_a_group() {
    let mut node = Node::start();
    node.keep_port();
    let tmux = Tmux::new();
    for name in ["ada", "ben"] {
        tmux.open_chat(name, WIDE, &node.url, &[]);
        tmux.sign_up(name, "a long password");
    }
    begin(&tmux, "ada", "ben", "");
    tmux.sees("ada", "Nothing was said here yet.");
    say(&tmux, "ada", "Hello Ben");
    // He has it before he looks at it.
    tmux.until("ben", "one unread", |s| {
        s.contains("Hello Ben") && s.contains('1')
    });
    tmux.sees("ada", "✓✓ delivered");
    tmux.keys("ben", &["Enter"]);
    tmux.sees("ada", "✓✓ read");
    tmux.text("ben", "Hello");
    tmux.sees("ada", "ben is typing…");
    tmux.text("ben", " Ada");
    tmux.keys("ben", &["Enter"]);
    tmux.sees("ada", "Hello Ada");
    tmux.sees("ben", "✓✓ read");

    node.kill();
    tmux.sees("ada", "Offline: reconnecting in");
    say(&tmux, "ada", "Is anybody there?");
    tmux.sees("ada", "… sending");
    assert!(tmux.screen("ada").contains("Offline: reconnecting in"));
    assert!(!tmux.screen("ben").contains("anybody"));
    node.restart();
    tmux.until("ada", "the banner gone", |s| s.contains("Parlour · ada"));
    tmux.sees("ben", "Is anybody there?");
    let screen = tmux.sees("ada", "✓✓ read");
    assert!(!screen.contains("sending"), "{screen}");
    assert_eq!(
        lines(&tmux.screen("ben"), "  Is anybody there?"),
        2,
        "list and talk, once each"
    );

    // An edit, a reaction and a deletion are seen by the other.
    tmux.keys("ada", &["Up"]);
    tmux.sees("ada", "editing");
    tmux.text("ada", " Yes?");
    tmux.keys("ada", &["Enter"]);
    tmux.sees("ben", "Is anybody there? Yes? (edited)");
    tmux.keys("ben", &["S-Up"]);
    tmux.sees("ben", "▌  Is anybody");
    tmux.text("ben", "+");
    tmux.sees("ben", "React");
    tmux.text("ben", "2");
    tmux.sees("ada", "🎉 1");
    tmux.keys("ada", &["S-Up"]);
    tmux.sees("ada", "▌  Is anybody");
    tmux.text("ada", "d");
    tmux.sees("ada", "Delete this message for everyone?");
    tmux.text("ada", "y");
    tmux.sees("ben", "[deleted]");
    tmux.keys("ada", &["Escape"]);
    tmux.sees("ada", "Enter send");

    // A third comes, and they are three in a group.
    tmux.open_chat("cid", WIDE, &node.url, &[]);
    tmux.sign_up("cid", "a long password");
    begin(&tmux, "ada", "ben cid", "Friday");
    tmux.sees("ada", "Friday  3 members");
    say(&tmux, "ada", "Dinner at eight?");
    tmux.until("cid", "the group", |s| {
        s.contains("Friday") && s.contains("Dinner")
    });
    tmux.sees("ada", "✓✓ delivered to all 2");
    tmux.keys("cid", &["Enter"]);
    tmux.sees("ada", "✓ read by 1 of 2");
    tmux.keys("ada", &["S-Up"]);
    tmux.sees("ada", "▌  Dinner");
    tmux.text("ada", "i");
    tmux.sees("ada", "✓✓ read      cid");
    tmux.sees("ada", "✓✓ delivered ben");
    tmux.keys("ada", &["Escape"]);
}

#[test]
fn the_terminal_is_given_back_and_the_screen_comes_back() {
    let node = Node::start();
    let tmux = Tmux::new();
    tmux.open_chat("ada", WIDE, &node.url, &[("NO_COLOR", "1")]);
    tmux.sign_up("ada", "a long password");
    let colours = |text: &str| {
        let codes = text
            .split("\u{1b}[")
            .skip(1)
            .filter_map(|c| c.split_once('m'));
        let numbers = codes
            .flat_map(|(c, _)| c.split(';'))
            .filter_map(|n| n.parse().ok());
        numbers
            .filter(|n: &u32| matches!(n, 30..=38 | 40..=48 | 90..=107))
            .count()
    };
    begin(&tmux, "ada", "ada", "");
    tmux.sees("ada", "Notes to yourself");
    say(&tmux, "ada", "buy eggs");
    tmux.sees("ada", "✓ sent");
    assert_eq!(colours(&tmux.coloured("ada")), 0);
    tmux.text("ada", "and flo");
    tmux.sees("ada", "> and flo");
    for size in [(40, 12), (1, 1), (5, 3), (200, 60), (60, 4), WIDE] {
        tmux.resize("ada", size);
    }
    tmux.sees("ada", "> and flo");
    assert_eq!(tmux.state("ada"), "1 1 0");
    tmux.keys("ada", &["C-q"]);
    tmux.ends("ada");
    tmux.close("ada");

    // What was written and not sent is there again, and in colour now.
    tmux.open_chat("ada", WIDE, &node.url, &[]);
    tmux.sees("ada", "> and flo");
    tmux.sees("ada", "buy eggs");
    tmux.sees("ada", "Parlour · ada");
    assert_ne!(colours(&tmux.coloured("ada")), 0);

    // Who is told to end gives the terminal back too.
    let kill = std::process::Command::new("kill")
        .arg(tmux.pid("ada"))
        .status();
    assert!(kill.unwrap().success());
    tmux.ends("ada");
}

/// The picture in the README: `PARLOUR_WRITE_PICTURE=1` writes it anew.
#[test]
fn the_picture_is_a_real_screen() {
    let node = Node::start();
    let tmux = Tmux::new();
    let size = (100, 28);
    for name in ["ada", "ben", "cid"] {
        tmux.open_chat(name, size, &node.url, &[]);
        tmux.sign_up(name, "a long password");
    }
    begin(&tmux, "cid", "ada ben", "Harbour");
    tmux.sees("cid", "Harbour  3 members");
    say(&tmux, "cid", "The boat is back in the water.");
    say(&tmux, "cid", "@ada shall we sail on Sunday?");
    begin(&tmux, "ben", "ada", "");
    tmux.sees("ben", "Nothing was said here yet.");
    say(&tmux, "ben", "Did the parcel come?");
    tmux.until("ada", "both conversations", |s| {
        s.contains("@1") && s.contains("parcel")
    });
    tmux.keys("ada", &["Home", "Enter"]);
    tmux.until("ada", "the talk", |s| lines(s, "Did the parcel come?") == 2);
    say(&tmux, "ada", "It did. Thank you!");
    tmux.sees("ada", "✓✓ read");
    tmux.sees("ben", "It did. Thank you!");
    tmux.keys("ben", &["S-Up"]);
    tmux.sees("ben", "▌  It did");
    tmux.text("ben", "+");
    tmux.sees("ben", "React");
    tmux.text("ben", "2");
    tmux.sees("ada", "🎉 1");
    tmux.text("ben", "r");
    tmux.sees("ben", "answering");
    say(
        &tmux,
        "ben",
        "Then let us try the new recipe on Friday. Eight o'clock?",
    );
    tmux.sees("ada", "Eight o'clock?");
    say(&tmux, "ada", "Eight is fine. I bring 日本 noodles");
    tmux.sees("ada", "✓✓ read");
    // Typing is told once in a while: he goes on until it is.
    tmux.until("ada", "ben typing", |screen| {
        tmux.text("ben", ".");
        screen.contains("ben is typing…")
    });
    let screen = tmux.coloured("ada");
    let about = "Two people talk in parlour-chat, in a terminal: conversations with unread counts \
                 at the left, messages with ticks, an answer and a reaction at the right.";
    let picture = parlour_tests::picture::svg(&screen, size.0, about);
    for seen in ["Did the parcel come?", "✓✓ read", "🎉 1", "ben is typing…"] {
        assert!(picture.contains(seen), "{seen} in\n{picture}");
    }
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures/terminal.svg");
    if std::env::var_os("PARLOUR_WRITE_PICTURE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &picture).unwrap();
    }
    // The one that is there shows the same talk; the time of day is another.
    let kept = std::fs::read_to_string(&path).unwrap();
    for seen in ["Did the parcel come?", "✓✓ read", "🎉 1", "ben is typing…"] {
        assert!(
            kept.contains(seen),
            "write the picture anew: it lacks {seen}"
        );
    }
}
