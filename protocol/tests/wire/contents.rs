//! What a digest of contents tells apart, and what it does not.

use parlour_protocol::body::Body;
use parlour_protocol::codec::Codec;
use parlour_protocol::contents::{digest, fits};
use parlour_protocol::frame::{Client, client};
use parlour_protocol::id::ConversationId;
use parlour_protocol::kind::{self, Class, HistoryRule, Role, Shape};
use parlour_protocol::record::{Create, Mentions, Named, Origin};
use parlour_protocol::seq::Seq;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::draw::Draw;
use crate::samples::{TIME_MS, ann, bob, device, group, id, plain, sealed, send_least};

/// As ann says it to the group.
fn says(send: &client::Send) -> u64 {
    digest(send, ann(), group())
}

/// Everything that a send can say, but for its body.
fn most() -> client::Send {
    let users = vec![ann(), bob()];
    client::Send {
        kind: Some("later".to_owned()),
        class: Some(Class::Setting),
        mentions: Mentions {
            users,
            everyone: true,
        },
        reply_to: Some(Seq(1)),
        thread: Some(Seq(2)),
        target: Some(Seq(3)),
        key: Some("key".to_owned()),
        value: Some("value".to_owned()),
        on: false,
        base: Some(Seq(4)),
        named: [Role::Member, Role::Admin, Role::Owner]
            .map(|role| Named { user: bob(), role })
            .to_vec(),
        create: Some(Create {
            shape: Shape::Channel,
            history: HistoryRule::FromJoin,
        }),
        origin: Some(Origin {
            author: "author".to_owned(),
            id: "id".to_owned(),
            time_ms: TIME_MS,
        }),
        expires_after_s: Some(3_600),
        body: plain(),
        ..send_least()
    }
}

/// Stored for ever: they must never change.
#[test]
fn are_fixed() {
    let sealed = client::Send {
        body: sealed(),
        ..send_least()
    };
    let created = client::Send {
        kind: Some(kind::CREATE.to_owned()),
        create: Some(Create {
            shape: Shape::Group,
            history: HistoryRule::All,
        }),
        ..send_least()
    };
    let found = [send_least(), most(), sealed, created].map(|s| format!("{:016x}", says(&s)));
    assert_eq!(found, FIXED);
}

const FIXED: [&str; 4] = [
    "01292bbfc498538d",
    "0191a1d6b06acf82",
    "01c99e7c25e738bc",
    "0147adbe3b9c270b",
];

#[test]
fn every_field_that_says_something_counts() {
    let least = send_least();
    let with = |change: &dyn Fn(&mut client::Send)| {
        let mut send = least.clone();
        change(&mut send);
        says(&send)
    };
    let named = |user, role| vec![Named { user, role }];
    let create = |history| Create {
        shape: Shape::Group,
        history,
    };
    let text = |text: &str| Body::text(text);
    let later = |class| {
        with(&|s| {
            s.kind = Some("later".to_owned());
            s.class = Some(class);
        })
    };
    let mut all = vec![
        says(&least),
        digest(&least, bob(), group()),
        digest(&least, ann(), ConversationId::own(ann())),
        with(&|s| s.id = id(9)),
        with(&|s| s.body = text("another")),
        with(&|s| s.body = text("")),
        with(&|s| s.body = Body::default()),
        with(&|s| s.body = Body::field("text", 1)),
        with(&|s| s.body = Body::field("text", "1")),
        with(&|s| s.body = Body::field("text", json!(["1"]))),
        with(&|s| s.body = Body::field("text", json!({"1": null}))),
        with(&|s| s.body = Body::field("text", true)),
        with(&|s| s.body = sealed()),
        with(&|s| s.kind = Some(kind::EDIT.to_owned())),
        later(Class::Content),
        later(Class::Change),
        later(Class::Setting),
        with(&|s| s.reply_to = Some(Seq(1))),
        with(&|s| s.thread = Some(Seq(1))),
        with(&|s| s.target = Some(Seq(1))),
        with(&|s| s.base = Some(Seq(1))),
        with(&|s| s.key = Some("a".to_owned())),
        with(&|s| s.value = Some("a".to_owned())),
        with(&|s| s.key = Some(String::new())),
        with(&|s| s.on = false),
        with(&|s| s.mentions.users = vec![ann()]),
        with(&|s| s.mentions.users = vec![ann(), bob()]),
        with(&|s| s.mentions.everyone = true),
        with(&|s| s.named = named(ann(), Role::Member)),
        with(&|s| s.named = named(ann(), Role::Admin)),
        with(&|s| s.create = Some(create(HistoryRule::All))),
        with(&|s| s.create = Some(create(HistoryRule::FromJoin))),
        with(&|s| s.expires_after_s = Some(1)),
        with(&|s| {
            s.origin = Some(Origin {
                author: "a".to_owned(),
                id: "b".to_owned(),
                time_ms: TIME_MS,
            });
        }),
    ];
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "two of them are told apart by nothing");
}

#[test]
fn what_a_try_may_change_does_not() {
    let first = send_least();
    let mut again = first.clone();
    again.r#ref = 77;
    again.retry = !first.retry;
    again.after = Some(id(9));
    again.kind = Some(kind::MESSAGE.to_owned());
    // Of a kind that is known its class is not looked at.
    again.class = Some(Class::Setting);
    again.lists.insert(ann(), Seq(3));
    let item = client::MailItem {
        k: 1,
        bytes: vec![1].into(),
    };
    again.mail.insert(device(), item);
    assert_eq!(says(&again), says(&first));
}

#[test]
fn what_is_not_known_speaks_against_nothing() {
    assert!(fits(None, Some(1)) && fits(Some(1), None) && fits(None, None));
    assert!(fits(Some(1), Some(1)) && !fits(Some(1), Some(2)));
    // By other rules.
    assert!(fits(Some(1), Some(1 << 56 | 2)));
}

proptest! {
    /// One contents, whichever codec carried it and in whatever order its fields were named.
    #[test]
    fn is_that_of_the_contents_and_not_of_the_bytes(bytes in vec(any::<u8>(), 0..2_000)) {
        let drawn: Vec<u8> = std::iter::once(2).chain(bytes).collect();
        let Client::Send(send) = Draw::new(&drawn).client() else {
            return Err(TestCaseError::fail("2 draws a send"));
        };
        let want = says(&send);
        for codec in [Codec::Json, Codec::MessagePack] {
            let bytes = Client::Send(send.clone()).encode(codec);
            let Ok(Client::Send(read)) = Client::decode(codec, &bytes) else {
                return Err(TestCaseError::fail("a send is read as one"));
            };
            prop_assert_eq!(says(&read), want);
        }
        let mut turned = send.clone();
        if let Body::Plain(fields) = &mut turned.body {
            turn(fields);
        }
        prop_assert_eq!(says(&turned), want);
    }
}

/// The same fields, in the other order, all the way down.
fn turn(fields: &mut Map<String, Value>) {
    *fields = core::mem::take(fields).into_iter().rev().collect();
    for value in fields.values_mut() {
        turn_in(value);
    }
}

fn turn_in(value: &mut Value) {
    match value {
        Value::Object(fields) => turn(fields),
        Value::Array(values) => values.iter_mut().for_each(turn_in),
        _ => {}
    }
}
