//! What the screen shows, to be read as pictures.

use parlour_sdk::Link;
use parlour_sdk::core::view::State;
use parlour_sdk::protocol::error::Code;
use parlour_sdk::protocol::frame::server::{State as Presence, UserPresence};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::seq::{Head, Mark};
use parlour_sdk::protocol::{ConversationId, Seq};
use serde_json::json;

use super::world::{MINUTE, NOON, World, user};
use crate::model::Msg;

fn present(name: &str, state: Presence, last_seen_ms: Option<u64>) -> UserPresence {
    UserPresence {
        user: user(name),
        state,
        last_seen_ms,
    }
}

/// A talk with everything in it.
fn talk(w: u16, h: u16) -> (World, ConversationId) {
    let mut world = World::new(w, h);
    let ben = world.with_direct("ben");
    let friday = world.with_group("Friday", 3);
    world.now = NOON - 26 * 60 * MINUTE;
    world.said(friday, "cid", "See you at the harbour, @ada", json!({}));
    world.held.get_mut(&friday).unwrap().summary.mentions = 1;
    world.said(ben, "ben", "Did the parcel come?", json!({}));
    world.now += 2 * MINUTE;
    let first = world.said(
        ben,
        "ada",
        "It did. Thank you!",
        json!({"state": "read", "reactions": [{"seq": 9, "user": user("ben"), "key": "🎉"}]}),
    );
    world.now = NOON - 30 * MINUTE;
    world.said(
        ben,
        "ben",
        "Then let us try the new recipe on Friday: two cups of flour, three eggs, and whatever \
         the garden has by then.",
        json!({"reply_to": first, "edited": {"seq": 8, "time_ms": NOON}}),
    );
    world.said(
        ben,
        "ben",
        "",
        json!({"body": null, "deleted": {"seq": 7, "by": user("ben")}}),
    );
    world.now += MINUTE;
    world.said(
        ben,
        "ada",
        "日本語 and 🎉 take two cells each",
        json!({"state": "delivered"}),
    );
    world.now = NOON;
    world.refresh();
    (world, ben)
}

#[test]
fn the_way_in() {
    let mut world = World::outside(80, 20);
    world.shows("entrance");
    world.keys(&[
        "Right",
        "Enter",
        "Enter",
        "ada",
        "Enter",
        "secret-pass",
        "Enter",
    ]);
    world.keys(&["another", "Enter"]);
    world.shows("entrance_sign_up");
    assert!(!world.screen().contains("secret"));
    assert!(!format!("{:?}", world.model).contains("secret"));
}

#[test]
fn nothing_yet() {
    World::new(80, 12).shows("empty");
    World::new(40, 12).shows("empty_narrow");
}

#[test]
fn a_talk() {
    let (mut world, ben) = talk(100, 28);
    world.waits(ben, "and this waits", State::Sending);
    let refused = State::Failed {
        code: Code::BLOCKED,
        message: Code::BLOCKED.about().to_owned(),
    };
    world.waits(ben, "and this was refused", refused);
    world.held.get_mut(&ben).unwrap().summary.unread = 0;
    world.keys(&["Enter"]);
    world.refresh();
    world.tell(Msg::Presence(vec![present(
        "ben",
        Presence::Offline,
        Some(NOON - 20 * MINUTE),
    )]));
    world.tell(Msg::Typing(ben, vec![user("ben")]));
    world.shows("talk");
    world.keys(&["Shift+Up", "Up", "Up", "Up", "Up", "r", "I will. "]);
    world.tell(Msg::Paste("Eggs are here.\nFlour is not.".to_owned()));
    world.shows("talk_reply");
}

#[test]
fn unread_messages_are_divided_off() {
    let (mut world, ben) = talk(100, 20);
    world.said(ben, "ben", "Are you there?", json!({}));
    world.held.get_mut(&ben).unwrap().summary.unread = 1;
    world.refresh();
    world.shows("unread_in_list");
    world.keys(&["Enter"]);
    world.shows("unread");
}

#[test]
fn a_group_tells_member_by_member() {
    let mut world = World::new(90, 24);
    let friday = world.with_group("Friday", 4);
    let plain = json!({"class": "membership", "kind": "create", "body": null,
        "named": [{"user": user("ben")}, {"user": user("cid")}]});
    world.said(friday, "ada", "1", plain);
    let name = json!({"class": "setting", "kind": "name", "value": "Friday", "body": null});
    world.said(friday, "ada", "2", name);
    let add = json!({"class": "membership", "kind": "add", "body": null,
        "named": [{"user": user("dot")}]});
    world.said(friday, "cid", "3", add);
    let seq = world.said(friday, "ada", "Dinner at eight?", json!({"state": "sent"}));
    let mark = |read: u64, delivered: u64| Mark {
        read: Head {
            seq: Seq(read),
            n: 0,
        },
        delivered: Head {
            seq: Seq(delivered),
            n: 0,
        },
    };
    world.held.get_mut(&friday).unwrap().receipts = vec![
        (user("ben"), mark(seq.0, seq.0)),
        (user("cid"), mark(1, seq.0)),
    ];
    world.refresh();
    world.keys(&["Enter"]);
    let members = ["ada", "ben", "cid", "dot"].map(|n| Named {
        user: user(n),
        role: Default::default(),
    });
    world.tell(Msg::Members(friday, Some(members.to_vec())));
    world.tell(Msg::Presence(vec![present("ben", Presence::Online, None)]));
    world.shows("group");
    world.keys(&["Shift+Up", "i"]);
    world.shows("group_receipts");
    world.keys(&["Esc", "m"]);
    world.shows("group_members");
}

#[test]
fn without_a_server() {
    let (mut world, ben) = talk(100, 16);
    world.keys(&["Enter"]);
    world.waits(ben, "sent once the server is back", State::Sending);
    world.tell(Msg::Link(Link::Waiting {
        until_ms: NOON + 2_400,
        why: "http://127.0.0.1:7400 cannot be reached".to_owned(),
    }));
    world.refresh();
    world.shows("offline");
}

#[test]
fn a_server_that_does_not_answer() {
    let (mut world, ben) = talk(100, 16);
    world.keys(&["Enter", "hello", "Enter"]);
    world.waits(ben, "hello", State::Sending);
    world
        .held
        .get_mut(&ben)
        .unwrap()
        .summary
        .unanswered_since_ms = Some(world.now);
    world.refresh();
    world.now += 3_000;
    world.tell(Msg::Tick);
    assert!(world.screen().contains("Parlour · ada"));
    world.now += 9_000;
    world.tell(Msg::Tick);
    let screen = world.screen();
    assert!(
        screen.contains("The server does not answer (12 s)"),
        "{screen}"
    );
    // What waited over a break is not what the new connection is slow with.
    world.tell(Msg::Link(Link::Connecting));
    world.tell(Msg::Link(Link::Live));
    assert!(world.screen().contains("Parlour · ada"));
    // What the server asks to be sent later waits rightly.
    let summary = &mut world.held.get_mut(&ben).unwrap().summary;
    (summary.unanswered_since_ms, summary.slowed) = (None, true);
    world.refresh();
    world.now += 60_000;
    world.tell(Msg::Tick);
    let screen = world.screen();
    assert!(screen.contains("Sending more slowly"), "{screen}");
}

#[test]
fn help_and_forms() {
    let (mut world, _) = talk(80, 24);
    world.keys(&["?"]);
    world.shows("help");
    world.keys(&["Esc", "n", "ben cid"]);
    world.tell(Msg::Ideas(
        "cid".to_owned(),
        vec!["cid".into(), "cidney".into()],
    ));
    world.shows("new_chat");
}

#[test]
fn narrow() {
    let (mut world, _) = talk(40, 18);
    world.shows("narrow_list");
    world.keys(&["Down", "Enter"]);
    world.keys(&["Esc", "Up", "Enter"]);
    world.shows("narrow_talk");
}

#[test]
fn text_of_others_is_never_obeyed() {
    let mut world = World::new(80, 16);
    let ben = world.with_direct("ben");
    let hostile = "\u{1b}[2J\u{1b}]0;title\u{7} red \u{9b}31m\ttab\u{202e}evil\u{0}\r\nnext";
    world.said(
        ben,
        "ben",
        hostile,
        json!({"reactions": [
        {"seq": 9, "user": user("ben"), "key": "\u{1b}[31m"}]}),
    );
    world.said(
        ben,
        "ben",
        &"\u{1b}".repeat(65_536),
        json!({"deleted": {"seq": 4, "by": user("ben")}}),
    );
    world.refresh();
    world.keys(&["Enter"]);
    world.shows("hostile");
    let long = "x".repeat(65_536);
    world.said(ben, "ben", &long, json!({}));
    world.refresh();
    assert!(world.screen().lines().all(|l| l.chars().count() <= 80));
}

#[test]
fn nobody_is_taken_for_another() {
    let mut world = World::new(90, 16);
    let friday = world.with_group("Friday", 4);
    let called = |name: &str, display: &str| parlour_sdk::protocol::http::Profile {
        display: display.to_owned(),
        name: name.to_owned(),
        ..super::world::profile(name)
    };
    for (name, display) in [
        ("eve", "ben"),
        ("be\u{200b}n", "be\u{200b}n"),
        ("ben", "ben"),
    ] {
        world.tell(Msg::Profiles(Some(vec![called(name, display)])));
        world.said(friday, name, "it is me", json!({}));
    }
    world.refresh();
    world.keys(&["Enter"]);
    let screen = world.screen();
    for seen in [" ben (@eve)  ", " be<U+200B>n  ", " ben  12:00"] {
        assert!(screen.contains(seen), "no {seen:?} in\n{screen}");
    }
}

#[test]
fn a_search() {
    let (mut world, ben) = talk(90, 20);
    world.keys(&["Enter", "Ctrl+f", "recipe", "Enter"]);
    world.tell(Msg::Matches(ben, "recipe".to_owned(), vec![Seq(3)]));
    world.shows("search");
}
