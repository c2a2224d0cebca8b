//! The terminal client as people use it: typed into and read from a real terminal, against a real
//! node that is killed in between.

mod scripts;

use parlour_tests::{Node, Tmux};

const WIDE: (u16, u16) = (100, 30);

/// One person begins a chat with another: a name and Enter.
fn begin(tmux: &Tmux, who: &str, with: &str) {
    tmux.keys(who, &["C-n"]);
    tmux.sees(who, "Join a channel");
    tmux.text(who, with);
    tmux.keys(who, &["Enter"]);
}

/// One person makes a group: names, and then what it is called.
fn begin_group(tmux: &Tmux, who: &str, with: &str, group: &str) {
    begin(tmux, who, with);
    tmux.sees(who, "Group name");
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
    begin(&tmux, "ada", "ben");
    tmux.sees("ada", "Nothing was said here yet.");
    say(&tmux, "ada", "Hello Ben");
    // He has it before he looks at it.
    tmux.until("ben", "one unread", |s| {
        // The list's line: the text, and after it how many are unread.
        let line = s.lines().find(|l| l.contains("Hello Ben"));
        line.and_then(|l| l.split('│').next())
            .is_some_and(|l| l.split_whitespace().next_back() == Some("1"))
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
    begin_group(&tmux, "ada", "ben cid", "Friday");
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
    begin(&tmux, "ada", "ada");
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

/// All that can be done with a conversation is on its page, and what the server says to it is told.
#[test]
fn a_conversation_s_page() {
    let node = Node::start();
    let tmux = Tmux::new();
    for name in ["ada", "ben", "cid"] {
        tmux.open_chat(name, WIDE, &node.url, &[]);
        tmux.sign_up(name, "a long password");
    }
    // A name that nobody has is named, and the rest stays to be mended.
    begin(&tmux, "ada", "ben nobody");
    tmux.sees("ada", "There is no user named `nobody`.");
    tmux.keys("ada", &["C-w"]);
    tmux.text("ada", "cid");
    tmux.keys("ada", &["Enter"]);
    tmux.sees("ada", "Group name");
    tmux.text("ada", "Friday");
    tmux.keys("ada", &["Enter"]);
    tmux.sees("ada", "Friday  3 members");
    tmux.keys("ada", &["C-g"]);
    tmux.sees("ada", "group of 3 members · you are its owner");
    tmux.text("ada", "n");
    tmux.sees("ada", "› Friday");
    tmux.text("ada", " dinner");
    tmux.keys("ada", &["Enter"]);
    tmux.sees("ada", "┌ Friday dinner");
    // Ben is made an admin, and Cid removed.
    tmux.keys("ada", &["Down"]);
    tmux.sees("ada", "▌● ben");
    tmux.text("ada", "r");
    tmux.keys("ada", &["Right", "Enter"]);
    tmux.sees("ada", "ben  admin");
    tmux.keys("ada", &["End"]);
    tmux.sees("ada", "▌● cid");
    tmux.text("ada", "x");
    tmux.sees("ada", "Remove cid from Friday dinner?");
    tmux.text("ada", "y");
    tmux.sees("ada", "group of 2 members");
    tmux.sees("cid", "you were removed");
    tmux.keys("ada", &["Escape"]);
    tmux.sees("ada", "Enter send");
    // A pin, seen by the other, and found again.
    say(&tmux, "ada", "Eight, at the harbour");
    tmux.keys("ada", &["S-Up"]);
    tmux.sees("ada", "▌  Eight");
    tmux.text("ada", "p");
    tmux.sees("ada", "Eight, at the harbour (pinned)");
    tmux.until("ben", "the group", |s| s.contains("Friday dinner"));
    tmux.keys("ben", &["Home", "Enter"]);
    tmux.sees("ben", "(pinned)");
    tmux.keys("ben", &["C-g"]);
    tmux.sees("ben", "you are an admin");
    tmux.text("ben", "p");
    tmux.sees("ben", "┌ Pinned");
    tmux.sees("ben", "▌ada: Eight, at the harbour");
    tmux.keys("ben", &["Escape"]);
    tmux.sees("ben", "you are an admin");
    tmux.text("ben", "X");
    tmux.sees("ben", "Leave Friday dinner?");
    tmux.text("ben", "y");
    tmux.sees("ben", "You are not a member here any more");

    // An open channel, in which only its admins write.
    tmux.keys("ada", &["C-n"]);
    tmux.sees("ada", "Join a channel");
    tmux.keys("ada", &["Up", "Right"]);
    tmux.sees("ada", "[Channel]");
    tmux.keys("ada", &["Enter"]);
    tmux.text("ada", "News");
    tmux.keys("ada", &["Enter", "Enter", "Right", "Enter", "Enter"]);
    tmux.sees("ada", "News  1 member");
    say(&tmux, "ada", "The boat is back.");
    tmux.keys("ada", &["C-g"]);
    let page = tmux.sees("ada", "only admins write · whoever has its id may join");
    let id = page.split("│ id       ").nth(1).unwrap();
    let id = id.split_whitespace().next().unwrap().to_owned();
    let join = |with: &str| {
        tmux.keys("cid", &["C-n"]);
        tmux.sees("cid", "Join a channel");
        tmux.keys("cid", &["Up", "Left"]);
        tmux.sees("cid", "[Join a channel]");
        tmux.keys("cid", &["Enter"]);
        tmux.text("cid", with);
        tmux.keys("cid", &["Enter"]);
    };
    join("News");
    tmux.sees("cid", "That is no id");
    tmux.keys("cid", &["Escape"]);
    join(&id);
    tmux.sees("cid", "The boat is back.");
    tmux.sees("cid", "News  2 members");
    tmux.sees("cid", "Only admins and owners write here.");

    // Who is blocked is told so when they write, and may again when it is over.
    tmux.keys("ada", &["Escape"]);
    tmux.sees("ada", "Enter send");
    begin(&tmux, "ada", "ben");
    tmux.sees("ada", "Nothing was said here yet.");
    say(&tmux, "ada", "Hello");
    tmux.keys("ada", &["C-g"]);
    tmux.sees("ada", "b block");
    tmux.text("ada", "b");
    tmux.sees("ada", "Block ben?");
    tmux.text("ada", "y");
    tmux.sees("ada", "you blocked ben");
    begin(&tmux, "ben", "ada");
    tmux.until("ben", "the chat", |s| {
        lines(s, "Hello") == 2 && !s.contains("Join a channel")
    });
    say(&tmux, "ben", "Are you there?");
    tmux.sees("ben", "This user does not take messages from you.");
    tmux.text("ada", "b");
    tmux.until("ada", "no block", |s| !s.contains("you blocked ben"));
    tmux.keys("ben", &["S-Up"]);
    tmux.sees("ben", "▌  Are you there?");
    tmux.text("ben", "y");
    tmux.until("ben", "it sent", |s| !s.contains("does not take"));
    tmux.keys("ada", &["Escape"]);
    tmux.sees("ada", "Are you there?");
}

/// A chat with far more unread than is loaded opens at the first, and only what was on the screen
/// is read.
#[test]
fn a_long_absence() {
    let node = Node::with(&[
        "--set",
        "limits.sends_burst=100000",
        "--set",
        "limits.sends_per_min=1000000",
    ]);
    let tmux = Tmux::new();
    tmux.open_chat("ada", WIDE, &node.url, &[]);
    tmux.sign_up("ada", "a long password");
    let write = |from: u32, to: u32| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let ben = if from == 1 {
                node.sign_up("ben").await
            } else {
                node.log_in("ben").await
            };
            let endpoint = parlour_sdk::Endpoint::new(&node.url).unwrap();
            let config = parlour_sdk::Config::new(endpoint, ben.into(), parlour_sdk::Store::Memory);
            let ben = parlour_sdk::Client::connect(config).await.unwrap();
            ben.live().await.unwrap();
            let ada = ben.find_user("ada").await.unwrap().user;
            for i in from..=to {
                ben.send_to(ada, format!("line {i};")).await.unwrap();
            }
            let last = parlour_sdk::draft::text_to(ada, "that is all;");
            let last = parlour_sdk::Request::Send(Box::new(last));
            ben.deliver(last).await.unwrap();
            ben.close().await;
        });
    };
    write(1, 1_500);
    tmux.sees("ada", "1501");
    tmux.keys("ada", &["Enter"]);
    let screen = tmux.sees("ada", " unread ───");
    assert!(screen.contains("  line 1;"), "{screen}");
    assert!(!screen.contains("  line 40;"), "{screen}");
    // What was on the screen is read, and nothing else.
    let unread = |s: &str| -> Option<u32> {
        let at = s.find(" unread below")?;
        s[..at].rsplit(' ').next()?.parse().ok()
    };
    let left = tmux.until("ada", "the first screen read", |s| {
        unread(s).is_some_and(|n| n < 1_501)
    });
    assert!(unread(&left).unwrap() > 1_450, "{left}");
    tmux.keys("ada", &["NPage"]);
    tmux.until("ada", "the next screen", |s| {
        s.contains("  line 40;") && unread(s).is_some_and(|n| n < 1_460)
    });
    tmux.keys("ada", &["End"]);
    tmux.sees("ada", "  that is all;");
    tmux.until("ada", "nothing unread", |s| unread(s).is_none());
    // She is away again with the chat open, and comes back to where she was.
    tmux.keys("ada", &["C-q"]);
    tmux.ends("ada");
    tmux.close("ada");
    write(1_501, 1_900);
    tmux.open_chat("ada", WIDE, &node.url, &[]);
    let screen = tmux.sees("ada", "  line 1501;");
    assert!(!screen.contains("  line 1550;"), "{screen}");
    let left = tmux.until("ada", "a count", |s| unread(s).is_some_and(|n| n < 401));
    assert!(unread(&left).unwrap() > 350, "{left}");
}

/// A server that stands still: it is told, and nothing typed is lost.
#[test]
fn a_server_that_stands_still() {
    let node = Node::start();
    let tmux = Tmux::new();
    for name in ["ada", "ben"] {
        tmux.open_chat(name, WIDE, &node.url, &[]);
        tmux.sign_up(name, "a long password");
    }
    begin(&tmux, "ada", "ben");
    tmux.sees("ada", "Nothing was said here yet.");
    say(&tmux, "ada", "first");
    tmux.sees("ada", "✓✓ delivered");
    let signal = |name: &str| {
        let pid = node.pid().to_string();
        let done = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(done.unwrap().success());
    };
    signal("-STOP");
    say(&tmux, "ada", "second");
    tmux.text("ada", "third");
    tmux.sees("ada", "The server does not answer (");
    tmux.sees("ada", "> third");
    signal("-CONT");
    tmux.sees("ada", "Parlour · ada");
    tmux.keys("ada", &["Enter"]);
    tmux.until("ben", "all of it", |s| s.contains("third"));
    tmux.keys("ben", &["Enter"]);
    // In the list and in the talk.
    let screen = tmux.until("ben", "the talk", |s| lines(s, "  third") == 2);
    assert_eq!(lines(&screen, "  second"), 1, "{screen}");
}

/// Who writes faster than the server takes is told that, and not that it does not answer.
#[test]
fn a_server_that_takes_only_so_many() {
    let node = Node::with(&[
        "--set",
        "limits.sends_burst=5",
        "--set",
        "limits.sends_per_min=120",
    ]);
    let tmux = Tmux::new();
    tmux.open_chat("ada", WIDE, &node.url, &[]);
    tmux.sign_up("ada", "a long password");
    begin(&tmux, "ada", "ada");
    tmux.sees("ada", "Notes to yourself");
    for i in 1..=30 {
        tmux.text("ada", &format!("note {i}"));
        tmux.keys("ada", &["Enter"]);
    }
    tmux.sees("ada", "Sending more slowly");
    let answers = |s: &str| assert!(!s.contains("does not answer"), "{s}");
    tmux.until("ada", "all of it sent", |s| {
        answers(s);
        s.contains("note 30") && s.contains("✓ sent") && s.contains("Parlour · ada")
    });
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
    begin_group(&tmux, "cid", "ada ben", "Harbour");
    tmux.sees("cid", "Harbour  3 members");
    say(&tmux, "cid", "The boat is back in the water.");
    say(&tmux, "cid", "@ada shall we sail on Sunday?");
    begin(&tmux, "ben", "ada");
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
