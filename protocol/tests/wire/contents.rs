//! What a digest of contents tells apart, and what it does not.

use parlour_protocol::body::Body;
use parlour_protocol::codec::Codec;
use parlour_protocol::contents::{digest, fits};
use parlour_protocol::frame::{Client, client};
use parlour_protocol::kind::{self, HistoryRule, Role, Shape};
use parlour_protocol::record::{Create, Named, Origin};
use parlour_protocol::seq::Seq;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::draw::Draw;
use crate::samples::{TIME_MS, ann, bob, device, id, send_least};

/// Stored for ever: it must never change.
#[test]
fn is_fixed() {
    assert_eq!(digest(&send_least()), FIXED, "{:#x}", digest(&send_least()));
}

const FIXED: u64 = 0xb562_75f1_34b0_ca3d;

#[test]
fn every_field_that_says_something_counts() {
    let least = send_least();
    let with = |change: &dyn Fn(&mut client::Send)| {
        let mut send = least.clone();
        change(&mut send);
        digest(&send)
    };
    let named = |user, role| vec![Named { user, role }];
    let create = |history| Create {
        shape: Shape::Group,
        history,
    };
    let text = |text: &str| Body::text(text);
    let mut all = vec![
        digest(&least),
        with(&|s| s.body = text("another")),
        with(&|s| s.body = text("")),
        with(&|s| s.body = Body::default()),
        with(&|s| s.body = Body::field("text", 1)),
        with(&|s| s.body = Body::field("text", "1")),
        with(&|s| s.body = Body::field("text", json!(["1"]))),
        with(&|s| s.body = Body::field("text", json!({"1": null}))),
        with(&|s| s.body = Body::field("text", true)),
        with(&|s| s.body = crate::samples::sealed()),
        with(&|s| s.kind = Some(kind::EDIT.to_owned())),
        with(&|s| s.class = Some(kind::Class::Change)),
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
    again.id = id(8);
    again.lists.insert(ann(), Seq(3));
    let item = client::MailItem {
        k: 1,
        bytes: vec![1].into(),
    };
    again.mail.insert(device(), item);
    assert_eq!(digest(&again), digest(&first));
}

#[test]
fn what_is_not_known_speaks_against_nothing() {
    assert!(fits(None, Some(1)) && fits(Some(1), None) && fits(None, None));
    assert!(fits(Some(1), Some(1)) && !fits(Some(1), Some(2)));
}

proptest! {
    /// One contents, whichever codec carried it and in whatever order its fields were named.
    #[test]
    fn is_that_of_the_contents_and_not_of_the_bytes(bytes in vec(any::<u8>(), 0..2_000)) {
        let drawn: Vec<u8> = std::iter::once(2).chain(bytes).collect();
        let Client::Send(send) = Draw::new(&drawn).client() else {
            return Err(TestCaseError::fail("2 draws a send"));
        };
        let want = digest(&send);
        for codec in [Codec::Json, Codec::MessagePack] {
            let bytes = Client::Send(send.clone()).encode(codec);
            let Ok(Client::Send(read)) = Client::decode(codec, &bytes) else {
                return Err(TestCaseError::fail("a send is read as one"));
            };
            prop_assert_eq!(digest(&read), want);
        }
        let mut turned = send.clone();
        if let Body::Plain(fields) = &mut turned.body {
            *fields = fields.clone().into_iter().rev().collect();
        }
        prop_assert_eq!(digest(&turned), want);
    }
}
