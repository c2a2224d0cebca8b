//! A [`World`]: a model on a screen of its own, with conversations that answer as the core would.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use jiff::tz::TimeZone;
use parlour_sdk::core::saved::{Asked, Row, Stage};
use parlour_sdk::core::view::{Before, Reach, State};
use parlour_sdk::protocol::frame::client::Send;
use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::http::Profile;
use parlour_sdk::protocol::kind::{Role, Shape};
use parlour_sdk::protocol::line::Standing;
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::seq::{Head, Mark};
use parlour_sdk::protocol::{ConversationId, MessageId, Seq, UserId};
use parlour_sdk::{Command as Core, Item, Link, Request, Summary, Timeline, draft};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::CellWidth as _;
use serde_json::{Value, json};

use crate::model::chat::{Window, event_of};
use crate::model::{Command, Me, Model, Msg, Purpose, Question};
use crate::view;

/// Tuesday 24 November 2026, 12:00 UTC.
pub(super) const NOON: u64 = 1_795_521_600_000;
pub(super) const MINUTE: u64 = 60_000;

pub(super) fn user(name: &str) -> UserId {
    UserId::derived("test", &[name.as_bytes()])
}

pub(super) fn direct(name: &str) -> ConversationId {
    ConversationId::direct(user("ada"), user(name))
}

pub(super) fn group(name: &str) -> ConversationId {
    ConversationId::derived("test", &[name.as_bytes()])
}

/// What a form asked for.
pub(super) fn of_form(number: u64) -> Question {
    Question { number, on: None }
}

/// What was one key on the page of a conversation.
pub(super) fn on_page(conversation: ConversationId) -> Question {
    Question {
        number: 0,
        on: Some(conversation),
    }
}

/// What the core holds of one conversation.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) summary: Summary,
    pub(super) items: Vec<Item>,
    pub(super) before: Before,
    pub(super) receipts: Vec<(UserId, Mark)>,
}

/// A model on a screen of its own.
pub(super) struct World {
    pub(super) model: Model,
    pub(super) now: u64,
    pub(super) held: BTreeMap<ConversationId, Held>,
    /// What was let go of the items, and can be had again.
    pub(super) gone: Vec<Item>,
    /// Everything asked that the world does not answer by itself.
    pub(super) asked: Vec<Command>,
}

impl World {
    /// Nobody is logged in.
    pub(super) fn outside(w: u16, h: u16) -> Self {
        let model = Model::new(TimeZone::UTC, true, "http://127.0.0.1:7400", NOON);
        let mut world = Self {
            model,
            now: NOON,
            held: BTreeMap::new(),
            gone: Vec::new(),
            asked: Vec::new(),
        };
        world.tell(Msg::Resize(w, h));
        world
    }

    /// Ada is logged in, and the server is there.
    pub(super) fn new(w: u16, h: u16) -> Self {
        let mut world = Self::outside(w, h);
        world.comes_in();
        let names = ["ada", "ben", "cid", "dot"];
        world.tell(Msg::Profiles(Some(names.map(profile).to_vec())));
        world
    }

    /// Ada is logged in, and the server is there.
    pub(super) fn comes_in(&mut self) {
        self.tell(Msg::In(Me {
            user: user("ada"),
            name: "ada".to_owned(),
            server: "http://127.0.0.1:7400".to_owned(),
        }));
        self.tell(Msg::Link(Link::Live));
    }

    pub(super) fn with_direct(&mut self, peer: &str) -> ConversationId {
        let conversation = direct(peer);
        let mut summary = summary(conversation, Shape::Direct);
        summary.peer = Some(user(peer));
        self.hold(summary)
    }

    pub(super) fn with_group(&mut self, name: &str, members: u32) -> ConversationId {
        let mut summary = summary(group(name), Shape::Group);
        summary.name = Some(name.to_owned());
        summary.members = members;
        self.hold(summary)
    }

    /// A channel, in which Ada is a plain member.
    pub(super) fn with_channel(&mut self, name: &str, members: u32) -> ConversationId {
        let mut summary = summary(group(name), Shape::Channel);
        summary.name = Some(name.to_owned());
        summary.members = members;
        self.hold(summary)
    }

    fn hold(&mut self, summary: Summary) -> ConversationId {
        let conversation = summary.conversation;
        let held = Held {
            summary,
            items: Vec::new(),
            before: Before::Nothing,
            receipts: Vec::new(),
        };
        self.held.insert(conversation, held);
        self.tell(Msg::List(self.list()));
        conversation
    }

    pub(super) fn list(&self) -> Vec<Summary> {
        let mut list: Vec<Summary> = self.held.values().map(|h| h.summary.clone()).collect();
        let time = |s: &Summary| s.newest.as_ref().map_or(0, |e| e.time_ms);
        list.sort_by_key(|s| std::cmp::Reverse((time(s), s.conversation)));
        list
    }

    /// Something happened: it is told, and what the model asks of the core is answered.
    pub(super) fn tell(&mut self, msg: Msg) {
        let mut waiting = vec![msg];
        let mut turns = 0;
        while !waiting.is_empty() {
            turns += 1;
            assert!(turns < 200, "it never comes to rest");
            for command in self.model.update(waiting.remove(0), self.now) {
                match command {
                    Command::ReadList => waiting.push(Msg::List(self.list())),
                    Command::ReadWindow => waiting.extend(self.window()),
                    other => self.asked.push(other),
                }
            }
        }
    }

    /// As the core answers.
    fn window(&self) -> Option<Msg> {
        let chat = self.model.chat.as_ref()?;
        let held = self.held.get(&chat.conversation)?;
        let limit = crate::model::chat::WINDOW;
        let upto = chat.at.map_or(held.items.len(), |at| {
            let place = |i: &Item| match i {
                Item::Placed { event, .. } => event.seq,
                Item::Withheld { to, .. } => *to,
                Item::Pending { .. } => Seq::MAX,
            };
            held.items.iter().take_while(|i| place(i) < at).count()
        });
        let from = upto.saturating_sub(limit);
        Some(Msg::Window(Box::new(Window {
            timeline: Timeline {
                conversation: chat.conversation,
                items: held.items[from..upto].to_vec(),
                before: if from > 0 { Before::Held } else { held.before },
                complete: true,
                counts: None,
            },
            at: chat.at,
            head: held.summary.head,
            receipts: held.receipts.clone(),
            shown: (
                held.items.first().and_then(event_of).map(|e| e.seq),
                held.before,
            ),
            reach: chat.seek.map(|n| reach(held, n)),
            rules: None,
            pins: None,
        })))
    }

    /// The core says that a conversation changed.
    pub(super) fn refresh(&mut self) {
        self.tell(Msg::List(self.list()));
        if let Some(window) = self.window() {
            self.tell(window);
        }
    }

    /// A message has its place; fields beyond those of a plain text are put over it.
    pub(super) fn said(&mut self, c: ConversationId, who: &str, text: &str, more: Value) -> Seq {
        let now = self.now;
        let held = self.held.get_mut(&c).unwrap();
        let head = Head {
            seq: held.summary.head.seq.next(),
            n: held.summary.head.n + 1,
        };
        let mut raw = json!({
            "conversation": c, "seq": head.seq, "n": head.n, "prev": head.seq.prev(),
            "time_ms": now, "id": MessageId::derived("test", &[text.as_bytes()]),
            "sender": user(who), "device": user(who), "class": "content", "kind": "message",
            "body": {"plain": {"text": text}},
        });
        let mut state = None;
        for (key, value) in more.as_object().unwrap() {
            if key == "state" {
                state = Some(match value.as_str().unwrap() {
                    "delivered" => State::Delivered,
                    "read" => State::Read,
                    _ => State::Sent,
                });
            } else {
                raw[key] = value.clone();
            }
        }
        let event: Event = serde_json::from_value(raw).unwrap();
        if who == "ada" && state.is_none() && event.body.is_some() {
            state = Some(State::Sent);
        }
        let event = Arc::new(event);
        held.summary.head = head;
        if who == "ada" {
            held.summary.unread = 0;
        } else {
            held.summary.unread += 1;
        }
        held.summary.newest = Some(Arc::clone(&event));
        let pending = |i: &Item| matches!(i, Item::Pending { .. });
        let at = held
            .items
            .iter()
            .position(pending)
            .unwrap_or(held.items.len());
        let changes = Vec::new();
        held.items.insert(
            at,
            Item::Placed {
                event,
                state,
                changes,
            },
        );
        head.seq
    }

    /// The events of a conversation.
    pub(super) fn events(&self, c: ConversationId) -> Vec<Arc<Event>> {
        let items = self.held.get(&c).unwrap().items.iter();
        let event = |i: &Item| match i {
            Item::Placed { event, .. } => Some(Arc::clone(event)),
            _ => None,
        };
        items.filter_map(event).collect()
    }

    /// A message waits to be sent, or failed.
    pub(super) fn waits(&mut self, c: ConversationId, text: &str, state: State) -> MessageId {
        let id = MessageId::derived("test", &[text.as_bytes()]);
        let row = Row {
            order: 0,
            conversation: c,
            id,
            tried: true,
            stage: Stage::Waiting,
            made_ms: self.now,
            asked: Asked::Send(Box::new(draft::text(c, text))),
        };
        let row = Arc::new(row);
        let items = &mut self.held.get_mut(&c).unwrap().items;
        items.push(Item::Pending { row, state });
        id
    }

    /// Keys by name: `Enter`, `Ctrl+F`, `Shift+Up`; anything else is typed.
    pub(super) fn keys(&mut self, keys: &[&str]) {
        for key in keys {
            let (held, code) = match key.split_once('+') {
                Some(("Ctrl", code)) => (KeyModifiers::CONTROL, code),
                Some(("Alt", code)) => (KeyModifiers::ALT, code),
                Some(("Shift", code)) => (KeyModifiers::SHIFT, code),
                _ => (KeyModifiers::NONE, *key),
            };
            let code = match code {
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Esc,
                "Tab" => KeyCode::Tab,
                "Up" => KeyCode::Up,
                "Down" => KeyCode::Down,
                "Left" => KeyCode::Left,
                "Right" => KeyCode::Right,
                "Home" => KeyCode::Home,
                "End" => KeyCode::End,
                "PgUp" => KeyCode::PageUp,
                "PgDn" => KeyCode::PageDown,
                "F1" => KeyCode::F(1),
                one if one.chars().count() == 1 => KeyCode::Char(one.chars().next().unwrap()),
                text => {
                    for c in text.chars() {
                        self.press(KeyCode::Char(c), KeyModifiers::NONE);
                    }
                    continue;
                }
            };
            self.press(code, held);
        }
    }

    pub(super) fn press(&mut self, code: KeyCode, held: KeyModifiers) {
        self.tell(Msg::Key(KeyEvent::new(code, held)));
    }

    pub(super) fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        self.tell(Msg::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }));
    }

    /// Forgets what was asked so far; gives it.
    pub(super) fn asked(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.asked)
    }

    /// Up to where the open conversation was said to be read since this was asked last.
    pub(super) fn read(&mut self) -> Option<Seq> {
        let places = self.asked().into_iter().filter_map(|c| match c {
            Command::Core(Core::Read { upto, .. }) => Some(upto),
            _ => None,
        });
        places.max()
    }

    /// The screen as text.
    pub(super) fn screen(&self) -> String {
        let (w, h) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(w, h)).unwrap();
        terminal
            .draw(|frame| view::draw(&self.model, frame))
            .unwrap();
        let buffer = terminal.backend().buffer();
        let mut out = String::new();
        for y in 0..h {
            let mut line = String::new();
            let mut x = 0;
            while x < w {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += symbol.cell_width().max(1);
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// The screen is that of `tests/screens/NAME.txt`.
    #[track_caller]
    pub(super) fn shows(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
        let path = folder.join(format!("{name}.txt"));
        let screen = self.screen();
        if std::env::var_os("PARLOUR_WRITE_SCREENS").is_some() {
            std::fs::write(&path, &screen).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            screen == expected,
            "{} is another screen; now it is\n{screen}",
            path.display()
        );
    }
}

/// Where the first message after so many is, as the core says it.
fn reach(held: &Held, n: u64) -> Reach {
    let events = || held.items.iter().filter_map(event_of);
    let first = events().find(|e| e.n > n).map(|e| (e.seq, e.n));
    match (first, held.before) {
        _ if held.summary.head.n <= n => Reach::Nowhere,
        (Some((seq, number)), _) if number == n + 1 => Reach::Here(seq),
        (first, Before::Nothing) => first.map_or(Reach::Nowhere, |(seq, _)| Reach::Here(seq)),
        (first, Before::NoRoom) => Reach::Lost(first.map(|(seq, _)| seq)),
        _ => Reach::Further,
    }
}

fn summary(conversation: ConversationId, shape: Shape) -> Summary {
    Summary {
        conversation,
        shape: Some(shape),
        name: None,
        topic: None,
        peer: None,
        members: 2,
        role: Role::Member,
        standing: Some(Standing::Member(Seq(1))),
        head: Head::default(),
        unread: 0,
        mentions: 0,
        newest: None,
        waiting: 0,
        unanswered_since_ms: None,
        slowed: false,
    }
}

pub(super) fn profile(name: &str) -> Profile {
    Profile {
        user: user(name),
        name: name.to_owned(),
        display: name.to_owned(),
        r#type: Default::default(),
        status: None,
    }
}

pub(super) fn named(name: &str, role: Role) -> Named {
    Named {
        user: user(name),
        role,
    }
}

/// Whether it was asked whom these names mean, and nothing else was asked since.
pub(super) fn looks_up(world: &mut World, names: &[&str], purpose: &Purpose) -> bool {
    world.asked().iter().any(|c| match c {
        Command::Find(_, asked, why) => asked == names && why == purpose,
        _ => false,
    })
}

/// The requests among what was asked.
pub(super) fn requests(world: &mut World) -> Vec<Request> {
    let asked = world.asked().into_iter();
    asked
        .filter_map(|c| match c {
            Command::Request(r, _) | Command::Make(_, r, _) | Command::Act(_, r) => Some(*r),
            _ => None,
        })
        .collect()
}

/// The last request, which is a send.
#[track_caller]
pub(super) fn one_send(world: &mut World) -> Send {
    match requests(world).pop() {
        Some(Request::Send(send)) => *send,
        other => panic!("{other:?}"),
    }
}
