//! Requests that are refused, and with which number.

use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Server, client};
use parlour_protocol::http::{Conversation, LoggedIn, Placed};
use parlour_protocol::id::ConversationId;
use parlour_protocol::kind::Class;
use parlour_protocol::seq::Seq;
use parlour_tests::socket::plain;
use parlour_tests::{Node, Socket, message_id};
use serde_json::json;

use crate::CODECS;

/// Makes a group of the maker and these others.
pub(crate) async fn group(node: &Node, maker: &LoggedIn, others: &[&LoggedIn]) -> ConversationId {
    let members: Vec<_> = others.iter().map(|o| json!({"user": o.user})).collect();
    let made: Conversation = node
        .http()
        .with(&maker.token.0)
        .post(
            "/v1/conversations",
            &json!({"shape": "group", "members": members}),
        )
        .await
        .ok();
    made.conversation
}

#[tokio::test]
async fn what_does_not_exist_answers_like_what_is_not_yours() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let hers = group(&node, &ada, &[]).await;
    let nowhere = ConversationId::from_bytes(*message_id().as_bytes());
    for codec in CODECS {
        let (mut socket, _) = Socket::connect(&node.url, &bob.token.0, codec).await;
        let mut told = Vec::new();
        for conversation in [hers, nowhere] {
            let mut send = plain("hello?");
            send.conversation = Some(conversation);
            send.r#ref = socket.next_ref();
            let at = send.r#ref;
            socket.send(&Client::Send(send)).await;
            let history = client::History {
                r#ref: socket.next_ref(),
                conversation,
                before: None,
                after: None,
                changes_since: None,
                limit: None,
            };
            let second = history.r#ref;
            socket.send(&Client::History(history)).await;
            told.push((socket.error(at).await, socket.error(second).await));
        }
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0], (Code::NOT_FOUND, Code::NOT_FOUND));
    }
    let http = node.http().with(&bob.token.0);
    for path in ["", "/members", "/history"] {
        let mut told = Vec::new();
        for conversation in [hers, nowhere] {
            let answer = http
                .get(&format!("/v1/conversations/{conversation}{path}"))
                .await;
            assert_eq!(answer.error().code, Code::NOT_FOUND, "{path}");
            told.push(answer.body.replace(&conversation.to_string(), "ID"));
        }
        assert_eq!(told[0], told[1]);
    }
}

#[tokio::test]
async fn whoever_was_removed_sends_nothing_and_reads_up_to_there() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let group = group(&node, &ada, &[&bob]).await;
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::MessagePack).await;
    his.say(group, "I am here").await;
    let removed: Placed = node
        .http()
        .with(&ada.token.0)
        .delete(&format!("/v1/conversations/{group}/members/{}", bob.user))
        .await
        .ok();
    // He is shown his removal, and nothing after it.
    his.expect(|f| match f {
        Server::Event(e) if e.seq == removed.seq => Some(()),
        _ => None,
    })
    .await;
    let secret = hers.say(group, "now that he is gone").await;
    let mut send = plain("let me in");
    send.conversation = Some(group);
    assert_eq!(his.refused(send).await, Code::NOT_MEMBER);

    let ask = his.next_ref();
    his.send(&Client::History(client::History {
        r#ref: ask,
        conversation: group,
        before: None,
        after: Some(Seq::ZERO),
        changes_since: None,
        limit: None,
    }))
    .await;
    let stretch = his
        .expect(|f| match f {
            Server::Page(p) if p.r#ref == ask => p.stretch.clone(),
            Server::Event(e) if e.seq >= secret.seq => panic!("he was shown {e:?}"),
            _ => None,
        })
        .await;
    assert_eq!(stretch.events.last().map(|e| e.seq), Some(removed.seq));
}

#[tokio::test]
async fn a_seq_from_the_future_is_refused() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let group = group(&node, &ada, &[]).await;
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let said = socket.say(group, "one").await;

    let mark = client::Marks {
        r#ref: 0,
        marks: [(group, Seq(said.seq.0 + 1_000))].into(),
    };
    socket.send(&Client::Read(mark)).await;
    let told = socket
        .expect(|f| match f {
            Server::Error(e) => Some(e.code),
            _ => None,
        })
        .await;
    assert_eq!(told, Code::SEQ_AHEAD);

    let mut edit = plain("two");
    edit.conversation = Some(group);
    edit.kind = Some("edit".into());
    edit.target = Some(Seq(said.seq.0 + 1_000));
    let code = socket.refused(edit).await;
    assert!(matches!(code, Code::SEQ_AHEAD | Code::NO_TARGET), "{code}");
}

#[tokio::test]
async fn the_501st_member_is_refused() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let names: Vec<String> = (0..501).map(|i| format!("user{i}")).collect();
    let users = node.bulk(&names, 0).await;
    let named: Vec<_> = users
        .devices
        .iter()
        .map(|d| json!({"user": d.user}))
        .collect();
    let http = node.http().with(&ada.token.0);
    let group = group(&node, &ada, &[]).await;
    let add = format!("/v1/conversations/{group}/members");
    let _: Placed = http
        .post(&add, &json!({"members": named[..499]}))
        .await
        .ok();
    let full: Conversation = http.get(&format!("/v1/conversations/{group}")).await.ok();
    assert_eq!(full.members, 500);
    let refused = http.post(&add, &json!({"members": named[499..500]})).await;
    assert_eq!(refused.error().code, Code::GROUP_FULL);
    // And not in one go either.
    let refused = http
        .post(
            "/v1/conversations",
            &json!({"shape": "group", "members": named[..500]}),
        )
        .await;
    assert_eq!(refused.error().code, Code::GROUP_FULL);
}

#[tokio::test]
async fn bodies_have_bounds() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    for codec in CODECS {
        let (mut socket, welcome) = Socket::connect(&node.url, &ada.token.0, codec).await;
        let most = usize::try_from(welcome.limits.body_bytes).unwrap();
        let around = plain("").body.json_bytes();
        let mut send = plain(&"x".repeat(most - around));
        send.conversation = Some(own);
        assert_eq!(send.body.json_bytes(), most);
        let placed = socket.place(send).await;
        assert!(placed.seq > Seq::ZERO);
        let mut send = plain(&"x".repeat(most - around + 1));
        send.conversation = Some(own);
        assert_eq!(socket.refused(send).await, Code::TOO_LARGE);

        let mut deep = json!(1);
        for _ in 0..40 {
            deep = json!([deep]);
        }
        let mut send = plain("");
        send.body = parlour_protocol::body::Body::field("deep", deep);
        send.conversation = Some(own);
        assert_eq!(socket.refused(send).await, Code::BAD_REQUEST);
    }
}

#[tokio::test]
async fn what_a_kind_does_not_allow_is_refused() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let group = group(&node, &ada, &[&bob]).await;
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    let ask = |kind: &str| {
        let mut send = plain("");
        send.conversation = Some(group);
        send.kind = Some(kind.to_owned());
        send
    };
    let mut unknown = ask("hologram");
    assert_eq!(his.refused(unknown.clone()).await, Code::UNKNOWN_KIND);
    // With its class it is sequenced, though nobody here knows it.
    unknown.id = message_id();
    unknown.class = Some(Class::Content);
    his.place(unknown).await;

    let mut block = ask("block");
    block.key = Some(ada.user.to_string());
    assert_eq!(his.refused(block).await, Code::NOT_ALLOWED_HERE);

    let mut role = ask("role");
    role.named = vec![parlour_protocol::record::Named {
        user: bob.user,
        role: parlour_protocol::kind::Role::Owner,
    }];
    assert_eq!(his.refused(role).await, Code::FORBIDDEN);

    let mut origin = plain("from elsewhere");
    origin.conversation = Some(group);
    origin.origin = Some(parlour_protocol::record::Origin {
        author: "eve".into(),
        id: "1".into(),
        time_ms: 1,
    });
    assert_eq!(his.refused(origin).await, Code::SCOPE);

    let mut wrong = plain("");
    wrong.conversation = Some(ConversationId::own(ada.user));
    wrong.to = Some(bob.user);
    let code = his.refused(wrong).await;
    assert!(
        matches!(code, Code::BAD_CONVERSATION | Code::BAD_REQUEST),
        "{code}"
    );
}

#[tokio::test]
async fn an_id_has_one_outcome_for_ever() {
    let mut node = Node::start();
    let ada = node.sign_up("ada").await;
    let group = group(&node, &ada, &[]).await;
    let mut send = plain("once");
    send.conversation = Some(group);
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let first = socket.place(send.clone()).await;
    send.retry = true;
    assert_eq!(socket.place(send.clone()).await.seq, first.seq);
    node.restart();
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
    let again = socket.place(send.clone()).await;
    assert_eq!(
        (again.seq, again.n, again.time_ms),
        (first.seq, first.n, first.time_ms)
    );

    // Given up before it was sent: refused for ever.
    let mut late = plain("too late");
    late.conversation = Some(group);
    late.retry = true;
    let at = socket.next_ref();
    socket
        .send(&Client::Cancel(client::Cancel {
            r#ref: at,
            conversation: Some(group),
            to: None,
            id: late.id,
            after: None,
        }))
        .await;
    assert_eq!(socket.error(at).await, Code::CANCELLED);
    assert_eq!(socket.refused(late).await, Code::CANCELLED);
}

#[tokio::test]
async fn sends_are_limited_per_device() {
    let node = Node::with(&[
        "--set",
        "limits.sends_burst=3",
        "--set",
        "limits.sends_per_min=1",
    ]);
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    for _ in 0..3 {
        socket.say(own, "note").await;
    }
    let mut send = plain("one too many");
    send.conversation = Some(own);
    send.r#ref = socket.next_ref();
    let at = send.r#ref;
    socket.send(&Client::Send(send)).await;
    let wait = socket
        .expect(|f| match f {
            Server::Error(e) if e.r#ref == at && e.code == Code::RATE_LIMITED => e.retry_ms,
            _ => None,
        })
        .await;
    assert!(wait > 10_000, "{wait}");
}

#[tokio::test]
async fn a_device_has_one_allowance_whichever_way_it_sends() {
    let node = Node::with(&[
        "--set",
        "limits.sends_burst=4",
        "--set",
        "limits.sends_per_min=1",
    ]);
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    for codec in CODECS {
        // The newer connection of a device replaces the older, and begins where that ended.
        let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, codec).await;
        socket.say(own, "one").await;
    }
    let path = format!("/v1/conversations/{own}/messages");
    let hers = node.http().with(&ada.token.0);
    let note = json!({"id": message_id(), "body": {"plain": {"text": "two"}}});
    let _: parlour_protocol::http::Placed = hers.post(&path, &note).await.ok();
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    socket.say(own, "three").await;
    let mut send = plain("four");
    send.conversation = Some(own);
    assert_eq!(socket.refused(send).await, Code::RATE_LIMITED);
    let note = json!({"id": message_id(), "body": {"plain": {"text": "five"}}});
    assert_eq!(
        hers.post(&path, &note).await.error().code,
        Code::RATE_LIMITED
    );
    // Another device of hers has its own.
    let other = node.log_in("ada").await;
    let (mut socket, _) = Socket::connect(&node.url, &other.token.0, Codec::Json).await;
    socket.say(own, "six").await;
}

#[tokio::test]
async fn a_foreign_conversation_answers_as_one_that_is_not_there_after_anything() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let eve = node.sign_up("eve").await;
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let direct = ConversationId::direct(ada.user, bob.user);
    let mut hello = plain("hello");
    hello.to = Some(bob.user);
    hers.place(hello).await;
    let theirs = group(&node, &ada, &[&bob]).await;
    let nowhere = ConversationId::from_bytes(*message_id().as_bytes());
    let (mut socket, _) = Socket::connect(&node.url, &eve.token.0, Codec::Json).await;
    for place in [nowhere, theirs, direct] {
        let mut first = plain("let me in");
        first.conversation = Some(place);
        // So that it has an outcome, which the next can wait for.
        first.retry = true;
        let id = first.id;
        assert_eq!(socket.refused(first).await, Code::NOT_FOUND);
        for kind in ["message", "join", "leave", "name", "reaction"] {
            let mut next = plain("and now");
            next.conversation = Some(place);
            next.after = Some(id);
            next.kind = Some(kind.to_owned());
            next.target = Some(parlour_protocol::seq::Seq(1));
            next.key = Some("+1".to_owned());
            assert_eq!(socket.refused(next).await, Code::NOT_FOUND, "{kind}");
        }
        let cancel = Client::Cancel(client::Cancel {
            r#ref: 900,
            conversation: Some(place),
            to: None,
            id: message_id(),
            after: None,
        });
        socket.send(&cancel).await;
        assert_eq!(socket.error(900).await, Code::NOT_FOUND);
    }
}
