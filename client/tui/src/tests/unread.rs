//! Where a conversation opens, and what counts as read.

use parlour_sdk::core::view::Before;
use parlour_sdk::protocol::{ConversationId, Seq};
use parlour_sdk::{Command as Core, Link};
use serde_json::json;

use super::world::{World, group};
use crate::model::{Command, Msg};

/// A chat with Ben of so many lines, of which so many are unread. 20 rows of messages.
fn talk(lines: usize, unread: u64) -> (World, ConversationId) {
    let mut world = World::new(100, 24);
    let ben = world.with_direct("ben");
    say(&mut world, ben, 1..=lines);
    world.held.get_mut(&ben).unwrap().summary.unread = unread;
    world.refresh();
    (world, ben)
}

fn say(world: &mut World, ben: ConversationId, lines: std::ops::RangeInclusive<usize>) {
    for i in lines {
        world.said(ben, "ben", &format!("line {i};"), json!({}));
    }
}

/// The server has the mark: what is left is unread.
fn marked(world: &mut World, c: ConversationId, read: Seq) {
    let summary = &mut world.held.get_mut(&c).unwrap().summary;
    summary.unread = summary.head.n - read.0;
    world.refresh();
}

#[track_caller]
fn sees(world: &World, text: &str) {
    let screen = world.screen();
    assert!(screen.contains(text), "no {text:?} in\n{screen}");
}

#[test]
fn it_opens_at_the_first_unread_and_reads_what_is_shown() {
    let (mut world, ben) = talk(300, 100);
    world.keys(&["Enter"]);
    world.shows("opens_at_unread");
    let first = world.read().unwrap();
    assert!((Seq(210)..Seq(225)).contains(&first), "{first}");
    marked(&mut world, ben, first);
    // What comes below the screen is not read.
    say(&mut world, ben, 301..=301);
    world.refresh();
    assert_eq!(world.read(), None);
    sees(&world, "unread below");
    let mut last = first;
    for _ in 0..20 {
        world.keys(&["PgDn"]);
        if let Some(read) = world.read() {
            assert!(read > last, "it only goes up, by what is seen");
            assert!(read.0 < last.0 + 21, "no more than a screen at once");
            last = read;
            marked(&mut world, ben, read);
        }
    }
    assert_eq!(last, Seq(301));
    sees(&world, "line 301;");
    world.keys(&["PgUp", "PgUp", "PgUp"]);
    assert_eq!(world.read(), None);
}

#[test]
fn more_unread_than_is_loaded_is_loaded_first() {
    let (mut world, ben) = talk(2_000, 1_900);
    let all = std::mem::take(&mut world.held.get_mut(&ben).unwrap().items);
    let load = |world: &mut World, count: usize| {
        let held = world.held.get_mut(&ben).unwrap();
        held.items = all[all.len() - count..].to_vec();
        held.before = Before::More;
        world.refresh();
    };
    load(&mut world, 100);
    world.asked();
    world.keys(&["Enter"]);
    sees(&world, "going to the first of 1900 unread messages");
    let older = |c: &Command| matches!(c, Command::Core(Core::Older(_)));
    for count in (200..1_900).step_by(100) {
        let asked = world.asked();
        assert_eq!(asked.iter().filter(|c| older(c)).count(), 1, "at {count}");
        let read = |c: &Command| matches!(c, Command::Core(Core::Read { .. }));
        assert!(!asked.iter().any(read), "nothing was shown yet");
        load(&mut world, count);
    }
    load(&mut world, 1_900);
    sees(&world, " unread ───");
    sees(&world, "line 101;");
    let read = world.read().unwrap();
    assert!((Seq(110)..Seq(125)).contains(&read), "{read}");

    // Without a server there is what there is, and none of it is passed over.
    let (mut world, ben) = talk(1_000, 900);
    world.held.get_mut(&ben).unwrap().items.drain(..800);
    world.held.get_mut(&ben).unwrap().before = Before::More;
    let why = "gone".to_owned();
    world.tell(Msg::Link(Link::Waiting { until_ms: 0, why }));
    world.refresh();
    world.keys(&["Enter"]);
    sees(&world, "line 1000;");
    assert_eq!(world.read(), None);
}

#[test]
fn a_key_goes_to_the_newest_and_passes_over_the_rest() {
    let (mut world, ben) = talk(300, 100);
    world.keys(&["Enter"]);
    let first = world.read().unwrap();
    marked(&mut world, ben, first);
    // At the end of what is written, End goes on to the newest.
    world.keys(&["End"]);
    assert_eq!(world.read(), Some(Seq(300)));
    sees(&world, "line 300;");
    // It can be had without waiting for the first, too.
    let (mut world, ben) = talk(1_000, 900);
    world.held.get_mut(&ben).unwrap().items.drain(..800);
    world.held.get_mut(&ben).unwrap().before = Before::More;
    world.refresh();
    world.keys(&["Enter"]);
    sees(&world, "going to the first of 900");
    world.keys(&["Ctrl+End"]);
    sees(&world, "line 1000;");
    assert_eq!(world.read(), Some(Seq(1_000)));
}

#[test]
fn what_comes_is_followed_while_the_first_unread_is_in_sight() {
    let (mut world, ben) = talk(50, 0);
    world.keys(&["Enter"]);
    assert_eq!(world.read(), Some(Seq(50)));
    say(&mut world, ben, 51..=53);
    world.refresh();
    sees(&world, "line 53;");
    assert_eq!(world.read(), Some(Seq(53)));
    marked(&mut world, ben, Seq(53));
    // Five hundred at once are not.
    say(&mut world, ben, 54..=553);
    world.refresh();
    sees(&world, " unread ───");
    sees(&world, "line 54;");
    let read = world.read().unwrap();
    assert!(read < Seq(75), "{read}");
    // Nor what comes while one looks elsewhere.
    let (mut world, ben) = talk(50, 0);
    world.keys(&["Enter"]);
    world.tell(Msg::Looked(false));
    world.asked();
    say(&mut world, ben, 51..=100);
    world.refresh();
    assert_eq!(world.read(), None);
    world.tell(Msg::Looked(true));
    sees(&world, "line 51;");
    assert!(world.read().unwrap() < Seq(75));
}

#[test]
fn what_is_on_the_screen_stays_while_a_gap_is_filled() {
    let (mut world, ben) = talk(500, 0);
    // Of what was on the screen the beginning is not here either: that tells nothing of the gap.
    world.held.get_mut(&ben).unwrap().before = Before::More;
    world.refresh();
    world.keys(&["Enter"]);
    sees(&world, "line 500;");
    world.read();
    // 10,000 came meanwhile; of them the newest page is here.
    say(&mut world, ben, 501..=10_500);
    let all = std::mem::take(&mut world.held.get_mut(&ben).unwrap().items);
    let mut asked = 0;
    let started = std::time::Instant::now();
    for here in (100..=10_000).step_by(100) {
        let held = world.held.get_mut(&ben).unwrap();
        held.items = all[all.len() - here..].to_vec();
        held.before = Before::More;
        world.refresh();
        if here < 10_000 {
            sees(&world, "line 500;");
        }
        let commands = world.asked();
        let older = |c: &&Command| matches!(c, Command::Core(Core::Older(_)));
        asked += commands.iter().filter(older).count();
        let read = |c: &Command| matches!(c, Command::Core(Core::Read { .. }));
        assert!(!commands.iter().any(read), "at {here}");
    }
    assert!(asked >= 99, "{asked}");
    let held = world.held.get_mut(&ben).unwrap();
    held.items = all;
    held.before = Before::Nothing;
    world.refresh();
    sees(&world, "line 501;");
    sees(&world, " unread ───");
    assert!(world.read().unwrap() < Seq(525));
    println!("10,000 missed: {:?}", started.elapsed());
}

#[test]
fn a_jump_over_unread_messages_reads_nothing() {
    let (mut world, ben) = talk(900, 800);
    world.keys(&["Enter"]);
    let first = world.read().unwrap();
    marked(&mut world, ben, first);
    world.keys(&["Ctrl+f", "line 850", "Enter"]);
    world.tell(Msg::Matches(ben, "line 850".to_owned(), vec![Seq(850)]));
    sees(&world, "line 850;");
    assert_eq!(world.read(), None);
    world.keys(&["Esc", "PgDn", "PgDn", "PgDn", "PgDn"]);
    assert_eq!(world.read(), None, "it was scrolled to, past a gap");
}

#[test]
fn a_message_longer_than_the_screen_is_read_at_its_end() {
    let mut world = World::new(100, 24);
    let friday = world.with_group("Friday", 3);
    world.said(friday, "cid", "before", json!({}));
    world.said(friday, "cid", &"many words ".repeat(400), json!({}));
    world.refresh();
    world.keys(&["Enter"]);
    assert_eq!(
        world.model.chat.as_ref().unwrap().conversation,
        group("Friday")
    );
    assert_eq!(world.read(), Some(Seq(1)));
    world.keys(&["PgDn"]);
    assert_eq!(world.read(), None);
    for _ in 0..10 {
        world.keys(&["PgDn"]);
    }
    assert_eq!(world.read(), Some(Seq(2)));
}

/// What cannot be had is passed over, and it is said how much.
#[test]
fn what_is_passed_over_is_told() {
    let (mut world, ben) = talk(1_000, 900);
    let held = world.held.get_mut(&ben).unwrap();
    held.items.drain(..800);
    held.before = Before::More;
    world.refresh();
    world.keys(&["Enter"]);
    sees(&world, "going to the first of 900");
    world.held.get_mut(&ben).unwrap().before = Before::NoRoom;
    world.refresh();
    sees(&world, "line 801;");
    sees(&world, "700 unread before these");
}
