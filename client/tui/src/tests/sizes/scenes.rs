//! The states that are looked at on small screens.

use parlour_sdk::Link;
use parlour_sdk::core::view::State;
use parlour_sdk::protocol::Seq;
use parlour_sdk::protocol::error::Code;
use parlour_sdk::protocol::kind::Role;
use parlour_sdk::protocol::line::Standing;
use serde_json::json;

use super::super::world::{MINUTE, NOON, World, direct, group, named, of_form, on_page, user};
use crate::model::{Msg, OwnAffairs, Purpose};
use crate::unsent::Count;

/// A chat and a group, with something said in both, one of them open.
pub(super) fn talk(w: u16, h: u16, role: Role) -> World {
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

pub(super) type Scene = (&'static str, &'static [&'static str], fn(u16, u16) -> World);

/// The states: what each is called, the sentences that are whole at every size, and how it comes
/// about. Between `|` are shorter and longer ones.
pub(super) const SCENES: &[Scene] = &[
    (
        "entrance",
        &["Enter goes on · ←→ choose · F1 help · Ctrl+Q quits"],
        |w, h| World::outside(w, h),
    ),
    (
        "entrance, sign up, passwords differ",
        &["The two passwords differ."],
        |w, h| {
            let mut world = World::outside(w, h);
            world.keys(&["Right", "Enter", "Enter", "ada", "Enter", "secret-pass"]);
            world.keys(&["Enter", "another", "Enter"]);
            world
        },
    ),
    (
        "entrance, not in",
        &["http://127.0.0.1:7400 cannot be reached: Connection refused (os error 111)"],
        |w, h| {
            let mut world = World::outside(w, h);
            let why = "http://127.0.0.1:7400 cannot be reached: Connection refused (os error 111)";
            world.tell(Msg::NotIn(why.to_owned()));
            world
        },
    ),
    (
        "entrance, invited",
        &["The invitation is missing."],
        |w, h| {
            let mut world = World::outside(w, h);
            world.keys(&["Left", "Enter", "Enter", "ada", "Enter", "secret-pass"]);
            world.keys(&["Enter", "secret-pass", "Enter", "Enter"]);
            world
        },
    ),
    (
        "put out, and the folder taken",
        &["Then log in here: Enter tries again, Ctrl+Q quits."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "This device was signed out. Log in again. What this device keeps cannot be opened: the folder /srv/ada/.local/share/parlour-chat \
                   is in use by process 4711; end that first, or name another folder. Then log in \
                   here: Enter tries again, Ctrl+Q quits.";
            world.tell(Msg::Out(Some(why.to_owned())));
            world
        },
    ),
    (
        "nothing yet",
        &["No conversations yet: press n and write someone's name."],
        |w, h| World::new(w, h),
    ),
    ("list", &["? help Enter open n new"], |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Esc"]);
        world
    }),
    (
        "group",
        &["See you at eight", "F1 help Enter send Tab messages"],
        |w, h| talk(w, h, Role::Owner),
    ),
    (
        "offline",
        &[
            "Offline: reconnecting in 3 s (Ctrl+R: now) · 127.0.0.1:7400 cannot be reached: Connection refused",
        ],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.tell(Msg::Link(Link::Waiting {
                until_ms: world.now + 2_400,
                why: "http://127.0.0.1:7400 cannot be reached: Connection refused (os error 111)"
                    .to_owned(),
            }));
            world
        },
    ),
    (
        "stopped",
        &[
            "Not connected (Ctrl+R: try again) · The server wants a newer client than this one. Install it first.",
        ],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "The server wants a newer client than this one. Install it first.".to_owned();
            world.tell(Msg::Link(Link::Stopped(Some((Code::INTERNAL, why)))));
            world
        },
    ),
    (
        "store",
        &[
            "This device cannot store anything: /srv/ada/.local",
            "disk full",
        ],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "/srv/ada/.local/share/parlour-chat/client.sqlite: disk full";
            world.tell(Msg::Store(Some(why.to_owned())));
            world
        },
    ),
    (
        "late",
        &["The server does not answer (12 s). What you send is kept and goes out."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let held = world.held.get_mut(&group("Friday")).unwrap();
            held.summary.unanswered_since_ms = Some(world.now);
            world.refresh();
            world.now += 12_000;
            world.tell(Msg::Tick);
            world
        },
    ),
    (
        "slowed",
        &["Sending more slowly: the server takes so many a minute."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.held.get_mut(&group("Friday")).unwrap().summary.slowed = true;
            world.refresh();
            world
        },
    ),
    ("refused", &["y tries again, x gives up"], |w, h| {
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
        &["a direct chat stays between two: make a group with Ctrl+N"],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "a direct chat stays between two: make a group with Ctrl+N";
            world.tell(Msg::Refused(why.to_owned(), None));
            world
        },
    ),
    ("editing", &["Esc leaves it as it was"], |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Up"]);
        world
    }),
    ("message", &["? help r reply e edit"], |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Shift+Up"]);
        world
    }),
    (
        "details",
        &["time Tuesday 24 November 2026, 12:01:00 place 2"],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Shift+Up", "i"]);
            world
        },
    ),
    (
        "react",
        &["1 to 8 or ←→ and Enter. Once more takes it back."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Shift+Up", "+"]);
            world
        },
    ),
    (
        "delete",
        &["Delete this message for everyone?", "y yes n no"],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Shift+Up", "d"]);
            world
        },
    ),
    (
        "search",
        &["eggs none loaded|eggs nothing loaded has it"],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+f", "parcel of eggs", "Enter"]);
            let text = "parcel of eggs".to_owned();
            world.tell(Msg::Matches(group("Friday"), text, Vec::new()));
            world
        },
    ),
    ("typing", &["are typing…"], |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.tell(Msg::Typing(
            group("Friday"),
            vec![user("benjamin of the long name"), user("cid")],
        ));
        world
    }),
    (
        "page of an owner",
        &["48c470e9-61de-8ea5-bddc-a698c442c513"],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "Down"]);
            world
        },
    ),
    (
        "page, an error",
        &["Owners may do that to everyone, admins to members below them."],
        |w, h| {
            let mut world = talk(w, h, Role::Member);
            world.keys(&["Ctrl+g", "Down", "r"]);
            world
        },
    ),
    (
        "page, refused",
        &["An admin or owner can do that, or give you the role: yours does not allow it."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g"]);
            let id = parlour_sdk::protocol::MessageId::derived("test", &[b"act"]);
            let no =
                "An admin or owner can do that, or give you the role: yours does not allow it.";
            let friday = group("Friday");
            world.tell(Msg::Acted(on_page(friday), friday, id, Err(no.to_owned())));
            world
        },
    ),
    (
        "page, settings",
        &["↑↓ go, ←→ choose; Enter on the last does it."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "s", "Down", "Down", "Right"]);
            world
        },
    ),
    (
        "page, role",
        &[
            "This is you: what you give away here, another owner must give back.",
            "Admins manage members, name and settings.",
        ],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "r"]);
            world
        },
    ),
    (
        "page, no pins",
        &[
            "Nothing is pinned among the messages loaded here. To pin one, choose it with Shift+↑ and press p; older ones load as you scroll back.",
        ],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "p"]);
            world.tell(Msg::Pins(group("Friday"), Vec::new()));
            world
        },
    ),
    (
        "page, block",
        &["They cannot write to you alone any more; they are not told. In groups nothing changes."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "Down", "b"]);
            world
        },
    ),
    (
        "a form begun anew",
        &[
            "The connection was begun anew before an answer came. What went out may still come about: look before you ask for it again.",
        ],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+g", "n", "x", "Enter"]);
            world.tell(Msg::Anew);
            world
        },
    ),
    (
        "new",
        &["Enter opens it. ↑ then ←→: a channel, or join one."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+n"]);
            world
        },
    ),
    ("new, nobody", &["There is no user named `bob`."], |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["Ctrl+n", "ben bob", "Enter"]);
        let why = "There is no user named `bob`.".to_owned();
        let number = world.model.acts_asked();
        world.tell(Msg::Found(number, Purpose::Chat, Err(why)));
        world
    }),
    (
        "new channel",
        &["A channel takes any number of members. ←→ choose."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+n", "Up", "Right", "Enter", "News"]);
            world
        },
    ),
    (
        "new channel, not taken",
        &["The name has 300 bytes, at most 256 are allowed."],
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
        &["Only an open channel lets you in by its id; into others a member adds you."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+n", "Up", "Left", "Enter"]);
            world
        },
    ),
    (
        "join, no id",
        &["That is no id: it has 32 digits and letters from a to f, in five groups."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Ctrl+n", "Up", "Left", "Enter", "#news", "Enter"]);
            world
        },
    ),
    (
        "log out",
        &["Log out? What is kept on this device is deleted."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.keys(&["Esc", "L"]);
            world
        },
    ),
    (
        "log out, with a message not sent",
        &["Log out? What is kept on this device is deleted, with 1 message that was not sent."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            world.tell(Msg::Affairs(OwnAffairs {
                unsent: Count {
                    messages: 1,
                    changes: 0,
                },
                ..OwnAffairs::default()
            }));
            world.keys(&["Esc", "L"]);
            world
        },
    ),
    ("help", &["↓ more: PgDn, or the wheel"], |w, h| {
        let mut world = talk(w, h, Role::Owner);
        world.keys(&["F1"]);
        world
    }),
    (
        "shut",
        &["Enter tries again. Or Ctrl+Q, then start it again: nothing is lost."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "What this device keeps cannot be opened: the folder /srv/ada/.local/share/parlour-chat \
                   is in use by process 4711; end that first, or name another folder. Enter tries \
                   again. Or Ctrl+Q, then start it again: nothing is lost.";
            world.tell(Msg::Shut(why.to_owned()));
            world
        },
    ),
    (
        "put out, with messages not sent",
        &["2 messages were not sent, as far as is known: they are in the drafts."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = "This device was signed out. Log in again. 2 messages were not sent, as far as \
                   is known: they are in the drafts.";
            world.tell(Msg::Out(Some(why.to_owned())));
            world
        },
    ),
    (
        "made, but not all of it",
        &[
            "It was made. Set the rest on its page, Ctrl+G: not all settings were taken: 1000 messages wait already: send them first.",
        ],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let why = crate::run::made_in_part(&"1000 messages wait already: send them first");
            world.tell(Msg::Made(0, group("Friday"), Some(why)));
            world
        },
    ),
    (
        "refused, of another conversation",
        &["ben: Ask a member to add you: you are not a member here."],
        |w, h| {
            let mut world = talk(w, h, Role::Owner);
            let id = parlour_sdk::protocol::MessageId::derived("test", &[b"act"]);
            let no = "Ask a member to add you: you are not a member here.";
            let ben = direct("ben");
            world.tell(Msg::Acted(on_page(ben), ben, id, Err(no.to_owned())));
            world
        },
    ),
    (
        "page of a group that one left",
        &["You left, or were removed. Who is in it is told to members."],
        |w, h| {
            let mut world = talk(w, h, Role::Member);
            let held = world.held.get_mut(&group("Friday")).unwrap();
            held.summary.standing = Some(Standing::Left(Seq(9)));
            world.refresh();
            world.keys(&["Ctrl+g"]);
            world
        },
    ),
];
