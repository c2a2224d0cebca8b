//! Every limit that can be told from a frame alone: at it, one below, one above.

use std::collections::BTreeSet;

use parlour_protocol::body::{Body, Sealed};
use parlour_protocol::bytes::Bytes;
use parlour_protocol::check::{self, BODY_DEPTH_MAX, check};
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Server, client};
use parlour_protocol::http::{AddMembers, NewConversation};
use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::kind::{self, Class, HistoryRule, KINDS, Role, Shape};
use parlour_protocol::limits::{LIMITS, Limits};
use parlour_protocol::record::{Create, Named, Origin};
use parlour_protocol::seq::Seq;
use serde_json::{Value, json};

use crate::samples::{ann, bob, device, group, id, send_least};

/// A limit: its name, how much it is, a frame with so many, and the code of one too many.
type Case = (&'static str, u64, fn(usize) -> Client, Code);

fn user(n: usize) -> UserId {
    UserId::derived("test", &[&n.to_be_bytes()])
}
fn named(n: usize) -> Vec<Named> {
    let named = |n| Named {
        user: user(n),
        role: Role::Member,
    };
    (0..n).map(named).collect()
}
fn mail(n: usize) -> std::collections::BTreeMap<DeviceId, client::MailItem> {
    let item = client::MailItem {
        k: 1,
        bytes: Bytes::default(),
    };
    (0..n)
        .map(|n| (DeviceId::derived("test", &[&n.to_be_bytes()]), item.clone()))
        .collect()
}
fn send(change: impl FnOnce(&mut client::Send)) -> Client {
    let mut send = send_least();
    change(&mut send);
    Client::Send(send)
}
fn edit(body: Body) -> client::Edit {
    client::Edit {
        r#ref: 1,
        conversation: group(),
        id: id(1),
        retry: true,
        after: None,
        target: Seq(1),
        body,
        mentions: Default::default(),
        mail: Default::default(),
        lists: Default::default(),
    }
}
/// A body of so many bytes in JSON, some of which are escapes.
fn sized(bytes: usize) -> Body {
    let around = r#"{"plain":{"text":"\n"}}"#.len();
    let body = Body::text(format!("\n{}", "x".repeat(bytes - around)));
    assert_eq!(serde_json::to_vec(&body).unwrap().len(), bytes);
    body
}
fn nested(depth: usize) -> Body {
    let mut value = Value::Null;
    for n in 1..depth {
        value = if n % 2 == 0 {
            json!([value])
        } else {
            json!({ "a": value })
        };
    }
    Body::field("a", value)
}
fn marks(n: usize) -> client::Marks {
    let conversation = |n: usize| ConversationId::derived("test", &[&n.to_be_bytes()]);
    client::Marks {
        r#ref: 0,
        marks: (0..n).map(|n| (conversation(n), Seq(1))).collect(),
    }
}

fn cases() -> Vec<Case> {
    let l = Limits::default();
    let bad = Code::BAD_REQUEST;
    vec![
        (
            "body_bytes",
            l.body_bytes,
            |n| send(|s| s.body = sized(n)),
            Code::TOO_LARGE,
        ),
        (
            "body_bytes",
            l.body_bytes,
            |n| Client::Edit(edit(sized(n))),
            Code::TOO_LARGE,
        ),
        (
            "body_depth",
            l.body_depth,
            |n| send(|s| s.body = nested(n)),
            bad,
        ),
        (
            "body_depth",
            l.body_depth,
            |n| Client::Edit(edit(nested(n))),
            bad,
        ),
        (
            "mentions",
            l.mentions,
            |n| send(|s| s.mentions.users = (0..n).map(user).collect()),
            bad,
        ),
        (
            "mentions",
            l.mentions,
            |n| {
                let mut edit = edit(Body::text("a"));
                edit.mentions.users = (0..n).map(user).collect();
                Client::Edit(edit)
            },
            bad,
        ),
        (
            "named_users",
            l.named_users,
            |n| {
                send(|s| {
                    s.kind = Some(kind::ADD.into());
                    s.named = named(n);
                })
            },
            bad,
        ),
        (
            "mail_devices",
            l.mail_devices,
            |n| send(|s| s.mail = mail(n)),
            bad,
        ),
        (
            "mail_devices",
            l.mail_devices,
            |n| {
                let from = mail(n).into_keys().map(|device| (device, 1)).collect();
                Client::MailAck(client::MailAck { r#ref: 0, from })
            },
            bad,
        ),
        (
            "mail_devices",
            l.mail_devices,
            |n| {
                let mut edit = edit(Body::text("a"));
                edit.mail = mail(n);
                Client::Edit(edit)
            },
            bad,
        ),
        (
            "group_members",
            l.group_members,
            |n| send(|s| s.lists = (0..n).map(|n| (user(n), Seq(1))).collect()),
            bad,
        ),
        ("marks", l.marks, |n| Client::Read(marks(n)), bad),
        ("marks", l.marks, |n| Client::Delivered(marks(n)), bad),
        (
            "watched_users",
            l.watched_users,
            |n| {
                Client::Watch(client::Watch {
                    r#ref: 0,
                    users: (0..n).map(user).collect(),
                })
            },
            bad,
        ),
        (
            "key_bytes",
            l.key_bytes,
            |n| send(|s| s.key = Some("k".repeat(n))),
            bad,
        ),
        (
            "key_bytes",
            l.key_bytes,
            |n| {
                send(|s| {
                    s.kind = Some("k".repeat(n));
                    s.class = Some(Class::Content);
                })
            },
            bad,
        ),
        (
            "key_bytes",
            l.key_bytes,
            |n| {
                Client::React(client::React {
                    r#ref: 1,
                    conversation: group(),
                    id: id(1),
                    retry: true,
                    after: None,
                    target: Seq(1),
                    key: "k".repeat(n),
                    on: true,
                })
            },
            bad,
        ),
        (
            "key_bytes",
            l.key_bytes,
            |n| {
                send(|s| {
                    s.body = Body::Sealed(Sealed {
                        alg: "a".repeat(n),
                        epoch: 0,
                        bytes: Bytes::default(),
                    });
                })
            },
            bad,
        ),
        (
            "name_bytes",
            l.name_bytes,
            |n| {
                send(|s| {
                    s.kind = Some(kind::NAME.into());
                    s.value = Some("n".repeat(n));
                })
            },
            bad,
        ),
        (
            "name_bytes",
            l.name_bytes,
            |n| {
                let (author, id, time_ms) = ("n".repeat(n), "n".repeat(n), 1);
                send(|s| {
                    s.origin = Some(Origin {
                        author,
                        id,
                        time_ms,
                    })
                })
            },
            bad,
        ),
        (
            "name_bytes",
            l.name_bytes,
            |n| {
                Client::Hello(client::Hello {
                    token: client::Token("t".into()),
                    device: None,
                    client: "c".repeat(n),
                    features: Vec::new(),
                })
            },
            bad,
        ),
        (
            "hello_bytes",
            l.hello_bytes,
            |n| {
                Client::Hello(client::Hello {
                    token: client::Token("t".repeat(n)),
                    device: None,
                    client: String::new(),
                    features: Vec::new(),
                })
            },
            bad,
        ),
    ]
}

/// Limits that take more than a frame to judge: whoever counts bytes, time or devices holds them.
const ELSEWHERE: &[&str] = &[
    "client_frame_bytes",
    "server_frame_bytes",
    "page_bytes",
    "hello_ms",
    "ping_ms",
    "idle_ms",
    "outbound_frames",
    "outbound_bytes",
    "sends_burst",
    "sends_per_min",
    "requests_burst",
    "requests_per_min",
    "requests_open",
    "devices",
    "page_events",
];

#[test]
fn at_a_limit_below_and_above() {
    let limits = Limits::default();
    for (name, limit, frame, code) in cases() {
        let limit = limit as usize;
        for n in [limit - 1, limit] {
            assert_eq!(check(&frame(n), ann(), &limits), Ok(()), "{name} of {n}");
        }
        let refused = check(&frame(limit + 1), ann(), &limits).expect_err(name);
        assert_eq!(refused.code, code, "{name}: {refused}");
        // Whoever asks is told how much is allowed.
        assert!(
            refused.what.contains(&limit.to_string()),
            "{name}: {refused}"
        );
        let answer = refused.answer(7);
        assert_eq!((answer.r#ref, answer.code), (7, code));
        assert_eq!(answer.details, Some(Value::String(refused.what)));
    }
}

#[test]
fn a_limit_is_checked_here_or_named_as_held_elsewhere() {
    let here: BTreeSet<_> = cases().iter().map(|(name, ..)| *name).collect();
    let elsewhere: BTreeSet<_> = ELSEWHERE.iter().copied().collect();
    assert_eq!(here.intersection(&elsewhere).count(), 0);
    let all: BTreeSet<_> = LIMITS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        here.union(&elsewhere).copied().collect::<BTreeSet<_>>(),
        all
    );
}

#[test]
fn a_configured_limit_is_held_and_depth_has_a_ceiling() {
    let mut limits = Limits {
        mentions: 0,
        ..Limits::default()
    };
    let mention = send(|s| s.mentions.users = vec![bob()]);
    assert!(check(&mention, ann(), &limits).is_err());
    limits.body_depth = 1_000;
    let most = BODY_DEPTH_MAX as usize;
    let deep = |n| send(|s| s.body = nested(n));
    assert_eq!(check(&deep(most), ann(), &limits), Ok(()));
    assert!(check(&deep(most + 1), ann(), &limits).is_err());
    // What may be sent can be read in a page, where it lies deepest.
    let mut event = crate::samples::event_least();
    event.body = Some(nested(most));
    let mut page = crate::samples::server()
        .into_iter()
        .find_map(|(name, frame)| match frame {
            Server::Page(page) if name == "page" => Some(page),
            _ => None,
        })
        .expect("a page");
    page.stretch.as_mut().expect("a stretch").events = vec![event];
    let page = Server::Page(page);
    for codec in [Codec::Json, Codec::MessagePack] {
        assert_eq!(Server::decode(codec, &page.encode(codec)), Ok(page.clone()));
    }
}

#[test]
fn digests_are_sixty_four_of_thirty_two_bytes_or_none() {
    let sync = |digests| Client::Sync(client::Sync { r#ref: 1, digests });
    let ok = |digests| check(&sync(digests), ann(), &Limits::default()).is_ok();
    let of = |bytes: usize| Bytes::from(vec![7; bytes]);
    assert!(ok(None));
    for (count, fits) in [(0, false), (63, false), (64, true), (65, false)] {
        assert_eq!(ok(Some(vec![of(32); count])), fits, "{count}");
    }
    for (bytes, fits) in [(0, true), (1, false), (31, false), (32, true), (33, false)] {
        let mut digests = vec![of(32); 64];
        digests[63] = of(bytes);
        assert_eq!(ok(Some(digests)), fits, "{bytes}");
    }
}

#[track_caller]
fn refused(frame: &Client) -> Code {
    check(frame, ann(), &Limits::default())
        .expect_err("refused")
        .code
}
#[track_caller]
fn taken(frame: &Client) {
    assert_eq!(check(frame, ann(), &Limits::default()), Ok(()));
}

#[test]
fn one_says_where_once() {
    let cancel = |conversation, to| {
        let (r#ref, id, after) = (1, id(1), None);
        Client::Cancel(client::Cancel {
            r#ref,
            conversation,
            to,
            id,
            after,
        })
    };
    for (conversation, to, fits) in [
        (Some(group()), None, true),
        (None, Some(bob()), true),
        (None, None, false),
        (Some(group()), Some(bob()), false),
    ] {
        let send = send(|s| (s.conversation, s.to) = (conversation, to));
        for frame in [send, cancel(conversation, to)] {
            assert_eq!(check(&frame, ann(), &Limits::default()).is_ok(), fits);
        }
    }
}

#[test]
fn a_kind_is_known_or_says_its_class() {
    let kind = |name: &str, class| {
        let name = name.to_owned();
        send(move |s| (s.kind, s.class) = (Some(name), class))
    };
    taken(&kind("poll", Some(Class::Content)));
    taken(&kind("io.example.poll-2", Some(Class::Setting)));
    assert_eq!(refused(&kind("poll", None)), Code::UNKNOWN_KIND);
    assert_eq!(
        refused(&kind("poll", Some(Class::Cancel))),
        Code::BAD_REQUEST
    );
    let membership = kind("expel", Some(Class::Membership));
    assert_eq!(refused(&membership), Code::UNKNOWN_KIND);
    // One that is known has its class, whatever is said.
    taken(&kind(kind::MESSAGE, Some(Class::Setting)));
    let class = check::class(
        Some(kind::MESSAGE),
        Some(Class::Setting),
        &Limits::default(),
    );
    assert_eq!(class, Ok(Class::Content));
    // A colon would make the row of another kind's setting.
    for name in ["setting:post", "", "a b", "a\u{1b}[2J", "né"] {
        assert_eq!(
            refused(&kind(name, Some(Class::Setting))),
            Code::BAD_REQUEST,
            "{name:?}"
        );
    }
}

#[test]
fn own_affairs_stay_at_home() {
    for kind in KINDS.iter().filter(|k| k.own) {
        let at = |conversation, to| {
            send(|s| {
                s.kind = Some(kind.name.into());
                s.key = Some("key".into());
                s.base = Some(Seq::ZERO);
                (s.conversation, s.to) = (conversation, to);
            })
        };
        taken(&at(None, Some(ann())));
        taken(&at(Some(ConversationId::own(ann())), None));
        assert_eq!(refused(&at(Some(group()), None)), Code::NOT_ALLOWED_HERE);
        assert_eq!(refused(&at(None, Some(bob()))), Code::NOT_ALLOWED_HERE);
    }
}

#[test]
fn what_a_kind_needs_is_there() {
    let of = |name: &str, change: fn(&mut client::Send)| {
        send(|s| {
            s.kind = Some(name.into());
            s.to = Some(ann()).filter(|_| kind::find(name).is_some_and(|k| k.own));
            s.conversation = Some(group()).filter(|_| s.to.is_none());
            change(s);
        })
    };
    for kind in KINDS.iter().filter(|k| k.class == Class::Change) {
        let without = of(kind.name, |s| s.key = Some("k".into()));
        assert_eq!(refused(&without), Code::BAD_REQUEST, "{}", kind.name);
        taken(&of(kind.name, |s| {
            (s.key, s.target) = (Some("k".into()), Some(Seq(1)))
        }));
    }
    let keyed = [
        kind::SETTING,
        kind::CONTACT,
        kind::BLOCK,
        kind::MUTE,
        kind::FAVOURITE,
        kind::NOTIFY,
        kind::READ_ELSEWHERE,
    ];
    for name in keyed {
        assert_eq!(refused(&of(name, |_| {})), Code::BAD_REQUEST, "{name}");
        assert_eq!(
            refused(&of(name, |s| s.key = Some(String::new()))),
            Code::BAD_REQUEST
        );
        taken(&of(name, |s| s.key = Some("k".into())));
    }
    for name in [kind::ADD, kind::REMOVE, kind::ROLE] {
        assert_eq!(refused(&of(name, |_| {})), Code::BAD_REQUEST, "{name}");
        taken(&of(name, |s| s.named = named(1)));
    }
    for name in [
        kind::JOIN,
        kind::LEAVE,
        kind::NAME,
        kind::TOPIC,
        kind::MESSAGE,
    ] {
        taken(&of(name, |_| {}));
    }
    assert_eq!(refused(&of(kind::DEVICE_LIST, |_| {})), Code::BAD_REQUEST);
    taken(&of(kind::DEVICE_LIST, |s| s.base = Some(Seq::ZERO)));

    assert_eq!(refused(&of(kind::CREATE, |_| {})), Code::BAD_REQUEST);
    let history = HistoryRule::All;
    for (shape, fits) in [
        (Shape::Direct, false),
        (Shape::Group, true),
        (Shape::Channel, true),
    ] {
        let mut frame = of(kind::CREATE, |_| {});
        let Client::Send(send) = &mut frame else {
            unreachable!()
        };
        send.create = Some(Create { shape, history });
        assert_eq!(
            check(&frame, ann(), &Limits::default()).is_ok(),
            fits,
            "{shape:?}"
        );
        let Client::Send(send) = &mut frame else {
            unreachable!()
        };
        send.kind = None;
        assert_eq!(refused(&frame), Code::BAD_REQUEST);
    }
}

#[test]
fn places_and_counters_begin_at_one() {
    for change in [
        (|s| s.target = Some(Seq::ZERO)) as fn(&mut client::Send),
        |s| s.reply_to = Some(Seq::ZERO),
        |s| s.thread = Some(Seq::ZERO),
        |s| {
            let (k, bytes) = (0, Bytes::default());
            s.mail.insert(device(), client::MailItem { k, bytes });
        },
        |s| {
            let (alg, epoch, bytes) = (String::new(), 0, Bytes::default());
            s.body = Body::Sealed(Sealed { alg, epoch, bytes });
        },
    ] {
        assert_eq!(refused(&send(change)), Code::BAD_REQUEST);
    }
    let marks = client::Marks {
        r#ref: 0,
        marks: [(group(), Seq::ZERO)].into(),
    };
    assert_eq!(refused(&Client::Read(marks)), Code::BAD_REQUEST);
    let (r#ref, conversation, id, retry, after, target) =
        (1, group(), id(1), true, None, Seq::ZERO);
    let delete = client::Delete {
        r#ref,
        conversation,
        id,
        retry,
        after,
        target,
    };
    assert_eq!(refused(&Client::Delete(delete)), Code::BAD_REQUEST);
}

#[test]
fn conversations_are_asked_for_within_limits() {
    let limits = Limits::default();
    let new = NewConversation {
        shape: Shape::Group,
        history: HistoryRule::All,
        name: Some("n".repeat(limits.name_bytes as usize)),
        topic: None,
        members: named(limits.named_users as usize),
        post: Some("admins".into()),
        join: Some("open".into()),
        id: None,
    };
    assert_eq!(check::new_conversation(&new, &limits), Ok(()));
    for change in [
        (|n| n.shape = Shape::Direct) as fn(&mut NewConversation),
        |n| n.name.as_mut().unwrap().push('n'),
        |n| n.topic = Some("n".repeat(257)),
        |n| n.members.push(named(1)[0]),
        |n| n.post = Some("nobody".into()),
        |n| n.join = Some("closed".into()),
    ] {
        let mut new = new.clone();
        change(&mut new);
        let refused = check::new_conversation(&new, &limits).expect_err("refused");
        assert_eq!(refused.code, Code::BAD_REQUEST);
    }
    let add = |n| {
        check::add_members(
            &AddMembers {
                members: named(n),
                id: None,
            },
            &limits,
        )
        .is_ok()
    };
    let most = limits.named_users as usize;
    assert_eq!(
        [0, 1, most - 1, most, most + 1].map(add),
        [false, true, true, true, false]
    );
}

#[test]
fn limits_hold_together() {
    let with = |change: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits.check()
    };
    assert_eq!(with(&|_| {}), Ok(()));
    let said = |change: &dyn Fn(&mut Limits)| with(change).expect_err("they do not");
    let large = said(&|l| l.body_bytes = 131_073);
    let why = "it is 131073, and limits.client_frame_bytes 131072: make that 132097 at least, or \
               this 130048 at most";
    assert_eq!(large, ("body_bytes", why.to_owned()));
    assert_eq!(said(&|l| l.server_frame_bytes = 200_000).0, "page_bytes");
    assert_eq!(said(&|l| l.idle_ms = l.ping_ms).0, "ping_ms");
    assert_eq!(said(&|l| l.outbound_bytes = 1).0, "page_bytes");
    let none = said(&|l| l.sends_burst = 0);
    assert_eq!(none, ("sends_burst", "must be above 0".to_owned()));
    assert_eq!(said(&|l| l.group_members = 501).0, "group_members");
    assert_eq!(with(&|l| l.group_members = 2), Ok(()));
}
