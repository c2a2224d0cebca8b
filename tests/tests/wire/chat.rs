//! Two people talk: delivery, marks, typing, presence, catching up, over restarts too.

use parlour_protocol::codec::Codec;
use parlour_protocol::frame::server::{Event, State};
use parlour_protocol::frame::{Client, Server, client};
use parlour_protocol::id::ConversationId;
use parlour_protocol::seq::Seq;
use parlour_tests::socket::plain;
use parlour_tests::{Node, Socket};

use crate::bad_sends::group;

async fn event(socket: &mut Socket, conversation: ConversationId, seq: Seq) -> Event {
    socket
        .expect(|f| match f {
            Server::Event(e) if e.conversation == conversation && e.seq == seq => Some(e.clone()),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_direct_message_reaches_every_device_in_either_codec() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let bob2 = node.log_in("bob").await;
    let ada2 = node.log_in("ada").await;
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let (mut hers2, _) = Socket::connect(&node.url, &ada2.token.0, Codec::MessagePack).await;
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    let (mut his2, _) = Socket::connect(&node.url, &bob2.token.0, Codec::MessagePack).await;
    let mut send = plain("hello bob");
    send.to = Some(bob.user);
    let sent = hers.place(send.clone()).await;
    assert_eq!(
        sent.conversation,
        ConversationId::direct(ada.user, bob.user)
    );
    assert_eq!((sent.seq, sent.n), (Seq(1), 1));
    for socket in [&mut his, &mut his2, &mut hers2] {
        let event = event(socket, sent.conversation, sent.seq).await;
        assert_eq!(event.body.unwrap().as_text(), Some("hello bob"));
        assert_eq!(
            (event.id, event.sender, event.device),
            (send.id, ada.user, ada.device)
        );
        assert_eq!(event.time_ms, sent.time_ms);
    }
}

#[tokio::test]
async fn marks_typing_and_presence_are_told() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let mut send = plain("hello bob");
    send.to = Some(bob.user);
    let sent = hers.place(send).await;
    let at = sent.conversation;

    hers.send(&Client::Watch(client::Watch {
        r#ref: 0,
        users: vec![bob.user],
    }))
    .await;
    let state = async |socket: &mut Socket, want: State| {
        socket
            .expect(|f| match f {
                Server::Presence(p) => p
                    .users
                    .iter()
                    .find(|u| u.user == bob.user && u.state == want)
                    .cloned(),
                _ => None,
            })
            .await
    };
    state(&mut hers, State::Offline).await;
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    state(&mut hers, State::Online).await;

    hers.send(&Client::Focus(client::Focus {
        r#ref: 0,
        conversation: Some(at),
        members: true,
    }))
    .await;
    his.send(&Client::Read(client::Marks {
        r#ref: 0,
        marks: [(at, sent.seq)].into(),
    }))
    .await;
    let echoed = |f: &Server| match f {
        Server::Receipt(r) if r.conversation == at => r.own.filter(|m| m.read.seq == sent.seq),
        _ => None,
    };
    assert_eq!(his.expect(echoed).await.read.n, 1);
    hers.expect(|f| match f {
        Server::Receipt(r) if r.conversation == at => r
            .members
            .iter()
            .find(|m| m.user == bob.user && m.mark.read.seq == sent.seq)
            .cloned(),
        _ => None,
    })
    .await;

    his.send(&Client::Typing(client::Typing {
        r#ref: 0,
        conversation: at,
    }))
    .await;
    hers.expect(|f| match f {
        Server::Typing(t) if t.conversation == at && t.users == [bob.user] => Some(()),
        _ => None,
    })
    .await;

    drop(his);
    let gone = state(&mut hers, State::Offline).await;
    assert!(gone.last_seen_ms.is_some(), "{gone:?}");
}

#[tokio::test]
async fn a_device_catches_up_by_lines_and_history() {
    let mut node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let group = group(&node, &ada, &[&bob]).await;
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
    let mut last = Seq::ZERO;
    for i in 0..30 {
        last = hers.say(group, &format!("line {i}")).await.seq;
    }
    node.restart();
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    let ask = his.next_ref();
    his.send(&Client::Sync(client::Sync {
        r#ref: ask,
        digests: None,
    }))
    .await;
    let mut lines = Vec::new();
    loop {
        let page = his
            .expect(|f| match f {
                Server::Page(p) if p.r#ref == ask => Some(p.clone()),
                _ => None,
            })
            .await;
        lines.extend(page.lines);
        if page.ready {
            break;
        }
    }
    let line = lines.iter().find(|l| l.conversation == group).unwrap();
    assert_eq!((line.head.seq, line.head.n), (last, 30));

    // The same digests get nothing.
    let again = his.next_ref();
    his.send(&Client::Sync(client::Sync {
        r#ref: again,
        digests: Some(parlour_protocol::line::digests(&lines)),
    }))
    .await;
    let page = his
        .expect(|f| match f {
            Server::Page(p) if p.r#ref == again => Some(p.clone()),
            _ => None,
        })
        .await;
    assert!(page.ready && page.lines.is_empty(), "{page:?}");

    // Paged both ways, every place once.
    let (mut seen, mut after) = (Vec::new(), Seq::ZERO);
    loop {
        let ask = his.next_ref();
        his.send(&Client::History(client::History {
            r#ref: ask,
            conversation: group,
            before: None,
            after: Some(after),
            changes_since: None,
            limit: Some(7),
        }))
        .await;
        let stretch = his
            .expect(|f| match f {
                Server::Page(p) if p.r#ref == ask => p.stretch.clone(),
                _ => None,
            })
            .await;
        assert_eq!(stretch.from, after.next());
        assert_eq!(stretch.as_of, last);
        seen.extend(stretch.events.iter().map(|e| e.seq.0));
        after = stretch.to;
        if !stretch.more {
            break;
        }
    }
    assert_eq!(seen, (1..=last.0).collect::<Vec<_>>());
}

#[tokio::test]
async fn edits_reactions_and_deletions_are_told_and_folded() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let group = group(&node, &ada, &[&bob]).await;
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    let one = hers.say(group, "first darft").await;
    let two = hers.say(group, "a secret").await;

    let mut edit = plain("first draft");
    edit.conversation = Some(group);
    edit.kind = Some("edit".into());
    edit.target = Some(one.seq);
    let edited = hers.place(edit).await;
    let told = event(&mut his, group, edited.seq).await;
    assert_eq!(told.target, Some(one.seq));
    assert_eq!(told.body.unwrap().as_text(), Some("first draft"));

    let mut react = plain("");
    react.conversation = Some(group);
    react.kind = Some("reaction".into());
    react.target = Some(one.seq);
    react.key = Some("👍".into());
    let reacted = his.place(react).await;

    let mut delete = plain("");
    delete.conversation = Some(group);
    delete.kind = Some("delete".into());
    delete.target = Some(two.seq);
    let deleted = hers.place(delete).await;

    let history: parlour_protocol::frame::server::Stretch = node
        .http()
        .with(&bob.token.0)
        .get(&format!("/v1/conversations/{group}/history"))
        .await
        .ok();
    let at = |seq: Seq| history.events.iter().find(|e| e.seq == seq).unwrap();
    let first = at(one.seq);
    assert_eq!(first.body.as_ref().unwrap().as_text(), Some("first draft"));
    assert_eq!(first.edited.as_ref().unwrap().seq, edited.seq);
    assert_eq!(first.reactions.len(), 1);
    assert_eq!(
        (first.reactions[0].seq, first.reactions[0].user),
        (reacted.seq, bob.user)
    );
    let second = at(two.seq);
    assert_eq!(second.deleted.as_ref().unwrap().seq, deleted.seq);
    assert!(
        second.body.as_ref().is_none_or(|b| b.as_text().is_none()),
        "{second:?}"
    );
    assert_eq!(history.as_of, deleted.seq);
}

#[tokio::test]
async fn what_was_answered_survives_sigkill() {
    let mut node = Node::with(&["--set", "limits.sends_burst=10000"]);
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let mut answered: Vec<(u64, parlour_protocol::MessageId)> = Vec::new();
    for round in 0..5 {
        let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
        // Many in flight when the process dies: what was answered by then must be there.
        let mut ids = Vec::new();
        for i in 0..200 {
            let mut send = plain(&format!("round {round}, note {i}"));
            send.conversation = Some(own);
            ids.push(send.id);
            socket.send(&Client::Send(send)).await;
        }
        for _ in 0..(20 * (round + 1)) {
            let sent = socket
                .expect(|f| match f {
                    Server::Sent(s) => Some(s.clone()),
                    _ => None,
                })
                .await;
            answered.push((sent.seq.0, sent.id));
        }
        node.restart();
    }
    let http = node.http().with(&ada.token.0);
    let (mut stored, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/v1/conversations/{own}/history?after={after}&limit=200");
        let page: parlour_protocol::frame::server::Stretch = http.get(&path).await.ok();
        stored.extend(page.events.iter().map(|e| (e.seq.0, e.id)));
        after = page.to.0;
        if !page.more {
            break;
        }
    }
    let places: Vec<u64> = stored.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(
        places,
        (1..=places.len() as u64).collect::<Vec<_>>(),
        "dense"
    );
    for one in &answered {
        assert!(stored.contains(one), "lost or moved: {one:?}");
    }
    let mut ids: Vec<_> = stored.iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), stored.len(), "doubled");
}
