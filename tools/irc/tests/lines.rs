//! Every form of line that the logs hold, and what must not pass for one.

use parlour_irc::line::{LINE_BYTES_MAX, What, parse};
use parlour_irc::{Event, Names, Reader, message_id, user_key, user_name};
use proptest::prelude::*;

fn event(line: &str) -> Event {
    parse(line.as_bytes())
        .unwrap_or_else(|e| panic!("{line:?}: {e}"))
        .1
}
fn message(nick: &str, text: &str) -> Event {
    Event::Message {
        nick: nick.into(),
        text: text.into(),
    }
}
fn action(nick: &str, text: &str) -> Event {
    Event::Action {
        nick: nick.into(),
        text: text.into(),
    }
}

#[test]
fn messages() {
    assert_eq!(
        event("[10:00] <ann> hello  there \n"),
        message("ann", "hello  there ")
    );
    assert_eq!(event("[12:15] <opteron>"), message("opteron", ""));
    assert_eq!(event("[12:15] <bob> "), message("bob", ""));
    assert_eq!(
        event("[00:00] <|^JaMeS^|> a > b <c>"),
        message("|^JaMeS^|", "a > b <c>")
    );
    assert_eq!(
        event("[23:59] <encKe`> \u{8}x"),
        message("encKe`", "\u{8}x")
    );
    assert_eq!(
        event("[06:03] <bur[n] er> anyone?"),
        message("bur[n]er", "anyone?")
    );
    assert_eq!(event("[07:15] <[optik] > hola"), message("[optik]", "hola"));
    assert_eq!(
        event("[07:15] <[[mandrix]]> hi"),
        message("[[mandrix]]", "hi")
    );
    assert_eq!(event("[07:15] <Guard] [an> hi"), message("Guard][an", "hi"));
}

#[test]
fn actions_and_notices() {
    assert_eq!(
        event("[11:27]  * Panarchy says Hi"),
        action("Panarchy", "says Hi")
    );
    assert_eq!(
        event("[11:27]  * De[Pidgin] says Hi"),
        action("De[Pidgin]", "says Hi")
    );
    assert_eq!(event("=== |trey| shuts up"), action("|trey|", "shuts up"));
    assert_eq!(
        event("=== zcat[1]  uses nvidia"),
        action("zcat[1]", "uses nvidia")
    );
    assert_eq!(
        event("=== bur[n] er uses wine"),
        action("bur[n]er", "uses wine")
    );
    assert_eq!(
        event("=== ann has joined #two worlds"),
        action("ann", "has joined #two worlds")
    );
    assert_eq!(
        event("=== b0b join irc.example.org looking"),
        action("b0b", "join irc.example.org looking")
    );
    let notice = |nick: &str, text: &str| Event::Notice {
        nick: nick.into(),
        text: text.into(),
    };
    assert_eq!(
        event("[01:09] (ray/#ubuntu) tom: seen?"),
        notice("ray", "tom: seen?")
    );
    assert_eq!(
        event("[01:09] -Nick-Serv- hello - you"),
        notice("Nick-Serv", "hello - you")
    );
}

#[test]
fn comings_and_goings() {
    let join = |nick: &str, host: &str| Event::Join {
        nick: nick.into(),
        host: Some(host.into()),
    };
    assert_eq!(
        event("=== bowes [~b@blk.net]  has joined #ubuntu"),
        join("bowes", "~b@blk.net")
    );
    assert_eq!(
        event("=== [optik]  [~o@1.2.3.4]  has joined #Ubuntu"),
        join("[optik]", "~o@1.2.3.4")
    );
    assert_eq!(
        event("=== [A] ndy80 [n=w@h]  has joined #ubuntu"),
        join("[A]ndy80", "n=w@h")
    );
    assert_eq!(
        event("=== [gijoework]  [n=[gijoe] @c.com]  has joined #ubuntu"),
        join("[gijoework]", "n=[gijoe]@c.com")
    );
    let part = |nick: &str, reason: &str| Event::Part {
        nick: nick.into(),
        reason: reason.into(),
    };
    assert_eq!(
        event("=== topyli [~j@d]  has left #ubuntu []"),
        part("topyli", "")
    );
    assert_eq!(
        event("=== Istario [n=[tgn] cok@6]  has left #ubuntu []"),
        part("Istario", "")
    );
    assert_eq!(
        event("=== q [~j@d]  has left #ubuntu [\"Leaving\"]"),
        part("q", "Leaving")
    );
    assert_eq!(
        event("=== q [~j@d]  has left #ubuntu [\"Sto]"),
        part("q", "Sto")
    );
    assert_eq!(
        event("=== q [~j@d] has quit [Ping timeout]"),
        Event::Quit {
            nick: "q".into(),
            reason: "Ping timeout".into()
        }
    );
    let rename = |from: &str, to: &str| Event::Rename {
        from: from.into(),
        to: to.into(),
    };
    assert_eq!(
        event("=== _ is now known as Guest51489"),
        rename("_", "Guest51489")
    );
    assert_eq!(
        event("=== bob[1]  is now known as cam"),
        rename("bob[1]", "cam")
    );
    assert_eq!(
        event("=== ed is now known as edgex[[a]]][[][]"),
        rename("ed", "edgex[[a]]][[][]")
    );
    assert_eq!(
        event("=== el was kicked off #ubuntu by LoRez (so it is)"),
        Event::Kick {
            nick: "el".into(),
            by: "LoRez".into(),
            reason: "so it is".into()
        }
    );
    assert_eq!(
        event("=== mode/#ubuntu [-b+b u!*@* @cpe-0*!#ubuntu-u*@*]  by nalioth"),
        Event::Mode {
            by: "nalioth".into(),
            change: "-b+b u!*@* @cpe-0*!#ubuntu-u*@*".into()
        }
    );
    assert_eq!(
        event("=== ..[topic/#ubuntu:Seveas] : Help | See: https://x.org"),
        Event::Topic {
            by: "Seveas".into(),
            text: "Help | See: https://x.org".into()
        }
    );
}

#[test]
fn malformed() {
    let what = |line: &[u8]| parse(line).expect_err(&format!("{line:?}"));
    assert_eq!(what(b""), What::Empty);
    assert_eq!(what(b" \r\n"), What::Empty);
    assert_eq!(what(b"[10:00] <a> \xff"), What::Encoding(13));
    assert_eq!(what(b"hello"), What::Beginning);
    assert_eq!(what(b"==="), What::Beginning);
    assert_eq!(what(b"===="), What::Beginning);
    for time in [
        "24:00", "10:60", "1:00", "10:0", "+1:00", "10-00", "10:00:00", "",
    ] {
        assert_eq!(
            what(format!("[{time}] <a> b").as_bytes()),
            What::Time,
            "{time}"
        );
    }
    assert_eq!(what(b"[10:00"), What::Time);
    assert_eq!(what(b"[10:00]"), What::Form);
    assert_eq!(what(b"[10:00] hello"), What::Form);
    assert_eq!(what(b"[10:00] <a>b"), What::Form);
    assert_eq!(what(b"[10:00] <a b> c"), What::Nick);
    assert_eq!(what(b"[10:00] <> c"), What::Nick);
    assert_eq!(what(b"[10:00] <a c"), What::Nick);
    assert_eq!(what(b"=== ann"), What::Nothing);
    assert_eq!(what(b"[10:00]  * ann"), What::Nothing);
    let long = [b"[10:00] <a> ".as_slice(), &vec![b'x'; LINE_BYTES_MAX - 12]].concat();
    assert!(parse(&long).is_ok());
    assert_eq!(
        what(&[long, vec![b'x']].concat()),
        What::TooLong(LINE_BYTES_MAX + 1)
    );
}

#[test]
fn times_go_on_past_midnight_and_errors_name_their_line() {
    let mut reader = Reader::new("logs/2004-12-25.log").expect("a date");
    let midnight = 1_103_932_800_000; // date -u -d 2004-12-25 +%s
    let mut read = |line: &str| {
        reader
            .feed(line.as_bytes())
            .map(|i| (i.line, i.time_ms - midnight))
    };
    let minute = 60_000;
    assert_eq!(read("=== a waits"), Ok((1, 0)));
    assert_eq!(read("[23:58] <a> x"), Ok((2, 1438 * minute)));
    assert_eq!(read("[23:58] <a> x"), Ok((3, 1438 * minute)));
    let error = read("[00:01] nobody").expect_err("malformed");
    assert_eq!(error.line, 4);
    assert!(
        error
            .to_string()
            .starts_with("logs/2004-12-25.log:4: after the time"),
        "{error}"
    );
    assert_eq!(
        read("=== a waits"),
        Ok((5, 1438 * minute)),
        "a malformed line moves no clock"
    );
    assert_eq!(read("[00:01] <a> x"), Ok((6, 1441 * minute)));
    assert_eq!(read("[00:00] <a> x"), Ok((7, 2880 * minute)));
    let error = Reader::new("notes.log").expect_err("no date");
    assert_eq!(
        error.to_string(),
        "notes.log: the name is not YYYY-MM-DD.log, so its lines have no date; rename it"
    );
}

#[test]
fn a_byte_order_mark_begins_a_file_and_nothing_else() {
    let mut reader = Reader::new("2004-11-15.log").expect("a date");
    let first = reader.feed("\u{feff}[00:01] <ann> hello\r\n".as_bytes());
    assert_eq!(first.expect("it is read").event, message("ann", "hello"));
    let later = reader.feed("\u{feff}[00:02] <ann> hello".as_bytes());
    assert_eq!(later.expect_err("it is not").what, What::Beginning);
    let other = reader
        .feed(b"[00:03] <ann> caf\xe9")
        .expect_err("it is not");
    assert_eq!(other.what, What::Encoding(18));
    assert!(other.to_string().contains("iconv"), "{other}");
}

#[test]
fn ids_stay() {
    // Written down: an import that runs again in a year must find what it made today.
    assert_eq!(message_id("2004-11-15.log", 1).to_string(), MESSAGE_ID);
    assert_eq!(user_key("ann").to_string(), USER_KEY);
    assert_ne!(
        message_id("2004-11-15.log", 1),
        message_id("2004-11-15.log", 2)
    );
    assert_ne!(user_key("ann"), user_key("Ann"));
}
const MESSAGE_ID: &str = "f4cf9d8f-556e-83fe-a449-39deb44e5157";
const USER_KEY: &str = "3fc7f1ba-999f-88d8-a759-9037f56c9173";

#[test]
fn names() {
    assert_eq!(user_name("|trey|"), "|trey|");
    assert_ne!(user_name("a:b"), user_name("a-b"));
    assert_ne!(user_name("a:b"), user_name("a@b"));
    let mut names = Names::new();
    assert_eq!(names.name("Ann"), "Ann");
    let other = names.name("ann").to_owned();
    assert!(other.starts_with("ann~"), "{other}");
    assert_eq!(names.name("Ann"), "Ann");
    assert_eq!(names.name("ann"), other);
    assert_eq!(names.len(), 2);
}

fn is_valid_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.contains(|c: char| c == '@' || c == ':' || c.is_whitespace() || c.is_control())
}

proptest! {
    #[test]
    fn any_bytes_never_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let mut reader = Reader::new("2004-11-15.log").expect("a date");
        for (at, line) in lines.iter().enumerate() {
            let number = match reader.feed(line) {
                Ok(item) => item.line,
                Err(error) => { prop_assert!(!error.to_string().is_empty()); error.line }
            };
            prop_assert_eq!(number, at as u64 + 1);
        }
    }

    /// Bytes that resemble lines reach further than random ones.
    #[test]
    fn almost_lines_never_panic(line in "(=== |\\[[0-9]{2}:[0-9]{2}\\] )?[]\\[<>()*a-é :#/@-]{0,30}( has joined #| has left #| has quit| is now known as | was kicked off #| by |mode/#|\\.\\.\\[topic/#)?[]\\[<>()*a-é :#/@-]{0,30}") {
        if let Ok((_, Event::Message { nick, .. } | Event::Action { nick, .. } | Event::Join { nick, .. })) = parse(line.as_bytes()) {
            prop_assert!(!nick.is_empty() && !nick.contains(char::is_whitespace));
        }
    }

    #[test]
    fn what_is_written_is_read(nick in "[A-Za-z\\[\\]\\\\`_^{|}][A-Za-z0-9\\[\\]\\\\`_^{|}-]{0,15}", text in "[^\r\n]{0,60}", minute in 0u16..1440) {
        let line = format!("[{:02}:{:02}] <{}> {}", minute / 60, minute % 60, nick.replace(']', "] "), text);
        prop_assert_eq!(parse(line.as_bytes()), Ok((Some(minute), Event::Message { nick, text })));
    }

    #[test]
    fn names_are_valid_and_never_shared(nicks in prop::collection::hash_set("[a-cA-C@: ~é\u{0}]{0,3}|.{60,70}", 0..60)) {
        let mut names = Names::new();
        let mut seen = std::collections::HashSet::new();
        for nick in &nicks {
            prop_assert!(is_valid_name(&user_name(nick)));
            let name = names.name(nick).to_owned();
            prop_assert!(is_valid_name(&name), "{:?}", name);
            prop_assert!(seen.insert(name.to_lowercase()), "{:?} twice", name);
        }
        prop_assert_eq!(names.len(), nicks.len());
    }
}
