//! The page of a conversation, and what is done there.

use std::collections::BTreeMap;

use parlour_sdk::protocol::kind::Role;
use parlour_sdk::protocol::line::Standing;
use parlour_sdk::protocol::{MessageId, Seq};
use parlour_sdk::{Command as Core, Request};
use serde_json::json;

use super::world::{
    World, direct, group, looks_up, named, of_form, on_page, one_send, profile, requests, user,
};
use crate::model::{Command, Msg, Over, OwnAffairs, Purpose};

/// A group in which Ada has this role, its page open.
fn friday(role: Role) -> World {
    let mut world = World::new(90, 28);
    let friday = world.with_group("Friday", 4);
    world.said(friday, "cid", "hello", json!({}));
    world.held.get_mut(&friday).unwrap().summary.role = role;
    world.refresh();
    world.keys(&["Enter"]);
    let members = [
        named("ada", role),
        named("ben", Role::Member),
        named("cid", Role::Owner),
        named("dot", Role::Admin),
    ];
    world.tell(Msg::Members(friday, Some(members.to_vec())));
    world.keys(&["Ctrl+g"]);
    world.asked();
    world
}

/// One's own affairs that have their places.
fn set(set: &BTreeMap<(String, String), (Seq, bool)>) -> Msg {
    Msg::Affairs(OwnAffairs {
        set: set.clone(),
        ..OwnAffairs::default()
    })
}

fn done(world: &mut World, done: Result<(), &str>) -> MessageId {
    let acts = world.model.acts_asked();
    let id = MessageId::derived("test", &[b"act"]);
    let done = done.map_err(str::to_owned);
    world.tell(Msg::Acted(of_form(acts), group("Friday"), id, done));
    id
}

/// Who left is not shown who was in it then, as if they were in it now.
#[test]
fn whoever_left_sees_no_list_of_before() {
    let mut world = friday(Role::Member);
    let held = world.held.get_mut(&group("Friday")).unwrap();
    held.summary.standing = Some(Standing::Left(Seq(3)));
    world.refresh();
    let screen = world.screen();
    assert!(screen.contains("You left, or were removed."), "{screen}");
    assert!(
        screen.contains("group · you are no member any more"),
        "{screen}"
    );
    assert!(!screen.contains("  owner"), "{screen}");
}

#[test]
fn the_page_shows_what_can_be_done() {
    let mut world = friday(Role::Owner);
    world.keys(&["Down", "Down", "Down"]);
    world.shows("page_owner");
    let mut world = friday(Role::Member);
    world.shows("page_member");
    // What is not shown is not done, and it is said why.
    world.keys(&["n"]);
    assert!(world.screen().contains("Only its admins and owners"));
    world.keys(&["x"]);
    assert!(world.screen().contains("Owners may do that to everyone"));
    assert!(requests(&mut world).is_empty());
}

#[test]
fn a_chat_between_two_has_a_page_too() {
    let mut world = World::new(80, 20);
    let ben = world.with_direct("ben");
    world.said(ben, "ben", "hello", json!({}));
    world.refresh();
    world.keys(&["Enter", "Ctrl+g"]);
    world.shows("page_direct");
    world.keys(&["X"]);
    assert!(world.screen().contains("A chat between two"));
    world.tell(Msg::Resize(20, 6));
    assert!(world.screen().contains("▌● ada"), "{}", world.screen());
}

#[test]
fn name_and_topic_are_set_and_a_refusal_leaves_what_was_written() {
    let mut world = friday(Role::Owner);
    world.keys(&["n", " 13th", "Enter"]);
    let send = one_send(&mut world);
    assert_eq!(send.kind.as_deref(), Some("name"));
    assert_eq!(send.value.as_deref(), Some("Friday 13th"));
    assert!(world.screen().contains("Asking the server"));
    let id = done(&mut world, Err("Your role here does not allow that."));
    let screen = world.screen();
    assert!(
        screen.contains("Your role here does not allow that."),
        "{screen}"
    );
    assert!(screen.contains("Friday 13th"), "{screen}");
    assert!(world.asked().contains(&Command::Core(Core::Dismiss(id))));
    world.keys(&["Enter"]);
    done(&mut world, Ok(()));
    assert!(
        world.screen().contains("you are its owner"),
        "the page is back"
    );
    world.keys(&["n", "Ctrl+u", "Enter"]);
    assert!(world.screen().contains("What shall it be called?"));
    world.keys(&["Esc", "t", "dinner", "Enter"]);
    assert_eq!(one_send(&mut world).value.as_deref(), Some("dinner"));
    // One that is refused after the form was closed is told, and stays to be tried again.
    world.keys(&["Esc", "Esc"]);
    let id = done(&mut world, Err("no"));
    assert!(!world.asked().contains(&Command::Core(Core::Dismiss(id))));
    assert!(world.screen().contains(" no"), "{}", world.screen());
}

#[test]
fn members_are_added_removed_and_given_roles() {
    let mut world = friday(Role::Owner);
    world.keys(&["a", "eve", "Enter"]);
    let purpose = Purpose::Add(group("Friday"));
    assert!(looks_up(&mut world, &["eve"], &purpose));
    world.tell(Msg::Found(
        world.model.acts_asked(),
        purpose.clone(),
        Err("There is no user named `eve`.".to_owned()),
    ));
    assert!(world.screen().contains("no user named `eve`"));
    world.keys(&["Enter"]);
    world.tell(Msg::Found(
        world.model.acts_asked(),
        purpose,
        Ok(vec![profile("eve")]),
    ));
    let send = one_send(&mut world);
    assert_eq!((send.kind.as_deref(), send.named.len()), (Some("add"), 1));
    done(&mut world, Ok(()));
    // Owners first, then by role and name: ada, cid, dot, ben.
    world.keys(&["End", "r", "Right", "Enter"]);
    let send = one_send(&mut world);
    assert_eq!(send.kind.as_deref(), Some("role"));
    assert_eq!(send.named, [named("ben", Role::Admin)]);
    done(&mut world, Ok(()));
    world.keys(&["x"]);
    assert!(world.screen().contains("Remove ben from Friday?"));
    assert!(requests(&mut world).is_empty(), "it asks first");
    world.keys(&["n", "x", "y"]);
    let send = one_send(&mut world);
    assert_eq!(send.kind.as_deref(), Some("remove"));
    assert_eq!(send.named[0].user, user("ben"));
    let id = MessageId::derived("test", &[b"act"]);
    let no = Err("That has changed meanwhile: look again.".to_owned());
    world.tell(Msg::Acted(
        on_page(group("Friday")),
        group("Friday"),
        id,
        no,
    ));
    assert!(world.screen().contains("That has changed meanwhile"));
    world.keys(&["Home", "x"]);
    assert!(world.screen().contains("That is you: X leaves."));
    world.keys(&["X", "y"]);
    assert_eq!(one_send(&mut world).kind.as_deref(), Some("leave"));
}

#[test]
fn settings_are_sent_where_they_differ() {
    let mut world = friday(Role::Owner);
    world.keys(&["s", "Right", "Enter", "Enter", "Right", "Enter"]);
    let sent: Vec<_> = requests(&mut world)
        .into_iter()
        .map(|r| match r {
            Request::Send(s) => (s.key.unwrap(), s.value.unwrap()),
            other => panic!("{other:?}"),
        })
        .collect();
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    assert_eq!(sent, [pair("post", "admins"), pair("join", "open")]);
    done(&mut world, Ok(()));
    world.keys(&["s", "Enter", "Enter", "Enter"]);
    assert!(requests(&mut world).is_empty(), "nothing differs");
}

#[test]
fn blocks_and_mutes_are_one_s_own_affairs() {
    let mut world = friday(Role::Member);
    world.keys(&["u"]);
    let send = one_send(&mut world);
    assert_eq!(
        (send.to, send.kind.as_deref()),
        (Some(user("ada")), Some("mute"))
    );
    assert_eq!(send.value.as_deref(), Some("on"));
    let mut affairs = OwnAffairs::default().set;
    let mute = ("mute".to_owned(), group("Friday").to_string());
    affairs.insert(mute.clone(), (Seq(3), true));
    world.tell(set(&affairs));
    assert!(world.screen().contains("u unmute"));
    assert!(
        world.screen().contains("for you  muted"),
        "{}",
        world.screen()
    );
    // What was kept from before does not undo what is held now, and stays beside it.
    affairs.insert(mute, (Seq(2), false));
    world.tell(set(&affairs));
    assert!(world.screen().contains("u unmute"));
    assert_eq!(world.model.kept().affairs.len(), 1);
    world.keys(&["Home", "b"]);
    assert!(world.screen().contains("Block cid?"), "{}", world.screen());
    world.keys(&["y"]);
    let send = one_send(&mut world);
    assert_eq!(send.kind.as_deref(), Some("block"));
    assert_eq!(send.key, Some(user("cid").to_string()));
    world.keys(&["Enter"]);
    assert_eq!(
        world.model.chat.as_ref().unwrap().conversation,
        direct("cid")
    );
}

#[test]
fn messages_are_pinned_listed_and_found_again() {
    let mut world = World::new(90, 20);
    let ben = world.with_direct("ben");
    for i in 1..=900 {
        let more = if i == 5 {
            json!({"pinned": 901})
        } else {
            json!({})
        };
        world.said(ben, "ben", &format!("line {i}"), more);
    }
    world.held.get_mut(&ben).unwrap().summary.unread = 0;
    world.refresh();
    world.keys(&["Enter", "Shift+Up", "p"]);
    let send = one_send(&mut world);
    assert_eq!(
        (send.kind.as_deref(), send.target),
        (Some("pin"), Some(Seq(900)))
    );
    assert!(send.on);
    world.keys(&["Ctrl+g", "p"]);
    assert!(world.screen().contains("looking…"));
    let pinned = world.events(ben).into_iter().filter(|e| e.pinned.is_some());
    let pinned: Vec<_> = pinned.collect();
    world.tell(Msg::Pins(ben, pinned));
    assert!(
        world.screen().contains("ben: line 5 "),
        "{}",
        world.screen()
    );
    world.keys(&["x"]);
    let send = one_send(&mut world);
    assert_eq!((send.target, send.on), (Some(Seq(5)), false));
    world.keys(&["Enter"]);
    assert!(
        world.screen().contains("▌  line 5 (pinned)"),
        "{}",
        world.screen()
    );
    // In a channel that is for admins.
    let news = world.with_channel("News", 9);
    world.said(news, "ben", "new", json!({}));
    world.refresh();
    world.model.open(news, None);
    world.refresh();
    world.asked();
    world.keys(&["Shift+Up", "p"]);
    assert!(requests(&mut world).is_empty());
    assert!(world.screen().contains("only admins and owners pin"));
}

/// One's own affairs over refusals and other stores.
#[test]
fn what_is_on_its_way_does_not_undo_what_is_set() {
    let mut world = friday(Role::Member);
    let block = ("block".to_owned(), user("cid").to_string());
    let tell = |world: &mut World, store: u8, set: bool, underway: Option<bool>| {
        let mut told = OwnAffairs {
            store: Some(parlour_sdk::protocol::StoreId::from_bytes([store; 16])),
            ..OwnAffairs::default()
        };
        if set {
            told.set.insert(block.clone(), (Seq(3), true));
        }
        told.underway.extend(underway.map(|on| (block.clone(), on)));
        world.tell(Msg::Affairs(told));
    };
    tell(&mut world, 1, true, None);
    assert!(world.model.is_blocked(user("cid")));
    // He is unblocked, which is on its way; his block need not be held any more meanwhile.
    tell(&mut world, 1, false, Some(false));
    assert!(!world.model.is_blocked(user("cid")));
    assert_eq!(world.model.kept().affairs.len(), 1, "it may be refused");
    tell(&mut world, 1, false, None);
    assert!(world.model.is_blocked(user("cid")), "it was refused");
    // Places of another store say nothing of this one.
    tell(&mut world, 2, false, None);
    assert!(!world.model.is_blocked(user("cid")));
    assert!(world.model.kept().affairs.is_empty());
}

#[test]
fn what_is_not_even_taken_is_told_in_the_form() {
    let mut world = friday(Role::Owner);
    world.keys(&["n", "x", "Enter"]);
    assert!(world.screen().contains("It goes out: Esc closes this"));
    let number = world.model.acts_asked();
    let why = "The name has 300 bytes, at most 256 are allowed.".to_owned();
    world.tell(Msg::NotTaken(of_form(number), why));
    let screen = world.screen();
    assert!(screen.contains("The name has 300 bytes"), "{screen}");
    assert!(!screen.contains("Asking the server"), "{screen}");
    world.keys(&["Enter"]);
    assert_eq!(requests(&mut world).len(), 2, "it is handed in again");
}

#[test]
fn who_left_meanwhile_is_not_taken_for_another() {
    let mut world = friday(Role::Owner);
    // Owners first, then by role and name: ada, cid, dot, ben.
    world.keys(&["Down", "r"]);
    assert!(world.screen().contains("Role of cid"), "{}", world.screen());
    world.keys(&["Esc"]);
    let left = [named("ada", Role::Owner), named("dot", Role::Admin)];
    world.tell(Msg::Members(group("Friday"), Some(left.to_vec())));
    for key in ["x", "r"] {
        world.keys(&[key]);
        let screen = world.screen();
        assert!(screen.contains("Choose a member first"), "{screen}");
    }
    world.keys(&["Enter"]);
    assert!(requests(&mut world).is_empty());
    assert_eq!(
        world.model.chat.as_ref().unwrap().conversation,
        group("Friday")
    );
}

#[test]
fn enter_on_the_page_of_two_goes_to_the_other() {
    let mut world = World::new(80, 20);
    let ben = world.with_direct("ben");
    world.said(ben, "ben", "hello", json!({}));
    world.refresh();
    world.keys(&["Enter", "Ctrl+g", "Enter"]);
    assert_eq!(world.model.chat.as_ref().unwrap().conversation, ben);
}

#[test]
fn the_page_of_a_large_channel_says_how_much_of_its_list_is_there() {
    let mut world = World::new(80, 24);
    let news = world.with_channel("News", 4_190);
    world.said(news, "ben", "new", json!({}));
    world.refresh();
    world.keys(&["Enter"]);
    let some = (0..500).map(|i| named(&format!("n{i}"), Role::Member));
    let some: Vec<_> = some.collect();
    world.tell(Msg::Members(news, Some(some)));
    world.keys(&["Ctrl+g", "End"]);
    let screen = world.screen();
    assert!(screen.contains("the first 500 of 4190"), "{screen}");
}

#[test]
fn a_refusal_is_told_of_the_conversation_that_it_was_asked_of() {
    let mut world = friday(Role::Owner);
    let ben = world.with_direct("ben");
    world.refresh();
    world.keys(&["u"]);
    let asked = world.asked();
    let asked = asked.iter().find_map(|c| match c {
        Command::Act(asked, _) => Some(*asked),
        _ => None,
    });
    assert_eq!(asked, Some(on_page(group("Friday"))));
    // Another page is open when the answer comes; a mute is sent to oneself.
    world.keys(&["Esc", "Alt+Down", "Ctrl+g"]);
    assert_eq!(world.model.chat.as_ref().unwrap().conversation, ben);
    let id = MessageId::derived("test", &[b"act"]);
    let no = || Err("Only so many.".to_owned());
    let refused = |c| Msg::Acted(on_page(c), direct("ada"), id, no());
    world.tell(refused(group("Friday")));
    let of_page = |world: &World| match &world.model.over {
        Some(Over::Page(page)) => page.error.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of_page(&world), None);
    let screen = world.screen();
    assert!(screen.contains("Friday: Only so many."), "{screen}");
    world.tell(Msg::NotTaken(
        on_page(group("Friday")),
        "The outbox is full.".to_owned(),
    ));
    assert_eq!(of_page(&world), None);
    assert!(world.screen().contains("Friday: The outbox is full."));
    world.tell(refused(ben));
    assert_eq!(of_page(&world).as_deref(), Some("Only so many."));
}

#[test]
fn a_form_does_not_wait_for_an_answer_that_cannot_come() {
    let mut world = friday(Role::Owner);
    world.keys(&["n", "x", "Enter"]);
    assert!(world.screen().contains("It goes out: Esc closes this"));
    world.tell(Msg::Anew);
    let screen = world.screen();
    assert!(screen.contains("look before you ask for it"), "{screen}");
    assert!(!screen.contains("It goes out"), "{screen}");
    // What is looked up over HTTP is answered all the same.
    world.keys(&["Esc", "a", "eve", "Enter"]);
    world.tell(Msg::Anew);
    assert!(!world.screen().contains("look before you ask"));
    let (number, add) = (world.model.acts_asked(), Purpose::Add(group("Friday")));
    world.asked();
    world.tell(Msg::Found(number, add, Ok(vec![profile("eve")])));
    assert_eq!(one_send(&mut world).kind.as_deref(), Some("add"));
}

#[test]
fn matters_of_one_s_own_that_are_not_answered_are_told_too() {
    let mut world = World::new(100, 16);
    // Says whether they are read again by and by.
    let tell = |world: &mut World, since, slowed| {
        world.tell(Msg::Affairs(OwnAffairs {
            unanswered_since_ms: since,
            slowed,
            ..OwnAffairs::default()
        }));
        world.now += 12_000;
        let commands = world.model.update(Msg::Tick, world.now);
        commands.contains(&Command::ReadList)
    };
    let since = Some(world.now);
    assert!(tell(&mut world, since, false));
    let screen = world.screen();
    assert!(
        screen.contains("The server does not answer (12 s)"),
        "{screen}"
    );
    assert!(tell(&mut world, None, true));
    assert!(world.screen().contains("Sending more slowly"));
    assert!(!tell(&mut world, None, false));
    assert!(world.screen().contains("Parlour · ada"));
}
