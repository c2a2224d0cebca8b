//! What keys and clicks ask for, and what they leave alone.

use crossterm::event::{MouseButton, MouseEventKind};
use parlour_sdk::core::view::{Before, State};
use parlour_sdk::protocol::error::Code;
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{ConversationId, Seq};
use parlour_sdk::{Command as Core, Request};
use serde_json::json;

use super::world::{World, direct, group, one_send, requests, user};
use crate::model::{Command, Msg};

fn open(lines: usize, h: u16) -> (World, ConversationId) {
    let mut world = World::new(100, h);
    let ben = world.with_direct("ben");
    for i in 1..=lines {
        world.said(ben, "ben", &format!("line {i}"), json!({}));
    }
    world.refresh();
    (world, ben)
}

#[test]
fn only_what_is_looked_at_is_read() {
    let (mut world, ben) = open(3, 24);
    assert_eq!(world.read(), None, "it is not open");
    world.keys(&["Enter"]);
    assert_eq!(world.read(), Some(Seq(3)));
    let more = |world: &mut World| {
        world.said(ben, "ben", "more", json!({}));
        world.refresh();
        world.read()
    };
    world.keys(&["Esc"]);
    assert_eq!(more(&mut world), None, "the list has the keys");
    world.keys(&["Esc"]);
    assert_eq!(world.read(), Some(Seq(4)), "one came back");
    world.keys(&["F1"]);
    assert_eq!(more(&mut world), None, "the help lies over it");
    world.keys(&["Esc"]);
    assert_eq!(world.read(), Some(Seq(5)));
    world.tell(Msg::Looked(false));
    assert_eq!(more(&mut world), None, "the terminal is not looked at");
    world.tell(Msg::Looked(true));
    assert_eq!(world.read(), Some(Seq(6)));
    world.tell(Msg::Resize(100, 2));
    assert_eq!(more(&mut world), None, "there is no room for messages");
}

#[test]
fn what_is_on_the_screen_stays_when_others_write() {
    let (mut world, ben) = open(200, 24);
    world.held.get_mut(&ben).unwrap().summary.unread = 0;
    world.refresh();
    world.keys(&["Enter", "PgUp", "PgUp"]);
    let messages = |world: &World| -> Vec<String> {
        let screen = world.screen();
        let lines = screen.lines().filter(|l| l.contains("line "));
        lines
            .map(|l| l.split('│').next_back().unwrap().to_owned())
            .collect()
    };
    let before = messages(&world);
    assert!(before.len() > 10 && !before.iter().any(|l| l.contains("line 200")));
    for i in 0..50 {
        world.said(ben, "ben", &format!("newer {i}"), json!({}));
    }
    world.refresh();
    assert_eq!(messages(&world), before);
}

#[test]
fn any_amount_of_history_is_scrolled_by_a_window() {
    let (mut world, ben) = open(5_000, 24);
    {
        let held = world.held.get_mut(&ben).unwrap();
        held.summary.unread = 0;
        held.before = Before::More;
    }
    world.refresh();
    world.keys(&["Enter"]);
    let older = |c: &Command| matches!(c, Command::Core(Core::Older(of)) if *of == ben);
    assert!(!world.asked().iter().any(older));
    let mut pages = 0;
    while !world.asked().iter().any(older) {
        world.keys(&["PgUp"]);
        let chat = world.model.chat.as_ref().unwrap();
        assert!(chat.items.len() <= 400);
        pages += 1;
        assert!(pages < 400, "the top is never near");
    }
    // It is asked before the top is reached, and once.
    assert!(!world.screen().contains("more above"));
    world.keys(&["Up"]);
    world.keys(&["PgUp"]);
    assert!(!world.asked().iter().any(older));
    // It came before it was seen to be on its way: the next is asked for as the top comes near.
    let held = world.held.get_mut(&ben).unwrap();
    held.items.remove(0);
    world.refresh();
    assert_eq!(world.asked().iter().filter(|c| older(c)).count(), 1);
    // And all the way back.
    for _ in 0..400 {
        world.keys(&["PgDn"]);
    }
    assert!(world.screen().contains("line 5000"));
    world.keys(&["Shift+Up", "Home"]);
    world.keys(&["End"]);
    assert!(world.screen().contains("line 5000"));
}

#[test]
fn drafts_are_kept_for_each_conversation() {
    let (mut world, _) = open(1, 24);
    world.with_group("Friday", 3);
    world.keys(&["Enter", "half a thought"]);
    let first = world.model.chat.as_ref().unwrap().conversation;
    world.keys(&["Alt+Down"]);
    assert!(!world.screen().contains("> half"));
    assert!(world.screen().contains("draft: half"));
    world.keys(&["another"]);
    assert_eq!(world.model.kept().drafts.len(), 2);
    world.keys(&["Alt+Up"]);
    assert!(world.screen().contains("> half a thought"));
    world.keys(&["Enter"]);
    assert_eq!(one_send(&mut world).body.as_text(), Some("half a thought"));
    assert!(!world.model.kept().drafts.contains_key(&first));
    // What could not be taken comes back.
    let back = Some((first, "half a thought".to_owned()));
    world.tell(Msg::Refused("the outbox is full".to_owned(), back));
    assert!(world.screen().contains("> half a thought"));
    assert!(world.screen().contains("the outbox is full"));
}

#[test]
fn up_edits_the_last_message_and_escape_gives_the_draft_back() {
    let (mut world, ben) = open(1, 24);
    let own = world.said(ben, "ada", "teh end", json!({}));
    world.said(ben, "ben", "what?", json!({}));
    world.refresh();
    world.keys(&["Enter", "Up"]);
    assert!(world.screen().contains("> teh end"));
    world.keys(&["Esc"]);
    assert!(world.screen().contains("> write a message"));
    world.keys(&["Up", "Ctrl+u", "the end", "Enter"]);
    let edits = requests(&mut world);
    let [Request::Edit { target, body, .. }] = edits.as_slice() else {
        panic!("{edits:?}")
    };
    assert_eq!((*target, body.as_text()), (own, Some("the end")));
    // The same text is no edit.
    world.keys(&["Up", "Enter"]);
    assert!(requests(&mut world).is_empty());
}

#[test]
fn a_chosen_message_is_answered_reacted_to_and_deleted() {
    let (mut world, ben) = open(2, 24);
    let own = world.said(
        ben,
        "ada",
        "mine",
        json!({"reactions": [
        {"seq": 9, "user": user("ada"), "key": "👍"}]}),
    );
    world.refresh();
    world.keys(&["Enter", "Shift+Up", "Up", "r", "an answer", "Enter"]);
    let send = one_send(&mut world);
    assert_eq!((send.reply_to, send.to), (Some(Seq(2)), Some(user("ben"))));
    world.keys(&["Shift+Up", "+", "1"]);
    let react = requests(&mut world);
    assert!(
        matches!(react.as_slice(), [Request::React { target, key, on: false, .. }]
            if *target == own && key == "👍"),
        "{react:?}"
    );
    world.keys(&["d"]);
    assert!(requests(&mut world).is_empty(), "it asks first");
    world.keys(&["n", "d", "y"]);
    let deleted = requests(&mut world);
    assert!(matches!(deleted.as_slice(), [Request::Delete { target, .. }] if *target == own));
    world.keys(&["Up", "d"]);
    assert!(requests(&mut world).is_empty(), "it is another's");
    world.keys(&["e"]);
    assert!(
        world
            .screen()
            .contains("only your own messages can be edited")
    );
}

#[test]
fn what_failed_is_tried_again_or_given_up() {
    let (mut world, ben) = open(1, 24);
    let failed = State::Failed {
        code: Code::BLOCKED,
        message: "no".to_owned(),
    };
    let id = world.waits(ben, "refused", failed);
    world.refresh();
    world.keys(&["Enter", "Shift+Up", "y"]);
    assert_eq!(requests(&mut world), [Request::Again(id)]);
    world.keys(&["x"]);
    let dismissed = Command::Core(Core::Dismiss(id));
    assert!(world.asked().contains(&dismissed));
    let waiting = world.waits(ben, "waiting", State::Sending);
    world.refresh();
    world.keys(&["Down", "x"]);
    assert_eq!(requests(&mut world), [Request::GiveUp(waiting)]);
}

#[test]
fn names_after_an_at_are_mentions() {
    let mut world = World::new(100, 24);
    let friday = world.with_group("Friday", 3);
    world.keys(&["Enter"]);
    let members = ["ada", "ben", "cid"].map(|n| Named {
        user: user(n),
        role: Default::default(),
    });
    world.tell(Msg::Members(friday, Some(members.to_vec())));
    world.keys(&["@be", "Tab", "and @CID: look, @nobody", "Enter"]);
    let send = one_send(&mut world);
    assert_eq!(send.body.as_text(), Some("@ben and @CID: look, @nobody"));
    assert_eq!(send.mentions.users, [user("ben"), user("cid")]);
    assert!(!send.mentions.everyone);
    world.keys(&["@everyone!", "Enter"]);
    assert!(one_send(&mut world).mentions.everyone);
}

#[test]
fn the_mouse_goes_where_it_points() {
    let (mut world, _) = open(60, 24);
    world.with_group("Friday", 3);
    let click = MouseEventKind::Down(MouseButton::Left);
    world.mouse(click, 5, 4);
    assert_eq!(
        world.model.chat.as_ref().unwrap().conversation,
        group("Friday")
    );
    world.mouse(click, 5, 1);
    assert_eq!(
        world.model.chat.as_ref().unwrap().conversation,
        direct("ben")
    );
    world.keys(&["Ctrl+End"]);
    let before = world.screen();
    world.mouse(MouseEventKind::ScrollUp, 60, 10);
    assert_ne!(world.screen(), before);
    world.mouse(MouseEventKind::ScrollDown, 60, 10);
    assert_eq!(world.screen(), before);
    world.mouse(click, 60, 18);
    assert!(world.screen().lines().nth(18).unwrap().contains('▌'));
}

#[test]
fn a_click_goes_into_a_text_a_field_a_choice_and_to_a_member() {
    let (mut world, _) = open(3, 24);
    let click = MouseEventKind::Down(MouseButton::Left);
    let find = |world: &World, text: &str| -> (u16, u16) {
        let screen = world.screen();
        let (y, line) = screen
            .lines()
            .enumerate()
            .find(|(_, l)| l.contains(text))
            .unwrap_or_else(|| panic!("no {text:?} in\n{screen}"));
        let x = crate::text::width(line.split(text).next().unwrap());
        (u16::try_from(x).unwrap(), u16::try_from(y).unwrap())
    };
    world.keys(&["Enter", "hello 日本 you"]);
    let (x, y) = find(&world, "> hello");
    world.keys(&["Esc"]);
    world.mouse(click, x + 2 + 6 + 4, y);
    world.keys(&["!"]);
    assert!(
        world.screen().contains("> hello 日本! you"),
        "{}",
        world.screen()
    );

    world.keys(&["Ctrl+n", "bn"]);
    let (x, y) = find(&world, "› bn");
    world.mouse(click, x + 3, y);
    world.keys(&["e"]);
    assert!(world.screen().contains("› ben"), "{}", world.screen());
    let (x, y) = find(&world, "Join a channel");
    world.mouse(click, x + 2, y);
    assert!(world.screen().contains("[Join a channel]"));
    assert!(world.screen().contains("Its id"));
    world.keys(&["Esc", "Ctrl+g"]);
    let (x, y) = find(&world, "· ben");
    world.mouse(click, x, y);
    assert!(world.screen().contains("▌· ben"), "{}", world.screen());
    world.mouse(click, 99, 23);
    assert!(world.model.over.is_none(), "beside it closes it");
    // At the way in, too.
    let mut world = World::outside(80, 20);
    let (x, y) = find(&world, "Sign up");
    world.mouse(click, x, y);
    assert!(world.screen().contains("[Sign up]"), "{}", world.screen());
    let (x, y) = find(&world, "Name");
    world.mouse(click, x + 12, y);
    world.keys(&["ada"]);
    assert!(world.screen().contains("› ada"));
}

#[test]
fn one_s_own_affairs_are_no_conversation_until_something_is_noted() {
    let mut world = World::new(100, 24);
    let own = world.with_direct("ada");
    assert!(!world.screen().contains("Notes to yourself"));
    world.said(own, "ada", "buy eggs", json!({}));
    world.refresh();
    assert!(world.screen().contains("Notes to yourself"));
}

#[test]
fn passwords_and_invitations_go_to_the_server_alone() {
    let mut world = World::outside(80, 24);
    world.keys(&[
        "Right",
        "Right",
        "Enter",
        "Enter",
        "ada",
        "Enter",
        "password-1",
        "Enter",
    ]);
    world.keys(&["password-1", "Enter", "welcome", "Enter"]);
    let asked = world.asked();
    let [Command::Enter(entry)] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!(entry.password.0, "password-1");
    assert_eq!(entry.invitation.as_ref().unwrap().0, "welcome");
    assert!(entry.new);
    assert!(!format!("{asked:?} {:?}", world.model).contains("password-1"));
    world.tell(Msg::NotIn("This name is taken. Choose another.".to_owned()));
    assert!(world.screen().contains("This name is taken"));
    // Another way in, with what is written already.
    world.keys(&["Tab", "Left", "Left", "Enter", "Enter", "Enter", "Enter"]);
    let asked = world.asked();
    let [Command::Enter(entry)] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((entry.name.as_str(), entry.new), ("ada", false));
    assert_eq!(entry.password.0, "password-1");
}
