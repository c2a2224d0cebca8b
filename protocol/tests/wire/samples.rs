//! One of everything: each frame with all of its fields and with the least of them, each row.

mod stored;

use std::collections::BTreeMap;

use parlour_protocol::body::{Body, Sealed};
use parlour_protocol::bytes::Bytes;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Server, client, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
use parlour_protocol::kind::{self, Class, HistoryRule, Role, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::line::{Line, Standing, digests};
use parlour_protocol::record::{Create, Mentions, Named, Origin};
use parlour_protocol::seq::{Head, Mark, Seq};
use serde_json::json;

pub(crate) use stored::{
    VARIANTS, header, header_least, inbox, progress, records, rows, standing, variant,
};

pub(crate) const TIME_MS: u64 = 1_767_225_600_000;

pub(crate) fn ann() -> UserId {
    UserId::v7(TIME_MS, [1; 10])
}
pub(crate) fn bob() -> UserId {
    UserId::v7(TIME_MS, [2; 10])
}
pub(crate) fn device() -> DeviceId {
    DeviceId::v7(TIME_MS, [3; 10])
}
pub(crate) fn tablet() -> DeviceId {
    DeviceId::v7(TIME_MS, [4; 10])
}
pub(crate) fn group() -> ConversationId {
    ConversationId::v7(TIME_MS, [5; 10])
}
pub(crate) fn id(n: u8) -> MessageId {
    MessageId::v7(TIME_MS, [n; 10])
}
fn seqs(n: u64) -> Option<Seq> {
    Some(Seq(n))
}

pub(crate) fn plain() -> Body {
    let mut body = Body::text("Grüße, \"friend\" \u{1F600}\n");
    if let Body::Plain(map) = &mut body {
        map.insert(
            "more".into(),
            json!({"n": -1, "big": u64::MAX, "half": 0.5, "none": null, "list": [true, []]}),
        );
    }
    body
}

pub(crate) fn sealed() -> Body {
    Body::Sealed(Sealed {
        alg: "megolm.v1".into(),
        epoch: 7,
        bytes: Bytes::from(&b"\x00\x01\xfe\xff ciphertext"[..]),
    })
}

fn mail() -> BTreeMap<DeviceId, client::MailItem> {
    let item = client::MailItem {
        k: 12,
        bytes: Bytes::from(&b"key"[..]),
    };
    BTreeMap::from([(tablet(), item)])
}

fn lists() -> BTreeMap<UserId, Seq> {
    BTreeMap::from([(ann(), Seq(2)), (bob(), Seq(9))])
}

fn mentions() -> Mentions {
    Mentions {
        users: vec![bob()],
        everyone: true,
    }
}

fn origin() -> Origin {
    Origin {
        author: "nick".into(),
        id: "2004-07-05.txt:17".into(),
        time_ms: 1_089_000_000_000,
    }
}

fn named() -> Vec<Named> {
    vec![Named {
        user: bob(),
        role: Role::Admin,
    }]
}

fn create() -> Create {
    Create {
        shape: Shape::Group,
        history: HistoryRule::All,
    }
}

pub(crate) fn line() -> Line {
    Line {
        conversation: group(),
        head: Head {
            seq: Seq(40),
            n: 31,
        },
        own: mark(),
        other: Some(Mark::default()),
        standing: Standing::Member(Seq(3)),
    }
}

fn mark() -> Mark {
    Mark {
        delivered: Head {
            seq: Seq(40),
            n: 31,
        },
        read: Head {
            seq: Seq(38),
            n: 30,
        },
    }
}

pub(crate) fn send_least() -> client::Send {
    client::Send {
        r#ref: 0,
        conversation: Some(group()),
        to: None,
        id: id(7),
        retry: true,
        after: None,
        kind: None,
        class: None,
        mentions: Mentions::default(),
        reply_to: None,
        thread: None,
        target: None,
        key: None,
        value: None,
        on: true,
        base: None,
        named: Vec::new(),
        create: None,
        origin: None,
        expires_after_s: None,
        body: Body::text("hello"),
        mail: BTreeMap::new(),
        lists: BTreeMap::new(),
    }
}

/// Client frames by the name of their snapshot, which begins with their type.
pub(crate) fn client() -> Vec<(&'static str, Client)> {
    let full = client::Send {
        r#ref: 3,
        to: Some(bob()),
        retry: false,
        after: Some(id(6)),
        kind: Some("poll".into()),
        class: Some(Class::Content),
        mentions: mentions(),
        reply_to: seqs(11),
        thread: seqs(10),
        target: seqs(9),
        key: Some("key".into()),
        value: Some("value".into()),
        on: false,
        base: seqs(8),
        named: named(),
        create: Some(create()),
        origin: Some(origin()),
        expires_after_s: Some(3_600),
        body: plain(),
        mail: mail(),
        lists: lists(),
        ..send_least()
    };
    let marks = client::Marks {
        r#ref: 0,
        marks: BTreeMap::from([(group(), Seq(40)), (ConversationId::own(ann()), Seq(2))]),
    };
    vec![
        (
            "hello",
            Client::Hello(client::Hello {
                token: client::Token("plr_0123456789abcdef".into()),
                device: Some(device()),
                client: "parlour-chat 0.1.0".into(),
                features: vec!["later".into()],
            }),
        ),
        (
            "hello.least",
            Client::Hello(client::Hello {
                token: client::Token("plr_0123456789abcdef".into()),
                device: None,
                client: String::new(),
                features: Vec::new(),
            }),
        ),
        (
            "sync",
            Client::Sync(client::Sync {
                r#ref: 1,
                digests: Some(digests([&line()])),
            }),
        ),
        (
            "sync.least",
            Client::Sync(client::Sync {
                r#ref: 0,
                digests: None,
            }),
        ),
        ("send", Client::Send(full.clone())),
        ("send.least", Client::Send(send_least())),
        (
            "send.sealed",
            Client::Send(client::Send {
                r#ref: 4,
                body: sealed(),
                mail: mail(),
                lists: lists(),
                ..send_least()
            }),
        ),
        (
            "edit",
            Client::Edit(client::Edit {
                r#ref: 5,
                conversation: group(),
                id: id(8),
                retry: false,
                after: Some(id(7)),
                target: Seq(12),
                body: plain(),
                mentions: mentions(),
                mail: mail(),
                lists: lists(),
            }),
        ),
        (
            "delete",
            Client::Delete(client::Delete {
                r#ref: 6,
                conversation: group(),
                id: id(9),
                retry: false,
                after: Some(id(8)),
                target: Seq(12),
            }),
        ),
        (
            "react",
            Client::React(client::React {
                r#ref: 7,
                conversation: group(),
                id: id(10),
                retry: false,
                after: Some(id(9)),
                target: Seq(11),
                key: "\u{1F44D}".into(),
                on: false,
            }),
        ),
        (
            "cancel",
            Client::Cancel(client::Cancel {
                r#ref: 8,
                conversation: None,
                to: Some(bob()),
                id: id(7),
                after: Some(id(6)),
            }),
        ),
        ("delivered", Client::Delivered(marks.clone())),
        ("read", Client::Read(marks)),
        (
            "mail_ack",
            Client::MailAck(client::MailAck {
                r#ref: 0,
                from: BTreeMap::from([(tablet(), 12)]),
            }),
        ),
        (
            "typing",
            Client::Typing(client::Typing {
                r#ref: 0,
                conversation: group(),
            }),
        ),
        (
            "typing.ref",
            Client::Typing(client::Typing {
                r#ref: 9,
                conversation: group(),
            }),
        ),
        (
            "focus",
            Client::Focus(client::Focus {
                r#ref: 0,
                conversation: Some(group()),
                members: true,
            }),
        ),
        (
            "focus.least",
            Client::Focus(client::Focus {
                r#ref: 0,
                conversation: None,
                members: false,
            }),
        ),
        (
            "watch",
            Client::Watch(client::Watch {
                r#ref: 0,
                users: vec![ann(), bob()],
            }),
        ),
        (
            "history",
            Client::History(client::History {
                r#ref: 9,
                conversation: group(),
                before: seqs(41),
                after: seqs(1),
                changes_since: seqs(30),
                limit: Some(50),
            }),
        ),
        ("ping", Client::Ping(client::Ping { r#ref: 10 })),
    ]
}

pub(crate) fn event_least() -> server::Event {
    server::Event {
        conversation: group(),
        seq: Seq(41),
        n: 32,
        prev: Seq(40),
        time_ms: TIME_MS,
        id: id(7),
        sender: ann(),
        device: device(),
        class: Class::Content,
        kind: kind::MESSAGE.into(),
        target: None,
        key: None,
        value: None,
        on: true,
        base: None,
        named: Vec::new(),
        create: None,
        reply_to: None,
        thread: None,
        mentions: Mentions::default(),
        quiet: false,
        origin: None,
        expires_after_s: None,
        body: None,
        edited: None,
        deleted: None,
        reactions: Vec::new(),
        reactions_more: 0,
        pinned: None,
    }
}

pub(crate) fn event() -> server::Event {
    server::Event {
        target: seqs(9),
        key: Some("key".into()),
        value: Some("value".into()),
        on: false,
        base: seqs(8),
        named: named(),
        create: Some(create()),
        reply_to: seqs(11),
        thread: seqs(10),
        mentions: mentions(),
        quiet: true,
        origin: Some(origin()),
        expires_after_s: Some(3_600),
        body: Some(plain()),
        edited: Some(server::Edited {
            seq: Seq(42),
            time_ms: TIME_MS + 1,
        }),
        deleted: Some(server::Deleted {
            seq: Seq(43),
            by: bob(),
        }),
        reactions: vec![server::Reaction {
            seq: Seq(44),
            user: bob(),
            key: "\u{1F44D}".into(),
        }],
        reactions_more: 12,
        pinned: seqs(45),
        ..event_least()
    }
}

/// Server frames by the name of their snapshot, which begins with their type.
pub(crate) fn server() -> Vec<(&'static str, Server)> {
    let stretch = server::Stretch {
        conversation: group(),
        from: Seq(39),
        to: Seq(41),
        events: vec![event_least()],
        as_of: Seq(45),
        withheld: vec![server::Withheld {
            from: Seq(39),
            to: Seq(40),
            why: server::Why::NotMember,
        }],
        more: true,
        changes: true,
    };
    let about = server::About {
        conversation: group(),
        shape: Shape::Direct,
        history: HistoryRule::FromJoin,
        members: 2,
        name: Some("name".into()),
        topic: Some("topic".into()),
        peer: Some(bob()),
        role: Role::Owner,
        joined_n: 4,
        mentions: 1,
    };
    vec![
        (
            "welcome",
            Server::Welcome(server::Welcome {
                session: SessionId::v7(TIME_MS, [8; 10]),
                user: ann(),
                device: device(),
                store: StoreId::v7(TIME_MS, [9; 10]),
                time_ms: TIME_MS,
                limits: Limits::default(),
                features: vec!["later".into()],
            }),
        ),
        (
            "sent",
            Server::Sent(server::Sent {
                r#ref: 3,
                id: id(7),
                conversation: group(),
                seq: Seq(41),
                n: 32,
                time_ms: TIME_MS,
            }),
        ),
        ("event", Server::Event(event())),
        ("event.least", Server::Event(event_least())),
        (
            "event.sealed",
            Server::Event(server::Event {
                body: Some(sealed()),
                ..event_least()
            }),
        ),
        (
            "heads",
            Server::Heads(server::Heads {
                heads: vec![server::Moved {
                    conversation: group(),
                    head: Head {
                        seq: Seq(41),
                        n: 32,
                    },
                }],
            }),
        ),
        (
            "receipt",
            Server::Receipt(server::Receipt {
                conversation: group(),
                own: Some(mark()),
                members: vec![server::MemberMark {
                    user: bob(),
                    mark: mark(),
                }],
                counts: Some(server::Counts {
                    seq: Seq(40),
                    delivered: 3,
                    read: 2,
                    of: 4,
                }),
            }),
        ),
        (
            "mail",
            Server::Mail(server::Mail {
                from_user: ann(),
                from: device(),
                k: 12,
                bytes: Bytes::from(&b"key"[..]),
            }),
        ),
        (
            "presence",
            Server::Presence(server::Presence {
                users: [
                    server::State::Online,
                    server::State::Offline,
                    server::State::Unknown,
                ]
                .map(|state| server::UserPresence {
                    user: bob(),
                    state,
                    last_seen_ms: (state == server::State::Offline).then_some(TIME_MS),
                })
                .to_vec(),
            }),
        ),
        (
            "typing",
            Server::Typing(server::Typing {
                conversation: group(),
                users: vec![bob()],
            }),
        ),
        (
            "page",
            Server::Page(server::Page {
                r#ref: 9,
                lines: vec![line()],
                about: vec![about],
                stretch: Some(stretch),
                more: true,
                ready: true,
            }),
        ),
        (
            "page.least",
            Server::Page(server::Page {
                r#ref: 0,
                lines: Vec::new(),
                about: Vec::new(),
                stretch: None,
                more: false,
                ready: false,
            }),
        ),
        (
            "pong",
            Server::Pong(server::Pong {
                r#ref: 10,
                time_ms: TIME_MS,
            }),
        ),
        ("behind", Server::Behind(server::Behind { after_ms: 250 })),
        (
            "going_away",
            Server::GoingAway(server::GoingAway { after_ms: 1_500 }),
        ),
        ("error", {
            let mut error = server::Error::new(3, Code::RATE_LIMITED)
                .of(group(), id(7))
                .why("sends");
            error.retry_ms = Some(900);
            Server::Error(error)
        }),
        (
            "error.least",
            Server::Error(server::Error::new(0, Code::BAD_FRAME)),
        ),
    ]
}
