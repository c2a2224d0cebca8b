//! The terminal client as people use it: typed into and read from a real terminal, against a real
//! node that is killed in between.

mod faults;
mod outs;
mod scene;
mod scripts;
#[allow(dead_code)]
#[path = "../support/table.rs"]
mod table;
mod tails;

use scene::{FAST, Scene, WIDE, lines, writes};

#[test]
fn two_talk_over_a_killed_server_and_three_in_a_group() {
    let mut scene = Scene::new();
    scene.node.keep_port();
    let [ada, ben] = scene.enter(["ada", "ben"]);
    ada.begins("ben");
    ada.sees("Nothing was said here yet.");
    ada.says("Hello Ben");
    // He has it before he looks at it.
    ben.until("one unread", |s| {
        // The list's line: the text, and after it how many are unread.
        let line = s.lines().find(|l| l.contains("Hello Ben"));
        line.and_then(|l| l.split('│').next())
            .is_some_and(|l| l.split_whitespace().next_back() == Some("1"))
    });
    ada.sees("✓✓ delivered");
    ben.presses(&["Enter"]);
    ada.sees("✓✓ read");
    ben.types("Hello");
    ada.sees("ben is typing…");
    ben.types(" Ada");
    ben.presses(&["Enter"]);
    ada.sees("Hello Ada");
    ben.sees("✓✓ read");

    scene.node.kill();
    ada.sees("Offline: reconnecting in");
    ada.says("Is anybody there?");
    ada.sees("… sending");
    assert!(ada.screen().contains("Offline: reconnecting in"));
    assert!(!ben.screen().contains("anybody"));
    scene.node.restart();
    ada.until("the banner gone", |s| s.contains("Parlour · ada"));
    ben.sees("Is anybody there?");
    let screen = ada.sees("✓✓ read");
    assert!(!screen.contains("sending"), "{screen}");
    assert_eq!(
        lines(&ben.screen(), "  Is anybody there?"),
        2,
        "list and talk, once each"
    );

    // An edit, a reaction and a deletion are seen by the other.
    ada.presses(&["Up"]);
    ada.sees("editing");
    ada.types(" Yes?");
    ada.presses(&["Enter"]);
    ben.sees("Is anybody there? Yes? (edited)");
    ben.presses(&["S-Up"]);
    ben.sees("▌  Is anybody");
    ben.types("+");
    ben.sees("React");
    ben.types("2");
    ada.sees("🎉 1");
    ada.presses(&["S-Up"]);
    ada.sees("▌  Is anybody");
    ada.types("d");
    ada.sees("Delete this message for everyone?");
    ada.types("y");
    ben.sees("[deleted]");
    ada.presses(&["Escape"]);
    ada.sees("Enter send");

    // A third comes, and they are three in a group.
    let [cid] = scene.enter(["cid"]);
    ada.makes_group("ben cid", "Friday");
    ada.sees("Friday  3 members");
    ada.says("Dinner at eight?");
    cid.until("the group", |s| {
        s.contains("Friday") && s.contains("Dinner")
    });
    ada.sees("✓✓ delivered to all 2");
    cid.presses(&["Enter"]);
    ada.sees("✓ read by 1 of 2");
    ada.presses(&["S-Up"]);
    ada.sees("▌  Dinner");
    ada.types("i");
    ada.sees("✓✓ read      cid");
    ada.sees("✓✓ delivered ben");
    ada.presses(&["Escape"]);
}

#[test]
fn the_terminal_is_given_back_and_the_screen_comes_back() {
    let scene = Scene::new();
    let ada = scene.opens("ada", &[("NO_COLOR", "1")]);
    ada.signs_up();
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
    ada.begins("ada");
    ada.sees("Notes to yourself");
    ada.says("buy eggs");
    ada.sees("✓ sent");
    assert_eq!(colours(&ada.coloured()), 0);
    ada.types("and flo");
    ada.sees("> and flo");
    for size in [(40, 12), (1, 1), (5, 3), (200, 60), (60, 4), WIDE] {
        ada.resizes(size);
    }
    ada.sees("> and flo");
    assert_eq!(ada.terminal(), "1 1 0");
    ada.quits();

    // What was written and not sent is there again, and in colour now.
    let ada = scene.opens("ada", &[]);
    ada.sees("> and flo");
    ada.sees("buy eggs");
    ada.sees("Parlour · ada");
    assert_ne!(colours(&ada.coloured()), 0);

    // Who is told to end gives the terminal back too.
    let kill = std::process::Command::new("kill").arg(ada.pid()).status();
    assert!(kill.unwrap().success());
    ada.ends();
}

/// All that can be done with a conversation is on its page, and what the server says to it is told.
#[test]
fn a_conversation_s_page() {
    let scene = Scene::new();
    let [ada, ben, cid] = scene.enter(["ada", "ben", "cid"]);
    // A name that nobody has is named, and the rest stays to be mended.
    ada.begins("ben nobody");
    ada.sees("There is no user named `nobody`.");
    ada.presses(&["C-w"]);
    ada.types("cid");
    ada.presses(&["Enter"]);
    ada.sees("Group name");
    ada.types("Friday");
    ada.presses(&["Enter"]);
    ada.sees("Friday  3 members");
    ada.presses(&["C-g"]);
    ada.sees("group of 3 members · you are its owner");
    ada.types("n");
    ada.sees("› Friday");
    ada.types(" dinner");
    ada.presses(&["Enter"]);
    ada.sees("┌ Friday dinner");
    // Ben is made an admin, and Cid removed.
    ada.presses(&["Down"]);
    ada.sees("▌● ben");
    ada.types("r");
    ada.presses(&["Right", "Enter"]);
    ada.sees("ben  admin");
    ada.presses(&["End"]);
    ada.sees("▌● cid");
    ada.types("x");
    ada.sees("Remove cid from Friday dinner?");
    ada.types("y");
    ada.sees("group of 2 members");
    cid.sees("you were removed");
    ada.presses(&["Escape"]);
    ada.sees("Enter send");
    // A pin, seen by the other, and found again.
    ada.says("Eight, at the harbour");
    ada.presses(&["S-Up"]);
    ada.sees("▌  Eight");
    ada.types("p");
    ada.sees("Eight, at the harbour (pinned)");
    ben.until("the group", |s| s.contains("Friday dinner"));
    ben.presses(&["Home", "Enter"]);
    ben.sees("(pinned)");
    ben.presses(&["C-g"]);
    ben.sees("you are an admin");
    ben.types("p");
    ben.sees("┌ Pinned");
    ben.sees("▌ada: Eight, at the harbour");
    ben.presses(&["Escape"]);
    ben.sees("you are an admin");
    ben.types("X");
    ben.sees("Leave Friday dinner?");
    ben.types("y");
    ben.sees("You are not a member here any more");

    // An open channel, in which only its admins write.
    ada.presses(&["C-n"]);
    ada.sees("Join a channel");
    ada.presses(&["Up", "Right"]);
    ada.sees("[Channel]");
    ada.presses(&["Enter"]);
    ada.types("News");
    ada.presses(&["Enter", "Enter", "Right", "Enter", "Enter"]);
    ada.sees("News  1 member");
    ada.says("The boat is back.");
    ada.presses(&["C-g"]);
    let page = ada.sees("only admins write · whoever has its id may join");
    let id = page.split("│ id       ").nth(1).unwrap();
    let id = id.split_whitespace().next().unwrap().to_owned();
    let join = |with: &str| {
        cid.presses(&["C-n"]);
        cid.sees("Join a channel");
        cid.presses(&["Up", "Left"]);
        cid.sees("[Join a channel]");
        cid.presses(&["Enter"]);
        cid.types(with);
        cid.presses(&["Enter"]);
    };
    join("News");
    cid.sees("That is no id");
    cid.presses(&["Escape"]);
    join(&id);
    cid.sees("The boat is back.");
    cid.sees("News  2 members");
    cid.sees("Only admins and owners write here.");

    // Who is blocked is told so when they write, and may again when it is over.
    ada.presses(&["Escape"]);
    ada.sees("Enter send");
    ada.begins("ben");
    ada.sees("Nothing was said here yet.");
    ada.says("Hello");
    ada.presses(&["C-g"]);
    ada.sees("b block");
    ada.types("b");
    ada.sees("Block ben?");
    ada.types("y");
    ada.sees("you blocked ben");
    ben.begins("ada");
    ben.until("the chat", |s| {
        lines(s, "Hello") == 2 && !s.contains("Join a channel")
    });
    ben.says("Are you there?");
    ben.sees("This user does not take messages from you.");
    ada.types("b");
    ada.until("no block", |s| !s.contains("you blocked ben"));
    ben.presses(&["S-Up"]);
    ben.sees("▌  Are you there?");
    ben.types("y");
    ben.until("it sent", |s| !s.contains("does not take"));
    ada.presses(&["Escape"]);
    ada.sees("Are you there?");
}

/// A chat with far more unread than is loaded opens at the first, and only what was on the screen
/// is read.
#[test]
fn a_long_absence() {
    let scene = Scene::with(FAST);
    let [ada] = scene.enter(["ada"]);
    writes(&scene.node, "ben", "ada", 1..=1_501, "");
    ada.sees("1501");
    ada.presses(&["Enter"]);
    let screen = ada.sees(" unread ───");
    assert!(screen.contains("  line 1;"), "{screen}");
    assert!(!screen.contains("  line 40;"), "{screen}");
    // What was on the screen is read, and nothing else.
    let unread = |s: &str| -> Option<u32> {
        let at = s.find(" unread below")?;
        s[..at].rsplit(' ').next()?.parse().ok()
    };
    let left = ada.until("the first screen read", |s| {
        unread(s).is_some_and(|n| n < 1_501)
    });
    assert!(unread(&left).unwrap() > 1_450, "{left}");
    ada.presses(&["NPage"]);
    ada.until("the next screen", |s| {
        s.contains("  line 40;") && unread(s).is_some_and(|n| n < 1_460)
    });
    ada.presses(&["End"]);
    ada.sees("  line 1501;");
    ada.until("nothing unread", |s| unread(s).is_none());
    // She is away again with the chat open, and comes back to where she was.
    ada.quits();
    writes(&scene.node, "ben", "ada", 1_502..=1_901, "");
    let ada = scene.opens("ada", &[]);
    let screen = ada.sees("  line 1502;");
    assert!(!screen.contains("  line 1550;"), "{screen}");
    let left = ada.until("a count", |s| unread(s).is_some_and(|n| n < 401));
    assert!(unread(&left).unwrap() > 350, "{left}");
}

/// A server that stands still: it is told, and nothing typed is lost.
#[test]
fn a_server_that_stands_still() {
    let scene = Scene::new();
    let [ada, ben] = scene.enter(["ada", "ben"]);
    ada.begins("ben");
    ada.sees("Nothing was said here yet.");
    ada.says("first");
    ada.sees("✓✓ delivered");
    let signal = |name: &str| {
        let pid = scene.node.pid().to_string();
        let done = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(done.unwrap().success());
    };
    signal("-STOP");
    ada.says("second");
    ada.types("third");
    ada.sees("The server does not answer (");
    ada.sees("> third");
    signal("-CONT");
    ada.sees("Parlour · ada");
    ada.presses(&["Enter"]);
    ben.until("all of it", |s| s.contains("third"));
    ben.presses(&["Enter"]);
    // In the list and in the talk.
    let screen = ben.until("the talk", |s| lines(s, "  third") == 2);
    assert_eq!(lines(&screen, "  second"), 1, "{screen}");
}

/// Who writes faster than the server takes is told that, and not that it does not answer.
#[test]
fn a_server_that_takes_only_so_many() {
    let scene = Scene::with(&[
        "--set",
        "limits.sends_burst=5",
        "--set",
        "limits.sends_per_min=120",
    ]);
    let [ada] = scene.enter(["ada"]);
    ada.begins("ada");
    ada.sees("Notes to yourself");
    for i in 1..=30 {
        ada.types(&format!("note {i}"));
        ada.presses(&["Enter"]);
    }
    ada.sees("Sending more slowly");
    let answers = |s: &str| assert!(!s.contains("does not answer"), "{s}");
    ada.until("all of it sent", |s| {
        answers(s);
        s.contains("note 30") && s.contains("✓ sent") && s.contains("Parlour · ada")
    });
}

/// The picture in the README: `PARLOUR_WRITE_PICTURE=1` writes it anew.
#[test]
fn the_picture_is_a_real_screen() {
    let size = (100, 28);
    let scene = Scene::new().sized(size);
    let [ada, ben, cid] = scene.enter(["ada", "ben", "cid"]);
    cid.makes_group("ada ben", "Harbour");
    cid.sees("Harbour  3 members");
    cid.says("The boat is back in the water.");
    cid.says("@ada shall we sail on Sunday?");
    ben.begins("ada");
    ben.sees("Nothing was said here yet.");
    ben.says("Did the parcel come?");
    ada.until("both conversations", |s| {
        s.contains("@1") && s.contains("parcel")
    });
    ada.presses(&["Home", "Enter"]);
    ada.until("the talk", |s| lines(s, "Did the parcel come?") == 2);
    ada.says("It did. Thank you!");
    ada.sees("✓✓ read");
    ben.sees("It did. Thank you!");
    ben.presses(&["S-Up"]);
    ben.sees("▌  It did");
    ben.types("+");
    ben.sees("React");
    ben.types("2");
    ada.sees("🎉 1");
    ben.types("r");
    ben.sees("answering");
    ben.says("Then let us try the new recipe on Friday. Eight o'clock?");
    ada.sees("Eight o'clock?");
    ada.says("Eight is fine. I bring 日本 noodles");
    ada.sees("✓✓ read");
    // Typing is told once in a while: he goes on until it is.
    ada.until("ben typing", |screen| {
        ben.types(".");
        screen.contains("ben is typing…")
    });
    let screen = ada.coloured();
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
