//! What is begun with Ctrl+N: a chat, a group, a channel, and joining one.

use parlour_sdk::protocol::MessageId;
use parlour_sdk::protocol::kind::Shape;
use parlour_sdk::{Command as Core, Request};
use serde_json::json;

use super::world::{World, direct, group, looks_up, of_form, one_send, profile, requests, user};
use crate::model::{Command, Msg, Purpose};

fn open_now(world: &World) -> Option<parlour_sdk::protocol::ConversationId> {
    world.model.chat.as_ref().map(|c| c.conversation)
}

#[test]
fn one_name_and_enter_opens_the_chat() {
    let mut world = World::new(100, 24);
    world.keys(&["Ctrl+n", "ben", "Enter"]);
    assert!(looks_up(&mut world, &["ben"], &Purpose::Chat));
    world.tell(Msg::Found(
        world.model.acts_asked(),
        Purpose::Chat,
        Ok(vec![profile("ben")]),
    ));
    assert_eq!(open_now(&world), Some(direct("ben")));
    assert!(!world.screen().contains("Group name"));
    world.keys(&["hello", "Enter"]);
    assert_eq!(one_send(&mut world).to, Some(user("ben")));
    // Oneself is notes.
    world.keys(&["Ctrl+n", "ada", "Enter"]);
    world.tell(Msg::Found(
        world.model.acts_asked(),
        Purpose::Chat,
        Ok(vec![profile("ada")]),
    ));
    assert_eq!(open_now(&world), Some(direct("ada")));
}

/// What was written to somebody whom one never wrote to is there again, and goes out.
#[test]
fn a_draft_in_a_chat_that_is_not_begun_knows_whom_it_is_for() {
    let found = |world: &mut World| {
        world.keys(&["Ctrl+n", "ben", "Enter"]);
        let number = world.model.acts_asked();
        world.tell(Msg::Found(number, Purpose::Chat, Ok(vec![profile("ben")])));
    };
    let mut world = World::new(100, 24);
    found(&mut world);
    world.keys(&["half a thought"]);
    let kept = world.model.kept();
    // Closed, it is among the drafts alone.
    world.keys(&["Ctrl+n", "ada", "Enter"]);
    let number = world.model.acts_asked();
    world.tell(Msg::Found(number, Purpose::Chat, Ok(vec![profile("ada")])));
    assert_eq!(
        world.model.kept().peers.get(&direct("ben")),
        Some(&user("ben"))
    );
    let mut world = World::outside(100, 24);
    world.model.restore(kept);
    world.comes_in();
    let screen = world.screen();
    assert!(screen.contains("> half a thought"), "{screen}");
    assert!(!screen.contains("without a name"), "{screen}");
    world.keys(&["Enter"]);
    assert_eq!(one_send(&mut world).to, Some(user("ben")));
    // One that was kept without that is mended when it is begun again.
    let mut world = World::outside(100, 24);
    let mut kept = world.model.kept();
    kept.drafts.insert(direct("ben"), "another".to_owned());
    kept.open = Some(direct("ben"));
    world.model.restore(kept);
    world.comes_in();
    found(&mut world);
    world.keys(&["Enter"]);
    assert_eq!(one_send(&mut world).to, Some(user("ben")));
}

/// Somebody is logged in, and the folder cannot be opened for the moment: Enter asks for it again.
#[test]
fn what_is_shut_is_opened_again_without_a_log_in() {
    let mut world = World::new(100, 24);
    world.tell(Msg::Shut("It cannot be opened.".to_owned()));
    let screen = world.screen();
    assert!(screen.contains("It cannot be opened."), "{screen}");
    assert!(!screen.contains("Password"), "{screen}");
    world.asked();
    world.keys(&["Enter"]);
    assert_eq!(world.asked(), [Command::Open]);
    world.tell(Msg::NotIn("Still not.".to_owned()));
    world.keys(&["Enter"]);
    assert_eq!(world.asked(), [Command::Open]);
    world.comes_in();
    assert!(world.screen().contains("Parlour · ada"));
    // Nobody is logged in after all.
    world.tell(Msg::Shut("It cannot be opened.".to_owned()));
    world.tell(Msg::Out(Some("Nobody is.".to_owned())));
    let screen = world.screen();
    assert!(
        screen.contains("Password") && screen.contains("Nobody is."),
        "{screen}"
    );
}

#[test]
fn an_unknown_name_is_named_and_what_was_written_stays() {
    let mut world = World::new(100, 24);
    world.keys(&["Ctrl+n", "ben bob", "Enter"]);
    let why = "There is no user named `bob`.".to_owned();
    world.tell(Msg::Found(
        world.model.acts_asked(),
        Purpose::Chat,
        Err(why),
    ));
    let screen = world.screen();
    assert!(screen.contains("There is no user named `bob`."), "{screen}");
    assert!(screen.contains("› ben bob"), "{screen}");
    // The cursor is where the name is mended.
    world.asked();
    world.keys(&["Ctrl+w", "cid", "Enter"]);
    assert!(looks_up(&mut world, &["ben", "cid"], &Purpose::Chat));
    // An answer that comes after it was closed opens nothing.
    world.keys(&["Esc"]);
    world.tell(Msg::Found(
        world.model.acts_asked(),
        Purpose::Chat,
        Ok(vec![profile("ben")]),
    ));
    assert_eq!(open_now(&world), None);
}

#[test]
fn several_names_make_a_group_whose_name_is_asked_for_then() {
    for (typed, name) in [("Friday", "Friday"), ("", "ben, cid")] {
        let mut world = World::new(100, 24);
        world.keys(&["Ctrl+n", "ben, @cid, BEN", "Enter"]);
        assert!(looks_up(&mut world, &["ben", "cid"], &Purpose::Chat));
        let both = || Ok(vec![profile("ben"), profile("cid")]);
        world.tell(Msg::Found(world.model.acts_asked(), Purpose::Chat, both()));
        let screen = world.screen();
        assert!(screen.contains("Group name"), "{screen}");
        assert!(screen.contains("may stay empty"), "{screen}");
        world.keys(&[typed, "Enter"]);
        let purpose = Purpose::Group(typed.to_owned());
        assert!(looks_up(&mut world, &["ben", "cid"], &purpose));
        world.tell(Msg::Found(world.model.acts_asked(), purpose, both()));
        let made = requests(&mut world);
        let [
            Request::Create {
                name: made,
                members,
                shape,
                ..
            },
        ] = made.as_slice()
        else {
            panic!("{made:?}")
        };
        assert_eq!((made.as_deref(), members.len()), (Some(name), 2));
        assert_eq!(*shape, Shape::Group);
        world.with_group("Friday", 3);
        assert!(world.screen().contains("It goes out: Esc closes this"));
        world.tell(Msg::Made(world.model.acts_asked(), group("Friday"), None));
        assert!(world.model.over.is_none());
        assert_eq!(open_now(&world), Some(group("Friday")));
    }
}

#[test]
fn a_channel_is_made_with_its_settings() {
    let mut world = World::new(100, 24);
    world.keys(&[
        "Ctrl+n", "Up", "Right", "Enter", "Enter", "Enter", "Enter", "Enter",
    ]);
    assert!(world.screen().contains("What shall the channel be called?"));
    world.keys(&[
        "News",
        "Enter",
        "what is new",
        "Enter",
        "Right",
        "Enter",
        "Enter",
    ]);
    let asked = world.asked();
    let made = asked.iter().find_map(|c| match c {
        Command::Make(_, request, settings) => Some((request, settings)),
        _ => None,
    });
    let Some((request, settings)) = made else {
        panic!("{asked:?}")
    };
    let Request::Create {
        shape: Shape::Channel,
        name,
        topic,
        ..
    } = request.as_ref()
    else {
        panic!("{request:?}")
    };
    assert_eq!(name.as_deref(), Some("News"));
    assert_eq!(topic.as_deref(), Some("what is new"));
    assert_eq!(settings.as_slice(), [("post", "admins"), ("join", "open")]);
    // It is not taken: what was written stays, and is handed in again.
    let number = world.model.acts_asked();
    let why = "The name has 300 bytes, at most 256 are allowed.".to_owned();
    world.tell(Msg::NotTaken(of_form(number), why));
    let screen = world.screen();
    for seen in ["The name has 300 bytes", "News", "what is new"] {
        assert!(screen.contains(seen), "no {seen:?} in\n{screen}");
    }
    world.keys(&["Enter"]);
    assert_eq!(requests(&mut world).len(), 1);
    world.with_channel("News", 1);
    let some = Some("It was made, but not all".to_owned());
    world.tell(Msg::Made(number + 1, group("News"), some));
    assert_eq!(open_now(&world), Some(group("News")));
    assert!(world.screen().contains("It was made, but not all"));
}

#[test]
fn an_answer_is_taken_by_the_form_that_asked() {
    let mut world = World::new(100, 24);
    world.keys(&["Ctrl+n", "ben", "Enter"]);
    let first = world.model.acts_asked();
    // The help takes the form's place; another looks up another name.
    world.keys(&["F1", "Esc", "Ctrl+n", "cid"]);
    world.tell(Msg::Found(first, Purpose::Chat, Ok(vec![profile("ben")])));
    assert_eq!(open_now(&world), None, "nothing was handed in yet");
    world.keys(&["Enter"]);
    world.tell(Msg::Found(first, Purpose::Chat, Ok(vec![profile("ben")])));
    assert_eq!(open_now(&world), None, "it is the first one's answer");
    let second = world.model.acts_asked();
    world.tell(Msg::Found(second, Purpose::Chat, Ok(vec![profile("cid")])));
    assert_eq!(open_now(&world), Some(direct("cid")));
}

#[test]
fn a_channel_is_joined_by_its_id() {
    let mut world = World::new(100, 24);
    world.keys(&["Ctrl+n", "Up", "Left", "Enter", "#news", "Enter"]);
    assert!(
        world.screen().contains("That is no id"),
        "{}",
        world.screen()
    );
    let id = group("News").to_string();
    world.keys(&["Ctrl+u", &id, "Enter"]);
    let asked = world.asked();
    let number = asked.iter().find_map(|c| match c {
        Command::Act(asked, request) => Some((asked.number, request.clone())),
        _ => None,
    });
    let Some((number, request)) = number else {
        panic!("{asked:?}")
    };
    let Request::Send(send) = *request else {
        panic!()
    };
    assert_eq!(send.kind.as_deref(), Some("join"));
    assert_eq!(send.conversation, Some(group("News")));
    // It is not open: that is said, and the form stays.
    let message = MessageId::derived("test", &[b"1"]);
    let no = Err("There is no such conversation.".to_owned());
    world.tell(Msg::Acted(of_form(number), group("News"), message, no));
    let screen = world.screen();
    assert!(
        screen.contains("There is no such") && screen.contains(&id),
        "{screen}"
    );
    let dropped = Command::Core(Core::Dismiss(message));
    assert!(world.asked().contains(&dropped), "it is in the form");
    world.keys(&["Enter"]);
    world.with_channel("News", 12);
    world.tell(Msg::Acted(
        of_form(number + 1),
        group("News"),
        message,
        Ok(()),
    ));
    assert_eq!(open_now(&world), Some(group("News")));
    assert!(world.model.over.is_none());
    // Who is in it already opens it at once.
    world.said(group("News"), "ben", "new", json!({}));
    world.asked();
    world.keys(&["Esc", "n", "Up", "Left", "Enter", &id, "Enter"]);
    assert!(requests(&mut world).is_empty());
    assert!(world.model.over.is_none());
}
