//! What is refused for what it says, beyond its limits: each with its code and a word on why.

use parlour_protocol::body::Body;
use parlour_protocol::check;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, client};
use parlour_protocol::http::NewConversation;
use parlour_protocol::kind::{self, HistoryRule, Role, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::record::{Create, Named, Origin};
use parlour_protocol::seq::Seq;
use parlour_protocol::{ConversationId, UserId};
use serde_json::json;

use crate::samples::{TIME_MS, ann, group, id, sealed};

fn send(change: impl FnOnce(&mut client::Send)) -> Result<(), check::Refused> {
    let mut send = client::Send {
        conversation: Some(group()),
        body: Body::text("hello"),
        ..client::Send::empty(id(1))
    };
    change(&mut send);
    check::send(&send, ann(), &Limits::default())
}

fn why(refused: Result<(), check::Refused>) -> (Code, String) {
    let refused = refused.expect_err("it is refused");
    (refused.code, refused.what)
}

fn members(count: u64) -> Vec<Named> {
    (0..count)
        .map(|n| Named {
            user: UserId::derived("test", &[&n.to_be_bytes()]),
            role: Role::Member,
        })
        .collect()
}

#[test]
fn a_message_says_something() {
    assert_eq!(send(|_| {}), Ok(()));
    assert_eq!(send(|s| s.body = Body::text(" ")), Ok(()), "a space is one");
    assert_eq!(send(|s| s.body = Body::field("file", "x")), Ok(()));
    assert_eq!(send(|s| s.body = sealed()), Ok(()));
    let refused = |body| why(send(|s| s.body = body));
    let bad = |what: &str| (Code::BAD_REQUEST, what.to_owned());
    assert_eq!(refused(Body::text("")), bad("`body.plain.text` is empty"));
    for value in [json!(5), json!(null), json!(["a"]), json!({"a": "b"})] {
        assert_eq!(
            refused(Body::field("text", value)),
            bad("`body.plain.text` is no string")
        );
    }
    assert_eq!(
        refused(Body::default()),
        bad("`body` is empty: a text goes into `body.plain.text`")
    );
    let edit = client::Edit {
        r#ref: 0,
        conversation: group(),
        id: id(1),
        retry: true,
        after: None,
        target: Seq(1),
        body: Body::text(""),
        mentions: Default::default(),
        mail: Default::default(),
        lists: Default::default(),
    };
    let edited = check::check(&Client::Edit(edit), ann(), &Limits::default());
    assert_eq!(why(edited), bad("`body.plain.text` is empty"));
}

/// What was said elsewhere is history, whatever it was.
#[test]
fn an_import_keeps_what_was_said() {
    let origin = || {
        Some(Origin {
            author: "a".to_owned(),
            id: "b".to_owned(),
            time_ms: TIME_MS,
        })
    };
    let empty = send(|s| {
        s.body = Body::text("");
        s.origin = origin();
    });
    assert_eq!(empty, Ok(()));
    let topic = send(|s| {
        s.kind = Some(kind::TOPIC.to_owned());
        s.value = Some("\u{2}bold\u{2}".to_owned());
        s.origin = origin();
    });
    assert_eq!(topic, Ok(()));
}

#[test]
fn names_and_topics_are_one_line() {
    let named = |kind: &str, value: &str| {
        let value = value.to_owned();
        send(|s| {
            s.kind = Some(kind.to_owned());
            s.value = Some(value);
        })
    };
    assert_eq!(named(kind::NAME, "Größe: ½ 茶 🍵"), Ok(()));
    for kind in [kind::NAME, kind::TOPIC] {
        for c in [
            '\n', '\t', '\0', '\u{1b}', '\u{7f}', '\u{9b}', '\u{2028}', '\u{202e}', '\u{2066}',
        ] {
            let (code, what) = why(named(kind, &format!("a{c}b")));
            assert_eq!(code, Code::BAD_REQUEST);
            let point = u32::from(c);
            assert_eq!(
                what,
                format!("`value` has the control character U+{point:04X}")
            );
        }
    }
    let new = NewConversation {
        id: None,
        shape: Shape::Group,
        history: HistoryRule::All,
        name: Some("a\nb".to_owned()),
        topic: None,
        members: Vec::new(),
        post: None,
        join: None,
    };
    let refused = check::new_conversation(&new, &Limits::default());
    assert_eq!(why(refused).1, "`name` has the control character U+000A");
}

/// A key from an import, or from before keys had to be one line, can be taken back.
#[test]
fn keys_are_one_line_unless_they_came_from_elsewhere_or_are_taken_back() {
    let reaction = |on: bool, from: bool| {
        send(|s| {
            s.kind = Some(kind::REACTION.to_owned());
            s.target = Some(Seq(1));
            s.key = Some("a\nb".to_owned());
            s.on = on;
            s.origin = from.then(|| Origin {
                author: "ann".to_owned(),
                id: "1".to_owned(),
                time_ms: TIME_MS,
            });
        })
    };
    let (code, what) = why(reaction(true, false));
    assert_eq!(code, Code::BAD_REQUEST);
    assert_eq!(what, "`key` has the control character U+000A");
    assert_eq!(reaction(true, true), Ok(()));
    assert_eq!(reaction(false, false), Ok(()));
    // `on` says nothing of other kinds: their key stands either way.
    for (kind, class) in [
        (kind::SETTING, None),
        ("weather", Some(kind::Class::Setting)),
    ] {
        let set = send(|s| {
            s.kind = Some(kind.to_owned());
            s.class = class;
            s.key = Some("a\nb".to_owned());
            s.value = Some("x".to_owned());
            s.on = false;
        });
        assert_eq!(why(set).1, what, "{kind}");
    }
    let react = |on| {
        let frame = client::React {
            r#ref: 0,
            conversation: group(),
            id: id(2),
            retry: false,
            after: None,
            target: Seq(1),
            key: "a\nb".to_owned(),
            on,
        };
        check::react(&frame, &Limits::default())
    };
    assert_eq!(why(react(true)).1, what);
    assert_eq!(react(false), Ok(()));
}

#[test]
fn a_group_of_more_than_it_holds_is_full() {
    let make = |shape, count| {
        send(|s| {
            s.kind = Some(kind::CREATE.to_owned());
            s.create = Some(Create {
                shape,
                history: HistoryRule::All,
            });
            s.named = members(count);
        })
    };
    assert_eq!(make(Shape::Group, 500), Ok(()), "its maker may be of them");
    let (code, what) = why(make(Shape::Group, 501));
    assert_eq!(code, Code::GROUP_FULL);
    assert_eq!(
        what,
        "`named` has 501 users, a group has at most 500 members"
    );
    // So many are named in one event at most.
    assert_eq!(why(make(Shape::Channel, 501)).0, Code::BAD_REQUEST);
}

#[test]
fn places_begin_at_1() {
    let history = |before| {
        Client::History(client::History {
            r#ref: 1,
            conversation: ConversationId::own(ann()),
            before,
            after: Some(Seq(0)),
            changes_since: None,
            limit: None,
        })
    };
    let checked = |before| check::check(&history(before), ann(), &Limits::default());
    assert_eq!(checked(None), Ok(()));
    assert_eq!(checked(Some(Seq(1))), Ok(()));
    let (code, what) = why(checked(Some(Seq(0))));
    assert_eq!(code, Code::BAD_REQUEST);
    assert_eq!(what, "`before` is 0: places begin at 1");
}

/// MessagePack has numbers that JSON has not: a body keeps them as JSON would write them.
#[test]
fn a_number_that_is_none_is_kept_as_null() {
    // {"plain": {"n": NaN, "i": +Infinity}}
    let mut bytes = b"\x81\xa5plain\x82\xa1n\xcb".to_vec();
    bytes.extend(f64::NAN.to_be_bytes());
    bytes.extend(b"\xa1i\xcb");
    bytes.extend(f64::INFINITY.to_be_bytes());
    let body: Body = rmp_serde::from_slice(&bytes).expect("it is read");
    let plain = json!({"plain": {"n": null, "i": null}});
    assert_eq!(serde_json::to_value(body).unwrap(), plain);
}
