//! Whatever is typed, clicked and told, on a screen of whatever size: nothing panics, and what is
//! asked of the core comes to an end.

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEventKind};
use parlour_sdk::Link;
use parlour_sdk::core::view::{Before, State};
use parlour_sdk::protocol::Seq;
use proptest::prelude::*;
use serde_json::json;

use super::world::{World, direct, user};
use crate::model::Msg;

#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Paste(String),
    Mouse(bool, u16, u16),
    Wheel(bool, u16, u16),
    Size(u16, u16),
    Said(usize, String),
    Waits(String),
    Typing,
    Link(u8),
    Matches(u64),
    /// Only so many of the newest events are held, and whether more can be had.
    Held(usize, bool),
    /// All are held again.
    Whole,
    Unread(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop_oneof![
        6 => prop::char::range(' ', '~').prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        6 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down,
            KeyCode::Left, KeyCode::Right, KeyCode::Home, KeyCode::End, KeyCode::PageUp,
            KeyCode::PageDown, KeyCode::Backspace, KeyCode::Delete, KeyCode::F(1),
        ]),
    ];
    let held = prop::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::SHIFT,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
    ]);
    let at = || (0u16..130, 0u16..50);
    prop_oneof![
        12 => (code, held).prop_map(|(c, h)| Step::Key(c, h)),
        1 => ".{0,40}".prop_map(Step::Paste),
        2 => (any::<bool>(), at()).prop_map(|(l, (x, y))| Step::Mouse(l, x, y)),
        2 => (any::<bool>(), at()).prop_map(|(u, (x, y))| Step::Wheel(u, x, y)),
        2 => (1u16..130, 1u16..50).prop_map(|(w, h)| Step::Size(w, h)),
        1 => Just(Step::Size(1, 1)),
        1 => (300usize..900, ".{0,20}").prop_map(|(n, t)| Step::Said(n, t)),
        3 => (1usize..40, ".{0,120}").prop_map(|(n, t)| Step::Said(n, t)),
        1 => ".{0,40}".prop_map(Step::Waits),
        1 => Just(Step::Typing),
        1 => (0u8..4).prop_map(Step::Link),
        1 => (0u64..200).prop_map(Step::Matches),
        1 => prop::sample::select(vec!['g', 'n', 'f']).prop_map(|c| {
            Step::Key(KeyCode::Char(c), KeyModifiers::CONTROL)
        }),
        2 => (0usize..900, any::<bool>()).prop_map(|(n, more)| Step::Held(n, more)),
        1 => Just(Step::Whole),
        1 => (0u64..900).prop_map(Step::Unread),
    ]
}

fn take(world: &mut World, step: Step) {
    let ben = direct("ben");
    match step {
        Step::Key(code, held) => world.press(code, held),
        Step::Paste(text) => world.tell(Msg::Paste(text)),
        Step::Mouse(left, x, y) => {
            let button = if left {
                MouseButton::Left
            } else {
                MouseButton::Right
            };
            world.mouse(MouseEventKind::Down(button), x, y);
        }
        Step::Wheel(up, x, y) => {
            let kind = if up {
                MouseEventKind::ScrollUp
            } else {
                MouseEventKind::ScrollDown
            };
            world.mouse(kind, x, y);
        }
        Step::Size(w, h) => world.tell(Msg::Resize(w, h)),
        Step::Said(count, text) => {
            for i in 0..count {
                let who = if i % 3 == 0 { "ada" } else { "ben" };
                world.said(ben, who, &text, json!({"reply_to": 1}));
            }
            world.refresh();
        }
        Step::Waits(text) => {
            world.waits(ben, &text, State::Sending);
            world.refresh();
        }
        Step::Typing => world.tell(Msg::Typing(ben, vec![user("ben"), user("cid")])),
        Step::Link(0) => world.tell(Msg::Link(Link::Live)),
        Step::Link(1) => world.tell(Msg::Link(Link::Connecting)),
        Step::Link(2) => world.tell(Msg::Link(Link::Stopped(None))),
        Step::Link(_) => {
            let why = "gone".to_owned();
            world.tell(Msg::Link(Link::Waiting { until_ms: 0, why }));
        }
        Step::Held(count, more) => {
            let held = world.held.get_mut(&ben).unwrap();
            let gone = held.items.len().saturating_sub(count);
            let first: Vec<_> = held.items.drain(..gone).collect();
            world.gone.extend(first);
            held.before = if more { Before::More } else { Before::NoRoom };
            world.refresh();
        }
        Step::Whole => {
            let held = world.held.get_mut(&ben).unwrap();
            let gone = std::mem::take(&mut world.gone);
            held.items.splice(0..0, gone);
            held.before = Before::Nothing;
            world.refresh();
        }
        Step::Unread(n) => {
            let summary = &mut world.held.get_mut(&ben).unwrap().summary;
            summary.unread = n.min(summary.head.n);
            world.refresh();
        }
        Step::Matches(seq) => world.tell(Msg::Matches(ben, "x".to_owned(), vec![Seq(seq)])),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(inside in any::<bool>(), steps in prop::collection::vec(step(), 1..60)) {
        let mut world = if inside { World::new(80, 24) } else { World::outside(80, 24) };
        if inside {
            world.with_direct("ben");
            world.with_group("Friday", 3);
            world.keys(&["Enter"]);
        }
        for step in steps {
            let of_ben = matches!(
                step,
                Step::Said(..) | Step::Waits(_) | Step::Held(..) | Step::Whole | Step::Unread(_)
            );
            if of_ben && !inside {
                continue;
            }
            take(&mut world, step);
            let (w, _) = world.model.size;
            let screen = world.screen();
            for line in screen.lines() {
                prop_assert!(crate::text::width(line) <= usize::from(w) + 1);
            }
        }
    }
}
