//! Every state on small screens: no sentence of the client's own is cut.

use parlour_sdk::Link;
use parlour_sdk::core::view::State;
use parlour_sdk::protocol::error::Code;
use parlour_sdk::protocol::kind::Role;
use serde_json::json;

use super::world::{MINUTE, NOON, World, group, named, of_form, on_page, user};
use crate::model::{Msg, Purpose};

const SIZES: [(u16, u16); 3] = [(40, 12), (60, 20), (100, 30)];

/// A chat and a group, with something said in both, one of them open.
fn talk(w: u16, h: u16, role: Role) -> World {
    let mut world = World::new(w, h);
    let ben = world.with_direct("ben");
    let friday = world.with_group("Friday", 4);
    world.said(ben, "ben", "Did the parcel come?", json!({}));
    world.now = NOON + MINUTE;
    world.said(friday, "cid", "See you at eight", json!({}));
    world.said(friday, "ada", "Yes", json!({"state": "sent"}));
    world.held.get_mut(&friday).unwrap().summary.role = role;
    world.refresh();
    world.keys(&["Home", "Enter"]);
    world.tell(Msg::Members(
        friday,
        Some(vec![
            named("ada", role),
            named("ben", Role::Member),
            named("cid", Role::Owner),
            named("dot", Role::Admin),
        ]),
    ));
    assert_eq!(world.model.chat.as_ref().unwrap().conversation, friday);
    world
}

type Scene = (&'static str, &'static str, fn(u16, u16) -> World);

/// The states: what each is called, the words that are seen of it at every size, above all the last
/// of each sentence, and how it comes about.
const SCENES: &[Scene] = &[
    ("entrance", "F1 help", |w, h| World::outside(w, h)),
    (
        "entrance, sign up, passwords differ",
        "two passwords differ.",
        |w, h| {
            let mut world = World::outside(w, h);
            world.keys(&["Right", "Enter", "Enter", "ada", "Enter", "secret-pass"]);
            world.keys(&["Enter", "another", "Enter"]);
            world
        },
    ),
    ("entrance, not in", "Connection refused 111)", |w, h| {
        let mut world = World::outside(w, h);
        let why = "http://127.0.0.1:7400 cannot be reached: Connection refused (os error 111)";
        world.tell(Msg::NotIn(why.to_owned()));
        world
    }),
    ("entrance, invited", "invitation is missing.", |w, h| {
        let mut world = World::outside(w, h);
        world.keys(&["Left", "Enter", "Enter", "ada", "Enter", "secret-pass"]);
        world.keys(&["Enter", "secret-pass", "Enter", "Enter"]);
        world
    }),
    (
        "put out, and the folder taken",
        "Enter tries again, Ctrl+Q quits.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "This device was signed out. Log in again. What this device keeps cannot be opened: the folder /srv/ada/.local/share/parlour-chat \
                   is in use by process 4711; end that first, or name another folder. Then log in \
                   here: Enter tries again, Ctrl+Q quits.";
            world.tell(Msg::Out(Some(why.to_owned())));
            world
        },
    ),
    ("nothing yet", "write someone's name. ? help", |w, h| {
        World::new(w, h)
    }),
    ("list", "? help Enter open", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Esc"]);
        world
    }),
    ("group", "✓ sent F1 help Enter send", |w, h| {
        talk(w, h, Role::Owner)
    }),
    ("offline", "Connection refused F1 help", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.tell(Msg::Link(Link::Waiting {
            until_ms: world.now + 2_400,
            why: "http://127.0.0.1:7400 cannot be reached: Connection refused (os error 111)"
                .to_owned(),
        }));
        world
    }),
    (
        "stopped",
        "client than this one. Install it first.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "The server wants a newer client than this one. Install it first.".to_owned();
            world.tell(Msg::Link(Link::Stopped(Some((Code::INTERNAL, why)))));
            world
        },
    ),
    ("store", "disk full", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        let why = "/srv/ada/.local/share/parlour-chat/client.sqlite: disk full";
        world.tell(Msg::Store(Some(why.to_owned())));
        world
    }),
    ("late", "is kept and goes out.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        let held = world.held.get_mut(&group("Friday")).unwrap();
        held.summary.unanswered_since_ms = Some(world.now);
        world.refresh();
        world.now += 12_000;
        world.tell(Msg::Tick);
        world
    }),
    ("slowed", "so many a minute.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.held.get_mut(&group("Friday")).unwrap().summary.slowed = true;
        world.refresh();
        world
    }),
    ("refused", "blocked) y tries again, x gives up", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        let refused = State::Failed {
            code: Code::BLOCKED,
            message: Code::BLOCKED.about().to_owned(),
        };
        world.waits(group("Friday"), "Are you there?", refused);
        world.refresh();
        world
    }),
    (
        "a word at the bottom",
        "make a group with Ctrl+N",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "a direct chat stays between two: make a group with Ctrl+N";
            world.tell(Msg::Refused(why.to_owned(), None));
            world
        },
    ),
    ("editing", "Esc leaves it as it was", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Up"]);
        world
    }),
    ("message", "? help r reply", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Shift+Up"]);
        world
    }),
    ("details", "12:01:00 ben cid", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Shift+Up", "i"]);
        world
    }),
    ("react", "Once more takes it back.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Shift+Up", "+"]);
        world
    }),
    ("delete", "message for everyone? y yes n no", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Shift+Up", "d"]);
        world
    }),
    ("search", "of eggs loaded F1 help", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Ctrl+f", "parcel of eggs", "Enter"]);
        let text = "parcel of eggs".to_owned();
        world.tell(Msg::Matches(group("Friday"), text, Vec::new()));
        world
    }),
    ("typing", "are typing…", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.tell(Msg::Typing(
            group("Friday"),
            vec![user("benjamin of the long name"), user("cid")],
        ));
        world
    }),
    (
        "page of an owner",
        "48c470e9-61de-8ea5-bddc-a698c442c513 owner ? help",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "Down"]);
            world
        },
    ),
    ("page, an error", "admins to members below them.", |w, h| {
        let mut world = talk(w, h, Role::Member);
        world.keys(&["Ctrl+g", "Down", "r"]);
        world
    }),
    ("page, refused", "or give you the role.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Ctrl+g"]);
        let id = parlour_sdk::protocol::MessageId::derived("test", &[b"act"]);
        let no = "Your role here does not allow that. An admin or owner can do it, or give you the \
                  role.";
        let friday = group("Friday");
        world.tell(Msg::Acted(on_page(friday), friday, id, Err(no.to_owned())));
        world
    }),
    (
        "page, settings",
        "[anyone with its id] on the last does it.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "s", "Down", "Down", "Right"]);
            world
        },
    ),
    (
        "page, role",
        "another owner must give back. manage members, name and settings.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "r"]);
            world
        },
    ),
    ("page, no pins", "load as you scroll back.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Ctrl+g", "p"]);
        world.tell(Msg::Pins(group("Friday"), Vec::new()));
        world
    }),
    ("page, block", "In groups nothing changes.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Ctrl+g", "Down", "b"]);
        world
    }),
    (
        "a form begun anew",
        "look before you ask for it again.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "n", "x", "Enter"]);
            world.tell(Msg::Anew);
            world
        },
    ),
    ("new", "channel, or join one.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Ctrl+n"]);
        world
    }),
    (
        "new, nobody",
        "named `bob`. channel, or join one.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+n", "ben bob", "Enter"]);
            let why = "There is no user named `bob`.".to_owned();
            let number = world.model.acts_asked();
            world.tell(Msg::Found(number, Purpose::Chat, Err(why)));
            world
        },
    ),
    (
        "new channel",
        "may stay empty id] ←→ choose.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+n", "Up", "Right", "Enter", "News"]);
            world
        },
    ),
    (
        "new channel, not taken",
        "at most 256 are allowed.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&[
                "Ctrl+n", "Up", "Right", "Enter", "News", "Enter", "Enter", "Enter", "Enter",
            ]);
            let number = world.model.acts_asked();
            let why = "The name has 300 bytes, at most 256 are allowed.".to_owned();
            world.tell(Msg::NotTaken(of_form(number), why));
            world
        },
    ),
    (
        "join",
        "on its page: Ctrl+G into others a member adds you.",
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+n", "Up", "Left", "Enter"]);
            world
        },
    ),
    ("join, no id", "a to f, in five groups.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Ctrl+n", "Up", "Left", "Enter", "#news", "Enter"]);
        world
    }),
    ("log out", "kept on this device is deleted.", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Esc", "L"]);
        world
    }),
    ("help", "this help ↓ more: PgDn", |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["F1"]);
        world
    }),
];

#[test]
fn what_is_unread_elsewhere_is_told_where_the_list_is_not() {
    let bar = |w, h| {
        let screen = talk(w, h, Role::Owner).screen();
        screen.lines().next().map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(bar(40, 12).trim(), "Parlour · ada · 1 unread elsewhere");
    assert_eq!(bar(60, 20).trim(), "Parlour · ada · 127.0.0.1:7400");
}

#[test]
fn no_sentence_is_cut_on_a_small_screen() {
    for (name, words, scene) in SCENES {
        for (w, h) in SIZES {
            let screen = scene(w, h).screen();
            for word in words.split(' ') {
                assert!(
                    screen.contains(word),
                    "{name} at {w}x{h}: no {word} in\n{screen}"
                );
            }
        }
    }
}
